package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/testkit/tables"
)

// TestExportsThatNobodyFinds reads tables as real programs write them, 200 rows
// each, whose accounts and names stand in no message.
func TestExportsThatNobodyFinds(t *testing.T) {
	type quality = pipeline.ColumnQuality
	of := func(kind pipeline.UnfindableKind) (all pipeline.Unfindable) {
		all[kind] = 200
		return all
	}
	good := quality{Rows: 200, Distinct: 200, LargestRepetition: 1}
	with := func(change func(*quality)) quality {
		q := good
		change(&q)
		return q
	}
	unfindable := func(kind pipeline.UnfindableKind) quality {
		return with(func(q *quality) { q.Unfindable = of(kind) })
	}
	for name, tc := range map[string]struct {
		account, name                     string // formats of a row's number
		accountDelimiters, nameDelimiters []string
		wantAccount, wantName             quality
	}{
		"zero width": {
			"88%07d\u200b", "\u200ePerson %d", nil, nil,
			unfindable(pipeline.InvisibleCharacters), unfindable(pipeline.InvisibleCharacters),
		},
		"zero width ignored": {"88%07d\u200b", "\u200ePerson %d", []string{"\u200b"}, []string{"\u200e"}, good, good},
		"formula guards": {
			`"=""88%07d"""`, "'+49%08d", nil, nil,
			unfindable(pipeline.SpreadsheetGuards), unfindable(pipeline.SpreadsheetGuards),
		},
		"formula guards ignored": {`"=""88%07d"""`, "'+49%08d", []string{"=", `"`}, []string{"'"}, good, good},
		"NUL padding": {
			"88%07d\x00\x00\x00", "Person %d\x00", nil, nil,
			unfindable(pipeline.InvisibleCharacters), unfindable(pipeline.InvisibleCharacters),
		},
		"UTF-8 read as Windows-1252": {"88%07d", "MÃ¼ller %d", nil, nil, good, unfindable(pipeline.Mojibake)},
		"lost characters":            {"88%07d", "M\ufffdller %d", nil, nil, good, unfindable(pipeline.LostCharacters)},
		"scientific notation":        {"8.%07dE+08", `"4,%08dE+10"`, nil, nil, unfindable(pipeline.ScientificNotation), unfindable(pipeline.ScientificNotation)},
		"lines in a cell": {
			"88%07d", "\"Person %d\nOslo\r\nNorway\"", nil, nil,
			good, with(func(q *quality) { q.LineBreaks, q.MostLines = 200, 3 }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			text.WriteString("ID,Account,Name\n")
			for row := range 200 {
				fmt.Fprintf(&text, "K-%05d,"+tc.account+","+tc.name+"\n", row, row, row)
			}
			plan := tables.Plan(text.String(), 50)
			plan.Columns = []schema.Column{
				{Name: "ID", IsSearchable: true},
				{Name: "Account", IsSearchable: true, IgnoredDelimiters: tc.accountDelimiters},
				{Name: "Name", IsSearchable: true, IgnoredDelimiters: tc.nameDelimiters},
			}
			got := tables.Prepare(t, plan).Columns
			for i, want := range []quality{good, tc.wantAccount, tc.wantName} {
				if want.Name = plan.Columns[i].Name; got[i] != want {
					t.Errorf("got  %+v\nwant %+v", got[i], want)
				}
			}
		})
	}
}

// TestNullsAreRepeated: \N stands for NULL in a third of the rows.
func TestNullsAreRepeated(t *testing.T) {
	var text strings.Builder
	text.WriteString("ID,Account\n")
	for row := range 300 {
		account := fmt.Sprintf("88%07d", row)
		if row%3 == 0 {
			account = `\N`
		}
		fmt.Fprintf(&text, "K-%05d,%s\n", row, account)
	}
	plan := tables.Plan(text.String(), 50)
	plan.Columns = []schema.Column{{Name: "ID", IsSearchable: true}, {Name: "Account", IsSearchable: true}}
	account := tables.Prepare(t, plan).Columns[1]
	if account.LargestRepetition != 100 || account.Short != 100 || account.Unfindable.Total() != 0 {
		t.Errorf("got %+v", account)
	}
	if why := strings.Join(account.Weaknesses(), "; "); !strings.Contains(why, "33.3% of the rows have the same value") {
		t.Errorf("the weaknesses are %q", why)
	}
}
