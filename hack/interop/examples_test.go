package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"encoding/base64"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/sink"
	"exactmatch.dev/operator/internal/testkit/tables"
)

// fence is an example of API.md, and what follows it at once.
type fence struct{ language, text string }

func fencesOf(t *testing.T) (out []fence) {
	t.Helper()
	page, err := os.ReadFile("../../internal/edm/API.md")
	testkit.Must(t, err)
	for _, one := range regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		out = append(out, fence{one[1], one[2]})
	}
	return out
}

// example is a call of curl.
type example struct {
	status  string
	until   [2]string         // a property, and what it comes to
	keeps   map[string]string // by the name of a variable, a property of the answer
	command string
	answer  any // what it shows, nil where the page shows none
}

// heading is the comment above a call.
var heading = regexp.MustCompile(`^# (\d{3})(?:, until its (\w+) is (\w+))?(?:; (.*))?\n`)

func exampleOf(t *testing.T, text string) example {
	t.Helper()
	said := heading.FindStringSubmatch(text)
	if said == nil {
		t.Fatalf("the example does not begin with its status:\n%s", text)
	}
	e := example{status: said[1], until: [2]string{said[2], said[3]}, keeps: map[string]string{}, command: text}
	for _, one := range regexp.MustCompile(`([A-Z_]+)(?: is)? its (\w+)`).FindAllStringSubmatch(said[4], -1) {
		e.keeps[one[1]] = one[2]
	}
	return e
}

// examplesOf are the calls of the page, each with the answer that stands behind it.
func examplesOf(t *testing.T) (out []example) {
	t.Helper()
	all := fencesOf(t)
	for i, one := range all {
		if one.language != "sh" {
			continue
		}
		e := exampleOf(t, one.text)
		if i+1 < len(all) && all[i+1].language == "json" {
			testkit.Must(t, json.Unmarshal([]byte(all[i+1].text), &e.answer))
		}
		out = append(out, e)
	}
	return out
}

// hand runs calls in a folder, one after another.
type hand struct {
	*testing.T
	dir string
	has map[string]string // variables
}

// answered is what a call of curl brought.
type answered struct {
	status string
	body   string
	value  any // of JSON
}

func (h *hand) run(e example) (got answered) {
	h.Helper()
	script := "curl() { command curl --output body --dump-header head \"$@\"; }\n" + e.command
	run := exec.CommandContext(h.Context(), "bash", "-euo", "pipefail", "-c", script)
	run.Dir, run.Env = h.dir, append(os.Environ(), "no_proxy=127.0.0.1")
	for name, value := range h.has {
		run.Env = append(run.Env, name+"="+value)
	}
	testkit.Must(h, os.RemoveAll(filepath.Join(h.dir, "body")))
	if out, err := run.CombinedOutput(); err != nil {
		h.Fatalf("%s\n%v: %s", e.command, err, out)
	}
	head, err := os.ReadFile(filepath.Join(h.dir, "head"))
	testkit.Must(h, err)
	for _, line := range regexp.MustCompile(`(?m)^HTTP/\S+ (\d+)`).FindAllStringSubmatch(string(head), -1) {
		got.status = line[1] // the last one, behind a 100
	}
	body, _ := os.ReadFile(filepath.Join(h.dir, "body")) // none of a 204
	got.body = string(body)
	if strings.Contains(string(head), "application/json") {
		testkit.Must(h, json.Unmarshal(body, &got.value))
	}
	return got
}

// settled runs a call until its answer is what the page says that it comes to.
func (h *hand) settled(e example) answered {
	h.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		got := h.run(e)
		value, _ := got.value.(map[string]any)
		if e.until[0] == "" || value[e.until[0]] == e.until[1] {
			return got
		}
		if time.Now().After(deadline) {
			h.Fatalf("%s\nstays %s", e.command, got.body)
		}
	}
}

// differs says how an answer is not what the page shows: what is shown must be there, and
// equal but for what the page cuts short.
func differs(at string, shown, got any) string {
	switch shown := shown.(type) {
	case string:
		if text, is := got.(string); !is || text == "" || !strings.Contains(shown, "…") && text != shown {
			return fmt.Sprintf("%s is %v, the page shows %q", at, got, shown)
		}
	case map[string]any:
		has, is := got.(map[string]any)
		if !is {
			return fmt.Sprintf("%s is %v", at, got)
		}
		for _, name := range slices.Sorted(maps.Keys(shown)) {
			if what := differs(at+"."+name, shown[name], has[name]); what != "" {
				return what
			}
		}
	case []any:
		has, is := got.([]any)
		if !is || len(has) != len(shown) {
			return fmt.Sprintf("%s is %v", at, got)
		}
		for i := range shown {
			if what := differs(fmt.Sprintf("%s[%d]", at, i), shown[i], has[i]); what != "" {
				return what
			}
		}
	default:
		if shown != got {
			return fmt.Sprintf("%s is %v, the page shows %v", at, got, shown)
		}
	}
	return ""
}

// preset is what the page says that its reader has: a block, its id, the token of a cell.
func preset(t *testing.T, s *sink.Sink) *hand {
	t.Helper()
	table := pipeline.Plan{
		Plan:   plan.Plan{Store: "patients", Columns: []schema.Column{{Name: "ID", IgnoredDelimiters: []string{"-"}}, {Name: "Mail", IsCaseInsensitive: true}}, RowsPerBlock: 3},
		Source: source.Bytes("patients.csv", []byte(tables.CSV(3))), Key: []byte("a key for tests that has 32 bytes or more"),
	}
	blocks := blocksOf(t, table, tables.Prepare(t, table))
	cell, err := pipeline.Tokens(table.Key, table.Store, table.Columns[0], []string{"P-1"})
	testkit.Must(t, err)
	h := &hand{T: t, dir: t.TempDir(), has: map[string]string{
		"ENDPOINT": s.Server.URL + "/beta", "TOKEN": sink.Bearer, "BLOCK_ID": block.ID(0, block.Sum(blocks[0])), "CELL": base64.StdEncoding.EncodeToString(cell[0][:]),
	}}
	testkit.Must(t, os.WriteFile(filepath.Join(h.dir, "block-0"), blocks[0], 0o600))
	return h
}

// TestExamplesOfThePage runs every call of API.md against a service, in order.
func TestExamplesOfThePage(t *testing.T) {
	h := preset(t, sink.New(t))
	examples := examplesOf(t)
	if len(examples) < 10 {
		t.Fatalf("API.md has %d examples", len(examples))
	}
	shown := 0
	for _, e := range examples {
		got := h.settled(e)
		if got.status != e.status {
			t.Fatalf("%s\nis answered %s: %s", e.command, got.status, got.body)
		}
		if e.answer != nil {
			shown++
			if what := differs("the answer", e.answer, got.value); what != "" {
				t.Errorf("%s\n%s", e.command, what)
			}
		}
		for name, property := range e.keeps {
			value, _ := got.value.(map[string]any)[property].(string)
			if value == "" {
				t.Fatalf("%s\nhas no %s: %s", e.command, property, got.body)
			}
			h.has[name] = value
		}
	}
	t.Logf("%d calls of API.md ran; %d answers are as it shows them", len(examples), shown)
}

// TestOtherExamplesOfThePage holds the JSON that stands behind no call against what it is:
// a question and its answer by their types, and the error by the call that it tells of.
func TestOtherExamplesOfThePage(t *testing.T) {
	h := preset(t, sink.New(t))
	refused := h.run(example{command: `curl -sS "$ENDPOINT/dataClassification/exactMatchDataStores" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"displayName": "x", "columns": [{"name": "ID", "isSerchable": true}]}'`})
	all, read := fencesOf(t), 0
	for i, one := range all {
		if one.language != "json" || i > 0 && all[i-1].language == "sh" {
			continue
		}
		read++
		var shown any
		testkit.Must(t, json.Unmarshal([]byte(one.text), &shown))
		fits := differs("the answer", shown, refused.value) == ""
		for _, into := range []any{&edm.MatchRequest{}, &edm.MatchResponse{}} {
			d := json.NewDecoder(strings.NewReader(one.text))
			d.DisallowUnknownFields()
			fits = fits || d.Decode(into) == nil
		}
		if !fits {
			t.Errorf("this is no question of match, nor an answer, nor the error %s:\n%s", refused.body, one.text)
		}
	}
	t.Logf("%d examples of JSON are as the page shows them", read)
}
