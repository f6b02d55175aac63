package table_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/table"
)

// tableText draws text that is a table more or less: most of it fits, and every fault turns up.
func tableText() *rapid.Generator[string] {
	cell := rapid.OneOf(
		rapid.StringMatching(`[a-zé]{0,6}`),
		rapid.StringMatching(`"([a-z,\n]|""|\r\n){0,8}"`),
		rapid.SampledFrom([]string{"\"", "x\"", "\"x\"y", "\xff", "aaaaaaaaaaaaaaaaaaaaaaaa", "\r", ""}),
	)
	line := rapid.Map(rapid.SliceOfN(cell, 1, 3), func(cells []string) string { return strings.Join(cells, ",") })
	return rapid.Custom(func(t *rapid.T) string {
		ends := rapid.SampledFrom([]string{"\n", "\r\n", "\n\n"})
		text := rapid.SampledFrom([]string{"", "\xEF\xBB\xBF", "\n"}).Draw(t, "start") + "a,b\n"
		for _, l := range rapid.SliceOf(line).Draw(t, "lines") {
			text += l + ends.Draw(t, "end")
		}
		return text
	})
}

func TestResumeAtAnyRowGivesTheSameRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := tableText().Draw(t, "text")
		limits := table.Limits{CellBytes: 20, RecordBytes: rapid.IntRange(4, 64).Draw(t, "recordBytes")}
		r := table.NewReader(strings.NewReader(text), table.Format{}, limits)
		if _, err := r.Header(); err != nil {
			t.Fatal(err)
		}
		rows := collect(t, r)
		for i, first := range rows {
			again := table.NewReader(strings.NewReader(text[first.Offset:]), table.Format{}, limits)
			again.Resume(r.Shape(), first.Number, first.Offset)
			got := collect(t, again)
			if !slices.EqualFunc(got, rows[i:], equalButLine) {
				t.Fatalf("from row %d:\n got %q\nwant %q", first.Number, short(got), short(rows[i:]))
			}
		}
	})
}

func TestResumeAfterTheLastRow(t *testing.T) {
	r := table.NewReader(strings.NewReader(""), table.Format{}, table.Limits{})
	r.Resume(table.Shape{Columns: 2, Named: 2}, 8, 100)
	if rows := rowsOf(t, r); len(rows) != 0 {
		t.Errorf("got %q", short(rows))
	}
}

func collect(t *rapid.T, r *table.Reader) []record {
	var all []record
	for {
		row, err := r.ReadRow()
		if err != nil {
			return all
		}
		all = append(all, valueOf(row))
	}
}

func equalButLine(a, b record) bool {
	a.Line = b.Line
	return equal(a, b)
}
