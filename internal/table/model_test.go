package table_test

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/table"
)

// model reads a table the slow way, a byte at a time over the whole text, from the words of the specification: what a Reader is held
// against. It shares nothing with it.
type model struct {
	text   []byte
	format table.Format
	limits table.Limits
	at     int
	shape  modelShape
	doubt  int // rows that start before it stand within a record that was given up

	rows  []record
	lines table.Lines
}

type modelShape struct {
	width, named int
	header       []byte
}

// attempt is one record as far as it could be read.
type attempt struct {
	cells   []string
	insides []string // of quoted cells, as they stand
	length  int      // with the line end, where fault is ""
	fault   table.BadReason
	read    int // how much of it was read where it could not be
	bareCR  bool
}

// countLines counts the lines of a text: each ends with a line feed, but the last need not.
func countLines(text []byte) int64 {
	n := int64(bytes.Count(text, []byte("\n")))
	if len(text) > 0 && text[len(text)-1] != '\n' {
		n++
	}
	return n
}

func (m *model) rest() []byte { return m.text[m.at:] }

// run reads the rows from at on.
func (m *model) run() {
	for m.at < len(m.text) {
		m.one()
	}
}

func (m *model) one() {
	start := m.at
	if start == 0 {
		m.skipMark()
		if start = m.at; start == len(m.text) {
			return
		}
	}
	a := m.attempt()
	given := a.fault != ""
	if !given && m.isBlank(a) {
		m.at += a.length
		m.lines.Blank += countLines(m.text[start:m.at])
		return
	}
	reason := a.fault
	if !given {
		reason = m.judge(a, m.text[start:start+a.length])
		given = reason == table.SwallowedRows
	}
	if given && a.read == 0 {
		a.read = a.length
	}
	if reason != table.SwallowedRows && m.shape.width > 0 && start > 0 && bytes.HasPrefix(m.rest(), []byte("\ufeff")) {
		reason = table.ByteOrderMark
	}
	m.pass(a, given)
	m.add(a, start, reason)
}

// pass goes behind the record.
func (m *model) pass(a attempt, given bool) {
	start := m.at
	switch {
	case !given:
		m.at += a.length
		return
	case m.shape.width == 1 || m.format.ShortRows == table.ShortRowsPad:
		m.at += a.read
		if m.text[m.at-1] == '\n' {
			return
		}
	case m.format.Quoting == table.QuotingAuto || m.format.Quoting == "":
		m.doubt = max(m.doubt, start+m.inDoubt(a))
	}
	if n := bytes.IndexByte(m.rest(), '\n'); n >= 0 {
		m.at += n + 1
	} else {
		m.at = len(m.text)
	}
}

// inDoubt is how far the record would have reached.
func (m *model) inDoubt(a attempt) int {
	if a.fault != table.TooManyLines {
		return a.read
	}
	reach := m.rest()[:min(m.limits.RecordBytes, len(m.rest()))]
	if n := bytes.IndexByte(reach[a.read:], '"'); n >= 0 {
		return a.read + n
	}
	return len(reach)
}

func (m *model) add(a attempt, start int, reason table.BadReason) {
	row := record{Number: int64(len(m.rows) + 1), Line: 1 + int64(bytes.Count(m.text[:start], []byte("\n"))), Offset: int64(start), End: int64(m.at), Bad: reason}
	lines := countLines(m.text[start:m.at])
	if reason == "" {
		for len(a.cells) < m.shape.width {
			a.cells = append(a.cells, "")
		}
		row.Cells = a.cells
		if m.shape.width > 0 {
			row.Cells = a.cells[:m.shape.width]
		}
		m.lines.Good += lines
		if start < m.doubt {
			m.lines.Doubtful += lines
		}
	} else {
		m.lines.Bad += lines
	}
	m.rows = append(m.rows, row)
}

// attempt reads the record at at.
func (m *model) attempt() attempt {
	text, atEnd := m.rest(), true
	if len(text) > m.limits.RecordBytes {
		text, atEnd = text[:m.limits.RecordBytes], false
	}
	var a attempt
	for i := 0; ; {
		var done bool
		if i < len(text) && text[i] == '"' && m.format.Quoting != table.QuotingNone {
			i, done = m.quoted(&a, text, i, atEnd)
		} else {
			i, done = m.bare(&a, text, i, atEnd)
		}
		if a.fault != "" || done {
			a.length = i
			return a
		}
	}
}

func (m *model) fail(a *attempt, why table.BadReason, read int) (int, bool) {
	a.fault, a.read = why, read
	return 0, true
}

// overlong is the fault of a record that does not end within what it may have.
func (m *model) overlong(a *attempt, text []byte) (int, bool) {
	why := table.RecordTooLong
	switch {
	case len(strings.Trim(string(text), "\x00")) == 0:
		why = table.NULPadding
	case !bytes.Contains(text, []byte("\n")) && bytes.Contains(text, []byte("\r")):
		why = table.CarriageReturn
	}
	return m.fail(a, why, len(text))
}

// endsLine tells how long the line end at the start of a text is, with up to two carriage returns.
func endsLine(text []byte, atEnd bool) (int, bool) {
	for n := range 3 {
		switch {
		case n == len(text):
			return n, atEnd
		case text[n] == '\n':
			return n + 1, true
		case text[n] != '\r':
			return 0, false
		}
	}
	return 0, false
}

func (m *model) bare(a *attempt, text []byte, i int, atEnd bool) (int, bool) {
	start := i
	for ; i < len(text); i++ {
		c := text[i]
		if c == m.format.Delimiter {
			m.cell(a, text[start:i])
			return i + 1, false
		}
		if c == '"' && m.format.Quoting != table.QuotingNone {
			return m.fail(a, faultOf(text[start:i]), i+1)
		}
		if c == '\n' {
			break
		}
	}
	if i == len(text) && !atEnd {
		return m.overlong(a, text)
	}
	end := i
	for n := 0; n < 2 && end > start && text[end-1] == '\r'; n++ {
		end--
	}
	m.cell(a, text[start:end])
	return min(i+1, len(text)), true
}

func (m *model) cell(a *attempt, cell []byte) {
	a.bareCR = a.bareCR || bytes.Contains(cell, []byte("\r"))
	a.cells = append(a.cells, string(cell))
}

func faultOf(before []byte) table.BadReason {
	if strings.HasSuffix(string(before), `\`) {
		return table.EscapedQuote
	}
	if strings.Trim(string(before), " \t") == "" {
		return table.SpaceBeforeQuote
	}
	return table.BareQuote
}

func (m *model) quoted(a *attempt, text []byte, i int, atEnd bool) (int, bool) {
	most := m.format.MaxLinesPerRecord
	if most == 0 {
		most = table.DefaultMaxLinesPerRecord
	}
	opened, breaks := i, strings.Count(strings.Join(a.insides, ""), "\n")
	for i++; ; i++ {
		switch {
		case i == len(text) && atEnd:
			return m.fail(a, table.UnterminatedQuote, len(text))
		case i == len(text):
			return m.overlong(a, text)
		case text[i] == '\n':
			if breaks++; breaks >= most {
				return m.fail(a, table.TooManyLines, i+1)
			}
		case text[i] == '"' && i+1 == len(text) && !atEnd:
			return m.overlong(a, text)
		case text[i] == '"' && i+1 < len(text) && text[i+1] == '"':
			i++
		case text[i] == '"':
			return m.closed(a, text, opened, i, atEnd)
		}
	}
}

// closed ends a quoted cell whose closing quote is text[i].
func (m *model) closed(a *attempt, text []byte, opened, i int, atEnd bool) (int, bool) {
	inside := string(text[opened+1 : i])
	value := strings.ReplaceAll(inside, `""`, `"`)
	if strings.Contains(inside, "\n") {
		a.insides = append(a.insides, inside)
	}
	for _, end := range []string{"\r\r\n", "\r\n"} {
		value = strings.ReplaceAll(value, end, "\n")
	}
	a.cells = append(a.cells, value)
	rest := text[i+1:]
	if len(rest) > 0 && rest[0] == m.format.Delimiter {
		return i + 2, false
	}
	if n, ok := endsLine(rest, atEnd); ok {
		return i + 1 + n, true
	}
	switch {
	case len(strings.TrimLeft(string(rest[:min(2, len(rest))]), "\r")) == 0 && len(rest) <= 2 && !atEnd:
		return m.overlong(a, text)
	case rest[0] == '\r':
		return m.fail(a, table.CarriageReturn, i+2)
	case text[i-1] == '\\':
		return m.fail(a, table.EscapedQuote, i+1)
	}
	return m.fail(a, table.BareQuote, i+1)
}

// consists tells whether cells hold nothing but white space and what is in of.
func consists(cells []string, of string) bool {
	return strings.Trim(strings.Join(cells, ""), " \t\v\f\r\n"+of) == ""
}

func (m *model) kept(a attempt) []string {
	if m.shape.width > 0 && len(a.cells) > m.shape.width {
		return a.cells[:m.shape.width]
	}
	return a.cells
}

func (m *model) isBlank(a attempt) bool {
	if len(a.cells) == 1 && consists(a.cells, "\x1a") {
		return true
	}
	if len(m.kept(a)) < len(a.cells) && strings.Join(a.cells, "") != "" {
		return false
	}
	return consists(a.cells, "")
}

func (m *model) judge(a attempt, text []byte) table.BadReason {
	kept := m.kept(a)
	switch {
	case (m.format.Quoting == table.QuotingAuto || m.format.Quoting == "") && m.swallows(a):
		return table.SwallowedRows
	case len(m.shape.header) > 0 && bytes.Equal(body(text), m.shape.header):
		return table.RepeatedHeader
	case consists(kept, "\x00") && strings.Contains(strings.Join(kept, ""), "\x00"):
		return table.NULPadding
	case a.bareCR:
		return table.CarriageReturn
	case !m.fits(len(a.cells), a.cells[len(a.cells)-1] == ""):
		return table.WrongNumberOfCells
	case m.shape.width > 0 && dashes(kept):
		return table.DashedLine
	case slices.ContainsFunc(a.cells, func(c string) bool { return len(c) > m.limits.CellBytes }):
		return table.CellTooLong
	case !utf8.Valid(text):
		return table.InvalidEncoding
	}
	return ""
}

// body is a record without its line end.
func body(record []byte) []byte {
	record = bytes.TrimSuffix(record, []byte("\n"))
	return bytes.TrimSuffix(bytes.TrimSuffix(record, []byte("\r")), []byte("\r"))
}

func dashes(cells []string) bool {
	long := false
	for _, c := range cells {
		c = strings.TrimSpace(c)
		if c == "" || strings.Trim(c, "-") != "" {
			return false
		}
		long = long || len(c) > 1
	}
	return long
}

func (m *model) fits(cells int, lastIsEmpty bool) bool {
	w := m.shape.width
	return w == 0 || cells <= w && (cells >= m.shape.named || m.format.ShortRows == table.ShortRowsPad) || cells == w+1 && lastIsEmpty
}

func (m *model) swallows(a attempt) bool {
	w := m.shape.width
	for _, inside := range a.insides {
		for _, line := range strings.Split(inside, "\n")[1:] {
			line = string(body([]byte(line)))
			cells := strings.Split(line, string(rune(m.format.Delimiter)))
			n := len(cells)
			if w == 1 || w > 1 && (n >= m.shape.named && n <= w || n == w+1 && cells[w] == "") {
				return true
			}
		}
	}
	return false
}

// skipMark passes a byte order mark at the start of the text, which is in no line.
func (m *model) skipMark() {
	if m.at == 0 && bytes.HasPrefix(m.text, []byte("\ufeff")) {
		m.at = len("\ufeff")
	}
}
