package plugin

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const storeText = `apiVersion: exactmatch.dev/v1alpha1
kind: ExactMatchDataStore
metadata: {name: staff}
spec:
  uploadAgentRef: {name: default}
  keySecretRef: {name: staff-key}
  columns:
    - {name: Badge, ignoredDelimiters: ["-"]}
    - {name: Name, isCaseInsensitive: true, isSearchable: false}
`

// files writes a table and a schema, and returns their paths.
func files(t *testing.T, tableText, schemaText string) (table, schema string) {
	t.Helper()
	dir := t.TempDir()
	table, schema = filepath.Join(dir, "staff.csv"), filepath.Join(dir, "store.yaml")
	must(t, os.WriteFile(table, []byte(tableText), 0o600))
	must(t, os.WriteFile(schema, []byte(schemaText), 0o600))
	return table, schema
}

// TestCheckNeedsNoCluster judges tables by a schema in a file, without a kubeconfig.
func TestCheckNeedsNoCluster(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "nowhere"))
	for name, tc := range map[string]struct {
		table, schema string
		args          []string
		code          int
		words         string
	}{
		"accepted":          {"Badge,Name\n12-34,secret\n56-78,secret\n", storeText, nil, 0, "2 in 1 blocks"},
		"refused":           {"Badge,Name\n1,2,3\n", storeText, nil, 1, "row 1 (line 2) has 3 cells"},
		"held":              {"Badge,Name\n12-34,secret\n", storeText, []string{"--fields", "Badge"}, 1, "ColumnsMissing"},
		"another delimiter": {"Badge;Name\n12-34;secret\n", storeText, []string{"--delimiter", ";"}, 0, "1 in 1 blocks"},
		"json":              {"Badge,Name\n12-34,secret\n", storeText, []string{"-o", "json"}, 0, `"rows": 1`},
		"encoding":          {"Badge,Name\n12-34,secret\n", storeText, []string{"--encoding", "latin1"}, 2, "--encoding"},
		"not a schema":      {"Badge,Name\n", "kind: Secret\n", nil, 2, "not an ExactMatchDataStore"},
		"a misspelt field":  {"Badge,Name\n", strings.Replace(storeText, "columns", "colums", 1), nil, 2, "colums"},
	} {
		t.Run(name, func(t *testing.T) {
			table, schema := files(t, tc.table, tc.schema)
			var out bytes.Buffer
			c := Root()
			c.SetArgs(append([]string{"check", table, "--schema", schema}, tc.args...))
			c.SetOut(&out)
			err := c.ExecuteContext(t.Context())
			text := out.String()
			if err != nil {
				text += err.Error()
			}
			if ExitCode(err) != tc.code || !strings.Contains(text, tc.words) {
				t.Errorf("exit code %d: %s", ExitCode(err), text)
			}
			if strings.Contains(text, "secret") || strings.Contains(text, "12-34") {
				t.Errorf("a value is printed: %s", text)
			}
		})
	}
}

// TestCheckAsksTheClusterForTheLiveTable: the guard compares with what is live there.
func TestCheckAsksTheClusterForTheLiveTable(t *testing.T) {
	p := newPlace(t)
	o := p.put("testdata/held-rows.yaml")
	table, _ := files(t, "Badge,Name\n12-34,secret\n", "")
	out, _, err := p.run("check", table, "--store", o.Spec.DataStoreRef.Name)
	if ExitCode(err) != exitNo || !strings.Contains(out, "the table has 1 rows and the live one 200; at least 100 are expected") {
		t.Errorf("exit code %d: %s", ExitCode(err), out)
	}
}
