package index

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

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

// rows counts the rows of a token and calls found with the first of them, in order, as
// many as limit.
func (x *columnIndex) rows(token fingerprint.Token, limit int, found func(row int64) error) (total int64, err error) {
	if token == emptyToken {
		return 0, nil
	}
	of, from, to, err := x.span(token)
	if err != nil {
		return 0, err
	}
	for n := from; n < min(to, from+int64(limit)); n++ {
		row, err := of.rowAt(n)
		if err == nil && (n > from || of != x.main) { // span compared the first of the index
			err = x.confirm(token, row)
		}
		if err == nil {
			err = found(row)
		}
		if err != nil {
			return 0, err
		}
	}
	return to - from, nil
}

// confirm wants a token in a row.
func (x *columnIndex) confirm(token fingerprint.Token, row int64) error {
	is, err := x.blocks.token(x.column, row)
	if err == nil && is != token {
		err = damaged("an entry of column %d is not that of its row", x.column)
	}
	return err
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
			_, err := x.rows(token, limit-len(found), func(row int64) error {
				if !seen[row] {
					seen[row] = true
					found = append(found, row)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// SameRow are tokens of a column of which one may stand in a row that is found.
type SameRow struct {
	Column int
	Tokens []fingerprint.Token
}

// Match counts the rows of a token of a searchable column and calls found with the first
// of them, in order, as many as limit, and with which of the tokens of each of same
// stands there, -1 for none. That is valid until found returns.
func (t *Table) Match(column int, token fingerprint.Token, same []SameRow, limit int, found func(row int64, matched []int)) (total int64, err error) {
	err = guarded(func() error {
		var room [8]int
		matched := append(room[:0], make([]int, len(same))...)
		total, err = t.indexes[column].rows(token, limit, func(row int64) error {
			for i := range same {
				is, err := t.blocks.token(same[i].Column, row)
				if err != nil {
					return err
				}
				if matched[i] = -1; is != emptyToken {
					matched[i] = slices.Index(same[i].Tokens, is)
				}
			}
			found(row, matched)
			return nil
		})
		return err
	})
	return total, err
}
