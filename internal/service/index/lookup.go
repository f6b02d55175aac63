package index

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// columnIndex finds the rows of a token. Entries of the index have the first bytes of
// it: that they are of this token is read in a block. Tokens that share these bytes
// with another one of the column are among the collisions.
type columnIndex struct {
	main       *sortedFile
	collisions *sortedFile // nil where there are none
	blocks     *blockTable
	column     int
}

func openIndex(ctx context.Context, files group, manifest *Manifest, column int, blocks *blockTable) (_ *columnIndex, err error) {
	f := manifest.file(KindIndex, column)
	if f == nil {
		return nil, damaged("%s has no index of column %d", manifestName, column)
	}
	x := &columnIndex{blocks: blocks, column: column}
	if x.main, err = openSorted(ctx, files, f, indexEntry); err != nil {
		return nil, err
	}
	if f := manifest.file(KindCollisions, column); f != nil {
		if x.collisions, err = openSorted(ctx, files, f, collisionEntry); err != nil {
			return nil, errors.Join(err, x.main.close())
		}
	}
	return x, nil
}

func (x *columnIndex) close() error {
	err := x.main.close()
	if x.collisions != nil {
		err = errors.Join(err, x.collisions.close())
	}
	return err
}

func (x *columnIndex) doubt() {
	x.main.checked.forget()
	if x.collisions != nil {
		x.collisions.checked.forget()
	}
}

// rows counts the rows of a token and returns the first of them, in order, as
// many as limit.
func (x *columnIndex) rows(token fingerprint.Token, limit int) (total int64, first []int64, err error) {
	if token == emptyToken {
		return 0, nil, nil
	}
	of, from, to, err := x.span(token)
	if err != nil {
		return 0, nil, err
	}
	for n := from; n < to && len(first) < limit; n++ {
		row, err := of.rowAt(n)
		if err != nil {
			return 0, nil, err
		}
		is, err := x.blocks.token(x.column, row)
		if err != nil {
			return 0, nil, err
		}
		if is != token {
			return 0, nil, damaged("an entry of column %d is not that of its row", x.column)
		}
		first = append(first, row)
	}
	return to - from, first, nil
}

// span is the range of a token's entries, and the file that they are in.
func (x *columnIndex) span(token fingerprint.Token) (of *sortedFile, from, to int64, err error) {
	prefix := binary.BigEndian.Uint64(token[:])
	of = x.main
	if from, err = of.firstOf(prefix); err != nil {
		return nil, 0, 0, err
	}
	if from < of.entries {
		e, err := of.at(from)
		if err != nil {
			return nil, 0, 0, err
		}
		if binary.BigEndian.Uint64(e) == prefix {
			return x.spanOf(token, prefix, from)
		}
	}
	if x.collisions == nil {
		return of, 0, 0, nil
	}
	from, to, err = x.collisions.span(token[:])
	return x.collisions, from, to, err
}

// spanOf is the range of the entries with a prefix, which are of one token; empty
// where that is another token.
func (x *columnIndex) spanOf(token fingerprint.Token, prefix uint64, from int64) (of *sortedFile, first, to int64, err error) {
	row, err := x.main.rowAt(from)
	if err != nil {
		return nil, 0, 0, err
	}
	is, err := x.blocks.token(x.column, row)
	switch {
	case err != nil:
		return nil, 0, 0, err
	case binary.BigEndian.Uint64(is[:]) != prefix:
		return nil, 0, 0, damaged("an entry of column %d is not that of its row", x.column)
	case is != token:
		return x.main, 0, 0, nil
	}
	to, err = x.main.endOf(prefix, from)
	return x.main, from, to, err
}

// Searchable reports whether a column is indexed.
func (t *Table) Searchable(column int) bool { return t.indexes[column] != nil }

// Find returns the rows where one of the tokens stands in a searchable column:
// each row once, in the order of the tokens, at most limit.
func (t *Table) Find(tokens []fingerprint.Token, limit int) (found []int64, err error) {
	err = guarded(func() error {
		found, err = t.find(tokens, limit)
		return err
	})
	return found, err
}

func (t *Table) find(tokens []fingerprint.Token, limit int) ([]int64, error) {
	var found []int64
	seen := map[int64]bool{}
	for _, token := range tokens {
		for _, x := range t.indexes {
			if x == nil {
				continue
			}
			_, rows, err := x.rows(token, limit-len(found))
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				if !seen[row] {
					seen[row] = true
					found = append(found, row)
				}
			}
		}
	}
	return found, nil
}

// Match returns the rows of a token of a searchable column, at most limit of
// them, and which of the tokens in same, by column, stand in each.
func (t *Table) Match(column int, token fingerprint.Token, same map[int][]fingerprint.Token, limit int) (out edm.MatchAnswer, err error) {
	err = guarded(func() error {
		out, err = t.match(column, token, same, limit)
		return err
	})
	return out, err
}

func (t *Table) match(column int, token fingerprint.Token, same map[int][]fingerprint.Token, limit int) (edm.MatchAnswer, error) {
	total, rows, err := t.indexes[column].rows(token, limit)
	if err != nil {
		return edm.MatchAnswer{}, err
	}
	answer := edm.MatchAnswer{Total: total}
	for _, row := range rows {
		matched, err := t.matched(row, same)
		if err != nil {
			return edm.MatchAnswer{}, err
		}
		answer.Rows = append(answer.Rows, edm.MatchRow{Row: row, Matched: matched})
	}
	return answer, nil
}

// matched says which of the wanted tokens a row has, by the names of their columns.
func (t *Table) matched(row int64, same map[int][]fingerprint.Token) (map[string]int, error) {
	var out map[string]int
	for c, wanted := range same {
		got, err := t.blocks.token(c, row)
		if err != nil {
			return nil, err
		}
		at := slices.Index(wanted, got)
		if at < 0 || got == emptyToken {
			continue
		}
		if out == nil {
			out = map[string]int{}
		}
		out[t.Columns[c].Name] = at
	}
	return out, nil
}
