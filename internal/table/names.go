package table

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"exactmatch.dev/operator/internal/schema"
)

// byteOrderMark is U+FEFF, which a text may begin with once.
const byteOrderMark = "\uFEFF"

// canonical is the form in which names are compared.
func canonical(name string) string { return norm.NFC.String(strings.TrimSpace(name)) }

// skeleton is what people see of a name, letter case aside: characters that cannot be seen are left out, compatibility forms are
// one, and white space of any kind and length is one space. Compare skeletons with strings.EqualFold.
func skeleton(name string) string {
	seen := strings.Map(func(r rune) rune {
		if isInvisible(r) {
			return -1
		}
		return r
	}, name)
	return strings.Join(strings.Fields(norm.NFKC.String(seen)), " ")
}

// isInvisible tells characters that leave no mark, white space not among them.
func isInvisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) ||
		unicode.IsControl(r) && !unicode.IsSpace(r)
}

// namesOf are the canonical names of columns in the header.
func namesOf(columns []schema.Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = canonical(c.Header())
	}
	return names
}

// hasAll tells whether cells name all columns.
func hasAll(cells []string, columns []schema.Column) bool {
	return countFound(cells, columns) == len(columns)
}

func countFound(cells []string, columns []schema.Column) int {
	there := make(map[string]bool, len(cells))
	for _, cell := range cells {
		there[canonical(cell)] = true
	}
	found := 0
	for _, name := range namesOf(columns) {
		if name != "" && there[name] {
			found++
		}
	}
	return found
}

// splitLine splits a line leniently, for hints alone.
func splitLine(line string, delimiter byte) []string {
	r := csv.NewReader(strings.NewReader(line))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = rune(delimiter), true, -1
	cells, err := r.Read()
	if err != nil {
		return nil
	}
	return cells
}

// delimiterHint says which delimiter makes the line name all columns, "" where none of the usual ones does.
func delimiterHint(line string, columns []schema.Column, said byte) string {
	for _, other := range []byte("\t;|,") {
		if cells := splitLine(line, other); other != said && len(cells) > 1 && hasAll(cells, columns) {
			return fmt.Sprintf("set format.delimiter to %q, with which the first line names all selected columns", string(rune(other)))
		}
	}
	return ""
}

const (
	markHint      = "the first name begins with a second byte order mark (U+FEFF): remove it from the table"
	wholeLineHint = "each line of the table is one quoted cell, as when a CSV file is saved as CSV again: export it without quotes around whole lines"
)

func (f Format) delimiter() byte { return cmp.Or(f.Delimiter, DefaultDelimiter) }

// hintsFor says what is peculiar about a header that lacks wanted names. It shows none of its cells but those that are wanted
// names save for what cannot be seen, and for letter case.
func hintsFor(header, missing []string, columns []schema.Column, f Format) []string {
	delimiter := f.delimiter()
	var hints []string
	if len(header) > 0 && strings.HasPrefix(header[0], byteOrderMark) {
		hints = append(hints, markHint)
		header = append([]string{strings.TrimLeft(header[0], byteOrderMark)}, header[1:]...)
	}
	line := strings.Join(header, string(rune(delimiter)))
	if hint := delimiterHint(line, columns, delimiter); hint != "" {
		return append(hints, hint)
	}
	if cells := splitLine(line, delimiter); len(header) == 1 && len(cells) > 1 && countFound(cells, columns) > 0 {
		return append(hints, wholeLineHint)
	}
	if like := likeMissing(header, missing); like != "" {
		hints = append(hints, like)
	}
	return hints
}

// withHint returns e with what the start of the text says about its first line.
func (e *HeaderError) withHint(start []byte, columns []schema.Column, f Format) *HeaderError {
	hinted := *e
	line := strings.TrimPrefix(string(start), byteOrderMark)
	if strings.HasPrefix(line, byteOrderMark) {
		hinted.todo = markHint
	} else {
		hinted.todo = delimiterHint(line, columns, f.delimiter())
	}
	return &hinted
}

// likeMissing shows the cells that look like missing names and are not, escaped so that the difference is seen.
func likeMissing(header, missing []string) string {
	looks := make([]string, len(header))
	for i, cell := range header {
		looks[i] = skeleton(cell)
	}
	var like []string
	for _, name := range missing {
		want := skeleton(name)
		for i, cell := range header {
			if strings.EqualFold(looks[i], want) && canonical(cell) != canonical(name) {
				cell, wanted := visible(strings.TrimSpace(cell), strings.TrimSpace(name))
				like = append(like, fmt.Sprintf("column %d is %s, the data store wants %s", i+1, cell, wanted))
				break
			}
		}
	}
	if len(like) == 0 {
		return ""
	}
	return "set sourceName of the data store's column to the name in the table, or correct the table: " + strings.Join(like, "; ")
}

// shown is how many characters of a long name are shown from a little before the first difference.
const shown = 40

// visible quotes two names that differ so that it shows where. Quotes in YAML take the same escapes.
func visible(a, b string) (shownA, shownB string) {
	from := 0
	for from < len(a) && from < len(b) {
		r, n := utf8.DecodeRuneInString(a[from:])
		if other, _ := utf8.DecodeRuneInString(b[from:]); other != r {
			break
		}
		from += n
	}
	start := 0
	if before := []rune(a[:from]); len(before) > shown/2 {
		start = len(string(before[:len(before)-shown/2]))
	}
	return escape(a, start), escape(b, start)
}

// escape quotes a name from the byte start on, with what cannot be seen, or looks like another character, written as an escape.
func escape(name string, start int) string {
	var b strings.Builder
	b.WriteByte('"')
	if start > 0 {
		b.WriteString("…")
	}
	left := shown
	for _, r := range name[min(start, len(name)):] {
		if left--; left < 0 {
			b.WriteString("…")
			break
		}
		quote := strconv.Quote
		if isInvisible(r) || unicode.IsMark(r) || !norm.NFKC.IsNormalString(string(r)) {
			quote = strconv.QuoteToASCII
		}
		quoted := quote(string(r))
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	b.WriteByte('"')
	return b.String()
}
