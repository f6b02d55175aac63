package service

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

func checkColumns(columns []edm.Column) error {
	if fault := columnFault(columns); fault != "" {
		return naming(badRequest("%s", fault))
	}
	return nil
}

// columnFault says what is wrong with the first column that cannot be, "" where
// all can.
func columnFault(columns []edm.Column) string {
	if len(columns) == 0 || len(columns) > block.MaxColumns {
		return tooMany("columns", len(columns), block.MaxColumns)
	}
	seen := map[string]bool{}
	for i, c := range columns {
		if c.Name == "" || len(c.Name) > 256 || seen[c.Name] {
			return fmt.Sprintf("columns[%d].name must be unique and have 1 to 256 bytes", i)
		}
		seen[c.Name] = true
		if fault := rulesFault(c); fault != "" {
			return fmt.Sprintf("columns[%d].%s", i, fault)
		}
	}
	return ""
}

// rulesFault says what is wrong with a column's rules.
func rulesFault(c edm.Column) string {
	if len(c.IgnoredDelimiters) > maxDelimiters {
		return fmt.Sprintf("ignoredDelimiters has %d entries and must have at most %d", len(c.IgnoredDelimiters), maxDelimiters)
	}
	for j, d := range c.IgnoredDelimiters {
		if utf8.RuneCountInString(d) != 1 || !utf8.ValidString(d) {
			return fmt.Sprintf("ignoredDelimiters[%d] must be one character", j)
		}
	}
	if own := edm.RulesOf(c); c.RulesID != "" && c.RulesID != own {
		return fmt.Sprintf("rulesId is not that of the column's rules, which is %s: give that one, or none", own)
	}
	return ""
}

func namesOf(columns []edm.Column) []string {
	out := make([]string, 0, len(columns))
	for _, c := range columns {
		out = append(out, c.Name)
	}
	return out
}

// columnAt is the place of a column, -1 where it has none.
func columnAt(columns []edm.Column, name string) int {
	return slices.IndexFunc(columns, func(c edm.Column) bool { return c.Name == name })
}

// columnsOf are the columns that a session keeps: its own where the create has
// them, whatever the store's record says of their rules, else the store's.
func columnsOf(store *records.DataStore, w *edm.Session) ([]edm.Column, error) {
	what := "fields"
	if len(w.Columns) > 0 {
		what = "columns"
	}
	columns := make([]edm.Column, 0, len(w.Fields))
	for i, name := range w.Fields {
		at := columnAt(store.Columns, name)
		if at < 0 || slices.Contains(w.Fields[:i], name) {
			return nil, badValue("%s[%d] must be a column of the data store, named once", what, i)
		}
		columns = append(columns, store.Columns[at])
	}
	if len(w.Columns) > 0 {
		columns = w.Columns
	}
	return edm.WithRules(columns), nil
}

// wantedColumns are the columns of the live table, searchable as the store's own
// columns are now; nil where they are so. A column that has left the store stays
// as it is, one that the table has not waits for the next upload.
func wantedColumns(store *records.DataStore) []edm.Column {
	if store.Live == nil {
		return nil
	}
	columns := slices.Clone(store.Live.Columns)
	for c := range columns {
		if at := columnAt(store.Columns, columns[c].Name); at >= 0 {
			columns[c].IsSearchable = store.Columns[at].IsSearchable
		}
	}
	if sameIndexes(columns, store.Live.Columns) {
		return nil
	}
	return columns
}

func sameIndexes(a, b []edm.Column) bool {
	return slices.EqualFunc(a, b, func(a, b edm.Column) bool { return a.Name == b.Name && a.IsSearchable == b.IsSearchable })
}
