package table

import (
	"bytes"
	"errors"
	"io"

	"exactmatch.dev/operator/internal/simd"
)

const (
	readerBuffer  = 128 << 10
	maxEmptyReads = 100
)

// Reader reads the records of a delimited text. Under QuotingRFC4180 cells may be quoted, a quoted cell may hold line breaks and,
// doubled, quotes; under QuotingNone a quote is a character. Lines end in LF, CRLF or CR CR LF; the last one need not end. Within
// a quoted cell each of them reads as LF. White space is part of a cell. Lines without a value are blank: they are counted,
// and are no rows.
//
// A row that cannot be read is bad. One whose quotes are wrong, that is too long, or, under QuotingAuto, whose quoted cell seems to hold
// rows, ends with its first line, and reading goes on at the next one: a stray quote costs its own line, not the rest of the
// table. Where a line is too little evidence of a row (one column, or padded rows), the lines that the record was read for go with it.
// Where a row starts decides alone how it reads, so a Reader resumed at the offset of any row gives the same rows from
// there on.
//
// There are two ways through a text. ReadChunk takes the ends of many cells at once from package simd, for rows that have
// nothing unusual; the splitter takes one record, whatever it is. The splitter is the truth: all that the first way does not
// prove to be a plain good row goes to it.
//
// A Reader is not safe for concurrent use. Call Header or Resume first; without either the first record is row 1 and the
// number of cells is not checked.
type Reader struct {
	text   io.Reader
	format Format
	limits Limits
	split  splitter

	mem        []byte // buf, and behind it room for a chunk's cells whose quotes were undone
	buf        []byte
	pos, end   int   // the unread bytes are buf[pos:end]
	offset     int64 // of buf[pos] in the text
	eof        bool
	readErr    error // of text, kept until the bytes before it are used up
	err        error // sticky
	row, line  int64
	midLine    bool // the byte before pos is not the end of a line
	linesKnown bool
	shape      Shape
	lines      Lines
	doubtful   int64     // the offset up to which rows stand within a record that was given up
	nothing    [256]bool // bytes of a line that may have no value
	odd        [256]bool // bytes that a row begins with which may be no plain one
	columns    []int     // chosen by Select

	index index
	still bool // no byte may move: a chunk has spans of them
	kept  int  // bytes of cells behind the text
}

// Shape is what a header says of the rows below it.
type Shape struct {
	// Columns is how many cells the header has, Named how many up to the last one that has a name: the cells behind that need not be there.
	Columns, Named int
	// HeaderBytes, HeaderFirst and HeaderSum tell a repetition of the header: its length without the line end, its first byte and
	// its XXH3.
	HeaderBytes int
	HeaderFirst byte
	HeaderSum   uint64
}

// Lines counts the lines of the text that were read so far. They add up: each line is in one of Header, Skipped, Blank, Good and Bad.
type Lines struct {
	Header, Skipped, Blank, Good, Bad int64
	// Doubtful are those of Good that are within a record that QuotingAuto has given up: they are rows only if a quote there is
	// a mistake, or a character.
	Doubtful int64
}

// errNeedsMore says that a row cannot be told from the bytes at hand while they may not move.
var errNeedsMore = errors.New("table: more bytes are needed")

// NewReader reads text, which is UTF-8 as Decode gives it; of the format it takes all but what Decode does. A format that
// Format.Validate refuses makes each call fail with its *FormatError.
func NewReader(text io.Reader, f Format, l Limits) *Reader {
	f = f.withDefaults()
	r := &Reader{text: text, format: f, limits: l.withDefaults(), line: 1, linesKnown: true, err: f.Validate()}
	r.split = splitter{delimiter: f.Delimiter, literal: f.Quoting == QuotingNone, mostLines: f.MaxLinesPerRecord, keep: r.limits.Columns}
	r.setMemory(memoryOf(min(readerBuffer, max(r.limits.RecordBytes, len(bomUTF8)))))
	return r
}

// Resume prepares to read from the middle of a table of such a shape: the text of NewReader starts at the byte offset, where the
// data row with the number row starts. There is no header to read then, and lines are not known unless offset is 0.
func (r *Reader) Resume(shape Shape, row, offset int64) {
	r.setShape(shape)
	r.row, r.offset = row-1, offset
	r.linesKnown = offset == 0
}

// Shape is what Header found, or Resume was given.
func (r *Reader) Shape() Shape { return r.shape }

// Lines are those that were read so far.
func (r *Reader) Lines() Lines { return r.lines }

func (r *Reader) setShape(shape Shape) {
	r.shape = shape
	if shape.Columns > 0 {
		r.split.keep = shape.Columns
	}
	for _, c := range []byte{r.format.Delimiter, '"', '-', ' ', '\t', '\v', '\f', '\r', '\n', 0, endOfFile} {
		r.nothing[c] = true
	}
	r.odd = r.nothing
	r.odd[bomUTF8[0]] = true
}

// count numbers rows.
func (r *Reader) count(rows int) error {
	r.row += int64(rows)
	if r.limits.Rows > 0 && r.row > r.limits.Rows {
		r.err = &LimitError{Limit: "Rows", Max: r.limits.Rows}
		return r.err
	}
	return nil
}

// linesSince counts the lines that were passed since the number of the line was another.
func (r *Reader) linesSince(before int64) int64 {
	if r.midLine {
		return r.line - before + 1
	}
	return r.line - before
}

func (r *Reader) lineNumber() int64 {
	if r.linesKnown {
		return r.line
	}
	return 0
}

// skipLine passes the rest of the line at pos, however long, without keeping it.
func (r *Reader) skipLine() error {
	for {
		b := r.buf[r.pos:r.end]
		if n := bytes.IndexByte(b, '\n'); n >= 0 {
			r.pass(n + 1)
			return nil
		}
		if r.still && !r.eof {
			return errNeedsMore
		}
		r.pass(len(b))
		if r.eof {
			return nil
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
}

// advance passes n bytes with so many line feeds among them.
func (r *Reader) advance(n, feeds int) {
	r.line += int64(feeds)
	r.pos += n
	r.offset += int64(n)
	if n > 0 {
		r.midLine = r.buf[r.pos-1] != '\n'
	}
}

// pass passes the next n bytes.
func (r *Reader) pass(n int) { r.advance(n, bytes.Count(r.buf[r.pos:r.pos+n], lineFeed)) }

// fill makes room and reads until the buffer is full or the text ends, so that a record is split again rarely even where
// the text comes in small pieces. It returns an error of the text only when no byte came before it.
func (r *Reader) fill() error {
	if r.still {
		return errNeedsMore
	}
	if r.readErr != nil {
		return r.readErr
	}
	r.index.valid = false
	r.makeRoom()
	before := r.end
	for empty := 0; r.end < len(r.buf) && !r.eof && r.readErr == nil; empty++ {
		n, err := r.text.Read(r.buf[r.end:])
		r.end += n
		switch {
		case errors.Is(err, io.EOF):
			r.eof = true
		case err != nil:
			r.readErr = err
		case n > 0:
			empty = 0
		case empty >= maxEmptyReads:
			r.readErr = io.ErrNoProgress
		}
	}
	if r.end == before {
		return r.readErr
	}
	return nil
}

func (r *Reader) makeRoom() {
	if r.pos > 0 {
		r.end = copy(r.buf, r.buf[r.pos:r.end])
		r.pos = 0
	}
	if r.end < len(r.buf) {
		return
	}
	// One byte more than a record may have tells a record that fits from one that does not.
	old := r.buf
	r.setMemory(memoryOf(max(len(r.buf)+1, min(2*len(r.buf), r.limits.RecordBytes+1))))
	r.end = copy(r.buf, old)
}

// memoryOf makes memory for size bytes of text, rounded up to whole blocks, and for as many of cells without their quotes.
func memoryOf(size int) []byte {
	size = (size + simd.BlockSize - 1) / simd.BlockSize * simd.BlockSize
	return make([]byte, size, 2*size+simd.BlockSize)
}

// setMemory begins to read into other memory, as memoryOf makes it.
func (r *Reader) setMemory(mem []byte) { r.mem, r.buf = mem, mem[:len(mem):len(mem)] }

// index is what simd.Index found in the bytes at hand. It holds as long as they stay where they are.
type index struct {
	ends    []uint32 // of cells, from at on
	used    int      // ends of rows that are read
	have    int
	at      int // place in buf of the text that was looked at
	scanned int // place in buf up to which it was
	whole   bool
	flags   simd.Flags
	valid   bool

	returned bool // the rows that were looked at last may hold carriage returns
}

// endOfFile is the character that ended a file under DOS and CP/M.
const endOfFile = 0x1A
