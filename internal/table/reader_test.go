package table_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"exactmatch.dev/operator/internal/table"
)

// record is a row by value: Cells of a Row do not outlive the next call.
type record struct {
	Cells       []string
	Number      int64
	Line        int64
	Offset, End int64
	Bad         table.BadReason
}

func rowsOf(t testing.TB, r *table.Reader) []record {
	t.Helper()
	var all []record
	for {
		row, err := r.ReadRow()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, valueOf(row))
	}
}

func valueOf(row table.Row) record {
	v := record{Number: row.Number, Line: row.Line, Offset: row.Offset, End: row.End}
	for _, cell := range row.Cells {
		v.Cells = append(v.Cells, string(cell))
	}
	v.Bad = row.Bad
	return v
}

// short writes rows for comparison: cells joined by |, bad rows as their reason.
func short(rows []record) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%d@%d:", r.Number, r.Line)
		if r.Bad != "" {
			b.WriteString("!" + string(r.Bad))
		} else {
			b.WriteString(strings.Join(r.Cells, "|"))
		}
		b.WriteString(" ")
	}
	return strings.TrimSuffix(b.String(), " ")
}

func TestRead(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"plain", "a,b\n1,2\n3,4\n", "1@2:1|2 2@3:3|4"},
		{"no last line end", "a,b\n1,2", "1@2:1|2"},
		{"crlf", "a,b\r\n1,2\r\n", "1@2:1|2"},
		{"cr at the end of the table", "a,b\n1,2\r", "1@2:1|2"},
		{"cr within a cell", "a,b\n1\rx,2\n", "1@2:!CarriageReturn"},
		{"blank lines", "\n\r\na,b\n\n1,2\n\r\n\n3,4\n\n\r", "1@5:1|2 2@8:3|4"},
		{"empty cells", "a,b\n,\n1,\n,2", "1@3:1| 2@4:|2"},
		{"white space is data", "a,b\n 1 ,\t2\n", "1@2: 1 |\t2"},
		{"blank rows", "a,b\n,\n \t,\n\"\",\"\"\n,,,,\n\x1a\n3,4\n\x1a\x1a", "1@7:3|4"},
		{"cr cr lf", "a,b\r\r\n1,2\r\r\n\"3\",\"4\"\r\r\n", "1@2:1|2 2@3:3|4"},
		{"cr cr cr lf", "a,b\n1,2\r\r\r\n", "1@2:!CarriageReturn"},
		{"the header again", "a,b\n1,2\na,b\r\n3,4", "1@2:1|2 2@3:!RepeatedHeader 3@4:3|4"},
		{"a mark within", "a,b\n\xEF\xBB\xBFa,b\n\xEF\xBB\xBF\"1\",2\n3,4\n", "1@2:!ByteOrderMark 2@3:!ByteOrderMark 3@4:3|4"},
		{"dashes", "a,b\n-,---\n--,\n-,-\n", "1@2:!DashedLine 2@3:--| 3@4:-|-"},
		{"NUL bytes", "a,b\n\x00\x00\n1\x00,2\n", "1@2:!NULPadding 2@3:1\x00|2"},
		{"a delimiter behind the last cell", "a,b\n1,2,\n3,4,5\n6,7,,\n", "1@2:1|2 2@3:!WrongNumberOfCells 3@4:!WrongNumberOfCells"},
		{"a backslash before a quote", "a,b\n\"1\\\"2\",3\n4\\\",5\n\"6\\\",7\n", "1@2:!EscapedQuote 2@3:!EscapedQuote 3@4:6\\|7"},
		{"white space before a quote", "a,b\n1, \"2\"\n", "1@2:!SpaceBeforeQuote"},
		{"rows in a cell", "a,b\n1,\"2\n3,4\n5,6\"\n7,8\n", "1@2:!SwallowedRows 2@3:3|4 3@4:!BareQuote 4@5:7|8"},
		{"quoted", "a,b\n\"1\",\"2,\"\"x\"\"\"\n", "1@2:1|2,\"x\""},
		{"quoted nothing", "a,b\n\"\",\"\"\"\"\n", "1@2:|\""},
		{"line break in a cell", "a,b\n\"1\n2\",3\n4,5\n", "1@2:1\n2|3 2@4:4|5"},
		{"crlf in a cell", "a,b\r\n\"1\r\n\"\"2\r\n\",3\r\n4,5", "1@2:1\n\"2\n|3 2@5:4|5"},
		{"cr in a quoted cell", "a,b\n\"1\r2\r\r\n\",3\n", "1@2:1\r2\n|3"},
		{"mark", "\xEF\xBB\xBF\"a\",b\n1,2\n", "1@2:1|2"},
		{"too few and too many", "a,b\n1\n1,2,3\n1,2\n", "1@2:!WrongNumberOfCells 2@3:!WrongNumberOfCells 3@4:1|2"},
		{"quote in a bare cell", "a,b\n1\"2,3\n4,5\n", "1@2:!BareQuote 2@3:4|5"},
		{"text after the closing quote", "a,b\n\"1\"2,3\n4,5\n", "1@2:!BareQuote 2@3:4|5"},
		{"cr after the closing quote", "a,b\n\"1\"\r,3\n4,5\n", "1@2:!CarriageReturn 2@3:4|5"},
		{"a stray quote costs its line", "a,b\n1,\"2\n3,4\n5,6\n", "1@2:!UnterminatedQuote 2@3:3|4 3@4:5|6"},
		{"a stray quote before a quoted cell", "a,b\n1,\"2\n\"3\",4\n5,6\n", "1@2:!BareQuote 2@3:3|4 3@4:5|6"},
		{"quote open at the end", "a,b\n1,\"", "1@2:!UnterminatedQuote"},
		{"not UTF-8", "a,b\n\xff,2\n3,4\n", "1@2:!InvalidEncoding 2@3:3|4"},
		{"cell too long", "a,b\n12345678901,2\n1234567890,4\n", "1@2:!CellTooLong 2@3:1234567890|4"},
		{"record too long", "a,b\n" + strings.Repeat("1,", 20) + "1\n3,4\n", "1@2:!RecordTooLong 2@3:3|4"},
		{"record just fits", "a,b\n\"123456789\"," + strings.Repeat("\"\"", 9) + "\n3,4\n", "1@2:123456789|" + strings.Repeat("\"", 8) + " 2@3:3|4"},
		{"record too long by one", "a,b\n\"1234567890\"," + strings.Repeat("\"\"", 9) + "\r\n3,4\n", "1@2:!RecordTooLong 2@3:3|4"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			limits := table.Limits{CellBytes: 10, RecordBytes: 31}
			for name, text := range chunked(tc.text) {
				r := table.NewReader(text, table.Format{}, limits)
				header, err := r.Header()
				if err != nil || !slices.Equal(header, []string{"a", "b"}) {
					t.Fatalf("%s: header %q, %v", name, header, err)
				}
				if got := short(rowsOf(t, r)); got != tc.want {
					t.Errorf("%s:\n got %q\nwant %q", name, got, tc.want)
				}
			}
		})
	}
}

func chunked(text string) map[string]io.Reader {
	return map[string]io.Reader{
		"whole":       strings.NewReader(text),
		"byte a time": iotest.OneByteReader(strings.NewReader(text)),
		"data at end": iotest.DataErrReader(strings.NewReader(text)),
		"halves":      iotest.HalfReader(strings.NewReader(text)),
	}
}

func TestOffsetsTileTheText(t *testing.T) {
	text := "\xEF\xBB\xBFa,b\r\n\r\n1,\"x\ny\"\r\n2,\"\n3,4"
	r := table.NewReader(strings.NewReader(text), table.Format{}, table.Limits{})
	if _, err := r.Header(); err != nil {
		t.Fatal(err)
	}
	want := []string{"1,\"x\ny\"\r\n", "2,\"\n", "3,4"}
	for i, row := range rowsOf(t, r) {
		if got := text[row.Offset:row.End]; got != want[i] {
			t.Errorf("row %d is %q, want %q", row.Number, got, want[i])
		}
	}
}

func TestDelimiters(t *testing.T) {
	for _, d := range []byte{';', '\t', '|', ' ', 'x', 0x01} {
		text := fmt.Sprintf("a%cb\n1,2%c\"3%c\"\n", d, d, d)
		r := table.NewReader(strings.NewReader(text), table.Format{Delimiter: d}, table.Limits{})
		if _, err := r.Header(); err != nil {
			t.Fatal(err)
		}
		if got, want := short(rowsOf(t, r)), fmt.Sprintf("1@2:1,2|3%c", d); got != want {
			t.Errorf("delimiter %q: got %q, want %q", d, got, want)
		}
	}
	for _, d := range []byte{'"', '\r', '\n', 0xA7} {
		_, err := table.NewReader(strings.NewReader("a"), table.Format{Delimiter: d}, table.Limits{}).ReadRow()
		var format *table.FormatError
		if !errors.As(err, &format) || format.Field != "delimiter" {
			t.Errorf("delimiter %q: %v", d, err)
		}
	}
}

func TestRowsLimit(t *testing.T) {
	r := table.NewReader(strings.NewReader("1\n2\n3\n"), table.Format{}, table.Limits{Rows: 2})
	for range 2 {
		if _, err := r.ReadRow(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		_, err := r.ReadRow()
		var limit *table.LimitError
		if !errors.As(err, &limit) || limit.Limit != "Rows" || limit.Max != 2 {
			t.Fatalf("got %v", err)
		}
	}
}

func TestErrorOfTheTextComesAfterItsRows(t *testing.T) {
	broken := errors.New("connection reset")
	text := io.MultiReader(strings.NewReader("1,2\n3,"), iotest.ErrReader(broken))
	r := table.NewReader(text, table.Format{}, table.Limits{})
	if row, err := r.ReadRow(); err != nil || string(row.Cells[0]) != "1" {
		t.Fatalf("%v, %v", row, err)
	}
	for range 2 {
		if _, err := r.ReadRow(); !errors.Is(err, broken) {
			t.Fatalf("a row cut off by an error was given as whole: %v", err)
		}
	}
}

// endless is a line without an end that counts what was read of it.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.left))
	for i := range p[:n] {
		p[i] = 'x'
	}
	e.left -= int64(n)
	return n, nil
}

func TestAnEndlessLineIsNotKept(t *testing.T) {
	const size = 256 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	text := io.MultiReader(strings.NewReader("a,b\n1,\""), &endless{left: size}, strings.NewReader("\n3,4\n"))
	r := table.NewReader(text, table.Format{}, table.DefaultLimits())
	if _, err := r.Header(); err != nil {
		t.Fatal(err)
	}
	if got := short(rowsOf(t, r)); got != "1@2:!RecordTooLong 2@3:3|4" {
		t.Fatal(got)
	}
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	if allocated > 8<<20 {
		t.Errorf("%d bytes for a line of %d", allocated, size)
	}
}

func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", "a,\"b\r\n\"\"c\"\r\n\r\n,", "\"a\"\r", "\r\r\n", "a,b\"c\n\"d\"e\n", "\"\n\n", "\xEF\xBB\xBFa", "x;\"y;\"\n", ",\r\n\"\"\r\n",
		"1,\"2\n\"3\",4\n5,6", "\"\"\"\n\"\"\"\n", "a\rb,\"c\r\"\r\n", "\"long cell\",x\nshort\n", "\xff,\"\xff\"\nok\n", "a;b\r\n\"c\"\r\n;\r",
	} {
		f.Add([]byte(seed), byte(','), uint8(3))
		f.Add([]byte(seed), byte(';'), uint8(1))
	}
	f.Add([]byte("abcd\nabcde\n\"abcd\"\n"), byte(','), uint8(13)) // cells as long as the cap, and longer
	f.Fuzz(func(t *testing.T, text []byte, delimiter byte, chunk uint8) {
		if (table.Format{Delimiter: delimiter}).Validate() != nil || delimiter == 0 {
			return
		}
		limits := table.Limits{Columns: 1 + len(text), RecordBytes: 1 + len(text), CellBytes: 1 + len(text)}
		format := table.Format{Delimiter: delimiter, Quoting: table.QuotingRFC4180, MaxLinesPerRecord: table.MostLinesPerRecord}
		rows := rowsOf(t, table.NewReader(&pieces{text: text, size: 1 + int(chunk)}, format, limits))
		checkTiling(t, text, delimiter, rows)
		compareWithOracle(t, text, delimiter, rows)
		small := table.Limits{RecordBytes: 1 + int(chunk)%17, CellBytes: 1 + int(chunk)%5}
		whole := rowsOf(t, table.NewReader(bytes.NewReader(text), format, small))
		pieced := rowsOf(t, table.NewReader(iotest.OneByteReader(bytes.NewReader(text)), format, small))
		if !slices.EqualFunc(whole, pieced, equal) {
			t.Fatalf("chunks change the rows:\n%q\n%q", short(whole), short(pieced))
		}
		checkTiling(t, text, delimiter, whole)
	})
}

// compareWithOracle holds the rows against encoding/csv up to the first row that either refuses. What encoding/csv takes as data and a
// Reader does not, such as a carriage return that ends no line, is not compared.
func compareWithOracle(t *testing.T, text []byte, delimiter byte, rows []record) {
	t.Helper()
	oracle := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF"))))
	oracle.Comma, oracle.FieldsPerRecord = rune(delimiter), -1
	if bytes.ContainsAny(text, "\r\x00\x1a-") || bytes.Contains(text[min(len(text), 1):], []byte("\ufeff")) {
		return
	}
	for i := 0; ; i++ {
		want, err := oracle.Read()
		for err == nil && strings.Trim(strings.Join(want, ""), " \t\v\f\n") == "" {
			want, err = oracle.Read() // a blank row
		}
		switch {
		case errors.Is(err, io.EOF):
			if i != len(rows) {
				t.Fatalf("%d rows, want %d", len(rows), i)
			}
			return
		case err != nil:
			if i >= len(rows) || rows[i].Bad == "" {
				t.Fatalf("row %d is accepted, the oracle says %v", i+1, err)
			}
			return
		case i >= len(rows):
			t.Fatalf("%d rows only, the oracle has %q", len(rows), want)
		case rows[i].Bad == table.InvalidEncoding:
			continue
		case rows[i].Bad != "" || !slices.Equal(rows[i].Cells, want):
			t.Fatalf("row %d is %q, want %q", i+1, short(rows[i:i+1]), want)
		}
	}
}

// checkTiling holds that rows follow each other and that only blank lines lie between them.
func checkTiling(t *testing.T, text []byte, delimiter byte, rows []record) {
	t.Helper()
	at, number := int64(0), int64(0)
	for _, row := range rows {
		number++
		if row.Number != number || row.Offset < at || row.End <= row.Offset {
			t.Fatalf("row %d from %d to %d follows %d", row.Number, row.Offset, row.End, at)
		}
		if gap := bytes.TrimPrefix(text[at:row.Offset], []byte("\xEF\xBB\xBF")); strings.Trim(string(gap), " \t\v\f\r\n\"\x1a"+string(rune(delimiter))) != "" {
			t.Fatalf("the bytes %q before row %d are in no row", gap, row.Number)
		}
		if want := int64(1 + bytes.Count(text[:row.Offset], []byte("\n"))); row.Line != want {
			t.Fatalf("row %d is on line %d, want %d", row.Number, row.Line, want)
		}
		at = row.End
	}
}

func equal(a, b record) bool {
	return a.Number == b.Number && a.Line == b.Line && a.Offset == b.Offset && a.End == b.End && a.Bad == b.Bad && slices.Equal(a.Cells, b.Cells)
}

// pieces gives its text in pieces of a size.
type pieces struct {
	text []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.text) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size)], p.text)
	p.text = p.text[n:]
	return n, nil
}
