package index

import (
	"slices"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// Searchable reports whether a column is indexed.
func (t *Table) Searchable(column int) bool { return t.indexes[column] != nil }

// Find returns the rows where one of the tokens stands in a searchable column:
// each row once, in the order of the tokens, at most limit.
func (t *Table) Find(tokens []fingerprint.Token, limit int) ([]int64, error) {
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
func (t *Table) Match(column int, token fingerprint.Token, same map[int]fingerprint.Token, limit int) (*edm.MatchResult, error) {
	total, rows, err := t.indexes[column].rows(token, limit)
	if err != nil {
		return nil, err
	}
	result := &edm.MatchResult{Generation: t.Generation, SessionID: t.SessionID, Total: total, Rows: make([]edm.MatchRow, 0, len(rows))}
	for _, row := range rows {
		matched, err := t.matched(row, same)
		if err != nil {
			return nil, err
		}
		result.Rows = append(result.Rows, edm.MatchRow{Row: row, Matched: matched})
	}
	return result, nil
}

// matched names the columns whose tokens in a row are those wanted, in order.
func (t *Table) matched(row int64, same map[int]fingerprint.Token) (names []string, err error) {
	for c, want := range same {
		got, err := t.Token(c, row)
		if err != nil {
			return nil, err
		}
		if got == want && got != emptyToken {
			names = append(names, t.Columns[c].Name)
		}
	}
	slices.Sort(names)
	return names, nil
}
