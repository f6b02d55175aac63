package pipeline

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/zeebo/xxh3"

	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/simd"
)

// ColumnQuality is how well a column serves to be searched for, in numbers that
// hold no value of the table. All of them but Distinct count good rows. Values
// are compared as the table has them, before the column's rules make some equal.
type ColumnQuality struct {
	Name string
	// Rows that were looked at. Exact.
	Rows int64
	// Empty are the rows whose cell has no character other than white space. Exact.
	Empty int64
	// Distinct is how many values there are that are not empty: exact up to
	// 4,096, above that an estimate with a standard error of at most 2.2 %.
	Distinct int64
	// LargestRepetition is how many rows have the most common value that is not
	// empty: exact up to 4,096 distinct values. Above that it is never too high,
	// and too low by at most the rows of those other values that fall into the
	// same one of 1,024 groups, which is about Rows/1,024.
	LargestRepetition int64
	// Short are the rows whose cell is not empty and has fewer than 4 characters
	// (Unicode code points, white space among them). Exact.
	Short int64
	// Unfindable are the rows whose cell holds what nobody types. Exact.
	Unfindable Unfindable
	// LineBreaks are the rows whose cell has more than one line, not counting empty
	// ones, and MostLines is how many lines the longest of them has. Exact.
	LineBreaks, MostLines int64
}

// What makes a column weak. Leak prevention looks for every value of a
// searchable column in every message: one that is short, or that many rows
// share, is met by accident, and who looks after the matches drowns in false ones.
const (
	// FewestRowsJudged is how many rows a table has that is not too small to
	// judge: shares of fewer say nothing.
	FewestRowsJudged = 100
	// mostEmptyPercent of the rows: with more, the column misses most of them.
	mostEmptyPercent = 50
	// mostShortPercent of the values: a few are abbreviations and typing errors,
	// one of ten is how the column is.
	mostShortPercent = 10
	// mostRepeatedPercent of the rows may have the same value; more have it as a
	// placeholder ("unknown"). Fewer than fewestRepeated rows are no pattern.
	mostRepeatedPercent = 1
	fewestRepeated      = 10
	// leastDistinctPercent of the values: with less, a hundred rows share a
	// value on average, as they share a category.
	leastDistinctPercent = 1
	// leastUnfindablePerMille of the values: fewer are typing errors. They are
	// judged in a table of any size, as each is certain.
	leastUnfindablePerMille = 1
)

// values are the rows whose cell is not empty.
func (c ColumnQuality) values() int64 { return c.Rows - c.Empty }

// IsUnfindable reports whether so many values are unfindable that the column is
// weak by it.
func (c ColumnQuality) IsUnfindable() bool {
	total := c.Unfindable.Total()
	return total > 0 && total*1000 >= c.values()*leastUnfindablePerMille
}

// IsUnfindableBeyond reports whether more than a share of the values is unfindable.
func (c ColumnQuality) IsUnfindableBeyond(percent int32) bool {
	return c.Unfindable.Total()*100 > c.values()*int64(percent)
}

// unfindableWords say what is the matter with cells of each kind, and what helps.
var unfindableWords = [unfindableKinds]string{
	Mojibake:            "are UTF-8 that was read as Windows-1252 (set spec.source.format.encoding to UTF-8, or export the table again)",
	LostCharacters:      "contain U+FFFD in place of lost characters (export the table again)",
	InvisibleCharacters: "contain invisible characters (add them to the column's ignoredDelimiters, or clean the table)",
	SpreadsheetGuards:   `contain ="…" or a leading apostrophe (add =, " and ' to the column's ignoredDelimiters, or clean the table)`,
	ScientificNotation:  "are numbers in scientific notation (export the column as text)",
}

// UnfindableReasons says in a few words each, with counts and shares in percent,
// why values cannot be found and what helps; none where all can.
func (c ColumnQuality) UnfindableReasons() []string {
	var found []string
	for kind, n := range c.Unfindable {
		if n > 0 {
			found = append(found, fmt.Sprintf("%d of the values (%s) %s", n, percent(n, c.values()), unfindableWords[kind]))
		}
	}
	return found
}

// Weaknesses says in a few words each, with shares in percent, why values of the
// column would not be found, or matches of it would often be accidents; none
// where it serves well. Accidents are not judged where the table is too small.
func (c ColumnQuality) Weaknesses() []string {
	var found []string
	if c.IsUnfindable() {
		found = c.UnfindableReasons()
	}
	if c.Rows < FewestRowsJudged {
		return found
	}
	values := c.values()
	if c.Empty*100 > c.Rows*mostEmptyPercent {
		found = append(found, percent(c.Empty, c.Rows)+" of the rows are empty")
	}
	if c.Short*100 > values*mostShortPercent {
		found = append(found, percent(c.Short, values)+" of the values are shorter than 4 characters")
	}
	if c.LargestRepetition*100 > c.Rows*mostRepeatedPercent && c.LargestRepetition >= fewestRepeated {
		found = append(found, percent(c.LargestRepetition, c.Rows)+" of the rows have the same value")
	}
	if c.Distinct*100 < values*leastDistinctPercent {
		found = append(found, percent(c.Distinct, values)+" of the values are distinct")
	}
	return found
}

// percent writes a share, cut to a tenth: "12.5%".
func percent(part, whole int64) string {
	tenths := part * 1000 / whole
	if tenths == 0 {
		return "under 0.1%"
	}
	return fmt.Sprintf("%d.%d%%", tenths/10, tenths%10)
}

// columnQuality gathers the quality of one column, cell by cell. It keeps
// hashes of values for the time of the reading, never a value. The zero value
// is ready; one goroutine at a time may use it.
type columnQuality struct {
	ignored               []rune // delimiters
	rows, empty, short    int64
	kinds                 Unfindable
	lineBreaks, mostLines int64
	sample                sample
	votes                 *votes // nil while the sample has every value
}

// qualitiesOf begins to gather the quality of each column.
func qualitiesOf(columns []schema.Column) []columnQuality {
	qualities := make([]columnQuality, len(columns))
	for i, c := range columns {
		for _, d := range c.IgnoredDelimiters {
			r, _ := utf8.DecodeRuneInString(d)
			qualities[i].ignored = append(qualities[i].ignored, r)
		}
	}
	return qualities
}

// Format prints how many cells were counted, whatever the verb: the hashes of a
// column with few possible values would betray them.
func (q columnQuality) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "the quality of %d cells", q.rows)
}

// add counts cells, given as spans of a text of valid UTF-8, before normalisation.
// It does not keep them.
func (q *columnQuality) add(text []byte, cells []simd.Span) {
	q.rows += int64(len(cells))
	for _, s := range cells {
		cell := text[s.Start:s.End]
		if isPlain(text, s) || q.look(cell) {
			q.count(xxh3.Hash(cell), 1)
		}
	}
}

// count counts n cells of the value that has the hash.
func (q *columnQuality) count(hash uint64, n int64) {
	if q.votes != nil {
		q.votes.add(hash, n)
	}
	if q.sample.takes(hash) && !q.sample.add(hash, n) {
		q.startVotes()
		q.sample.thin()
	}
}

// startVotes lets the votes begin with what the sample has counted: from now on
// it may leave values out.
func (q *columnQuality) startVotes() {
	if q.votes != nil {
		return
	}
	q.votes = &votes{}
	for _, t := range q.sample.tallies {
		q.votes.add(t.hash, t.count)
	}
}

// result is what the cells come to.
func (q *columnQuality) result(name string) ColumnQuality {
	values := q.rows - q.empty
	out := ColumnQuality{
		Name: name, Rows: q.rows, Empty: q.empty, Short: q.short,
		Unfindable: q.kinds, LineBreaks: q.lineBreaks, MostLines: q.mostLines,
		Distinct: q.sample.distinct(), LargestRepetition: largest(q.sample.tallies),
	}
	if q.votes != nil {
		out.Distinct = min(max(out.Distinct, mostSampled+1), values) // so much is certain
		out.LargestRepetition = max(out.LargestRepetition, largest(q.votes[:]))
	}
	return out
}

// isShort reports whether a cell has fewer than shortLength characters.
func isShort(cell []byte) bool {
	characters := 0
	for _, b := range cell {
		if utf8.RuneStart(b) {
			if characters++; characters == shortLength {
				return false
			}
		}
	}
	return true
}

// tally is how often the value of a hash was met.
type tally struct {
	hash  uint64
	count int64
}

// largest is the largest count.
func largest(tallies []tally) int64 {
	var most int64
	for _, t := range tallies {
		most = max(most, t.count)
	}
	return most
}

// sample counts those values whose hash begins with level zeros: all of them at
// level 0, half as many with every level. The level is the lowest at which they
// are no more than mostSampled. So the values in it and their counts follow from
// the cells alone, in whatever order and parts they come, and it costs next to
// nothing where there are many values (adaptive sampling: Flajolet, On Adaptive
// Sampling, 1990).
type sample struct {
	level int
	// beyond is set where a hash of the sample is not: 0 takes every hash.
	beyond  uint64
	tallies []tally
	// places finds a tally by its hash: open addressing, 1 + its index or 0.
	places *[samplePlaces]uint16
}

const (
	// mostSampled values take 80 KiB a column. At least about half as many are
	// in a sample that leaves values out; n of them estimate with a standard
	// error of 1/√n.
	mostSampled  = 4096
	samplePlaces = 2 * mostSampled
)

// takes reports whether the value of a hash belongs into the sample.
func (s *sample) takes(hash uint64) bool { return hash&s.beyond == 0 }

// add counts n cells of a value that belongs into the sample. It reports false
// where there are too many values now, and the sample must be thinned.
func (s *sample) add(hash uint64, n int64) bool {
	if s.places == nil {
		s.places = new([samplePlaces]uint16)
	}
	place := s.find(hash)
	if at := s.places[place]; at > 0 {
		s.tallies[at-1].count += n
		return true
	}
	s.tallies = append(s.tallies, tally{hash, n})
	s.places[place] = uint16(len(s.tallies))
	return len(s.tallies) <= mostSampled
}

// find returns the place of a hash, or the free one where it belongs.
func (s *sample) find(hash uint64) uint64 {
	place := hash % samplePlaces
	for {
		at := s.places[place]
		if at == 0 || s.tallies[at-1].hash == hash {
			return place
		}
		place = (place + 1) % samplePlaces
	}
}

// thin raises the level until there are few enough values again.
func (s *sample) thin() {
	for len(s.tallies) > mostSampled {
		s.raise(s.level + 1)
	}
}

// raise drops what does not belong into the sample at a higher level.
func (s *sample) raise(level int) {
	s.level, s.beyond = level, ^(uint64(math.MaxUint64) >> level)
	s.tallies = slices.DeleteFunc(s.tallies, func(t tally) bool { return !s.takes(t.hash) })
	s.places = new([samplePlaces]uint16)
	for i, t := range s.tallies {
		s.places[s.find(t.hash)] = uint16(i + 1)
	}
}

// distinct is how many values there are: exact at level 0, else an estimate.
func (s *sample) distinct() int64 { return int64(len(s.tallies)) << s.level }

// votes find a common value among any number of them. The hash puts each value
// into a group, and each group elects one of its own by majority (Boyer and
// Moore). A tally is never higher than the value was met, and lower by at most
// the cells of the other values of its group, as each of them takes one vote at
// most. Votes may be given many at once: those of a sample.
type votes [1024]tally

// add gives n votes to the value of a hash. Its conditions compile to moves, as
// no processor could foretell branches.
func (v *votes) add(hash uint64, n int64) {
	slot := &v[hash%uint64(len(v))]
	holder, change := slot.hash, -n
	if holder == hash {
		change = n
	}
	count := slot.count + change
	if count < 0 {
		holder, count = hash, -count
	}
	slot.hash, slot.count = holder, count
}
