package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/zeebo/xxh3"

	"exactmatch.dev/operator/internal/schema"
)

// Header reads the first record and returns its cells without surrounding white space. Lines that the format skips, a line that names
// the delimiter for a spreadsheet ("sep=;") and blank lines may stand before it. Rows have to have as many cells from then on.
// Errors are *HeaderError, *EncodingError (the header is not text), *FormatError, and those of ReadChunk.
func (r *Reader) Header() ([]string, error) {
	r.split.keep = r.limits.Columns + 1
	if r.err == nil {
		r.err = r.skipTitle()
	}
	binary := bytes.IndexByte(r.firstLine(), 0) >= 0
	row, err := r.next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, &HeaderError{Reason: HeaderMissing}
	case err != nil:
		return nil, err
	case binary:
		return nil, &EncodingError{"the first line of the table has NUL bytes: it is binary, or UTF-16 without a byte order mark;" +
			" save it as UTF-8 text"}
	}
	r.lines.Header = row.lines
	header, err := r.names(row)
	if err != nil {
		return nil, err
	}
	return header, r.takeShape(header, r.pos-int(row.end-row.offset))
}

// skipTitle passes what may stand before the header.
func (r *Reader) skipTitle() error {
	for range r.format.SkipLines {
		if err := r.skipMark(); err != nil {
			return err
		}
		before := r.line
		if err := r.skipLine(); err != nil {
			return err
		}
		r.lines.Skipped += r.linesSince(before)
	}
	if err := r.skipBlank(); err != nil {
		return err
	}
	named := separator(r.firstLine())
	switch {
	case named == 0:
		return nil
	case named != r.format.Delimiter:
		return &FormatError{Field: "delimiter", Message: fmt.Sprintf("the line \"sep=\" of the table names %q; set it to that", string(rune(named)))}
	}
	r.lines.Skipped++
	if err := r.skipLine(); err != nil {
		return err
	}
	return r.skipBlank()
}

// separator is the delimiter that a spreadsheet's first line names, 0 where it names none.
func separator(line []byte) byte {
	line = bytes.Trim(line[:len(line)-lineEnd(line)], `"`)
	if len(line) == len("sep=;") && bytes.EqualFold(line[:len("sep=")], []byte("sep=")) {
		return line[len("sep=")]
	}
	return 0
}

// takeShape keeps what the header, which is the record from start to pos, says of the rows.
func (r *Reader) takeShape(header []string, start int) error {
	record := withoutEnd(r.buf[start:r.pos])
	shape := Shape{Columns: len(header), HeaderBytes: len(record), HeaderFirst: record[0], HeaderSum: xxh3.Hash(record)}
	for i, name := range header {
		if name != "" {
			shape.Named = i + 1
		}
	}
	r.setShape(shape)
	if r.format.Quoting == QuotingAuto && r.swallows() {
		return &HeaderError{Reason: HeaderMalformed, detail: string(SwallowedRows)}
	}
	return nil
}

// linesAhead is how many records behind the first one are looked at for a header.
const linesAhead = 20

// LinesBefore looks for the header behind a first line that is none, and returns how many lines stand before it, 0 where it is not
// among the next few. It goes after Header, and nothing is read afterwards.
func (r *Reader) LinesBefore(isHeader func(cells []string) bool) int64 {
	r.shape = Shape{}
	r.split.keep = r.limits.Columns
	for range linesAhead {
		row, err := r.next()
		if err != nil {
			return 0
		}
		if row.bad == "" && isHeader(trimmed(row.cells)) {
			return row.line - 1
		}
	}
	return 0
}

// firstLine is as much of the line at pos as is at hand, at most 1 KiB.
func (r *Reader) firstLine() []byte {
	b := r.buf[r.pos:min(r.end, r.pos+1024)]
	if n := bytes.IndexByte(b, '\n'); n >= 0 {
		return b[:n]
	}
	return b
}

func (r *Reader) names(row record) ([]string, error) {
	switch {
	case row.bad == InvalidEncoding:
		return nil, &EncodingError{"the first line of the table is not valid UTF-8: save it as UTF-8, or set format.encoding" +
			" (Windows-1252 is never guessed)"}
	case row.bad == CarriageReturn:
		return nil, &EncodingError{"the lines of the table end in CR alone: save it with LF or CRLF"}
	case row.bad != "":
		return nil, &HeaderError{Reason: HeaderMalformed, detail: r.badRow(row).fault()}
	case len(row.cells) > r.limits.Columns:
		return nil, &HeaderError{Reason: TooManyColumns, Positions: []int{r.limits.Columns + 1}, detail: fmt.Sprintf("more than %d", r.limits.Columns)}
	}
	return trimmed(row.cells), nil
}

// trimmed returns the cells as names. A name that several columns have, or none, matters only where it is wanted: MatchHeader says so.
func trimmed(cells [][]byte) []string {
	names := make([]string, 0, len(cells))
	for _, cell := range cells {
		names = append(names, strings.TrimSpace(string(cell)))
	}
	return names
}

// MatchHeader returns the position in header, from 0, of each of the columns. Names match to the letter in Unicode's normal form C,
// but for white space around them. Columns of the header that nobody wants may have any name, or none. Errors are
// *MissingColumnsError and *HeaderError (DuplicateHeader). The format, with which the header was read, is for their messages.
func MatchHeader(header []string, columns []schema.Column, f Format) ([]int, error) {
	places := make(map[string][]int, len(header))
	for i, name := range header {
		name = canonical(name)
		places[name] = append(places[name], i)
	}
	found := make([]int, len(columns))
	var missing []string
	var twice *HeaderError
	for i, name := range namesOf(columns) {
		at := places[name]
		switch {
		case name == "" || len(at) == 0:
			missing = append(missing, columns[i].Header())
			continue
		case len(at) > 1 && twice == nil:
			twice = duplicate(name, at)
		}
		found[i] = at[0]
	}
	switch {
	case len(missing) > 0:
		return nil, newMissingColumns(header, missing, columns, f)
	case twice != nil:
		return nil, twice
	}
	return found, nil
}

func duplicate(name string, at []int) *HeaderError {
	e := &HeaderError{Reason: DuplicateHeader, detail: quoted([]string{name})}
	for _, i := range at {
		e.Positions = append(e.Positions, i+1)
	}
	return e
}

func newMissingColumns(header, missing []string, columns []schema.Column, f Format) *MissingColumnsError {
	e := &MissingColumnsError{
		Missing: missing, Found: len(columns) - len(missing), Columns: len(header), hints: hintsFor(header, missing, columns, f),
	}
	if e.Found > 0 && len(missing) == 1 {
		e.Header = append(e.Header, header...)
	}
	return e
}
