package edm

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// vectors are columns and the ids of their rules, as rulesids.py made them. Their
// names say what each is about.
func vectors(t *testing.T) []Column {
	t.Helper()
	text, err := os.ReadFile("testdata/rulesids.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []Column
	if err := json.Unmarshal(text, &all); err != nil || len(all) < 10 {
		t.Fatalf("%d vectors: %v", len(all), err)
	}
	return all
}

func TestRulesIDsAreThoseOfTheVectors(t *testing.T) {
	for _, v := range vectors(t) {
		if got := RulesOf(v); got != v.RulesID {
			t.Errorf("%s: the id is %q, want %q", v.Name, got, v.RulesID)
		}
	}
}

// API.md shows the vectors as a table of delimiters, folding and id.
func TestTheVectorsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("API.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "|") && strings.Contains(line, "`v1:") {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	var want []string
	for _, v := range vectors(t) {
		var points []string
		for _, d := range v.IgnoredDelimiters {
			points = append(points, fmt.Sprintf("U+%04X", []rune(d)[0]))
		}
		want = append(want, fmt.Sprintf("| %s | %s | %t | `%s` |", v.Name, strings.Join(points, " "), v.IsCaseInsensitive, v.RulesID))
	}
	if !slices.Equal(rows, want) {
		t.Errorf("API.md has the rows\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
}

// TestRulesIDsTellRulesApart holds ids against the sets that they stand for.
func TestRulesIDsTellRulesApart(t *testing.T) {
	column := rapid.Custom(func(t *rapid.T) Column {
		delimiter := rapid.Map(rapid.RuneFrom([]rune{0, ',', ':', '-', 'a', 'ß', 0xFFFD, 0x1F511}), func(r rune) string { return string(r) })
		return Column{IsCaseInsensitive: rapid.Bool().Draw(t, "folded"), IgnoredDelimiters: rapid.SliceOfN(delimiter, 0, 5).Draw(t, "delimiters")}
	})
	set := func(c Column) string {
		all := slices.Clone(c.IgnoredDelimiters)
		slices.Sort(all)
		return fmt.Sprintf("%t %q", c.IsCaseInsensitive, slices.Compact(all))
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := column.Draw(t, "a"), column.Draw(t, "b")
		if (RulesOf(a) == RulesOf(b)) != (set(a) == set(b)) {
			t.Fatalf("%+v has the id %q, %+v %q", a, RulesOf(a), b, RulesOf(b))
		}
	})
}
