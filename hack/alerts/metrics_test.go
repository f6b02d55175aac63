package alerts

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// metric is what a document says of a metric.
type metric struct {
	labels []string
	page   string // which names the values of the labels
}

// targetLabels are those that Prometheus adds to whatever it scrapes.
var targetLabels = []string{"job", "namespace", "pod", "instance"}

var (
	rowOfTable  = regexp.MustCompile("(?m)^\\| (`exactmatch_[^|]*) \\|([^|]*)\\|")
	quotedNames = regexp.MustCompile("`([a-z_]+)`")
	histograms  = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// documented are the metrics of the programs, out of the tables of their documents.
func documented(t *testing.T) map[string]metric {
	t.Helper()
	all := map[string]metric{
		"controller_runtime_reconcile_errors_total": {labels: []string{"controller"}},
		"process_resident_memory_bytes":             {},
		"up":                                        {},
	}
	for _, page := range []string{"api/v1alpha1/SPEC.md", "internal/edm/API.md"} {
		text := string(read(t, page))
		for _, row := range rowOfTable.FindAllStringSubmatch(text, -1) {
			var of []string
			for _, label := range quotedNames.FindAllStringSubmatch(row[2], -1) {
				of = append(of, label[1])
			}
			for _, name := range quotedNames.FindAllStringSubmatch(row[1], -1) {
				all[name[1]] = metric{of, text}
			}
		}
	}
	if len(all) < 40 {
		t.Fatalf("only %d metrics are documented", len(all))
	}
	return all
}

// selects returns the selectors of series in an expression.
func selects(e parser.Expr) (all []*parser.VectorSelector) {
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			all = append(all, s)
		}
		return nil
	})
	return all
}

// groupings returns the labels that an expression groups, joins and keeps by.
func groupings(e parser.Expr) (all []string) {
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.AggregateExpr:
			all = append(all, n.Grouping...)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				all = append(all, n.VectorMatching.MatchingLabels...)
			}
		}
		return nil
	})
	return all
}

// checkExpression reports what no program shows: metrics, labels and values that are
// misspelt.
func checkExpression(t *testing.T, where string, e parser.Expr, known map[string]metric) {
	t.Helper()
	var there []string
	for _, s := range selects(e) {
		name := s.Name
		of, found := known[name]
		if !found {
			if name = histograms.ReplaceAllString(s.Name, ""); name != s.Name {
				of, found = known[name]
			}
		}
		if !found {
			t.Errorf("%s asks for %s, which no program shows", where, s.Name)
			continue
		}
		there = append(there, of.labels...)
		for _, m := range s.LabelMatchers {
			checkMatcher(t, where, s.Name, of, m)
		}
	}
	for _, label := range groupings(e) {
		if label != "le" && !slices.Contains(there, label) && !slices.Contains(targetLabels, label) {
			t.Errorf("%s groups by %s, which none of its metrics has", where, label)
		}
	}
}

func checkMatcher(t *testing.T, where, name string, of metric, m *labels.Matcher) {
	t.Helper()
	if m.Name == model.MetricNameLabel || slices.Contains(targetLabels, m.Name) && !slices.Contains(of.labels, m.Name) {
		return
	}
	if !slices.Contains(of.labels, m.Name) {
		t.Errorf("%s asks for %s by the label %s, which it has not", where, name, m.Name)
	}
	if m.Name != "reason" && m.Name != "outcome" {
		return
	}
	for value := range strings.SplitSeq(m.Value, "|") {
		if !strings.Contains(value, "$") && !strings.Contains(of.page, "`"+value+"`") {
			t.Errorf("%s asks for %s=%q, a value that is not documented", where, m.Name, value)
		}
	}
}

// shownLabels are the labels that the words of an alert show.
func shownLabels(words map[string]string) map[string]bool {
	all := map[string]bool{}
	for text := range maps.Values(words) {
		for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(text, -1) {
			all[m[1]] = true
		}
	}
	return all
}
