package edm

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// RulesOf names the rules that a column's tokens are made under: the version of
// the rules (fingerprint/SPEC.md), how letters are compared, and the ignored
// delimiters as a set, by their code points in ascending order:
// "v1:exact:", "v1:caseInsensitive:0020,002D". API.md has golden vectors.
func RulesOf(c Column) string {
	compared := "exact"
	if c.IsCaseInsensitive {
		compared = "caseInsensitive"
	}
	var ignored []rune
	for _, d := range c.IgnoredDelimiters {
		r, _ := utf8.DecodeRuneInString(d)
		ignored = append(ignored, r)
	}
	slices.Sort(ignored)
	var points []string
	for _, r := range slices.Compact(ignored) {
		points = append(points, fmt.Sprintf("%04X", r))
	}
	return "v1:" + compared + ":" + strings.Join(points, ",")
}

// WithRules are the columns with the id of their rules.
func WithRules(columns []Column) []Column {
	out := slices.Clone(columns)
	for i := range out {
		out[i].RulesID = RulesOf(out[i])
	}
	return out
}

// LiveTag is the entity tag, for If-Match of a commit, of what is live in a data
// store: the generation of the live table, 0 where there is none.
func LiveTag(generation int64) string { return fmt.Sprintf(`"live-%d"`, generation) }
