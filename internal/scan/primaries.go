package scan

import (
	"cmp"
	"context"
	"slices"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// primary is a candidate that rows hold in a searchable column.
type primary struct {
	candidate
	column int
	token  fingerprint.Token
	total  int64
}

// primaries finds the primary values of a file. Every find has a value of one of some
// columns, the anchors: their candidates are asked for everywhere, those of the other
// searchable columns only within the distance of such a value.
type primaries struct {
	scanner *Scanner
	text    *text
	anchors []int // columns, nil until the first text is there
	others  []int // that are searchable and no anchors
	asked   int64 // up to where in the text anchors were asked for
	held    []anchor
}

// anchor is a value of an anchor column, wherever the text in memory begins.
type anchor struct {
	primary
	word int64 // where its first word is in the text
	base int64 // of its span
}

// between are the primary values that begin from one place of the text up to another.
func (p *primaries) between(ctx context.Context, from, to int64) ([]primary, error) {
	if p.anchors == nil {
		p.choose(p.wordsIn(from, to))
	}
	reach := int64(p.scanner.reach())
	ahead := min(to+reach-maxValue, p.text.end()) + 1
	for p.asked < ahead {
		next := min(p.asked+int64(p.scanner.segment), ahead)
		if err := p.ask(ctx, p.asked, next); err != nil {
			return nil, err
		}
		p.asked = next
	}
	p.held = slices.DeleteFunc(p.held, func(a anchor) bool { return a.word < from-reach })
	all := p.ofAnchors(from, to)
	near := p.near(from, to)
	for _, c := range p.others {
		some, err := p.scanner.values(ctx, p.text, c, near)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	all = slices.DeleteFunc(all, func(p primary) bool { return p.total > edm.MaxLimit })
	slices.SortStableFunc(all, func(a, b primary) int { return cmp.Or(a.first-b.first, a.column-b.column) })
	return all, nil
}

// wordsIn are the words that begin from one place of the text up to another.
func (p *primaries) wordsIn(from, to int64) (first, last int) { return p.wordAt(from), p.wordAt(to) }

// wordAt is the first word from a place of the text on.
func (p *primaries) wordAt(place int64) int {
	at, _ := slices.BinarySearchFunc(p.text.words, place, func(w word, at int64) int { return cmp.Compare(w.start, at) })
	return at
}

// choose chooses the anchors: of what every find has a value of, that which has the
// fewest candidates among some words. A find has a value of each mandatory column. It
// has MinColumns columns, and of the searchable ones all but as many as are not.
func (p *primaries) choose(first, last int) {
	s := p.scanner
	s.found = p.text.candidates(s.found[:0], first, last, s.most)
	counts := make([]int, len(s.table.columns))
	var searchable []int
	for c := range s.table.columns {
		if s.table.columns[c].IsSearchable {
			searchable, counts[c] = append(searchable, c), len(s.mayBe(c, p.text.bytes, s.found))
		}
	}
	fewest := slices.Clone(searchable)
	slices.SortStableFunc(fewest, func(a, b int) int { return cmp.Or(counts[a]-counts[b], s.words[a]-s.words[b]) })
	if p.anchors = s.anchors; p.anchors == nil {
		p.anchors = s.cheapest(fewest, counts)
	}
	p.others = slices.DeleteFunc(searchable, func(c int) bool { return slices.Contains(p.anchors, c) })
}

// cheapest chooses among the searchable columns, those first that have the fewest
// candidates.
func (s *Scanner) cheapest(searchable, counts []int) []int {
	spare := max(s.o.MinColumns-(len(s.table.columns)-len(searchable))-1, 0)
	out, asked := searchable[:max(len(searchable)-spare, 1)], 0
	for _, c := range out {
		asked += counts[c]
	}
	for _, c := range searchable {
		if s.mandatory&(1<<c) != 0 && counts[c] <= asked {
			return []int{c}
		}
	}
	return out
}

// ask asks for the values of the anchors that begin from one place of the text up to
// another.
func (p *primaries) ask(ctx context.Context, from, to int64) error {
	s := p.scanner
	first, last := p.wordsIn(from, to)
	s.found = p.text.candidates(s.found[:0], first, last, s.most)
	for _, c := range p.anchors {
		found, err := s.values(ctx, p.text, c, s.found)
		if err != nil {
			return err
		}
		for _, one := range found {
			p.held = append(p.held, anchor{one, p.text.words[one.first].start, p.text.base})
		}
	}
	return nil
}

// ofAnchors are the values of the anchors that begin from one place of the text up to
// another.
func (p *primaries) ofAnchors(from, to int64) (out []primary) {
	for _, a := range p.held {
		if a.word < from || a.word >= to {
			continue
		}
		one, moved := a.primary, uint32(p.text.base-a.base)
		one.Start, one.End = one.Start-moved, one.End-moved
		one.first = p.wordAt(a.word)
		one.last += one.first - a.first
		out = append(out, one)
	}
	return out
}

// near are the candidates that begin from one place of the text up to another and have
// a value of the anchors within the distance.
func (p *primaries) near(from, to int64) (out []candidate) {
	if len(p.held) == 0 || len(p.others) == 0 {
		return nil
	}
	s, t := p.scanner, p.text
	first, last := p.wordsIn(from, to)
	for _, r := range p.around() {
		lo, _ := slices.BinarySearchFunc(t.words, r.Start, func(w word, at int64) int { return cmp.Compare(w.last, at) })
		hi, _ := slices.BinarySearchFunc(t.words, r.End+1, func(w word, at int64) int { return cmp.Compare(w.char, at) })
		lo, hi = max(lo-s.most+1, first), min(hi, last)
		if lo < hi {
			out = t.candidates(out, lo, hi, s.most)
			first = hi
		}
	}
	return out
}

// around are the characters within the distance of the values of the anchors, in order
// and without overlap.
func (p *primaries) around() (out []Range) {
	within := int64(p.scanner.o.Within)
	all := make([]Range, 0, len(p.held))
	for _, a := range p.held {
		all = append(all, Range{a.char - within, a.charEnd + within})
	}
	slices.SortFunc(all, func(a, b Range) int { return cmp.Compare(a.Start, b.Start) })
	for _, r := range all {
		if n := len(out); n > 0 && r.Start <= out[n-1].End {
			out[n-1].End = max(out[n-1].End, r.End)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// values are the candidates that some rows hold in a column. Of candidates that differ
// in their edges alone and are one value it is the shortest.
func (s *Scanner) values(ctx context.Context, t *text, c int, all []candidate) (out []primary, err error) {
	all = s.mayBe(c, t.bytes, all)
	tokens := s.table.tokens(c, t.bytes, all)
	hits, err := s.table.hits(ctx, c, tokens)
	if err != nil || len(hits) == 0 {
		return nil, err
	}
	for i, one := range all {
		token := tokens.at(i)
		total := hits[token]
		if total == 0 {
			continue
		}
		known := false
		for j := len(out) - 1; j >= 0 && out[j].first == one.first && out[j].last == one.last; j-- {
			known = known || out[j].token == token
		}
		if !known {
			out = append(out, primary{one, c, token, total})
		}
	}
	return out, nil
}
