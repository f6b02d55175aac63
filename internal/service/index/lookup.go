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
func (t *Table) Match(column int, token fingerprint.Token, same map[int][]fingerprint.Token, limit int) (edm.MatchAnswer, error) {
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
		got, err := t.Token(c, row)
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
