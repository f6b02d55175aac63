package alerts

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// pages is where the documents of the project are to be had: what is behind it is a path
// in the project.
const pages = "https://exactmatch.dev/operator/"

func TestEveryAlertIsWhole(t *testing.T) {
	known, seen := documented(t), map[string]bool{}
	for _, file := range ruleFiles {
		for _, a := range alertsOf(t, file) {
			if a.Record != "" || !strings.HasPrefix(a.Alert, "ExactMatch") || seen[a.Alert] {
				t.Errorf("%s: the rule %s%s is no alert of ours, or is there twice", file, a.Record, a.Alert)
			}
			seen[a.Alert] = true
			checkWords(t, a)
			e, err := promql.ParseExpr(a.Expr)
			if err != nil {
				t.Errorf("%s: %v", a.Alert, err)
				continue
			}
			checkExpression(t, a.Alert, e, known)
			checkShown(t, a, e, known)
		}
	}
}

// checkWords wants an alert to say what is wrong, how bad that is, and where to read what
// to do.
func checkWords(t *testing.T, a rulefmt.Rule) {
	t.Helper()
	if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
		t.Errorf("%s has the severity %q", a.Alert, a.Labels["severity"])
	}
	for _, name := range []string{"summary", "description"} {
		if a.Annotations[name] == "" {
			t.Errorf("%s has no %s", a.Alert, name)
		}
	}
	page, anchor, _ := strings.Cut(strings.TrimPrefix(a.Annotations["runbook_url"], pages), "#")
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil || page == "" {
		t.Errorf("%s: the page of its runbook_url %q is not in the project", a.Alert, a.Annotations["runbook_url"])
		return
	}
	if anchor != strings.ToLower(a.Alert) || !strings.Contains(string(text), "\n## "+a.Alert+"\n") {
		t.Errorf("%s: %s has no section of the anchor %q", a.Alert, page, anchor)
	}
}

// checkShown wants every label in the words of an alert to be one that its expression keeps.
func checkShown(t *testing.T, a rulefmt.Rule, e parser.Expr, known map[string]metric) {
	t.Helper()
	var kept []string
	for _, s := range selects(e) {
		kept = append(kept, known[s.Name].labels...)
	}
	if by := aggregation(e); by != nil {
		kept = by.Grouping
	}
	for label := range shownLabels(a.Annotations) {
		if !slices.Contains(kept, label) {
			t.Errorf("%s shows the label %s, which its expression does not keep", a.Alert, label)
		}
	}
}

// aggregation is what an expression groups last, nil where it keeps all labels.
func aggregation(e parser.Expr) *parser.AggregateExpr {
	switch e := e.(type) {
	case *parser.AggregateExpr:
		return e
	case *parser.BinaryExpr:
		return aggregation(e.LHS)
	case *parser.ParenExpr:
		return aggregation(e.Expr)
	case *parser.Call:
		for _, arg := range e.Args {
			if by := aggregation(arg); by != nil {
				return by
			}
		}
	}
	return nil
}

// unitTests is a file of promtool's, as far as it names the alerts.
type unitTests struct {
	Tests []struct {
		Alerts []struct {
			Name     string `json:"alertname"`
			Expected []any  `json:"exp_alerts"`
		} `json:"alert_rule_test"`
	} `json:"tests"`
}

func TestEveryAlertIsTriedBothWays(t *testing.T) {
	for _, file := range ruleFiles {
		var all unitTests
		if err := yaml.Unmarshal(read(t, testsOf(file)), &all); err != nil {
			t.Fatal(err)
		}
		fires, silent := map[string]bool{}, map[string]bool{}
		for _, one := range all.Tests {
			for _, a := range one.Alerts {
				if len(a.Expected) > 0 {
					fires[a.Name] = true
				} else {
					silent[a.Name] = true
				}
			}
		}
		for _, a := range alertsOf(t, file) {
			if !fires[a.Alert] || !silent[a.Alert] {
				t.Errorf("%s lacks a test in which %s fires (has one: %t), or one in which it does not (has one: %t)",
					testsOf(file), a.Alert, fires[a.Alert], silent[a.Alert])
			}
		}
	}
}

// promtoolPath builds the tool that this module pins, once, without the discovery of scrape
// targets, which takes most of its build.
var promtoolPath = sync.OnceValues(func() (string, error) {
	c := exec.Command("go", "tool", "-n", "promtool")
	c.Env = append(os.Environ(), "GOFLAGS=-tags=remove_all_sd")
	c.Stderr = os.Stderr
	out, err := c.Output()
	return strings.TrimSpace(string(out)), err
})

func promtool(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := promtoolPath()
	if err != nil {
		t.Fatalf("promtool cannot be built: %v", err)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	return string(out), err
}

// laidOut copies the alerts of a file, as rules of Prometheus, and their tests into a
// folder.
func laidOut(t *testing.T, file string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string][]byte{"alerts.yaml": groupsOf(t, file), "alerts_test.yaml": read(t, testsOf(file))} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPromtoolAgrees(t *testing.T) {
	for _, file := range ruleFiles {
		dir := laidOut(t, file)
		for _, args := range [][]string{{"check", "rules", "--lint=all", "--lint-fatal"}, {"test", "rules"}} {
			tested := map[string]string{"check": "alerts.yaml", "test": "alerts_test.yaml"}[args[0]]
			if out, err := promtool(t, append(args, filepath.Join(dir, tested))...); err != nil {
				t.Errorf("%s: promtool %s: %v\n%s", file, strings.Join(args, " "), err, out)
			}
		}
	}
}

// TestPromtoolMisses: tests that pass whatever an alert says would be of no use.
func TestPromtoolMisses(t *testing.T) {
	dir := laidOut(t, ruleFiles[0])
	path := filepath.Join(dir, "alerts.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	spoilt := regexp.MustCompile(`> 3600\b`).ReplaceAll(text, []byte("> 360000"))
	if string(spoilt) == string(text) {
		t.Fatal("no threshold is changed")
	}
	if err := os.WriteFile(path, spoilt, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := promtool(t, "test", "rules", filepath.Join(dir, "alerts_test.yaml")); err == nil || !strings.Contains(out, "ExactMatchSessionStalled") {
		t.Errorf("a threshold that is a hundred times as high is not noticed: %v\n%s", err, out)
	}
}
