package table

import (
	"bytes"
	"errors"
	"io"
)

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
	switch {
	case rec.bad != "":
		r.lines.Bad += rec.lines
	default:
		r.lines.Good += rec.lines
		if rec.offset < r.doubtful {
			r.lines.Doubtful += rec.lines
		}
	}
	return rec, nil
}

// record is one row as the splitter sees it. Its cells are valid until the next call.
type record struct {
	cells       [][]byte // nil where bad is not ""
	number      int64
	line        int64 // on which the row starts, from 1; 0 where a resumed Reader cannot know it
	lines       int64 // how many it has
	count       int   // of the cells that it has in the text
	offset, end int64
	bad         BadReason
}

// next reads one record, numbered by nobody yet.
func (r *Reader) next() (record, error) {
	for r.err == nil {
		rec, err := r.nextLines()
		if err != nil {
			return record{}, r.failed(err)
		}
		if rec.bad != blank {
			return rec, nil
		}
		r.lines.Blank += rec.lines
	}
	return record{}, r.err
}

// nextLines reads one record, which may be blank.
func (r *Reader) nextLines() (record, error) {
	if err := r.skipBlank(); err != nil {
		return record{}, err
	}
	rec, before := record{offset: r.offset, line: r.lineNumber()}, r.line
	n, reason, err := r.record()
	if err != nil {
		return record{}, err
	}
	if n > 0 {
		reason = r.judge(r.buf[r.pos : r.pos+n])
	}
	switch {
	case n == 0 || reason == SwallowedRows:
		if err := r.giveUp(n, reason); err != nil {
			return record{}, err
		}
	default:
		r.pass(n)
	}
	if rec.bad, rec.count = reason, r.split.count; reason == "" {
		rec.cells = r.padded()
	}
	rec.end, rec.lines = r.offset, r.linesSince(before)
	return rec, nil
}

// padded are the cells of the record, empty ones behind them up to the number of columns.
func (r *Reader) padded() [][]byte {
	for len(r.split.cells) < r.shape.Columns {
		r.split.cells = append(r.split.cells, nil)
	}
	return r.split.cells
}

// failed keeps an error for later calls.
func (r *Reader) failed(err error) error {
	if !errors.Is(err, errNeedsMore) {
		r.err = err
	}
	return err
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
			return 0, r.ofStart(b, r.split.fault), nil
		case cut:
			r.split.at = len(b)
			return 0, r.ofStart(b, tooLong(b)), nil
		}
		if err := r.fill(); err != nil {
			return 0, "", err
		}
	}
}

// skipBlank goes to the first byte that may belong to a record; io.EOF says that there is none.
func (r *Reader) skipBlank() error {
	for {
		if err := r.skipMark(); err != nil {
			return err
		}
		b := r.buf[r.pos:r.end]
		n := lineBreak(b, r.eof)
		switch {
		case len(b) == 0:
			return io.EOF
		case n == 0:
			return nil
		}
		r.pass(n)
		r.lines.Blank++
	}
}

// skipMark passes the byte order mark that the text may begin with.
func (r *Reader) skipMark() error {
	for r.end-r.pos < len(bomUTF8) && !r.eof {
		if err := r.fill(); err != nil {
			return err
		}
	}
	if r.offset == 0 && bytes.HasPrefix(r.buf[r.pos:r.end], bomUTF8) {
		r.pass(len(bomUTF8))
		r.midLine = false
	}
	return nil
}
