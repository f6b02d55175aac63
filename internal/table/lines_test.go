package table_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/zeebo/xxh3"
	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/table"
)

// knobs draw a format, limits and a shape from a few bytes.
func knobs(delimiter, format, size, width byte, header []byte) (table.Format, table.Limits, table.Shape) {
	f := table.Format{Delimiter: delimiter, Quoting: []table.Quoting{table.QuotingAuto, table.QuotingRFC4180, table.QuotingNone}[format%3], ShortRows: table.ShortRowsBad}
	if format/3%2 == 1 {
		f.ShortRows = table.ShortRowsPad
	}
	f.MaxLinesPerRecord = []int{0, 1, 2, 3, 5}[format/6%5]
	l := table.Limits{RecordBytes: 1 + int(size), CellBytes: 1 + int(size)/3}
	if size > 200 {
		l = table.Limits{RecordBytes: 1 << 20, CellBytes: 1 << 16}
	}
	s := table.Shape{Columns: int(width % 6), HeaderBytes: len(header)}
	s.Named = s.Columns - min(int(width/6%3), max(s.Columns-1, 0))
	if len(header) > 0 {
		s.HeaderFirst, s.HeaderSum = header[0], xxh3.Hash(header)
	}
	return f, l, s
}

func modelOf(text []byte, f table.Format, l table.Limits, s table.Shape, header []byte) *model {
	m := &model{text: text, format: f, limits: l, shape: modelShape{width: s.Columns, named: s.Named, header: header}}
	if l.RecordBytes <= 0 {
		m.limits = table.DefaultLimits()
	}
	m.run()
	return m
}

// lineSeeds are texts with every kind of line.
func lineSeeds() []string {
	return append(chunkSeeds(),
		"1,2,3\n\"4,5,6\n7,8,9\na,b\",c\nd,e,f\n", "1,\"2\n3,4\n5\",6\n7,8\n", "x\n\"y\nz\"\nw\n", "\"1\n2\n3\n4\n5\n6\n7\",8\n9,0\n",
		",,\n \t\n\"\",\"\"\n\x1a\n1,2\n\x1a\x1a\r\n", "a,b\n-,--\n---,---\n\x00\x00\n\x00,\x00\n\xEF\xBB\xBFa,b\n\xEF\xBB\xBF\"x\ny\",2\n", "1,2\r\r\n3,4\r\r\r\n5\r,6\n\"7\",8\r\r\n\"9\"\r,0\n",
		"1\\\"2,3\n\"4\\\"5\",6\n7, \"8\"\n", "1,2,\n3,4,,\n5\n6,7\n", "h,h\n1,2\nh,h\r\nh,h", "\"a\r\r\nb\r\nc\",1\n2,3")
}

// mostFuzzed bounds a text that is read again from many of its rows.
const mostFuzzed = 2 << 10

// Every line is accounted for: a Reader tells the rows, the bad ones and the counts of lines of the model, whole, in pieces, in chunks,
// and resumed at any row.
func FuzzLines(f *testing.F) {
	for _, seed := range lineSeeds() {
		for _, format := range []byte{0, 1, 2, 3, 9, 18} {
			f.Add([]byte(seed), byte(','), format, byte(255), byte(2), byte(3))
		}
		f.Add([]byte(seed), byte(','), byte(0), byte(255), byte(1), byte(7))
		f.Add([]byte(seed), byte(','), byte(6), byte(40), byte(9), byte(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, delimiter, format, size, width, piece byte) {
		if (table.Format{Delimiter: delimiter}).Validate() != nil || delimiter == 0 || len(text) > mostFuzzed {
			return
		}
		var header []byte
		if n := bytes.IndexByte(text, '\n'); n > 0 && piece%2 == 1 {
			header = body(text[:n])
		}
		fm, l, s := knobs(delimiter, format, size, width, header)
		want := modelOf(text, fm, l, s, header)
		checkSum(t, text, want.lines)
		for _, in := range []io.Reader{bytes.NewReader(text), &pieces{text: text, size: 1 + int(piece)}, iotest.DataErrReader(bytes.NewReader(text))} {
			r := table.NewReader(in, fm, l)
			r.Resume(s, 1, 0)
			compareRows(t, text, rowsOf(t, r), want.rows)
			if r.Lines() != want.lines {
				t.Fatalf("%q: lines %+v, want %+v", text, r.Lines(), want.lines)
			}
		}
		compareToChunks(t, text, fm, l, s, want, 1+int(piece))
		compareResumed(t, text, fm, l, s, want.rows)
	})
}

// checkSum holds the counts against the lines of the text.
func checkSum(t *testing.T, text []byte, lines table.Lines) {
	t.Helper()
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if sum := lines.Header + lines.Skipped + lines.Blank + lines.Good + lines.Bad; sum != countLines(text) {
		t.Fatalf("%q: %+v are %d lines of %d", text, lines, sum, countLines(text))
	}
}

func compareRows(t *testing.T, text []byte, got, want []record) {
	t.Helper()
	if !slices.EqualFunc(got, want, equal) {
		t.Fatalf("%q:\n got %q\nwant %q", text, short(got), short(want))
	}
}

func compareToChunks(t *testing.T, text []byte, f table.Format, l table.Limits, s table.Shape, want *model, piece int) {
	t.Helper()
	if s.Columns == 0 {
		return
	}
	rows := slices.Clone(want.rows)
	for i := range rows {
		rows[i] = asInChunk(rows[i])
	}
	r := table.NewReader(&pieces{text: text, size: piece}, f, l)
	r.Resume(s, 1, 0)
	r.Select(upTo(s.Columns))
	compareRows(t, text, inChunks(t, r, s.Columns), rows)
	if r.Lines() != want.lines {
		t.Fatalf("%q: in chunks, lines %+v, want %+v", text, r.Lines(), want.lines)
	}
}

// asInChunk leaves what a chunk tells of a row.
func asInChunk(row record) record {
	if row.Bad == "" {
		row.Line = 0
	} else {
		row.Offset, row.End = 0, 0
	}
	return row
}

func upTo(n int) []int {
	columns := make([]int, n)
	for i := range columns {
		columns[i] = i
	}
	return columns
}

// compareResumed goes on at good rows, as stripes do.
func compareResumed(t *testing.T, text []byte, f table.Format, l table.Limits, s table.Shape, rows []record) {
	t.Helper()
	for i, row := range rows[:min(len(rows), 10)] {
		if row.Bad != "" || row.Offset == 0 {
			continue
		}
		r := table.NewReader(bytes.NewReader(text[row.Offset:]), f, l)
		r.Resume(s, row.Number, row.Offset)
		got := rowsOf(t, r)
		if !slices.EqualFunc(got, rows[i:], func(a, b record) bool { b.Line = a.Line; return equal(a, b) }) {
			t.Fatalf("%q resumed at row %d:\n got %q\nwant %q", text, row.Number, short(got), short(rows[i:]))
		}
	}
}

// A table with a header: its lines are accounted for too, with what may stand before it.
func FuzzTables(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "sep=,\r\na,b\r\n1,2\r\n", "title,,\n\n\na,b,\n1,2\n", "\xEF\xBB\xBF\"sep=,\"\na,\"b\nc\"\n1,2\na,\"b\nc\"\n", ",,\na\n1\n\x1a", "t\nu\na,b\n\"1\n2\",3"} {
		for _, skip := range []byte{0, 1, 2} {
			f.Add([]byte(seed), byte(','), byte(0), skip)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, delimiter, format, skip byte) {
		if (table.Format{Delimiter: delimiter}).Validate() != nil || delimiter == 0 {
			return
		}
		fm, _, _ := knobs(delimiter, format, 255, 0, nil)
		fm.SkipLines = int(skip % 4)
		r := table.NewReader(bytes.NewReader(text), fm, table.Limits{})
		if _, err := r.Header(); err != nil {
			return
		}
		r.Select(nil)
		c := new(table.Chunk)
		var bad, data int64
		for {
			err := r.ReadChunk(c)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range c.Bad {
				bad += b.Lines
				data = b.DataLines
			}
		}
		lines := r.Lines()
		checkSum(t, text, lines)
		if lines.Bad != bad || data > lines.Good+lines.Bad || lines.Header < 1 || lines.Skipped < int64(fm.SkipLines) {
			t.Fatalf("%q: %+v; bad rows have %d lines, data %d", text, lines, bad, data)
		}
	})
}

// Whatever the quotes, a byte is looked at a few times only: where a record is given up, what was read of it is not read again for
// each line within it.
func TestWorkIsBoundedWhateverTheQuotes(t *testing.T) {
	pieces := []string{"\"", "\"", "\"\"", "\"\"\"", ",", "a", "\n", "\n", "\r\n", "x,y\n", ",\"", "\",", "\"\n", "\n\""}
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 12), func(p []string) string { return strings.Join(p, "") })
		some := rapid.SliceOfN(line, 1, 6).Draw(t, "lines")
		text := strings.Repeat(strings.Join(some, "\n"), 1+(64<<10)/(len(strings.Join(some, ""))+1))
		f, l, s := knobs(',', rapid.Byte().Draw(t, "format"), 255, rapid.Byte().Draw(t, "width"), nil)
		f.MaxLinesPerRecord = rapid.SampledFrom([]int{2, 100, table.MostLinesPerRecord}).Draw(t, "lines of a record")
		l.RecordBytes = rapid.SampledFrom([]int{100, 4 << 10, 1 << 20}).Draw(t, "bytes of a record")
		r := table.NewReader(strings.NewReader(text), f, l)
		r.Resume(s, 1, 0)
		for {
			if _, err := r.ReadRow(); err != nil {
				break
			}
		}
		if most := int64(5*len(text) + 1<<10); r.Looked() > most {
			t.Fatalf("%d bytes of %d were looked at: %+v %+v %q", r.Looked(), len(text), f, l, some)
		}
	})
}
