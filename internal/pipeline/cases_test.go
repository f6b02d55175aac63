package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
)

// tableCase is a small table as somebody has met it, in testdata/cases: the data store's columns, how the table is read, its rows,
// and values that must be found and must not.
type tableCase struct {
	ID, File string
	Columns  []struct {
		Name, SourceName  string
		IsCaseInsensitive bool
		IgnoredDelimiters []string
	}
	Format       schema.Format
	Hits, Misses [][2]string
	Rows         *int64
	Extra        struct{ BadRows plan.BadRowsAllowance }

	text []byte
}

func readCase(t *testing.T, id string) *tableCase {
	t.Helper()
	dir := filepath.Join("testdata", "cases", id)
	about, err := os.ReadFile(filepath.Join(dir, "case.json"))
	if err != nil {
		t.Fatal(err)
	}
	c := &tableCase{}
	if err := json.Unmarshal(about, c); err != nil {
		t.Fatal(err)
	}
	if c.text, err = os.ReadFile(filepath.Join(dir, c.File)); err != nil {
		t.Fatal(err)
	}
	return c
}

// strayPair is a table without quoting of 12,000 rows, two of which hold a quote, 9,000 rows apart.
func strayPair() *tableCase {
	var text bytes.Buffer
	text.WriteString("ID\tAccount\tName\n")
	for i := range 12_000 {
		name := fmt.Sprintf("Person %d of the long street number %d in the town of %d", i, i, i)
		switch i {
		case 10:
			name = `"Person 10`
		case 9000:
			name = `Person 9000"`
		}
		fmt.Fprintf(&text, "K-%05d\t%d\t%s\n", i, 880_000_000+i, name)
	}
	c := &tableCase{File: "table.tsv", Format: schema.Format{Delimiter: "\t"}, text: text.Bytes(), Hits: [][2]string{{"ID", "K-00003"}, {"ID", "K-05000"}, {"ID", "K-09500"}}}
	for _, name := range []string{"ID", "Account", "Name"} {
		c.Columns = append(c.Columns, struct {
			Name, SourceName  string
			IsCaseInsensitive bool
			IgnoredDelimiters []string
		}{Name: name})
	}
	c.Extra.BadRows.MaxPercent = 1
	return c
}

func (c *tableCase) plan() Plan {
	p := Plan{Plan: plan.Plan{Format: c.Format, Store: "cases", RowsPerBlock: 1000, BadRows: c.Extra.BadRows}, Source: source.Bytes(c.File, c.text), Key: []byte("0123456789abcdef0123456789abcdef")}
	if p.BadRows.MinSample == 0 {
		p.BadRows.MinSample = 1000
	}
	for _, column := range c.Columns {
		p.Columns = append(p.Columns, schema.Column{Name: column.Name, SourceName: column.SourceName, IsSearchable: true,
			IsCaseInsensitive: column.IsCaseInsensitive, IgnoredDelimiters: column.IgnoredDelimiters})
	}
	return p
}

// loadCase makes the blocks of a case and returns the tokens of each column.
func loadCase(t *testing.T, plan Plan, p *Prepared) map[string]map[fingerprint.Token]bool {
	t.Helper()
	found := map[string]map[fingerprint.Token]bool{}
	for _, c := range plan.Columns {
		found[c.Name] = map[fingerprint.Token]bool{}
	}
	var mu sync.Mutex
	err := Make(t.Context(), plan, p, MakeOptions{Stripes: p.Stripes, AtOnce: 1, Workers: 1, Emit: func(_ context.Context, _ int, data []byte) error {
		b, err := block.Decode(data)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for i, name := range b.Columns {
			for row := range b.Rows {
				found[name][b.Token(i, row)] = true
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// isFound hashes a value as a lookup does.
func isFound(t *testing.T, plan Plan, found map[string]map[fingerprint.Token]bool, value [2]string) bool {
	t.Helper()
	for _, c := range plan.Columns {
		if c.Name == value[0] {
			tokens, err := Tokens(plan.Key, plan.Store, c, value[1:])
			if err != nil {
				t.Fatal(err)
			}
			return found[c.Name][tokens[0]]
		}
	}
	t.Fatalf("no column %q", value[0])
	return false
}

// verdict is what becomes of a case: refused for a reason in words, or loaded with these counts, and with a warning where weak says so.
type verdict struct {
	reason      failure.Reason
	words       string
	rows, blank int64
	skipped     int64
	weak        string
}

// caseVerdicts are those of the tables as they come; a format that reads them as they are meant is in formatVerdicts.
var caseVerdicts = map[string]verdict{
	"01-trailing-delimiter":            {rows: 5},
	"02-nameless-unwanted-column":      {rows: 5},
	"04a-sep-line-semicolon":           {rows: 5, skipped: 1},
	"04c-sep-line-quoted-tab":          {rows: 5, skipped: 1},
	"06-unquoted-tsv-swallows-rows":    {reason: failure.TooManyBadRows, words: "SwallowedRows"},
	"06b-unquoted-tsv-two-openers":     {reason: failure.TooManyBadRows, words: "row 21 (line 22)"},
	"07-unquoted-tsv-inch-marks":       {reason: failure.TooManyBadRows, words: "format.quoting to None"},
	"08-joined-exports-bom-and-header": {reason: failure.TooManyBadRows, words: "ByteOrderMark"},
	"09-zero-width-in-identifiers":     {rows: 200, weak: "Account"},
	"09c-zero-width-ignored":           {rows: 200},
	"10-formula-guards":                {rows: 200, weak: "Account"},
	"10c-formula-guards-ignored":       {rows: 200},
	"11b-nul-padding-in-cells":         {rows: 200, weak: "Account"},
	"12a-ctrl-z-at-end":                {rows: 5, blank: 1},
	"12b-ctrl-z-single-column":         {rows: 5, blank: 1},
	"13a-cr-lines-single-column":       {reason: failure.TooManyBadRows, words: "carriage return (CR) alone does not end a line"},
	"13c-cr-lines-all":                 {reason: failure.InvalidEncoding, words: "CR alone"},
	"13d-crcrlf":                       {rows: 5},
	"14a-gzip-zero-padding":            {rows: 50},
	"14c-gzip-members":                 {rows: 100},
	"15-gzip-twice":                    {reason: failure.InvalidEncoding, words: "twice"},
	"16a-bzip2":                        {reason: failure.InvalidEncoding, words: "bzip2"},
	"16c-zip":                          {reason: failure.InvalidEncoding, words: "zip"},
	"16d-tar-gz":                       {reason: failure.InvalidEncoding, words: "tar"},
	"16f-zstd-ultra":                   {rows: 5000},
	"17a-html-login-page":              {reason: failure.FormatInvalid, words: "HTML"},
	"17b-json-error-body":              {reason: failure.FormatInvalid, words: "JSON"},
	"18-utf16-tab":                     {rows: 5},
	"19-header-nfd":                    {rows: 5},
	"19b-header-nbsp":                  {reason: failure.MissingColumn, words: `\u00a0`},
	"19e-header-linebreak":             {reason: failure.MissingColumn, words: `\n`},
	"19f-header-linebreak-named":       {rows: 5},
	"20-only-first-header-wrong":       {reason: failure.MissingColumn, words: "byte order mark"},
	"21a-backslash-quote":              {reason: failure.TooManyBadRows, words: "backslash"},
	"21b-backslash-N":                  {rows: 300, weak: "Account"},
	"21c-backslash-silent":             {reason: failure.TooManyBadRows, words: "row 2 (line 3) has 2 cells, the header has 3"},
	"22-space-before-quote":            {reason: failure.TooManyBadRows, words: "white space"},
	"23-sqlcmd-dashes-footer":          {reason: failure.TooManyBadRows, words: "DashedLine"},
	"24b-title-lines-first":            {reason: failure.MissingColumn, words: "skipLines to 3"},
	"25-short-rows":                    {reason: failure.TooManyBadRows, words: "shortRows to Pad"},
	"27a-header-only":                  {reason: failure.EmptyTable, words: "no row"},
	"27b-empty-file":                   {reason: failure.EmptyTable, words: "empty"},
	"27d-empty-gzip":                   {reason: failure.EmptyTable, words: "empty"},
	"36a-windows-1252-rows":            {reason: failure.TooManyBadRows, words: "format.encoding"},
	"36b-utf8-read-as-windows-1252":    {reason: failure.InvalidEncoding, words: "format.encoding"},
	"43-whole-line-quoted":             {reason: failure.MissingColumn, words: "quoted cell"},
	"52-delimiter-that-never-matches":  {reason: failure.InvalidDelimiter, words: "U+2010"}, // by the data store
	"58-tabs-where-commas-are-said":    {reason: failure.MissingColumn, words: `format.delimiter to "\t"`},
	"70-same-account-two-recipients":   {rows: 3},
}

func TestCases(t *testing.T) {
	entries, err := os.ReadDir("testdata/cases")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "26b-guard-and-empty-rows" {
			continue // two tables of one session
		}
		t.Run(e.Name(), func(t *testing.T) {
			want, ok := caseVerdicts[e.Name()]
			if !ok {
				t.Fatal("no verdict")
			}
			checkCase(t, readCase(t, e.Name()), want)
		})
	}
	t.Run("60-quote-pair-within-allowance", func(t *testing.T) {
		checkCase(t, strayPair(), verdict{reason: failure.TooManyBadRows, words: "8989 more are within a quoted cell that could not be split"})
	})
}

// Read as they are meant, the same tables load whole.
func TestCasesWithTheirFormat(t *testing.T) {
	for id, c := range map[string]struct {
		change func(*schema.Format)
		want   verdict
	}{
		"06-unquoted-tsv-swallows-rows": {func(f *schema.Format) { f.Quoting = "None" }, verdict{rows: 40}},
		"06b-unquoted-tsv-two-openers":  {func(f *schema.Format) { f.Quoting = "None" }, verdict{rows: 40}},
		"07-unquoted-tsv-inch-marks":    {func(f *schema.Format) { f.Quoting = "None" }, verdict{rows: 20}},
		"25-short-rows":                 {func(f *schema.Format) { f.ShortRows = "Pad" }, verdict{rows: 7}},
		"24b-title-lines-first":         {func(f *schema.Format) { f.SkipLines = 3 }, verdict{rows: 5, skipped: 3}},
		"58-tabs-where-commas-are-said": {func(f *schema.Format) { f.Delimiter = "\t" }, verdict{rows: 5}},
		"36a-windows-1252-rows":         {func(f *schema.Format) { f.Encoding = "Windows-1252" }, verdict{rows: 20}},
		"36b-utf8-read-as-windows-1252": {func(f *schema.Format) { f.Encoding = "Auto" }, verdict{rows: 200}},
	} {
		t.Run(id, func(t *testing.T) {
			table := readCase(t, id)
			c.change(&table.Format)
			checkCase(t, table, c.want)
		})
	}
	t.Run("60-quote-pair-within-allowance", func(t *testing.T) {
		table := strayPair()
		table.Format.Quoting = "None"
		checkCase(t, table, verdict{rows: 12_000})
		table.Format.Quoting = "RFC4180"
		checkCase(t, table, verdict{rows: 11_998})
	})
}

// An export that lost four of five records, and has as many lines as before: what a spreadsheet leaves of deleted rows is no row.
func TestDeletedRowsAreBlankLines(t *testing.T) {
	for file, want := range map[string]verdict{"first.csv": {rows: 500}, "second.csv": {rows: 100, blank: 400}} {
		text, err := os.ReadFile(filepath.Join("testdata", "cases", "26b-guard-and-empty-rows", file))
		if err != nil {
			t.Fatal(err)
		}
		c := strayPair()
		c.Format, c.File, c.text, c.Hits = schema.Format{}, file, text, nil
		checkCase(t, c, want)
	}
}

func checkCase(t *testing.T, c *tableCase, want verdict) {
	t.Helper()
	plan := c.plan()
	err := CheckDelimiters(plan.Columns) // as the data store does
	var p *Prepared
	if err == nil {
		p, err = Prepare(t.Context(), plan)
	}
	if want.reason != "" {
		checkRefusal(t, err, want)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if p.Rows != want.rows || p.BlankLines != want.blank || p.SkippedLines != want.skipped {
		t.Errorf("%d rows, %d blank lines, %d skipped; want %d, %d and %d", p.Rows, p.BlankLines, p.SkippedLines, want.rows, want.blank, want.skipped)
	}
	weak, told := "", map[string]bool{}
	for _, column := range p.Columns {
		told[column.Name] = column.IsUnfindable()
		if len(column.Weaknesses()) > 0 {
			weak += column.Name + " "
		}
	}
	if (want.weak == "") != (weak == "") || !strings.Contains(weak, want.weak) {
		t.Errorf("weak are %q, want %q", weak, want.weak)
	}
	found := loadCase(t, plan, p)
	for _, hit := range c.Hits {
		if !isFound(t, plan, found, hit) && !told[hit[0]] {
			t.Errorf("%q is not found", hit)
		}
	}
	for _, miss := range c.Misses {
		if isFound(t, plan, found, miss) {
			t.Errorf("%q is found", miss)
		}
	}
}

func checkRefusal(t *testing.T, err error, want verdict) {
	t.Helper()
	var refused *failure.Error
	if !errors.As(err, &refused) || refused.Reason != want.reason || refused.Transient {
		t.Fatalf("got %v, want %s", err, want.reason)
	}
	if !strings.Contains(refused.Message, want.words) {
		t.Errorf("%q does not say %q", refused.Message, want.words)
	}
	for _, cell := range []string{"K-0", "L-0", "8800", "9900", "Person"} {
		if strings.Contains(refused.Message, cell) {
			t.Errorf("the message shows a cell: %q", refused.Message)
		}
	}
	t.Log(refused.Message)
}
