//go:build e2e

package e2e

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/schema"
)

// registryVariable names the file with the IEEE's registry of MA-L assignments
// (oui.csv, as it is or gzipped): a table with quoted commas and line breaks,
// letters of many languages and names of columns with spaces.
const registryVariable = "EXACTMATCH_E2E_OUI"

func TestRegistry(t *testing.T) {
	path := os.Getenv(registryVariable)
	if path == "" {
		t.Skipf("set %s to a copy of the IEEE's oui.csv or oui.csv.gz", registryVariable)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(path)
	if err := os.WriteFile(filepath.Join(stack.Sources(), name), text, 0o600); err != nil {
		t.Fatal(err)
	}
	agentAt(t, "registry", strconv.Itoa(stack.Port), `
  - {name: Assignment, isCaseInsensitive: true}
  - {name: Organization, sourceName: Organization Name, isSearchable: false, isCaseInsensitive: true}
  - {name: Address, sourceName: Organization Address, isSearchable: false}
  - {name: Registry, isSearchable: false}
`)
	session(t, "registry", name, 5_000)
	finishes(t, "registry", "Completed")
	rows := registry(t, path)
	if got, want := field(t, "registry", ".status.rows"), len(rows); got != strconv.Itoa(want) {
		t.Fatalf("%s rows are live, the table has %d", got, want)
	}
	sampleLookups(t, rows)
}

// registry reads the table with the standard library, as the truth to compare with.
func registry(t *testing.T, path string) [][]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var text io.Reader = file
	if filepath.Ext(path) == ".gz" {
		if text, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := csv.NewReader(text).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// sampleLookups looks rows up by their assignment: one of the rows that
// the service finds carries the token of the organisation.
func sampleLookups(t *testing.T, rows [][]string) {
	t.Helper()
	key, err := os.ReadFile(stack.Path("key"))
	if err != nil {
		t.Fatal(err)
	}
	keyID, err := pipeline.KeyID(key, "registry")
	if err != nil {
		t.Fatal(err)
	}
	store, c := storeID(t, "registry"), client(t)
	several := 0
	chosen := sample(rows)
	for _, n := range chosen {
		lines, err := c.Stores().Lookup(t.Context(), store, edm.LookupRequest{
			Key:    keyID,
			Values: []string{tokenOf(t, key, schema.Column{Name: "Assignment", IsCaseInsensitive: true}, rows[n][1])}, ResultColumnNames: []string{"Organization"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) > 1 {
			several++
		}
		if !holds(t, lines, tokenOf(t, key, schema.Column{Name: "Organization", IsCaseInsensitive: true}, rows[n][2])) {
			t.Fatalf("row %d: the lookup of its assignment does not return its organisation", n+1)
		}
	}
	absent, err := c.Stores().Lookup(t.Context(), store, edm.LookupRequest{
		Key: keyID, Values: []string{tokenOf(t, key, schema.Column{Name: "Assignment", IsCaseInsensitive: true}, "no assignment")},
	})
	if err != nil || len(absent) != 0 {
		t.Fatalf("an assignment that is not in the table finds %d rows (%v)", len(absent), err)
	}
	t.Logf("%d rows are live; all %d lookups return the organisation's token, %d of them among several rows", len(rows), len(chosen), several)
}

// sample chooses 1,000 rows by a seed, and all whose assignment is there twice.
func sample(rows [][]string) []int {
	r := rand.New(rand.NewPCG(1, 2))
	chosen := r.Perm(len(rows))[:1_000]
	times := map[string]int{}
	for _, row := range rows {
		times[row[1]]++
	}
	for n, row := range rows {
		if times[row[1]] > 1 {
			chosen = append(chosen, n)
		}
	}
	return chosen
}

func tokenOf(t *testing.T, key []byte, c schema.Column, cell string) string {
	t.Helper()
	tokens, err := pipeline.Tokens(key, "registry", c, []string{cell})
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(tokens[0][:])
}

// holds reports whether one of the rows has the organisation's token.
func holds(t *testing.T, lines []string, token string) bool {
	t.Helper()
	for _, line := range lines {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		if row["Organization"] == token {
			return true
		}
	}
	return false
}
