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
)

// Options say what is a find. MaxWords are the words that a value may have, those of
// ColumnWords where a column's name is there. Within
// is how many characters may lie between a primary value and one that corroborates
// it. MinColumns are the columns of one row that must be there, 0 for two, or one
// where the table has no more; Mandatory are some of them, by name. Patterns are
// regular expressions, by column, that all its values match in their normal form.
type Options struct {
	MaxWords, Within, MinColumns int
	Mandatory                    []string
	ColumnWords                  map[string]int
	Patterns                     map[string]string
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
	words     []int      // of each column's values, at most
	most      int        // of all columns
	patterns  []*pattern // of each column's values, nil for any
	mandatory uint32     // columns
	segment   int
	anchors   []int       // nil to choose them for each file
	found     []candidate // room to work in
	fewer     []candidate
	normal    []byte
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
	if err := errors.Join(s.countWords(), s.readPatterns()); err != nil {
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
	p := &primaries{scanner: s, text: t}
	for next := int64(0); ; {
		failed := t.fill(int(next-t.base) + s.segment + s.reach() + maxValue)
		until := t.end()
		if !t.eof && failed == nil {
			until = max(next, until-int64(s.reach()+maxValue))
		}
		all, err := p.between(ctx, next, until)
		if err == nil {
			err = s.corroborate(ctx, t, all, f)
		}
		if err != nil {
			return err
		}
		next = until
		if failed != nil || t.eof {
			return cmp.Or(f.end(), failed)
		}
		t.forget(next - int64(s.reach()+maxValue))
	}
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
