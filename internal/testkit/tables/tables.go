// Package tables makes the tables that tests read, and the plans for them.
package tables

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/testkit"
)

// CSV is a table of n rows.
func CSV(n int) string {
	var text strings.Builder
	text.WriteString("ID,Mail\n")
	for i := range n {
		fmt.Fprintf(&text, "P-%d,p%d@example.com\n", i, i)
	}
	return text.String()
}

// Plan is a plan for a table that is at hand.
func Plan(text string, rowsPerBlock int) pipeline.Plan {
	return pipeline.Plan{
		Plan: plan.Plan{
			Store: "people", Columns: []schema.Column{{Name: "ID"}, {Name: "Mail", IsCaseInsensitive: true}}, RowsPerBlock: rowsPerBlock, BadRows: plan.BadRowsAllowance{MinSample: 1000},
		},
		Source: source.Bytes("people.csv", []byte(text)), Key: []byte("a key for tests that has 32 bytes or more"),
	}
}

// PlanOfFile is a plan for a file, which can change.
func PlanOfFile(t testing.TB, text string, rowsPerBlock int) (pipeline.Plan, string) {
	t.Helper()
	root := t.TempDir()
	path := filepath.Join(root, "people.csv")
	testkit.Must(t, os.WriteFile(path, []byte(text), 0o600))
	from, err := source.Open(t.Context(), source.Config{URI: "file:///people.csv", Root: root, Schemes: []string{"file"}})
	testkit.Must(t, err)
	plan := Plan("", rowsPerBlock)
	plan.Source = from
	return plan, path
}

// Prepare reads the source of a plan.
func Prepare(t testing.TB, plan pipeline.Plan) *pipeline.Prepared {
	t.Helper()
	p, err := pipeline.Prepare(t.Context(), plan)
	testkit.Must(t, err)
	return p
}

// Gzip compresses a text.
func Gzip(t testing.TB, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write([]byte(text))
	testkit.Must(t, err)
	testkit.Must(t, w.Close())
	return out.String()
}
