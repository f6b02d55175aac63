package service

import (
	"maps"
	"slices"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/index"
)

// view is the live table as one question sees it, and the columns that the store
// has at present. The rules of the tokens are the table's own: a question under
// any others would be answered by "no", so it is refused.
type view struct {
	*index.Table
	present []edm.Column
}

// columnOf finds a column that a request names.
func (v *view) columnOf(name string) (int, error) {
	c := columnAt(v.Columns, name)
	if c < 0 {
		return 0, unprocessable(edm.CodeUnprocessable, "the live table has no column %q", name)
	}
	return c, nil
}

// checkNamed refuses a question that names other rules of a column than those of
// the live table.
func (v *view) checkNamed(rules map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		c, err := v.columnOf(name)
		if err != nil {
			return err
		}
		if live := v.Columns[c].RulesID; rules[name] != live {
			return unprocessable(edm.CodeRulesMismatch, "rulesId of the column %q is not that of the live table, which is %q: make the token under the rules in live.columns", name, live)
		}
	}
	return nil
}

// checkPresent refuses a question that names no rules of a column, where those
// that the store has at present are not the live table's.
func (v *view) checkPresent(column int) error {
	live := v.Columns[column]
	at := columnAt(v.present, live.Name)
	if at >= 0 && edm.RulesOf(v.present[at]) == live.RulesID {
		return nil
	}
	return unprocessable(edm.CodeRulesMismatch,
		"the live table has the column %q under the rules %q and the data store has not: ask by match with this rulesId and tokens under the rules in live.columns, or upload the table again", live.Name, live.RulesID)
}

// checkUnnamed refuses a question that asks for a column under other rules than
// the live table's, where it does not name them.
func (v *view) checkUnnamed(rules map[string]string, column int) error {
	if _, named := rules[v.Columns[column].Name]; named {
		return nil
	}
	return v.checkPresent(column)
}

// searched are the columns that Graph's lookup searches.
func (v *view) searched() []int {
	var out []int
	for c := range v.Columns {
		if v.Searchable(c) {
			out = append(out, c)
		}
	}
	return out
}
