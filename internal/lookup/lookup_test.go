package lookup_test

import (
	"slices"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/lookup"
	"exactmatch.dev/operator/internal/testkit"
)

const staff = "Number,Mail,Town\nA-1,Anna@Example.com,Oslo\nA-2,bea@example.com,Lima\nA-3,,Oslo\na-2,cee@example.com,Oslo\n"

// serveStaff is a service whose store "staff" has the table above.
func serveStaff(t *testing.T) live {
	t.Helper()
	return serve(t, "staff", staff,
		edm.Column{Name: "Number", IsSearchable: true, IsCaseInsensitive: true, IgnoredDelimiters: []string{"-"}},
		edm.Column{Name: "Mail", IsSearchable: true, IsCaseInsensitive: true}, edm.Column{Name: "Town"})
}

func TestAsk(t *testing.T) {
	asker, err := lookup.Open(t.Context(), serveStaff(t).Stores, lookup.Query{
		Key: key, Store: "staff", Column: "Number", Limit: 5, SameRow: []lookup.Cell{{Column: "Mail", Value: "BEA@example.com"}, {Column: "Town", Value: "Oslo"}},
	})
	testkit.Must(t, err)
	for text, want := range map[string]lookup.Found{
		// Written another way in the table: case and hyphen do not matter.
		"a2":  {Value: 7, Total: 2, Rows: []lookup.Row{{Row: 1, Matched: []string{"Mail"}}, {Row: 3, Matched: []string{"Town"}}}},
		"A-1": {Value: 7, Total: 1, Rows: []lookup.Row{{Row: 0, Matched: []string{"Town"}}}},
		"A-9": {Value: 7, Rows: []lookup.Row{}},
	} {
		got, err := asker.Ask(t.Context(), lookup.Value{Number: 7, Text: text})
		testkit.Must(t, err)
		same := slices.EqualFunc(got.Rows, want.Rows, func(a, b lookup.Row) bool { return a.Row == b.Row && slices.Equal(a.Matched, b.Matched) })
		if got.Value != want.Value || got.Total != want.Total || !same || got.Rows == nil || got.SessionID == "" || got.Generation < 1 {
			t.Errorf("%s is answered by %+v, want %+v", text, got, want)
		}
	}
}

func TestTheLimitIsToldOf(t *testing.T) {
	out, err := serveStaff(t).ask(t, "", "--store", "staff", "--column", "Number", "--value", "A2", "--limit", "1")
	ends(t, err, 0, "")
	prints(t, out, "VALUE FOUND ROW SAME ROW", "1 yes 1 -", "1 yes 1 more")
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	stores := serveStaff(t).Stores
	for name, tc := range map[string]struct {
		change func(*lookup.Query)
		words  []string
	}{
		"another store":             {func(q *lookup.Query) { q.Store = "stuff" }, []string{`"stuff"`, "it has staff"}},
		"another column":            {func(q *lookup.Query) { q.Column = "Phone" }, []string{`"Phone"`, "Number, Mail, Town"}},
		"a column without an index": {func(q *lookup.Query) { q.Column = "Town" }, []string{`"Town"`, "not searchable"}},
		"another column beside":     {func(q *lookup.Query) { q.SameRow = []lookup.Cell{{Column: "Phone", Value: "cell-value"}} }, []string{"--same-row 1", "Number, Mail, Town"}},
		"another key":               {func(q *lookup.Query) { q.Key = []byte("another key for tests, of 32 bytes or more") }, []string{"KeyMismatch", "use the key"}},
		"a short key":               {func(q *lookup.Query) { q.Key = []byte("short") }, []string{"--key-file", "32"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := lookup.Query{Key: key, Store: "staff", Column: "Number"}
			tc.change(&q)
			asker, err := lookup.Open(t.Context(), stores, q)
			if err == nil {
				_, err = asker.Ask(t.Context(), lookup.Value{Number: 1, Text: "cell-value"})
			}
			if err == nil {
				t.Fatal("it is answered")
			}
			for _, words := range tc.words {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%v does not say %q", err, words)
				}
			}
			if strings.Contains(err.Error(), "cell-value") {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}
