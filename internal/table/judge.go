package table

import (
	"bytes"
	"unicode/utf8"

	"github.com/zeebo/xxh3"
)

// judge looks at a record that could be split.
func (r *Reader) judge(record []byte) BadReason {
	switch {
	case r.isBlank():
		return blank
	case r.format.Quoting == QuotingAuto && r.swallows():
		return SwallowedRows
	case r.startsWithMark(record):
		return ByteOrderMark
	case r.isHeader(record):
		return RepeatedHeader
	case onlyOf(r.split.cells, 0):
		return NULPadding
	case r.split.returned:
		return CarriageReturn
	case !r.fits(r.split.count, r.split.last == 0):
		return WrongNumberOfCells
	case r.shape.Columns > 0 && r.isDashes():
		return DashedLine
	case r.split.longest > r.limits.CellBytes:
		return CellTooLong
	case !utf8.Valid(record):
		return InvalidEncoding
	}
	return ""
}

// fits tells whether a row of the table may have that number of cells. Without a header any row may.
func (r *Reader) fits(cells int, lastIsEmpty bool) bool {
	return r.shape.Columns == 0 || r.shape.isFull(cells, lastIsEmpty) || r.pads() && cells < r.shape.Columns
}

// isFull tells whether a number of cells is the header's, without the last ones where nothing names them, or with a delimiter behind
// the last one.
func (s Shape) isFull(cells int, lastIsEmpty bool) bool {
	return cells >= s.Named && cells <= s.Columns || cells == s.Columns+1 && lastIsEmpty
}

// pads tells whether the cells at the end of a row may be left out.
func (r *Reader) pads() bool { return r.format.ShortRows == ShortRowsPad }

// isBlank tells a record without a value: nothing but white space, or the mark that ends a file under DOS.
func (r *Reader) isBlank() bool {
	if r.split.count == 1 && len(r.split.cells) == 1 && onlyOf(r.split.cells, endOfFile) {
		return true
	}
	// Cells beyond those that are kept: a record that has more is blank only where they are empty too.
	if r.split.count > len(r.split.cells) && r.split.longest > 0 {
		return false
	}
	for _, cell := range r.split.cells {
		if len(bytes.TrimLeft(cell, " \t\v\f\r\n")) > 0 {
			return false
		}
	}
	return true
}

// onlyOf tells whether cells hold nothing but the character, white space aside, and that at least once.
func onlyOf(cells [][]byte, c byte) bool {
	found := false
	for _, cell := range cells {
		for _, b := range cell {
			if b != c && b != ' ' && (b < '\t' || b > '\r') {
				return false
			}
			found = found || b == c
		}
	}
	return found
}

// isDashes tells the line that programs draw between a header and its rows.
func (r *Reader) isDashes() bool {
	longest := 0
	for _, cell := range r.split.cells {
		cell = bytes.TrimSpace(cell)
		if len(cell) == 0 || len(bytes.Trim(cell, "-")) > 0 {
			return false
		}
		longest = max(longest, len(cell))
	}
	return longest > 1
}

// isHeader tells a record that is the header once more.
func (r *Reader) isHeader(record []byte) bool {
	if r.shape.HeaderBytes == 0 || len(record) < r.shape.HeaderBytes || record[0] != r.shape.HeaderFirst {
		return false
	}
	record = withoutEnd(record)
	return len(record) == r.shape.HeaderBytes && xxh3.Hash(record) == r.shape.HeaderSum
}

// withoutEnd is a record without its line end.
func withoutEnd(record []byte) []byte {
	record = bytes.TrimSuffix(record, lineFeed)
	return record[:len(record)-lineEnd(record)]
}

// swallows tells whether a quoted cell seems to hold rows of the table: a line that begins within it has as many cells there as
// a row. In a table of one column every line has.
func (r *Reader) swallows() bool {
	for _, inside := range r.split.broken {
		for n := bytes.IndexByte(inside, '\n'); n >= 0; n = bytes.IndexByte(inside, '\n') {
			inside = inside[n+1:]
			if r.shape.Columns == 1 || r.shape.Columns > 1 && r.isRow(inside) {
				return true
			}
		}
	}
	return false
}

// isRow tells whether the line at the start of a text has as many cells as a row.
func (r *Reader) isRow(text []byte) bool {
	if n := bytes.IndexByte(text, '\n'); n >= 0 {
		text = text[:n]
	}
	text = text[:len(text)-lineEnd(text)]
	cells := 1 + bytes.Count(text, []byte{r.format.Delimiter})
	return r.shape.isFull(cells, bytes.HasSuffix(text, []byte{r.format.Delimiter}))
}

// ofStart is the reason for a record that cannot be split, or what its first bytes say rather.
func (r *Reader) ofStart(b []byte, reason BadReason) BadReason {
	if r.startsWithMark(b) {
		return ByteOrderMark
	}
	return reason
}

// startsWithMark tells a row that begins with a byte order mark. Whether a header does, MatchHeader sees.
func (r *Reader) startsWithMark(b []byte) bool {
	return r.shape.Columns > 0 && r.offset > 0 && bytes.HasPrefix(b, bomUTF8)
}

// tooLong is the reason for a record of more bytes than it may have, which begins with b.
func tooLong(b []byte) BadReason {
	switch {
	case len(bytes.Trim(b, "\x00")) == 0:
		return NULPadding
	case bytes.IndexByte(b, '\n') < 0 && bytes.IndexByte(b, '\r') >= 0:
		return CarriageReturn
	}
	return RecordTooLong
}

// lineBreak is how many bytes of b are a line end without a line before it.
func lineBreak(b []byte, atEOF bool) int {
	n := 0
	for n < 2 && n < len(b) && b[n] == '\r' {
		n++
	}
	switch {
	case n < len(b) && b[n] == '\n':
		return n + 1
	case n == len(b) && atEOF:
		return n
	}
	return 0
}

// giveUp ends a record that cannot be read with its first line, so that the rows on the lines behind it are not lost. Where a line is
// too little evidence of a row, the lines that the record was read for go with it. n is its length, 0 where that is not known.
func (r *Reader) giveUp(n int, reason BadReason) error {
	at := n
	if n == 0 {
		at = r.split.at
	}
	if r.shape.Columns == 1 || r.pads() {
		if ended := r.buf[r.pos+at-1] == '\n' || bytes.IndexByte(r.buf[r.pos+at:r.end], '\n') >= 0; r.still && !r.eof && !ended {
			return errNeedsMore // before anything is passed
		}
		r.pass(at)
		if !r.midLine {
			return nil
		}
		return r.skipLine()
	}
	if r.format.Quoting == QuotingAuto {
		if err := r.doubt(at, reason); err != nil {
			return err
		}
	}
	return r.skipLine()
}

// doubt marks the rest of a record that was given up after n bytes: up to the quote that would have ended it, and at most as far as a
// record may reach.
func (r *Reader) doubt(n int, reason BadReason) error {
	for reason == TooManyLines && n < r.limits.RecordBytes {
		rest := r.buf[r.pos+n : min(r.end, r.pos+r.limits.RecordBytes)]
		at := bytes.IndexByte(rest, '"')
		n += len(rest)
		if at >= 0 {
			n += at - len(rest)
			break
		}
		if r.eof || n >= r.limits.RecordBytes {
			break
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
	r.doubtful = max(r.doubtful, r.offset+int64(n))
	return nil
}

// looksOdd tells whether a line that begins with an odd byte is the splitter's to judge: it begins with a byte order mark, or may hold
// nothing but white space, dashes or NUL bytes.
func (r *Reader) looksOdd(line []byte) bool {
	if bytes.HasPrefix(line, bomUTF8) {
		return true
	}
	for _, c := range line {
		if !r.nothing[c] {
			return false
		}
	}
	return true
}
