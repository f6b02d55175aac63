package table

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

const (
	readerBuffer  = 128 << 10
	maxEmptyReads = 100
)

// Reader reads the records of a delimited text as RFC 4180 has them: cells may be quoted, a quoted cell may hold line
// breaks and, doubled, quotes; lines end in LF or CRLF; the last one need not end. Blank lines are skipped. A CRLF within
// a quoted cell reads as LF. White space is part of a cell.
//
// A row whose quotes are wrong, or that is too long, ends with the line on which it starts, and reading goes on at the next
// line: a stray quote costs its own row, not the rest of the table. Where a row starts decides alone how it reads, so a
// Reader resumed at the offset of any row gives the same rows from there on.
//
// There are two ways through a text. ReadChunk takes the ends of many cells at once from package simd, for rows that have
// nothing unusual; the splitter takes one record, whatever it is. The splitter is the truth: all that the first way does not
// prove to be a plain good row goes to it.
//
// A Reader is not safe for concurrent use. Call Header or Resume first; without either the first record is row 1 and the
// number of cells is not checked.
type Reader struct {
	text   io.Reader
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
	width      int
	linesKnown bool
	columns    []int // chosen by Select

	index index
	still bool // no byte may move: a chunk has spans of them
	kept  int  // bytes of cells behind the text
}

// errNeedsMore says that a row cannot be told from the bytes at hand while they may not move.
var errNeedsMore = errors.New("table: more bytes are needed")

// NewReader reads text, which is UTF-8 as Decode gives it. A delimiter of 0 means DefaultDelimiter; one that Format.Validate
// refuses makes each call fail with its *FormatError.
func NewReader(text io.Reader, delimiter byte, l Limits) *Reader {
	if delimiter == 0 {
		delimiter = DefaultDelimiter
	}
	r := &Reader{text: text, limits: l.withDefaults(), split: splitter{delimiter: delimiter}, line: 1, linesKnown: true}
	r.err = checkDelimiter(delimiter)
	r.split.keep = r.limits.Columns
	r.setMemory(memoryOf(min(readerBuffer, max(r.limits.RecordBytes, len(bomUTF8)))))
	return r
}

// Resume prepares to read from the middle of a table of width columns: the text of NewReader starts at the byte offset, where the
// data row with the number row starts. There is no header to read then, and lines are not known unless offset is 0.
func (r *Reader) Resume(width int, row, offset int64) {
	r.setWidth(width)
	r.row, r.offset = row-1, offset
	r.linesKnown = offset == 0
}

func (r *Reader) setWidth(width int) {
	r.width = width
	if width > 0 {
		r.split.keep = width
	}
}

// read returns the next row by the splitter alone, and io.EOF after the last one. A row that cannot be used is no error: its
// bad says why. Errors are *LimitError, *FormatError and those of the underlying reader; each is returned again by later calls.
func (r *Reader) read() (record, error) {
	rec, err := r.next()
	if err != nil {
		return record{}, err
	}
	if err := r.count(1); err != nil {
		return record{}, err
	}
	rec.number = r.row
	return rec, nil
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

// record is one row as the splitter sees it. Its cells are valid until the next call.
type record struct {
	cells       [][]byte // nil where bad is not ""
	number      int64
	line        int64 // on which the row starts, from 1; 0 where a resumed Reader cannot know it
	offset, end int64
	bad         BadReason
}

// next reads one record, numbered by nobody yet.
func (r *Reader) next() (record, error) {
	if r.err != nil {
		return record{}, r.err
	}
	if err := r.skipBlank(); err != nil {
		return record{}, r.failed(err)
	}
	rec := record{offset: r.offset, line: r.lineNumber()}
	n, reason, err := r.record()
	switch {
	case err != nil:
		return record{}, r.failed(err)
	case n == 0:
		if err := r.skipLine(); err != nil {
			return record{}, r.failed(err)
		}
	default:
		reason = r.judge(r.buf[r.pos : r.pos+n])
		r.pass(n)
	}
	if rec.bad = reason; reason == "" {
		rec.cells = r.split.cells
	}
	rec.end = r.offset
	return rec, nil
}

// failed keeps an error for later calls.
func (r *Reader) failed(err error) error {
	if !errors.Is(err, errNeedsMore) {
		r.err = err
	}
	return err
}

func (r *Reader) lineNumber() int64 {
	if r.linesKnown {
		return r.line
	}
	return 0
}

// record splits off the record at pos, reading on until it is whole. A length of 0 says that it cannot be split, and why.
func (r *Reader) record() (int, BadReason, error) {
	for {
		b, atEOF := r.buf[r.pos:r.end], r.eof
		cut := len(b) > r.limits.RecordBytes
		if cut {
			b, atEOF = b[:r.limits.RecordBytes], false
		}
		n, o := r.split.record(b, atEOF)
		switch {
		case o == complete:
			return n, "", nil
		case o == faulty:
			return 0, r.split.fault, nil
		case cut:
			return 0, RecordTooLong, nil
		}
		if err := r.fill(); err != nil {
			return 0, "", err
		}
	}
}

// judge looks at a record that could be split.
func (r *Reader) judge(record []byte) BadReason {
	switch {
	case r.width > 0 && r.split.count != r.width:
		return WrongNumberOfCells
	case r.split.longest > r.limits.CellBytes:
		return CellTooLong
	case !utf8.Valid(record):
		return InvalidEncoding
	}
	return ""
}

// skipBlank goes to the first byte of the next record; io.EOF says that there is none.
func (r *Reader) skipBlank() error {
	for {
		if r.end-r.pos < len(bomUTF8) && !r.eof {
			if err := r.fill(); err != nil {
				return err
			}
			continue
		}
		b := r.buf[r.pos:r.end]
		switch {
		case len(b) == 0:
			return io.EOF
		case r.offset == 0 && bytes.HasPrefix(b, bomUTF8):
			r.pass(len(bomUTF8))
		case b[0] == '\n':
			r.pass(1)
		case bytes.HasPrefix(b, crlf):
			r.pass(len(crlf))
		case r.eof && bytes.Equal(b, carriageReturn):
			r.pass(1)
		default:
			return nil
		}
	}
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
	if r.linesKnown {
		r.line += int64(feeds)
	}
	r.pos += n
	r.offset += int64(n)
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
