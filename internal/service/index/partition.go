package index

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"exactmatch.dev/operator/internal/fingerprint"
)

const (
	// cells are the values of the two bytes by which tokens are parted at a time.
	cells = 1 << 16
	// noBucket is that of a cell which is not collected.
	noBucket = cells - 1

	// columnFixed is about what indexing a column takes beside its entries: what is read
	// and written at a time, and what is sorted at a time.
	columnFixed = 20 << 20
)

// roomFor is how many entries are collected at once within a number of bytes.
func roomFor(memory int64) int { return int(max(memory-columnFixed, 1<<20) / int64(len(entry{}))) }

// columnIndexer sorts the tokens of a column into the files of its index. It reads the
// column once to count its tokens by their first bytes, and then once for each range
// of them that finds room in memory: nothing is written twice, and its memory does
// not grow with the table, nor with a token that every row has.
type columnIndexer struct {
	tokens *columnTokens
	files  group
	room   int // entries that are collected at once
	column int

	main       *pageWriter
	collisions *pageWriter // nil as long as there are none
	mixed      bool        // all entries at hand share their prefix, and are of several tokens
	entries    []entry
	spread     spreader
	bucketOf   []uint16
	next       []uint32
}

// newColumnIndexer indexes one column after another, and keeps its memory.
func newColumnIndexer(p *blockPages, blocks, files group, room int) *columnIndexer {
	return &columnIndexer{tokens: newColumnTokens(p, blocks), files: files, room: room}
}

// index writes the files of a column's index, finished and not yet synced. It gives
// them up where it fails.
func (x *columnIndexer) index(ctx context.Context, column int) (all []*pageWriter, err error) {
	x.column, x.tokens.column, x.collisions = column, column, nil
	of := File{Kind: KindIndex, Name: indexName(column), Column: &column}
	if x.main, err = newPageWriter(ctx, x.files, of, indexEntry); err != nil {
		return nil, err
	}
	byWords, err := x.byWords(ctx)
	if err == nil && !byWords {
		err = x.part(ctx, nil)
	}
	for _, w := range []*pageWriter{x.main, x.collisions} {
		if w != nil {
			all, err = append(all, w), errors.Join(err, w.finish())
		}
	}
	if err == nil {
		return all, nil
	}
	for _, w := range all {
		err = errors.Join(err, w.giveUp())
	}
	return nil, err
}

// with calls f with the tokens that begin so, and their rows. Empty cells are not
// indexed.
func (x *columnIndexer) with(ctx context.Context, start []byte, f func(token []byte, row uint32) error) error {
	return x.tokens.each(ctx, func(row uint32, tokens []byte) error {
		for ; len(tokens) > 0; tokens = tokens[fingerprint.TokenSize:] {
			if token := tokens[:fingerprint.TokenSize:fingerprint.TokenSize]; bytes.HasPrefix(token, start) && !isEmpty(token) {
				if err := f(token, row); err != nil {
					return err
				}
			}
			row++
		}
		return nil
	})
}

func isEmpty(token []byte) bool { return [fingerprint.TokenSize]byte(token) == emptyToken }

// part sorts the tokens that begin with start: range by range of the two bytes behind
// it, each as large as there is room. A single value of the two bytes that has more
// is parted further.
func (x *columnIndexer) part(ctx context.Context, start []byte) error {
	counts, err := x.count(ctx, start)
	if err != nil {
		return err
	}
	for low := 0; low < cells; {
		high, sum := low, 0
		for high < cells && sum+int(counts[high]) <= x.room {
			sum += int(counts[high])
			high++
		}
		if high == low {
			if err := x.deeper(ctx, binary.BigEndian.AppendUint16(slices.Clone(start), uint16(low))); err != nil {
				return err
			}
			high++
		} else if sum > 0 {
			if err := x.collect(ctx, start, counts, low, high); err != nil {
				return err
			}
		}
		low = high
	}
	return nil
}

// count counts the tokens that begin with start by the two bytes behind it.
func (x *columnIndexer) count(ctx context.Context, start []byte) ([]uint32, error) {
	counts := make([]uint32, cells)
	at := len(start)
	if at > 0 {
		return counts, x.with(ctx, start, func(token []byte, _ uint32) error {
			counts[binary.BigEndian.Uint16(token[at:])]++
			return nil
		})
	}
	return counts, x.tokens.each(ctx, func(_ uint32, tokens []byte) error {
		for ; len(tokens) >= fingerprint.TokenSize; tokens = tokens[fingerprint.TokenSize:] {
			if cell := binary.BigEndian.Uint16(tokens); cell != 0 || !isEmpty(tokens[:fingerprint.TokenSize]) {
				counts[cell]++
			}
		}
		return nil
	})
}

// deeper sorts more tokens than there is room for, which begin alike.
func (x *columnIndexer) deeper(ctx context.Context, start []byte) error {
	switch len(start) {
	case fingerprint.TokenSize: // one token, in the order of its rows
		return x.with(ctx, start, func(token []byte, row uint32) error { return x.collide(ctx, token, row) })
	case prefixSize:
		one, err := x.isOne(ctx, start)
		if err != nil {
			return err
		}
		if one {
			return x.with(ctx, start, func(token []byte, row uint32) error {
				x.main.add(binary.BigEndian.Uint64(token), row)
				return x.main.err
			})
		}
	}
	return x.part(ctx, start)
}

// isOne reports whether all tokens with a prefix are one.
func (x *columnIndexer) isOne(ctx context.Context, prefix []byte) (bool, error) {
	var first []byte
	errOther := errors.New("another token")
	err := x.with(ctx, prefix, func(token []byte, _ uint32) error {
		if first == nil {
			first = slices.Clone(token)
		}
		if !bytes.Equal(first, token) {
			return errOther
		}
		return nil
	})
	if errors.Is(err, errOther) {
		return false, nil
	}
	return err == nil, err
}

// collect sorts the tokens that begin with start and a value of the two bytes behind
// it from low on and below high. They are put into buckets as they are read, and the
// buckets sorted one after another.
func (x *columnIndexer) collect(ctx context.Context, start []byte, counts []uint32, low, high int) error {
	ends := x.buckets(counts, low, high)
	x.mixed = len(start) >= prefixSize
	if len(start) == 0 {
		if err := x.fill(ctx); err != nil {
			return err
		}
	} else {
		err := x.with(ctx, start, func(token []byte, row uint32) error {
			x.put(token, binary.BigEndian.Uint16(token[len(start):]), row)
			return nil
		})
		if err != nil {
			return err
		}
	}
	from := uint32(0)
	for b, to := range ends {
		if x.next[b] != to {
			return damaged("column %d has other tokens than before", x.column)
		}
		if err := x.emit(ctx, x.entries[from:to]); err != nil {
			return err
		}
		from = to
	}
	return x.main.err
}

// buckets joins cells to buckets and returns where each of them ends.
func (x *columnIndexer) buckets(counts []uint32, low, high int) (ends []uint32) {
	x.bucketOf, x.next = sized(x.bucketOf, cells), x.next[:0]
	for i := range x.bucketOf {
		x.bucketOf[i] = noBucket
	}
	sum, begun := uint32(0), uint32(0)
	for cell := low; cell < high; cell++ {
		if len(x.next) == len(ends) {
			x.next, begun = append(x.next, sum), sum
		}
		x.bucketOf[cell] = uint16(len(ends))
		sum += counts[cell]
		if sum-begun >= bucketEntries && len(ends) < noBucket-1 {
			ends = append(ends, sum)
		}
	}
	if len(x.next) > len(ends) {
		ends = append(ends, sum)
	}
	x.entries = sized(x.entries, int(sum))
	return ends
}

// put lays a token into the bucket of its cell.
func (x *columnIndexer) put(token []byte, cell uint16, row uint32) {
	b := x.bucketOf[cell]
	if b == noBucket {
		return
	}
	e := &x.entries[x.next[b]]
	x.next[b]++
	*(*[fingerprint.TokenSize]byte)(e[:]) = [fingerprint.TokenSize]byte(token)
	binary.BigEndian.PutUint32(e[fingerprint.TokenSize:], row)
}

// fill lays all tokens of the column into the buckets that there are.
func (x *columnIndexer) fill(ctx context.Context) error {
	return x.tokens.each(ctx, func(row uint32, tokens []byte) error {
		for ; len(tokens) >= fingerprint.TokenSize; tokens = tokens[fingerprint.TokenSize:] {
			token := tokens[:fingerprint.TokenSize:fingerprint.TokenSize]
			if cell := binary.BigEndian.Uint16(token); cell != 0 || !isEmpty(token) {
				x.put(token, cell, row)
			}
			row++
		}
		return nil
	})
}

// emit writes entries in order.
func (x *columnIndexer) emit(ctx context.Context, entries []entry) error {
	places, mask, apart := x.spread.order(entries)
	if !apart || x.mixed {
		return x.emitSorted(ctx, x.spread.sortBy(entries, places, mask))
	}
	x.main.addPlaces(entries, places, mask)
	return nil
}

// emitSorted writes sorted entries: where the tokens with one prefix are one, to the
// index, else to the collisions.
func (x *columnIndexer) emitSorted(ctx context.Context, sorted []entry) error {
	for from := 0; from < len(sorted); {
		prefix, to, one := sorted[from].prefix(), from+1, !x.mixed
		for ; to < len(sorted) && sorted[to].prefix() == prefix; to++ {
			one = one && sorted[to].sameToken(&sorted[from])
		}
		for i := from; i < to; i++ {
			if e := &sorted[i]; one {
				x.main.add(prefix, e.row())
			} else if err := x.collide(ctx, e[:fingerprint.TokenSize], e.row()); err != nil {
				return err
			}
		}
		from = to
	}
	return nil
}

// collide writes an entry whose token has its prefix in common with another.
func (x *columnIndexer) collide(ctx context.Context, token []byte, row uint32) (err error) {
	if x.collisions == nil {
		column := x.column
		of := File{Kind: KindCollisions, Name: collisionsName(column), Column: &column}
		if x.collisions, err = newPageWriter(ctx, x.files, of, collisionEntry); err != nil {
			return err
		}
	}
	x.collisions.collide(token, row)
	return x.collisions.err
}
