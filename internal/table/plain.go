package table

import (
	"bytes"
	"slices"
	"sort"

	"exactmatch.dev/operator/internal/simd"
)

// addPlain adds the plain good rows that are next: as many cells as the table has columns, right quotes, valid UTF-8, and short
// enough that no limit matters. It tells whether it stopped because nothing more is at hand, not because of a row.
func (r *Reader) addPlain(c *Chunk) (stopped bool) {
	if r.shape.Columns == 0 || r.offset == 0 {
		return false // the start of the text may have a byte order mark
	}
	if !r.indexHolds() {
		r.makeIndex()
	}
	x := &r.index
	first := len(c.lines)
	r.addLines(c)
	rows := c.lines[first:]
	if !r.isPlain(rows) {
		rows = rows[:r.checkedRows(rows)]
		c.lines = c.lines[:first+len(rows)]
		x.returned = true // in some of them, maybe
	}
	if len(rows) > 0 {
		r.addCells(c, rows)
		if r.count(len(rows)) != nil {
			return true
		}
		c.runs = append(c.runs, run{first: first, number: r.row - int64(len(rows)) + 1})
		x.used += len(rows) * r.shape.Columns
		r.countLines(rows)
		r.advance(len(r.regionOf(rows)), len(rows))
	}
	return x.whole && x.have-x.used < r.shape.Columns
}

// countLines counts plain rows, each of which is one line.
func (r *Reader) countLines(rows []simd.Span) {
	r.lines.Good += int64(len(rows))
	if r.offset >= r.doubtful {
		return
	}
	end := uint32(min(int64(r.pos)+r.doubtful-r.offset, int64(r.end)))
	r.lines.Doubtful += int64(sort.Search(len(rows), func(i int) bool { return rows[i].Start >= end }))
}

// isPlain tells whether lines that follow each other are one row each, valid UTF-8, and without a carriage return but at their ends.
func (r *Reader) isPlain(lines []simd.Span) bool {
	text := r.regionOf(lines)
	if bytes.Count(text, lineFeed) != len(lines) || r.index.flags&simd.BeyondASCII != 0 && !simd.ValidUTF8(text) {
		return false
	}
	r.index.returned = bytes.IndexByte(text, '\r') >= 0
	if !r.index.returned {
		return true
	}
	returns := bytes.Count(text, carriageReturn)
	for _, line := range lines {
		if line.End-line.Start > 1 && r.buf[line.End-2] == '\r' {
			returns--
		}
	}
	return returns == 0
}

// regionOf is the text of lines that follow each other.
func (r *Reader) regionOf(lines []simd.Span) []byte {
	if len(lines) == 0 {
		return nil
	}
	return r.buf[lines[0].Start:lines[len(lines)-1].End]
}

// indexHolds brings the index to the row at pos, if that row starts where the index saw one start.
func (r *Reader) indexHolds() bool {
	x := &r.index
	if !x.valid || r.pos < x.at || r.pos > x.scanned {
		return false
	}
	for x.used < x.have && x.at+int(x.ends[x.used]) < r.pos {
		x.used++
	}
	if x.used == 0 {
		return r.pos == x.at
	}
	last := x.at + int(x.ends[x.used-1])
	return last == r.pos-1 && r.buf[last] == '\n'
}

// makeIndex looks at the bytes from pos on: at the end of the text at all of them, with zeros behind, else at whole blocks.
func (r *Reader) makeIndex() {
	x := &r.index
	size := (r.end - r.pos) / simd.BlockSize * simd.BlockSize
	if r.eof && r.pos+size < r.end {
		size += simd.BlockSize
	}
	all := r.mem[:cap(r.mem)]
	if r.pos+size > r.end {
		clear(all[r.end : r.pos+size])
	}
	if len(x.ends) < size+simd.IndexSlack {
		x.ends = make([]uint32, len(r.buf)+simd.BlockSize+simd.IndexSlack)
	}
	look := simd.Index
	if r.split.literal {
		look = simd.IndexLiteral
	}
	n, scanned, flags := look(x.ends, all[r.pos:r.pos+size], r.split.delimiter)
	x.used, x.have, x.at, x.scanned, x.flags = 0, n, r.pos, r.pos+scanned, flags
	x.whole, x.valid = scanned == size, true
}

// addLines adds the rows that have a line end where their last cell ends, as far as they follow each other.
func (r *Reader) addLines(c *Chunk) {
	x, start := &r.index, uint32(r.pos)
	longest, header := uint32(min(r.limits.RecordBytes, r.limits.CellBytes)), uint32(r.shape.HeaderBytes)
	for at := x.used + r.shape.Columns - 1; at < x.have; at += r.shape.Columns {
		end := uint32(x.at) + x.ends[at]
		if r.buf[end] != '\n' || end >= start+longest || r.odd[r.buf[start]] && r.looksOdd(r.buf[start:end+1]) {
			return
		}
		if end-start-header <= 2 && r.isHeader(r.buf[start:end+1]) { // with its carriage returns
			return
		}
		c.lines = append(c.lines, simd.Span{Start: start, End: end + 1})
		start = end + 1
	}
}

// checkedRows counts the lines up to the first that is not plain.
func (r *Reader) checkedRows(lines []simd.Span) int {
	for i := range lines {
		if !r.isPlain(lines[i : i+1]) {
			return i
		}
	}
	return len(lines)
}

// addCells adds the chosen columns' cells of lines that follow each other, without their quotes.
func (r *Reader) addCells(c *Chunk, lines []simd.Span) {
	x := &r.index
	asIs := x.flags&simd.DoubledQuotes == 0 && !x.returned
	for i, column := range r.columns {
		if same := slices.Index(r.columns, column); same < i {
			c.Cells[i] = append(c.Cells[i], c.Cells[same][len(c.Cells[i]):]...)
			continue
		}
		from := len(c.Cells[i])
		c.Cells[i] = slices.Grow(c.Cells[i], len(lines))[:from+len(lines)]
		r.findCells(c.Cells[i][from:], column, lines)
		if r.split.literal && asIs {
			continue
		}
		if !asIs {
			for k, raw := range c.Cells[i][from:] {
				c.Cells[i][from+k] = r.cell(raw)
			}
			continue
		}
		for k, raw := range c.Cells[i][from:] {
			if r.buf[raw.Start] == '"' {
				c.Cells[i][from+k] = simd.Span{Start: raw.Start + 1, End: raw.End - 1}
			}
		}
	}
}

// findCells gives the cells of one column as they stand in lines that follow each other.
func (r *Reader) findCells(cells []simd.Span, column int, lines []simd.Span) {
	at, base := r.index.used+column, uint32(r.index.at)
	ends := r.index.ends[:r.index.have]
	if column == 0 {
		for i, line := range lines {
			cells[i] = simd.Span{Start: line.Start, End: base + ends[at]}
			at += r.shape.Columns
		}
		return
	}
	for i := range cells {
		cells[i] = simd.Span{Start: base + ends[at-1] + 1, End: base + ends[at]}
		at += r.shape.Columns
	}
}

// cell is a cell that may have a carriage return behind it, or quotes within it that have to be undone.
func (r *Reader) cell(s simd.Span) simd.Span {
	start, end := s.Start, s.End
	if r.buf[end] == '\n' && end > start && r.buf[end-1] == '\r' {
		end--
	}
	if start == end || r.buf[start] != '"' || r.split.literal {
		return simd.Span{Start: start, End: end}
	}
	start, end = start+1, end-1
	raw := r.buf[start:end]
	if bytes.IndexByte(raw, '"') < 0 {
		return simd.Span{Start: start, End: end}
	}
	return r.keep(r.split.undo(raw))
}

// keep copies a cell behind the text.
func (r *Reader) keep(cell []byte) simd.Span {
	all := r.mem[:cap(r.mem)]
	at := len(r.buf) + simd.BlockSize + r.kept
	r.kept += copy(all[at:], cell)
	return simd.Span{Start: uint32(at), End: uint32(at + len(cell))}
}

// addAny adds the next row, whatever it is, by the splitter. Once the chunk has rows it does so only with the bytes at hand,
// else it says errNeedsMore.
func (r *Reader) addAny(c *Chunk) error {
	r.still = !c.isEmpty()
	rec, err := r.read()
	r.still = false
	if err != nil {
		return err
	}
	if rec.bad != "" {
		c.Bad = append(c.Bad, r.badRow(rec))
		return nil
	}
	c.runs = append(c.runs, run{first: len(c.lines), number: rec.number})
	start := int64(r.pos) - (r.offset - rec.offset)
	c.lines = append(c.lines, simd.Span{Start: uint32(start), End: uint32(r.pos)})
	for i, column := range r.columns {
		if same := slices.Index(r.columns, column); same < i {
			c.Cells[i] = append(c.Cells[i], c.Cells[same][len(c.Cells[i])])
			continue
		}
		c.Cells[i] = append(c.Cells[i], r.keep(rec.cells[column]))
	}
	return nil
}

// badRow tells of a row that cannot be used.
func (r *Reader) badRow(rec record) BadRow {
	bad := BadRow{Number: rec.number, Line: rec.line, Lines: rec.lines, DataLines: r.lines.Good + r.lines.Bad, Reason: rec.bad}
	switch rec.bad {
	case CellTooLong:
		bad.Most = r.limits.CellBytes
	case RecordTooLong:
		bad.Most = r.limits.RecordBytes
	case TooManyLines:
		bad.Most = r.format.MaxLinesPerRecord
	case WrongNumberOfCells:
		bad.Cells, bad.Columns = rec.count, r.shape.Columns
	}
	return bad
}
