package index

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"exactmatch.dev/operator/internal/fingerprint"
)

// An index entry is a token and, big-endian so that entries sort as bytes, the
// row that it stands in.
const (
	indexEntry = fingerprint.TokenSize + 4
	// MaxRows is more than the rows that a table can have.
	MaxRows    = math.MaxUint32
	runEntries = 1 << 20
)

var emptyToken fingerprint.Token

// indexColumn sorts the tokens of a column's token file into an index file, by
// way of sorted runs: its memory does not grow with the table, nor with a token
// that every row has.
func indexColumn(ctx context.Context, files group, column int) (err error) {
	tokens, err := openPages(ctx, files, tokensName(column), fingerprint.TokenSize)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tokens.close()) }()
	runs := &sortedRuns{files: files, column: column, most: runEntries}
	return runs.index(ctx, tokens)
}

// index sorts the tokens into the index file.
func (s *sortedRuns) index(ctx context.Context, tokens *pageFile) (err error) {
	defer func() { err = errors.Join(err, s.remove(context.WithoutCancel(ctx))) }()
	if err := s.fill(ctx, tokens); err != nil {
		return err
	}
	return s.merge(ctx, indexName(s.column))
}

// entry is one index entry. Entries sort as bytes.
type entry [indexEntry]byte

func compareEntries(a, b entry) int {
	if c := cmp.Compare(binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(b[:])); c != 0 {
		return c
	}
	return bytes.Compare(a[8:], b[8:])
}

// sortedRuns are page files of index entries, each in order, and the entries
// of the last run, which is kept in memory.
type sortedRuns struct {
	files  group
	column int
	most   int // entries of one run
	count  int
	last   []entry
	spare  []entry // room to sort
}

func (s *sortedRuns) name(n int) string { return fmt.Sprintf("col-%d.run-%d", s.column, n) }

// fill makes the runs.
func (s *sortedRuns) fill(ctx context.Context, tokens *pageFile) error {
	s.last = make([]entry, 0, int(min(int64(s.most), tokens.entries)))
	row := uint32(0)
	err := tokens.each(func(page []byte) error {
		if len(s.last)+len(page)/fingerprint.TokenSize > s.most {
			if err := errors.Join(ctx.Err(), s.spill(ctx)); err != nil {
				return err
			}
		}
		for ; len(page) > 0; page = page[fingerprint.TokenSize:] {
			if token := fingerprint.Token(page); token != emptyToken {
				var e entry
				copy(e[:], token[:])
				binary.BigEndian.PutUint32(e[fingerprint.TokenSize:], row)
				s.last = append(s.last, e)
			}
			row++
		}
		return nil
	})
	s.sort()
	return err
}

// sort puts the last run in order: by the first two bytes in one go, which
// spreads tokens evenly, then each of those few.
func (s *sortedRuns) sort() {
	const buckets = 1 << 16
	if len(s.last) < buckets {
		slices.SortFunc(s.last, compareEntries)
		return
	}
	if cap(s.spare) < len(s.last) {
		s.spare = make([]entry, cap(s.last))
	}
	sorted := s.spare[:len(s.last)]
	starts := make([]uint32, buckets+1)
	for i := range s.last {
		starts[int(binary.BigEndian.Uint16(s.last[i][:]))+1]++
	}
	for i := range buckets {
		starts[i+1] += starts[i]
	}
	next := slices.Clone(starts)
	for i := range s.last {
		at := &next[binary.BigEndian.Uint16(s.last[i][:])]
		sorted[*at] = s.last[i]
		*at++
	}
	for i := range buckets {
		slices.SortFunc(sorted[starts[i]:starts[i+1]], compareEntries)
	}
	s.last, s.spare = sorted, s.last[:0]
}

// spill moves the last run to a file, which nobody needs after a crash.
func (s *sortedRuns) spill(ctx context.Context) error {
	s.sort()
	w, err := newPageWriter(ctx, s.files, s.name(s.count), indexEntry)
	if err != nil {
		return err
	}
	s.count++
	for i := range s.last {
		if err := w.add(s.last[i][:]); err != nil {
			return errors.Join(err, w.file.Close())
		}
	}
	s.last = s.last[:0]
	return w.close()
}

func (s *sortedRuns) remove(ctx context.Context) (err error) {
	for n := range s.count {
		err = errors.Join(err, s.files.store.Remove(ctx, s.files.session, s.name(n)))
	}
	return err
}

// cursor stands at an entry of a run: of a file, or of memory where run is nil.
type cursor struct {
	run  *pageFile
	next int64 // page of the run
	page []byte
	left []entry
	head entry
}

// advance goes to the next entry; false at the end.
func (c *cursor) advance() (bool, error) {
	if c.run == nil {
		if len(c.left) == 0 {
			return false, nil
		}
		c.head, c.left = c.left[0], c.left[1:]
		return true, nil
	}
	if len(c.page) == 0 {
		if c.next == c.run.pages() {
			return false, nil
		}
		page, err := c.run.page(c.next)
		if err != nil {
			return false, err
		}
		c.page = page
		c.next++
	}
	c.head, c.page = entry(c.page), c.page[indexEntry:]
	return true, nil
}

// cursors is a heap by the entries at hand.
type cursors []*cursor

func (c cursors) Len() int           { return len(c) }
func (c cursors) Less(i, j int) bool { return compareEntries(c[i].head, c[j].head) < 0 }
func (c cursors) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *cursors) Push(x any)        { *c = append(*c, x.(*cursor)) } //nolint:forcetypeassert // container/heap
func (c *cursors) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// merge joins the runs into the index file, and the first entry of each of its
// pages into the file of tops.
func (s *sortedRuns) merge(ctx context.Context, name string) (err error) {
	heads, err := s.open(ctx)
	defer func() {
		for _, c := range heads {
			if c.run != nil {
				err = errors.Join(err, c.run.close())
			}
		}
	}()
	if err != nil {
		return err
	}
	index, err := newPageWriter(ctx, s.files, name, indexEntry)
	if err != nil {
		return err
	}
	tops, err := newPageWriter(ctx, s.files, topsName(name), indexEntry)
	if err != nil {
		return errors.Join(err, index.close())
	}
	if err := drain(ctx, slices.Clone(heads), index, tops); err != nil {
		return errors.Join(err, index.close(), tops.close())
	}
	return errors.Join(index.commit(), tops.commit())
}

// open sets a cursor on each run that has entries. It returns those that it
// opened on failure too.
func (s *sortedRuns) open(ctx context.Context) (heads cursors, err error) {
	if len(s.last) > 0 {
		heads = append(heads, &cursor{head: s.last[0], left: s.last[1:]})
	}
	for n := range s.count {
		run, err := openPages(ctx, s.files, s.name(n), indexEntry)
		if err != nil {
			return heads, err
		}
		c := &cursor{run: run}
		heads = append(heads, c)
		if _, err := c.advance(); err != nil {
			return heads, err
		}
	}
	return heads, nil
}

func drain(ctx context.Context, heads cursors, index, tops *pageWriter) error {
	heap.Init(&heads)
	for n := 0; heads.Len() > 0; n++ {
		if n%runEntries == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		first := heads[0]
		if n%pageEntries == 0 {
			if err := tops.add(first.head[:]); err != nil {
				return err
			}
		}
		if err := index.add(first.head[:]); err != nil {
			return err
		}
		more, err := first.advance()
		if err != nil {
			return err
		}
		switch {
		case !more:
			heap.Pop(&heads)
		case len(heads) > 1:
			heap.Fix(&heads, 0)
		}
	}
	return nil
}

// columnIndex finds the rows of a token. tops are the first entries of its
// pages, kept in memory.
type columnIndex struct {
	file *pageFile
	tops []entry
}

func openIndex(ctx context.Context, files group, name string) (*columnIndex, error) {
	tops, err := openPages(ctx, files, topsName(name), indexEntry)
	if err != nil {
		return nil, err
	}
	x := &columnIndex{tops: make([]entry, 0, tops.entries)}
	err = errors.Join(tops.each(func(page []byte) error {
		for ; len(page) > 0; page = page[indexEntry:] {
			x.tops = append(x.tops, entry(page))
		}
		return nil
	}), tops.close())
	if err != nil {
		return nil, err
	}
	if x.file, err = openPages(ctx, files, name, indexEntry); err != nil {
		return nil, err
	}
	if x.file.pages() != int64(len(x.tops)) {
		return nil, errors.Join(&Damaged{fmt.Sprintf("%s has %d pages and %d tops", x.file.name, x.file.pages(), len(x.tops))}, x.file.close())
	}
	return x, nil
}

// rows counts the rows of a token and returns the first of them, in order, as
// many as limit.
func (x *columnIndex) rows(token fingerprint.Token, limit int) (total int64, first []int64, err error) {
	if token == emptyToken {
		return 0, nil, nil
	}
	from, err := x.bound(token, 0)
	if err != nil {
		return 0, nil, err
	}
	to, err := x.bound(token, MaxRows)
	if err != nil {
		return 0, nil, err
	}
	for n := from; n < to && len(first) < limit; n++ {
		entry, err := x.file.at(n)
		if err != nil {
			return 0, nil, err
		}
		first = append(first, int64(binary.BigEndian.Uint32(entry[fingerprint.TokenSize:])))
	}
	return to - from, first, nil
}

// bound is the place of the first entry that is not before (token, row). No row
// has the number MaxRows.
func (x *columnIndex) bound(token fingerprint.Token, row uint32) (int64, error) {
	key := binary.BigEndian.AppendUint32(token[:len(token):len(token)], row)
	page, _ := slices.BinarySearchFunc(x.tops, key, func(top entry, key []byte) int { return bytes.Compare(top[:], key) })
	if page == 0 {
		return 0, nil
	}
	text, err := x.file.page(int64(page - 1))
	if err != nil {
		return 0, err
	}
	in := sort.Search(len(text)/indexEntry, func(i int) bool { return bytes.Compare(text[i*indexEntry:(i+1)*indexEntry], key) >= 0 })
	return int64(page-1)*pageEntries + int64(in), nil
}
