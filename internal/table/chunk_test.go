package table_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"exactmatch.dev/operator/internal/table"
)

// inChunks are the rows of a reader of width columns by ReadChunk, in order of their numbers, without their lines.
func inChunks(t testing.TB, r *table.Reader, width int) []record {
	t.Helper()
	var all []record
	var chunks [2]table.Chunk // by turns, as they are used
	for n := 0; ; n++ {
		c := &chunks[n%2]
		err := r.ReadChunk(c)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if c.Rows()+len(c.Bad) == 0 {
			t.Fatal("a chunk without rows")
		}
		all = append(all, rowsOfChunk(t, c, width)...)
	}
}

func rowsOfChunk(t testing.TB, c *table.Chunk, width int) []record {
	t.Helper()
	var rows []record
	for i := range c.Rows() {
		v := record{Number: c.Number(i), Offset: c.Offset(i), End: c.End(i)}
		for column := range width {
			v.Cells = append(v.Cells, string(c.Cell(column, i)))
		}
		rows = append(rows, v)
	}
	for _, bad := range c.Bad {
		rows = append(rows, record{Number: bad.Number, Line: bad.Line, Bad: bad.Reason})
	}
	slices.SortFunc(rows, func(a, b record) int { return int(a.Number - b.Number) })
	return rows
}

// bySplitter are the same rows by the splitter, with what a chunk tells of them only.
func bySplitter(t testing.TB, r *table.Reader) []record {
	t.Helper()
	rows := rowsOf(t, r)
	for i := range rows {
		if rows[i].Bad == "" {
			rows[i].Line = 0
		} else {
			rows[i].Offset, rows[i].End = 0, 0
		}
	}
	return rows
}

func resumed(text io.Reader, delimiter byte, l table.Limits, width int) *table.Reader {
	r := table.NewReader(text, table.Format{Delimiter: delimiter}, l)
	r.Resume(table.Shape{Columns: width, Named: width}, 1, 0)
	r.Select(upTo(width))
	return r
}

func compareChunks(t *testing.T, text []byte, delimiter byte, l table.Limits, width, piece int) {
	t.Helper()
	want := bySplitter(t, resumed(bytes.NewReader(text), delimiter, l, width))
	for _, in := range []io.Reader{bytes.NewReader(text), &pieces{text: text, size: piece}, iotest.DataErrReader(bytes.NewReader(text))} {
		got := inChunks(t, resumed(in, delimiter, l, width), width)
		if !slices.EqualFunc(got, want, equal) {
			t.Fatalf("%d columns, %+v:\n got %q\nwant %q", width, l, short(got), short(want))
		}
	}
}

// chunkSeeds are texts with every turn of the two ways.
func chunkSeeds() []string {
	row := "919-76-6487,\"Van der \"\"Berg\"\", Zoë\",x\n"
	return []string{
		strings.Repeat(row, 50), strings.Repeat(strings.TrimSuffix(row, "\n")+"\r\n", 50), strings.Repeat("a,b,c\n", 100) + "last,row,x",
		strings.Repeat("a,b,c\n", 20) + "x\"y,b,c\n" + strings.Repeat("a,b,c\n", 20) + "\"open,b,c\n" + strings.Repeat("d,e,f\n", 40),
		strings.Repeat("a,b,c\n\n\r\n", 30), strings.Repeat("a,b\nc,d,e,f\n", 30), strings.Repeat("1,2,3\n", 10) + "\xff,2,3\n" + strings.Repeat("é,2,3\n", 30),
		strings.Repeat("\"line\r\nbreak\",\"\",\"\"\"\"\n", 30), strings.Repeat("1\n2,3\n\n4,5,6\n", 20), strings.Repeat("x", 500) + ",b,c\n" + strings.Repeat("1,2,3\n", 30),
		strings.Repeat("a,b,c\n", 30) + "\"" + strings.Repeat("q", 300) + "\",b,c\n1,2,3\n", "\xEF\xBB\xBF" + strings.Repeat("a,b,c\n", 30), "\n\n", "", "\"", ",,\n,,\n",
		strings.Repeat("a,\"b\"\r,c\n", 20), strings.Repeat("\"a\"x,b,c\nd,e,f\n", 20), strings.Repeat("a\r,b\r,c\r\n", 20),
	}
}

func TestChunksAreTheRowsOfTheSplitter(t *testing.T) {
	for _, text := range chunkSeeds() {
		for _, l := range []table.Limits{{}, {RecordBytes: 64}, {RecordBytes: 100, CellBytes: 9}, {RecordBytes: 130, CellBytes: 40}, {RecordBytes: 3}} {
			for _, width := range []int{1, 2, 3, 4} {
				compareChunks(t, []byte(text), ',', l, width, 7)
			}
		}
	}
}

func FuzzChunks(f *testing.F) {
	for _, seed := range chunkSeeds() {
		f.Add([]byte(seed), byte(','), uint8(3), uint16(64), uint8(20))
		f.Add([]byte(seed), byte(','), uint8(1), uint16(1000), uint8(200))
	}
	f.Fuzz(func(t *testing.T, text []byte, delimiter byte, width uint8, recordBytes uint16, piece uint8) {
		if (table.Format{Delimiter: delimiter}).Validate() != nil || delimiter == 0 {
			return
		}
		l := table.Limits{RecordBytes: 1 + int(recordBytes), CellBytes: 1 + int(recordBytes)/3}
		compareChunks(t, text, delimiter, l, 1+int(width)%8, 1+int(piece))
	})
}

func TestChunkOfChosenColumns(t *testing.T) {
	r := table.NewReader(strings.NewReader("a,b,c\n1,\"2\"\"\",3\r\n4,5,6\r\n7\n8,9,\"0\"\r\n"), table.Format{}, table.Limits{})
	if _, err := r.Header(); err != nil {
		t.Fatal(err)
	}
	r.Select([]int{2, 1, 1})
	c := new(table.Chunk)
	if err := r.ReadChunk(c); err != nil {
		t.Fatal(err)
	}
	if got, want := short(rowsOfChunk(t, c, 3)), `1@0:3|2"|2" 2@0:6|5|5 3@4:!WrongNumberOfCells 4@0:0|9|9`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var lines []string
	for piece := range c.Lines(1, 3) {
		lines = append(lines, string(piece))
	}
	if !slices.Equal(lines, []string{"4,5,6\r\n", "8,9,\"0\"\r\n"}) {
		t.Errorf("lines %q", lines)
	}
	if err := r.ReadChunk(c); !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: %v", err)
	}
}

func TestLinesOfAllRowsAreTheText(t *testing.T) {
	text := patients(5000)
	r := table.NewReader(bytes.NewReader(text), table.Format{}, table.Limits{})
	if _, err := r.Header(); err != nil {
		t.Fatal(err)
	}
	c, all, pieces, rows := new(table.Chunk), []byte{}, 0, 0
	for r.ReadChunk(c) == nil {
		rows += c.Rows()
		for _, part := range [][2]int{{0, c.Rows() / 3}, {c.Rows() / 3, c.Rows()}} {
			for piece := range c.Lines(part[0], part[1]) {
				pieces++
				all = append(all, piece...)
			}
		}
	}
	if header := bytes.IndexByte(text, '\n') + 1; rows != 5000 || !bytes.Equal(all, text[header:]) {
		t.Errorf("%d rows, %d bytes of %d", rows, len(all), len(text)-header)
	}
	if pieces > 20 {
		t.Errorf("plain rows come in %d pieces", pieces)
	}
}

func TestChunkLimits(t *testing.T) {
	broken := errors.New("connection reset")
	c := new(table.Chunk)
	r := resumed(strings.NewReader(strings.Repeat("1,2\n", 100)), ',', table.Limits{Rows: 99}, 2)
	for range 2 {
		var limit *table.LimitError
		if err := r.ReadChunk(c); !errors.As(err, &limit) || limit.Limit != "Rows" {
			t.Errorf("the 100th row of 99: %v", err)
		}
	}
	r = resumed(io.MultiReader(strings.NewReader("1,2\n3,"), iotest.ErrReader(broken)), ',', table.Limits{}, 2)
	if err := r.ReadChunk(c); err != nil || c.Rows() != 1 {
		t.Fatalf("%d rows before the error, %v", c.Rows(), err)
	}
	for range 2 {
		if err := r.ReadChunk(c); !errors.Is(err, broken) {
			t.Errorf("a row cut off by an error: %v", err)
		}
	}
}

func TestPrintingAChunkShowsNoCell(t *testing.T) {
	r := resumed(strings.NewReader("secret\nsec\"ret\n"), ',', table.Limits{}, 1)
	c := new(table.Chunk)
	if err := r.ReadChunk(c); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%s", "%#v", "%x"} {
		if got := fmt.Sprintf(verb, c); got != "1 rows, 1 bad ones" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
	if got := c.Bad[0].String(); got != "row 2 (line 2): BareQuote" {
		t.Errorf("a bad row prints %q", got)
	}
}
