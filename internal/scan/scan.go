// Package scan finds the records of a data store's live table in text. The text and
// the key stay here: candidates for values are hashed on this machine, and only
// tokens are sent.
package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// Options say what is a find. MaxWords are the words that a value may have, those of
// ColumnWords where a column's name is there. Within
// is how many characters may lie between a primary value and one that corroborates
// it. MinColumns are the columns of one row that must be there, 0 for two, or one
// where the table has no more; Mandatory are some of them, by name.
type Options struct {
	MaxWords, Within, MinColumns int
	Mandatory                    []string
	ColumnWords                  map[string]int
}

// Bounds of the options.
const (
	maxMaxWords = 32
	maxWithin   = 100_000
)

// Find is a record in a file. Bytes are of the file, from 0, the end is behind the
// last one; lines are from 1.
type Find struct {
	File       string   `json:"file"`
	Store      string   `json:"store"`
	Row        int64    `json:"row"`
	Columns    []string `json:"columns"`
	Bytes      Range    `json:"bytes"`
	Lines      Range    `json:"lines"`
	Generation int64    `json:"generation"`
	SessionID  string   `json:"sessionId"`
}

// Range is a part of a file.
type Range struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// segment is how many bytes of text are searched at a time.
const segment = 32 << 10

// Scanner searches text for the records of one live table. It is not safe for
// concurrent use.
type Scanner struct {
	table     *table
	o         Options
	words     []int  // of each column's values, at most
	most      int    // of all columns
	mandatory uint32 // columns
	segment   int
	found     []candidate // room to work in
	fewer     []candidate
}

// Open reads which table of the store is live. Errors name the flag that is wrong.
func Open(ctx context.Context, stores edm.Stores, key []byte, store string, o Options) (*Scanner, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	t, err := openTable(ctx, stores, key, store)
	if err != nil {
		return nil, err
	}
	s := &Scanner{table: t, o: o, segment: segment}
	if s.o.MinColumns == 0 {
		s.o.MinColumns = min(2, len(t.columns))
	}
	if s.o.MinColumns > len(t.columns) {
		return nil, fmt.Errorf("--min-columns is %d, and the live table of data store %q has %d", s.o.MinColumns, store, len(t.columns))
	}
	for _, name := range o.Mandatory {
		c, err := t.columnNamed("--mandatory", name)
		if err != nil {
			return nil, err
		}
		s.mandatory |= 1 << c
	}
	if err := s.countWords(); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(t.columns, func(c column) bool { return c.IsSearchable }) {
		return nil, fmt.Errorf("the live table of data store %q has no searchable column, which a primary value needs", store)
	}
	return s, nil
}

// countWords sets how many words the values of each column may have.
func (s *Scanner) countWords() error {
	for range s.table.columns {
		s.words = append(s.words, s.o.MaxWords)
	}
	for _, name := range slices.Sorted(maps.Keys(s.o.ColumnWords)) {
		c, err := s.table.columnNamed("--max-words", name)
		if err != nil {
			return err
		}
		s.words[c] = s.o.ColumnWords[name]
	}
	s.most = slices.Max(s.words)
	return nil
}

// upTo are the candidates of at most n words.
func (s *Scanner) upTo(all []candidate, words int) []candidate {
	if words >= s.most {
		return all
	}
	s.fewer = s.fewer[:0]
	for i := range all {
		if all[i].words() <= words {
			s.fewer = append(s.fewer, all[i])
		}
	}
	return s.fewer
}

var errMaxWords = fmt.Errorf("--max-words must be 1 to %d, or COLUMN= and such a number", maxMaxWords)

func (o Options) check() error {
	for _, words := range o.ColumnWords {
		if words < 1 || words > maxMaxWords {
			return errMaxWords
		}
	}
	switch {
	case o.MaxWords < 1 || o.MaxWords > maxMaxWords:
		return errMaxWords
	case o.Within < 0 || o.Within > maxWithin:
		return fmt.Errorf("--within must be 0 to %d", maxWithin)
	case o.MinColumns < 0:
		return errors.New("--min-columns must be 1 or more")
	}
	return nil
}

// reach is how many bytes of text a find may have at either side of its primary
// value.
func (s *Scanner) reach() int { return utf8Max*s.o.Within + 2*maxValue }

const utf8Max = 4 // bytes of a character

// Scan yields the records that a file holds, in the order of their ends' becoming
// certain. It fails with a *TextError where the file is not text; what was found
// before is yielded.
func (s *Scanner) Scan(ctx context.Context, name string, in io.Reader, yield func(Find) error) error {
	t, err := newText(in)
	if err != nil {
		return err
	}
	f := &finds{scanner: s, name: name, yield: yield}
	for next := int64(0); ; {
		failed := t.fill(int(next-t.base) + s.segment + s.reach() + maxValue)
		until := t.end()
		if !t.eof && failed == nil {
			until = max(next, until-int64(s.reach()+maxValue))
		}
		if err := s.search(ctx, t, next, until, f); err != nil {
			return err
		}
		next = until
		if failed != nil || t.eof {
			return cmp.Or(f.end(), failed)
		}
		t.forget(next - int64(s.reach()+maxValue))
	}
}

// primary is a candidate that rows hold in a searchable column.
type primary struct {
	candidate
	column int
	token  fingerprint.Token
	total  int64
}

// search finds the records whose primary values begin from one place of the text
// up to another.
func (s *Scanner) search(ctx context.Context, t *text, from, to int64, f *finds) error {
	first, _ := slices.BinarySearchFunc(t.words, from, func(w word, at int64) int { return int(w.start - at) })
	last, _ := slices.BinarySearchFunc(t.words, to, func(w word, at int64) int { return int(w.start - at) })
	s.found = t.candidates(s.found[:0], first, last, s.most)
	var all []primary
	for c := range s.table.columns {
		if !s.table.columns[c].IsSearchable {
			continue
		}
		found, err := s.primaries(ctx, t, c)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b primary) int { return a.first - b.first })
	return s.corroborate(ctx, t, all, f)
}

// primaries are the candidates that some rows hold in a column. Of candidates that
// differ in their edges alone and are one value it is the shortest.
func (s *Scanner) primaries(ctx context.Context, t *text, c int) (out []primary, err error) {
	all := s.upTo(s.found, s.words[c])
	tokens := s.table.tokens(c, t.bytes, all)
	hits, err := s.table.hits(ctx, c, tokens)
	if err != nil || len(hits) == 0 {
		return nil, err
	}
	for i, one := range all {
		token := tokens.at(i)
		total := hits[token]
		if total == 0 || total > edm.MaxLimit {
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

// columnsOf names columns.
func (s *Scanner) columnsOf(columns uint32) (names []string) {
	for c := range s.table.columns {
		if columns&(1<<c) != 0 {
			names = append(names, s.table.columns[c].Name)
		}
	}
	return names
}

// nearest orders candidates by their distance from a primary value, mandatory
// columns first, and then by where they are.
func (s *Scanner) nearest(p primary, all []corroboration) {
	slices.SortFunc(all, func(a, b corroboration) int {
		mandatory := func(c corroboration) int { return int(s.mandatory >> c.column & 1) }
		for _, order := range []int64{
			int64(mandatory(b) - mandatory(a)), gap(a.candidate, p.candidate) - gap(b.candidate, p.candidate),
			int64(a.End-a.Start) - int64(b.End-b.Start), int64(a.Start) - int64(b.Start), int64(a.column - b.column),
		} {
			if order != 0 {
				return int(max(min(order, 1), -1))
			}
		}
		return 0
	})
}
