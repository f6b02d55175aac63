package pipeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/zeebo/xxh3"
	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/simd"
)

// known is what an exact map knows of a column.
type known struct {
	ColumnQuality
	counts map[string]int64
}

func knownOf(cells []string) known {
	k := known{counts: map[string]int64{}}
	for _, cell := range cells {
		k.Rows++
		switch {
		case strings.TrimFunc(cell, func(r rune) bool { return unicode.Is(unicode.White_Space, r) }) == "":
			k.Empty++
			continue
		case utf8.RuneCountInString(cell) < 4:
			k.Short++
		}
		k.counts[cell]++
		k.LargestRepetition = max(k.LargestRepetition, k.counts[cell])
	}
	k.Distinct = int64(len(k.counts))
	return k
}

// leastRepetition is the least that LargestRepetition may be: what the values
// that are met most often leave after the others of their groups.
func (k known) leastRepetition() int64 {
	if k.Distinct <= mostSampled {
		return k.LargestRepetition
	}
	var groups [len(votes{})]int64
	group := func(value string) *int64 { return &groups[xxh3.HashString(value)%uint64(len(groups))] }
	for value, n := range k.counts {
		*group(value) += n
	}
	least := int64(math.MaxInt64)
	for value, n := range k.counts {
		if n == k.LargestRepetition {
			least = min(least, 2*n-*group(value))
		}
	}
	return least
}

// check holds a result against what is known.
func (k known) check(t interface{ Fatalf(string, ...any) }, got ColumnQuality) {
	if got.Rows != k.Rows || got.Empty != k.Empty || got.Short != k.Short {
		t.Fatalf("rows, empty, short: got %d, %d, %d, want %d, %d, %d", got.Rows, got.Empty, got.Short, k.Rows, k.Empty, k.Short)
	}
	if k.Distinct <= mostSampled && got.Distinct != k.Distinct {
		t.Fatalf("%d distinct values, want exactly %d", got.Distinct, k.Distinct)
	}
	const deviations = 6
	if off := math.Abs(float64(got.Distinct - k.Distinct)); off > deviations/math.Sqrt(mostSampled/2)*float64(k.Distinct) {
		t.Fatalf("%d distinct values, want about %d", got.Distinct, k.Distinct)
	}
	if least := k.leastRepetition(); got.LargestRepetition < least || got.LargestRepetition > k.LargestRepetition {
		t.Fatalf("largest repetition %d, want %d to %d", got.LargestRepetition, least, k.LargestRepetition)
	}
}

// spansOf are cells as spans of a text.
func spansOf(cells []string) ([]byte, []simd.Span) {
	var text []byte
	spans := make([]simd.Span, 0, len(cells))
	for _, cell := range cells {
		from := len(text)
		text = append(text, cell...)
		spans = append(spans, simd.Span{Start: uint32(from), End: uint32(len(text))})
	}
	return text, spans
}

func gather(cells []string) *columnQuality {
	q := &columnQuality{}
	q.add(spansOf(cells))
	return q
}

func TestColumnQualityOfFewCells(t *testing.T) {
	texts := rapid.OneOf(
		rapid.SampledFrom([]string{"", " ", "\t \r\n", "\u00a0\u3000\u2003 ", "\u200b", "\x00", "\x1f", "abc", "abcd", " abc", "äöü", "äöüß", "日本", "日本語!", "👩", "👩👩👩", "👩👩👩👩", "0"}),
		rapid.StringN(0, 5, -1), rapid.String(),
	)
	rapid.Check(t, func(t *rapid.T) {
		cells := rapid.SliceOf(texts).Draw(t, "cells")
		knownOf(cells).check(t, gather(cells).result("c"))
	})
}

// skewed makes a column in which the first of its values come more often the
// larger skew is.
func skewed(seed uint64, rows, values int, skew float64) []string {
	random := rand.New(rand.NewPCG(seed, 0))
	cells := make([]string, rows)
	for i := range cells {
		cells[i] = fmt.Sprintf("value %d", int(float64(values)*math.Pow(random.Float64(), skew)))
	}
	return cells
}

func TestColumnQualityOfManyCells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SampledFrom([]int{1_000, 9_000, 30_000}).Draw(t, "rows")
		values := rapid.SampledFrom([]int{10, 4_000, 6_000, 100_000}).Draw(t, "values")
		skew := rapid.SampledFrom([]float64{1, 2, 8}).Draw(t, "skew")
		cells := skewed(rapid.Uint64().Draw(t, "seed"), rows, values, skew)
		knownOf(cells).check(t, gather(cells).result("c"))
	})
}

// A placeholder among many values is found whatever comes around it.
func TestLargestRepetitionIsNear(t *testing.T) {
	for seed := range uint64(3) {
		cells := skewed(seed, 200_000, 150_000, 1)
		for i := range 4_000 {
			cells[i*50] = "unknown"
		}
		want := knownOf(cells)
		got := gather(cells).result("c")
		want.check(t, got)
		if short := want.LargestRepetition - got.LargestRepetition; short > 2*want.Rows/1024 {
			t.Errorf("seed %d: %d of %d repetitions are missing", seed, short, want.LargestRepetition)
		}
	}
}

func TestWeaknesses(t *testing.T) {
	good := ColumnQuality{Rows: 1000, Distinct: 1000, LargestRepetition: 1}
	for name, tc := range map[string]struct {
		change func(*ColumnQuality)
		want   []string
	}{
		"good":            {func(*ColumnQuality) {}, nil},
		"half empty":      {func(c *ColumnQuality) { c.Empty, c.Distinct = 500, 500 }, nil},
		"mostly empty":    {func(c *ColumnQuality) { c.Empty, c.Distinct = 501, 499 }, []string{"50.1% of the rows are empty"}},
		"all empty":       {func(c *ColumnQuality) { c.Empty, c.Distinct, c.LargestRepetition = 1000, 0, 0 }, []string{"100.0% of the rows are empty"}},
		"a few short":     {func(c *ColumnQuality) { c.Short = 100 }, nil},
		"short":           {func(c *ColumnQuality) { c.Short = 101 }, []string{"10.1% of the values are shorter than 4 characters"}},
		"short of values": {func(c *ColumnQuality) { c.Empty, c.Short = 500, 51 }, []string{"10.2% of the values are shorter than 4 characters"}},
		"one percent":     {func(c *ColumnQuality) { c.LargestRepetition = 10 }, nil},
		"repeated":        {func(c *ColumnQuality) { c.LargestRepetition = 11 }, []string{"1.1% of the rows have the same value"}},
		"repeated little": {func(c *ColumnQuality) { c.Rows, c.LargestRepetition = 500, 9 }, nil},
		"few values":      {func(c *ColumnQuality) { c.Distinct = 9 }, []string{"0.9% of the values are distinct"}},
		"hardly a value":  {func(c *ColumnQuality) { c.Rows, c.Distinct = 10_000, 2 }, []string{"under 0.1% of the values are distinct"}},
		"a category": {func(c *ColumnQuality) { c.Distinct, c.LargestRepetition, c.Short = 2, 600, 600 }, []string{
			"60.0% of the values are shorter than 4 characters", "60.0% of the rows have the same value", "0.2% of the values are distinct",
		}},
		"a slip of the pen": {func(c *ColumnQuality) { c.Rows, c.Distinct, c.Unfindable[Mojibake] = 10_000, 9_000, 9 }, nil},
		"unfindable": {func(c *ColumnQuality) { c.Unfindable[InvisibleCharacters] = 1 }, []string{
			"1 of the values (0.1%) contain invisible characters (add them to the column's ignoredDelimiters, or clean the table)",
		}},
		"unfindable of values": {func(c *ColumnQuality) {
			c.Rows, c.Empty, c.Distinct, c.Unfindable = 10_000, 1_000, 9_000, Unfindable{1, 2, 2, 2, 2}
		}, []string{
			"1 of the values (under 0.1%) are UTF-8 that was read as Windows-1252 (set spec.source.format.encoding to UTF-8, or export the table again)",
			"2 of the values (under 0.1%) contain U+FFFD in place of lost characters (export the table again)",
			"2 of the values (under 0.1%) contain invisible characters (add them to the column's ignoredDelimiters, or clean the table)",
			`2 of the values (under 0.1%) contain ="…" or a leading apostrophe (add =, " and ' to the column's ignoredDelimiters, or clean the table)`,
			"2 of the values (under 0.1%) are numbers in scientific notation (export the column as text)",
		}},
		"unfindable and repeated": {func(c *ColumnQuality) { c.LargestRepetition, c.Unfindable[ScientificNotation] = 500, 500 }, []string{
			"500 of the values (50.0%) are numbers in scientific notation (export the column as text)", "50.0% of the rows have the same value",
		}},
		"unfindable in a small table": {func(c *ColumnQuality) {
			*c = ColumnQuality{Rows: 3, Distinct: 1, LargestRepetition: 3, Unfindable: Unfindable{LostCharacters: 2}}
		}, []string{
			"2 of the values (66.6%) contain U+FFFD in place of lost characters (export the table again)",
		}},
		"a small table": {func(c *ColumnQuality) {
			*c = ColumnQuality{Rows: 99, Empty: 60, Distinct: 1, LargestRepetition: 39, Short: 39}
		}, nil},
		"no rows": {func(c *ColumnQuality) { *c = ColumnQuality{} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			tc.change(&c)
			if got := c.Weaknesses(); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPrintingQualityShowsNoCell(t *testing.T) {
	const cell = "078-05-1120"
	columns := []columnQuality{*gather(slices.Repeat([]string{cell}, 200))}
	columns[0].startVotes()
	hash := xxh3.HashString(cell)
	result := columns[0].result("SSN")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{columns, columns[0], &columns[0], result, result.Weaknesses(), Prepared{Columns: []ColumnQuality{result}}} {
			out := fmt.Sprintf(verb, value)
			for _, secret := range []string{cell, fmt.Sprintf("%x", cell), fmt.Sprint(hash), fmt.Sprintf("%x", hash)} {
				if strings.Contains(out, secret) {
					t.Errorf("%s of %T shows the cell or its hash: %s", verb, value, out)
				}
			}
		}
	}
}

func BenchmarkColumnQuality(b *testing.B) {
	const cells = 1 << 16
	for name, pick := range map[string]func(int) int{
		"unique":   func(i int) int { return i },
		"repeated": func(i int) int { return i * 7 % 700 },
		"both":     func(i int) int { return i * (i % 2) * 7 % 45_000 },
	} {
		b.Run(name, func(b *testing.B) {
			column := make([]string, cells)
			for i := range column {
				column[i] = fmt.Sprintf("P-%08d", pick(i))
			}
			text, spans := spansOf(column)
			var q columnQuality
			b.ReportAllocs()
			for b.Loop() {
				q.add(text, spans)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*cells), "ns/cell")
		})
	}
}
