package check

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
)

var columns = []schema.Column{{Name: "Badge", IsSearchable: true}, {Name: "Name", SourceName: "Full Name"}}

// table is a file with these lines below a header.
func table(t *testing.T, lines ...string) Table {
	t.Helper()
	file := filepath.Join(t.TempDir(), "staff #1.csv")
	text := strings.Join(append([]string{"Badge,Full Name"}, lines...), "\n") + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Table{
		File: file, Columns: columns, Format: schema.Format{Delimiter: ","}, RowsPerBlock: 100,
		BadRows: plan.BadRowsAllowance{MinSample: 1000}, Guards: Guards{MaxRowDecreasePercent: 50, MaxUnfindablePercent: 20, RequireAllColumns: true},
	}
}

// people are rows with a secret in each cell.
func people(n int) []string {
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf("secret-%04d,Secret Person %d", i, i))
	}
	return rows
}

func TestAGoodTableIsAccepted(t *testing.T) {
	r, err := Run(t.Context(), table(t, people(250)...))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Accepted() || r.Rows != 250 || r.Blocks != 3 || len(r.Columns) != 1 || r.Columns[0].Distinct != 250 || !strings.HasPrefix(r.Checksum, "sha256:") {
		t.Errorf("the report is %+v", r)
	}
}

func TestASymlinkIsFollowed(t *testing.T) {
	of := table(t, people(3)...)
	link := filepath.Join(t.TempDir(), "link.csv")
	if err := os.Symlink(of.File, link); err != nil {
		t.Fatal(err)
	}
	of.File = link
	if r, err := Run(t.Context(), of); err != nil || r.Rows != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestWhatSpeaksAgainstATable names each refusal and guard, with positions and without
// a value.
func TestWhatSpeaksAgainstATable(t *testing.T) {
	for name, tc := range map[string]struct {
		lines  []string
		change func(*Table)
		reason string
		held   string
		words  string
	}{
		"bad rows":        {append(people(3), "secret,one,cell too many"), nil, "TooManyBadRows", "", "row 4 (line 5)"},
		"allowed bad row": {append(people(200), "secret,one,cell too many"), func(t *Table) { t.BadRows.MaxPercent = 5 }, "", "", `"badRows":1`},
		"missing column":  {people(3), func(t *Table) { t.Columns = append(slices.Clone(columns), schema.Column{Name: "SSN"}) }, "MissingColumn", "", "SSN"},
		"no rows":         {nil, nil, "EmptyTable", "", "no row"},
		"wrong checksum":  {people(3), func(t *Table) { t.Pin = "sha256:" + strings.Repeat("0", 64) }, "ChecksumMismatch", "", "spec.checksum"},
		"fewer rows":      {people(40), func(t *Table) { t.Guards.LiveRows = 100 }, "", "RowDecrease", "at least 50 are expected"},
		"fewer, allowed":  {people(50), func(t *Table) { t.Guards.LiveRows = 100 }, "", "", ""},
		"column left out": {people(3), func(t *Table) { t.Fields = []string{"Badge"} }, "", "ColumnsMissing", "Name"},
		"unfindable":      {[]string{"sec\u200bret,a", "secret,b"}, nil, "", "UnfindableCells", "invisible"},
	} {
		t.Run(name, func(t *testing.T) {
			of := table(t, tc.lines...)
			if tc.change != nil {
				tc.change(&of)
			}
			r, err := Run(t.Context(), of)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if got := reason(r); got != tc.reason {
				t.Errorf("it is refused for %q", got)
			}
			if got := strings.Join(r.Held, ";"); !strings.HasPrefix(got, tc.held) || (got == "") != (tc.held == "") {
				t.Errorf("the guards say %q", got)
			}
			if r.Accepted() != (tc.reason+tc.held == "") || !strings.Contains(string(text), tc.words) {
				t.Errorf("the report is %s", text)
			}
			if strings.Contains(strings.ToLower(strings.ReplaceAll(string(text), of.File, "")), "secret") {
				t.Errorf("the report shows a value: %s", text)
			}
		})
	}
}

func reason(r *Report) string {
	if r.Refusal == nil {
		return ""
	}
	return r.Refusal.Reason
}

// TestWhatCannotBeReadIsAnError: no verdict on the table.
func TestWhatCannotBeReadIsAnError(t *testing.T) {
	of := table(t, people(3)...)
	for name, change := range map[string]func(*Table){
		"no file":    func(t *Table) { t.File += ".gone" },
		"a folder":   func(t *Table) { t.File = filepath.Dir(t.File) },
		"no column":  func(t *Table) { t.Fields = []string{"Nobody"} },
		"delimiters": func(t *Table) { t.Columns = []schema.Column{{Name: "Badge", IgnoredDelimiters: []string{"\u00a0"}}} },
	} {
		spoiled := of
		change(&spoiled)
		if r, err := Run(t.Context(), spoiled); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
