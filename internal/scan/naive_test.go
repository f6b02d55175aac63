package scan

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// naive is a scanner that looks at every part of a text by itself and compares
// plain values.
type naive struct {
	columns []edm.Column
	rows    [][]string
	o       Options
	chars   []rune
	starts  []int // bytes before each character, and all of them
}

// part is a part of a text that may be a value, as characters, and its words.
type part struct {
	from, to         int
	wordFrom, wordTo int
	words            int
}

func class(r rune) string {
	switch {
	case unicode.IsSpace(r):
		return "space"
	case unicode.IsLetter(r) && unicode.Is(unicode.Han, r):
		return "han"
	case unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
		return "letter"
	}
	return "mark"
}

// words are where words begin and end.
func (n *naive) words() (out [][2]int) {
	for i := 0; i < len(n.chars); {
		end := i + 1
		switch class(n.chars[i]) {
		case "letter":
			for end < len(n.chars) && class(n.chars[end]) == "letter" {
				end++
			}
			out = append(out, [2]int{i, end})
		case "han":
			out = append(out, [2]int{i, end})
		}
		i = end
	}
	return out
}

// parts are all parts of the text that may be values.
func (n *naive) parts() (out []part) {
	words := n.words()
	for i := range words {
		for j := i; j < len(words) && j < i+4; j++ {
			for from := words[i][0]; from >= max(0, words[i][0]-3) && (from == words[i][0] || class(n.chars[from]) == "mark"); from-- {
				for to := words[j][1]; to <= min(len(n.chars), words[j][1]+3) && (to == words[j][1] || class(n.chars[to-1]) == "mark"); to++ {
					out = append(out, part{from, to, words[i][0], words[j][1], j - i + 1})
				}
			}
		}
	}
	return out
}

func (n *naive) text(p part) string { return string(n.chars[p.from:p.to]) }

// is reports whether a part is the cell of a row.
func (n *naive) is(p part, row, column int) bool {
	c := schemaOf(n.columns[column])
	if most, ok := n.o.ColumnWords[c.Name]; ok && p.words > most || !ok && p.words > n.o.MaxWords {
		return false
	}
	got, _ := fingerprint.Normalize(c, []byte(n.text(p)))
	want, _ := fingerprint.Normalize(c, []byte(n.rows[row][column]))
	if pattern, ok := n.o.Patterns[c.Name]; ok && !regexp.MustCompile("^(?:"+pattern+")$").Match(got) {
		return false
	}
	return len(want) > 0 && string(got) == string(want)
}

func (n *naive) gap(a, b part) int { return max(a.wordFrom-b.wordTo, b.wordFrom-a.wordTo) }

// record is a row in a text: characters, and columns.
type record struct {
	row, from, to int
	columns       []int
}

// records are the finds of each primary value, joined where they are of one row and
// overlap.
func (n *naive) records() []record {
	var all []record
	parts := n.parts()
	for _, p := range parts {
		for c := range n.columns {
			if n.columns[c].IsSearchable {
				all = append(all, n.of(p, c, parts)...)
			}
		}
	}
	for i := 0; i < len(all); i++ {
		for j := i + 1; j < len(all); j++ {
			if a, b := all[i], all[j]; a.row == b.row && a.from <= b.to && b.from <= a.to {
				joined := record{a.row, min(a.from, b.from), max(a.to, b.to), slices.Compact(slices.Sorted(slices.Values(slices.Concat(a.columns, b.columns))))}
				all = append(slices.Delete(slices.Delete(all, j, j+1), i, i+1), joined)
				i, j = -1, len(all)
			}
		}
	}
	return all
}

// of are the finds of one primary value.
func (n *naive) of(p part, column int, parts []part) (out []record) {
	for row := range n.rows {
		if !n.is(p, row, column) {
			continue
		}
		if slices.ContainsFunc(parts, func(o part) bool { // the same words with shorter edges
			return o.wordFrom == p.wordFrom && o.wordTo == p.wordTo && n.before(o, p) && n.is(o, row, column)
		}) {
			continue
		}
		one := n.corroborated(p, row, column, parts)
		has := func(name string) bool {
			return slices.ContainsFunc(one.columns, func(c int) bool { return n.columns[c].Name == name })
		}
		if len(one.columns) >= n.o.MinColumns && !slices.ContainsFunc(n.o.Mandatory, func(name string) bool { return !has(name) }) {
			out = append(out, one)
		}
	}
	return out
}

// before is the order of candidates of the same words: by their edge in front, then
// by the one behind.
func (n *naive) before(a, b part) bool {
	return cmp.Or(cmp.Compare(b.from, a.from), cmp.Compare(a.to, b.to)) < 0
}

// corroborated takes the nearest part of each column that overlaps none that is
// taken, of the mandatory columns first.
func (n *naive) corroborated(p part, row, column int, parts []part) record {
	one, taken, columns := record{row, p.from, p.to, nil}, []part{p}, []int{column}
	for _, mandatory := range []bool{true, false} {
		for {
			best, of := part{}, -1
			for c := range n.columns {
				if slices.Contains(columns, c) || slices.Contains(n.o.Mandatory, n.columns[c].Name) != mandatory {
					continue
				}
				for _, q := range parts {
					free := !slices.ContainsFunc(taken, func(o part) bool { return o.from < q.to && q.from < o.to })
					if free && n.gap(p, q) <= n.o.Within && n.is(q, row, c) && (of < 0 || n.nearer(p, q, best)) {
						best, of = q, c
					}
				}
			}
			if of < 0 {
				break
			}
			taken, columns = append(taken, best), append(columns, of)
			one.from, one.to = min(one.from, best.from), max(one.to, best.to)
		}
	}
	slices.Sort(columns)
	one.columns = columns
	return one
}

func (n *naive) nearer(p, a, b part) bool {
	size := func(p part) int { return n.starts[p.to] - n.starts[p.from] }
	return cmp.Or(cmp.Compare(n.gap(p, a), n.gap(p, b)), cmp.Compare(size(a), size(b)), cmp.Compare(a.from, b.from)) < 0
}

// scan is the finds as fakeStores.scan shows them, sorted.
func (n *naive) scan(text string) (out []string) {
	n.chars, n.starts = []rune(text), []int{0}
	for _, r := range n.chars {
		n.starts = append(n.starts, n.starts[len(n.starts)-1]+utf8.RuneLen(r))
	}
	for _, one := range n.records() {
		var names []string
		for _, c := range one.columns {
			names = append(names, n.columns[c].Name)
		}
		out = append(out, fmt.Sprintf("%d:%s:%d-%d", one.row, strings.Join(names, ","), n.starts[one.from], n.starts[one.to]))
	}
	slices.Sort(out)
	return out
}

// blank follows a text so that its end is not in memory as its first segment is searched.
var blank = strings.Repeat(" ", 4*300+4*maxValue)

// TestScanFindsWhatALookAtEveryPartFinds compares the scanner with the naive one,
// with segments of a few bytes.
func TestScanFindsWhatALookAtEveryPartFinds(t *testing.T) {
	cell := rapid.SampledFrom([]string{"", "a", "A b", "ab", "a-b", "b.", "(a)", "a, b", "李小", "李", "a  b c", "ﬁ", "c", "b.).", "((-c"})
	filler := rapid.SampledFrom([]string{"a", "b", "c", "B", "ab", "李", "小", "fi", ".", ",", "-", "(", ")", "x", "\n"})
	between := rapid.SampledFrom([]string{" ", "", "\n", ". ", "  ", " x y z ", "-"})
	rapid.Check(t, func(rt *rapid.T) {
		columns := []edm.Column{
			{Name: "A", IsSearchable: true, IsCaseInsensitive: rapid.Bool().Draw(rt, "fold"), IgnoredDelimiters: rapid.SampledFrom([][]string{nil, {"-"}, {".", " "}}).Draw(rt, "ignored")},
			{Name: "B", IsSearchable: rapid.Bool().Draw(rt, "searchable")}, {Name: "C", IsSearchable: rapid.Bool().Draw(rt, "third"), IgnoredDelimiters: []string{","}},
		}
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, 3, 3), 1, 4).Draw(rt, "rows")
		var text strings.Builder
		for range rapid.IntRange(0, 5).Draw(rt, "parts") {
			parts := []string{filler.Draw(rt, "filler")}
			if rapid.IntRange(0, 3).Draw(rt, "quoted") > 0 {
				row := rapid.Permutation(rapid.SampledFrom(rows).Draw(rt, "row")).Draw(rt, "order")
				parts = row[:rapid.IntRange(1, 3).Draw(rt, "cells")]
			}
			for _, part := range parts {
				text.WriteString(part + between.Draw(rt, "between"))
			}
		}
		text.WriteString(blank)
		o := Options{
			MaxWords: rapid.IntRange(1, 4).Draw(rt, "words"), Within: rapid.SampledFrom([]int{0, 1, 5, 300}).Draw(rt, "within"),
			MinColumns: rapid.IntRange(1, 3).Draw(rt, "columns"), Mandatory: rapid.SampledFrom([][]string{nil, {"A"}, {"C"}, {"B", "C"}}).Draw(rt, "mandatory"),
			ColumnWords: rapid.SampledFrom([]map[string]int{nil, nil, {"A": 1}, {"C": 4, "B": 2}}).Draw(rt, "words of columns"),
			Patterns:    rapid.SampledFrom([]map[string]string{nil, nil, {"A": "[ab]"}, {"B": ".{2}|b.?"}, {"A": "a.*", "C": `\(?\p{L}+\)?`}}).Draw(rt, "patterns"),
		}
		s := newFake(t, columns, rows...).open(t, func(to *Options) { *to = o })
		s.segment = rapid.IntRange(1, 50).Draw(rt, "segment")
		var got []string
		err := s.Scan(t.Context(), "-", iotest.OneByteReader(strings.NewReader(text.String())), func(f Find) error {
			got = append(got, fmt.Sprintf("%d:%s:%d-%d", f.Row, strings.Join(f.Columns, ","), f.Bytes.Start, f.Bytes.End))
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
		slices.Sort(got)
		if want := (&naive{columns: columns, rows: rows, o: o}).scan(text.String()); !slices.Equal(got, want) {
			rt.Fatalf("%q of %q, %+v: finds\n%q, want\n%q", text.String(), rows, o, got, want)
		}
	})
}

// TestFewerQuestionsLoseNoFind scans texts that quote parts of rows near each other, with
// anchors and with all searchable columns asked for everywhere.
func TestFewerQuestionsLoseNoFind(t *testing.T) {
	cell := rapid.SampledFrom([]string{"a", "b", "c d", "d e f", "e, f", "(g)", "h.", "李", "i-", "j, k l", "mn"})
	between := rapid.SampledFrom([]string{" ", " ", " x ", ". ", " y z ", "\n"})
	rapid.Check(t, func(rt *rapid.T) {
		columns := []edm.Column{
			{Name: "A", IsSearchable: true}, {Name: "B", IsSearchable: true, IgnoredDelimiters: []string{"-"}},
			{Name: "C", IsSearchable: true}, {Name: "D", IsSearchable: rapid.Bool().Draw(rt, "searchable")},
		}
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, 4, 4), 1, 5).Draw(rt, "rows")
		var text strings.Builder
		for range rapid.IntRange(1, 8).Draw(rt, "parts") {
			parts := rapid.Permutation(rapid.SampledFrom(rows).Draw(rt, "row")).Draw(rt, "order")
			for _, part := range append(parts, cell.Draw(rt, "cell")) {
				text.WriteString(part + between.Draw(rt, "between"))
			}
		}
		text.WriteString(blank)
		o := Options{
			MaxWords: rapid.IntRange(1, 3).Draw(rt, "words"), Within: rapid.IntRange(0, 8).Draw(rt, "within"), MinColumns: rapid.IntRange(3, 4).Draw(rt, "columns"),
			Mandatory: rapid.SampledFrom([][]string{{"A"}, {"B", "C"}, {"D"}, nil}).Draw(rt, "mandatory"),
		}
		segment := rapid.IntRange(1, 40).Draw(rt, "segment")
		scan := func(anchors []int) (out []string) {
			s := newFake(t, columns, rows...).open(t, func(to *Options) { *to = o })
			s.segment, s.anchors = segment, anchors
			err := s.Scan(t.Context(), "-", iotest.OneByteReader(strings.NewReader(text.String())), func(f Find) error {
				out = append(out, fmt.Sprint(f))
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
			return out
		}
		everywhere := []int{0, 1, 2}
		if columns[3].IsSearchable {
			everywhere = append(everywhere, 3)
		}
		if got, want := scan(nil), scan(everywhere); !slices.Equal(got, want) {
			rt.Fatalf("%q of %q, %+v: finds\n%q, and asked everywhere\n%q", text.String(), rows, o, got, want)
		}
	})
}
