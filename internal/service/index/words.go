package index

import (
	"context"
	"encoding/binary"
	"math"
	"slices"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/blobs"
)

const (
	// mostWords bounds the distinct tokens of a column of few, and mostPlaces the entries
	// of all its dictionaries together: they are in memory.
	mostWords  = 1 << 17
	mostPlaces = 1 << 20
	// noWord is the place of an empty cell among the distinct tokens.
	noWord = math.MaxUint32
)

// columnWords are the distinct tokens of a column of which nearly all blocks have a
// dictionary, in order, and how many rows each has.
type columnWords struct {
	all    []fingerprint.Token
	counts []uint32
	of     map[fingerprint.Token]uint32 // their places in all
	blocks [][]uint32                   // by block, the places of the entries of its dictionary; nil where it has none
}

// haveWords reports whether a column is one of few tokens, as far as the layout of its
// blocks says it.
func (c *columnTokens) haveWords() bool {
	words, raw := 0, int64(0)
	for n := range c.blocks {
		entries := c.blocks[n].columns[c.column].Entries
		words += entries
		if entries == 0 {
			raw += int64(c.rowsOf(n))
		}
	}
	return words <= mostPlaces && 8*raw <= c.rows
}

// byWords indexes a column of few tokens: their rows are counted, and put where they
// belong. It reports whether it did.
func (x *columnIndexer) byWords(ctx context.Context) (bool, error) {
	if !x.tokens.haveWords() {
		return false, nil
	}
	w, err := x.tokens.collectWords(ctx)
	if err != nil || w == nil {
		return false, err
	}
	if err := x.tokens.eachWord(ctx, w, func(_, word uint32) { w.counts[word]++ }); err != nil {
		return false, err
	}
	room := uint64(x.room) * rowsPerEntry
	for low := 0; low < len(w.all); {
		high, sum := low, uint64(0)
		for high < len(w.all) && (high == low || sum+uint64(w.counts[high]) <= room) {
			sum += uint64(w.counts[high])
			high++
		}
		if sum > room {
			err = x.oneWord(ctx, w, low)
		} else {
			err = x.someWords(ctx, w, low, high, int(sum))
		}
		if err != nil {
			return false, err
		}
		low = high
	}
	return true, nil
}

// collectWords reads all dictionaries. It returns nil where there are more tokens than
// should be.
func (c *columnTokens) collectWords(ctx context.Context) (*columnWords, error) {
	w := &columnWords{of: map[fingerprint.Token]uint32{}, blocks: make([][]uint32, len(c.blocks))}
	for n := range c.blocks {
		err := c.opened(ctx, n, func(file blobs.Reader) error {
			if c.blocks[n].columns[c.column].Entries == 0 {
				return c.raw(file, n, func(_ uint32, tokens []byte) error {
					w.add(tokens)
					return nil
				})
			}
			words, err := c.words(file, n)
			w.blocks[n] = w.add(words)
			return err
		})
		if err != nil || len(w.all) > mostWords {
			return nil, err
		}
	}
	w.sort()
	return w, nil
}

// add numbers tokens as they come, until there are too many.
func (w *columnWords) add(tokens []byte) []uint32 {
	out := make([]uint32, 0, len(tokens)/fingerprint.TokenSize)
	for ; len(tokens) >= fingerprint.TokenSize && len(w.all) <= mostWords; tokens = tokens[fingerprint.TokenSize:] {
		token := fingerprint.Token(tokens)
		at, known := w.of[token]
		if !known {
			at = uint32(len(w.all))
			w.of[token], w.all = at, append(w.all, token)
		}
		out = append(out, at)
	}
	return out
}

// sort numbers the tokens in their order.
func (w *columnWords) sort() {
	came := slices.Clone(w.all)
	slices.SortFunc(w.all, func(a, b fingerprint.Token) int { return slices.Compare(a[:], b[:]) })
	if len(w.all) > 0 && w.all[0] == emptyToken {
		w.all = w.all[1:]
	}
	for at, token := range w.all {
		w.of[token] = uint32(at)
	}
	if _, some := w.of[emptyToken]; some {
		w.of[emptyToken] = noWord
	}
	for _, places := range w.blocks {
		for i, at := range places {
			places[i] = w.of[came[at]]
		}
	}
	w.counts = make([]uint32, len(w.all))
}

// eachWord calls f with the rows in order and the places of their tokens, without
// empty cells.
func (c *columnTokens) eachWord(ctx context.Context, w *columnWords, f func(row, word uint32)) error {
	for n := range c.blocks {
		err := c.opened(ctx, n, func(file blobs.Reader) error {
			if words := w.blocks[n]; words != nil {
				return c.blockWords(file, n, words, f)
			}
			return c.raw(file, n, func(row uint32, tokens []byte) error {
				for ; len(tokens) > 0; tokens = tokens[fingerprint.TokenSize:] {
					word, known := w.of[fingerprint.Token(tokens)]
					if !known {
						return damaged("column %d has other tokens than before", c.column)
					}
					if word != noWord {
						f(row, word)
					}
					row++
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// blockWords calls f with the rows of a block that has a dictionary.
func (c *columnTokens) blockWords(file blobs.Reader, n int, words []uint32, f func(row, word uint32)) error {
	row, width := uint32(int64(n)*c.rowsPerBlock), c.blocks[n].columns[c.column].Width()
	return c.places(file, n, func(places []byte) error {
		for ; len(places) >= width; places = places[width:] {
			at := block.Entry(places[:width])
			if at >= len(words) {
				return damaged("a place of column %d is behind the end of its dictionary", c.column)
			}
			if word := words[at]; word != noWord {
				f(row, word)
			}
			row++
		}
		return nil
	})
}

// someWords writes the entries of the tokens from low on and below high, of sum rows.
func (x *columnIndexer) someWords(ctx context.Context, w *columnWords, low, high, sum int) error {
	x.entries, x.next = sized(x.entries, (sum+rowsPerEntry-1)/rowsPerEntry), x.next[:0]
	from := uint32(0)
	for _, count := range w.counts[low:high] {
		x.next = append(x.next, from)
		from += count
	}
	rows, next := rowList(x.entries), x.next
	over := false
	err := x.tokens.eachWord(ctx, w, func(row, word uint32) {
		i := int(word) - low
		if i < 0 || i >= len(next) {
			return
		}
		at := next[i]
		if next[i]++; int(at) >= sum {
			over = true
			return
		}
		rows.put(at, row)
	})
	if err != nil {
		return err
	}
	from = 0
	for i, count := range w.counts[low:high] {
		if next[i] != from+count || over {
			return damaged("column %d has other tokens than before", x.column)
		}
		if err := x.emitWord(ctx, w, low+i, rows, from, from+count); err != nil {
			return err
		}
		from += count
	}
	return x.main.err
}

// oneWord writes the entries of a token with more rows than there is room for.
func (x *columnIndexer) oneWord(ctx context.Context, w *columnWords, word int) error {
	var failed error
	one := make(rowList, 1)
	err := x.tokens.eachWord(ctx, w, func(row, is uint32) {
		if int(is) == word && failed == nil {
			one.put(0, row)
			failed = x.emitWord(ctx, w, word, one, 0, 1)
		}
	})
	if err == nil {
		err = failed
	}
	return err
}

// rowList is rows in the memory of entries.
type rowList []entry

const rowsPerEntry = (fingerprint.TokenSize + rowSize) / rowSize

func (l rowList) put(i, row uint32) {
	binary.LittleEndian.PutUint32(l[i/rowsPerEntry][i%rowsPerEntry*rowSize:], row)
}

func (l rowList) at(i uint32) uint32 {
	return binary.LittleEndian.Uint32(l[i/rowsPerEntry][i%rowsPerEntry*rowSize:])
}

// emitWord writes the entries of a token, some of the rows: to the index where it has
// its prefix for itself, else to the collisions.
func (x *columnIndexer) emitWord(ctx context.Context, w *columnWords, word int, rows rowList, from, to uint32) error {
	prefix := func(at int) uint64 { return binary.BigEndian.Uint64(w.all[at][:]) }
	own := prefix(word)
	if (word == 0 || prefix(word-1) != own) && (word+1 == len(w.all) || prefix(word+1) != own) {
		x.main.addRows(own, rows, from, to)
		return x.main.err
	}
	for ; from < to; from++ {
		if err := x.collide(ctx, w.all[word][:], rows.at(from)); err != nil {
			return err
		}
	}
	return nil
}
