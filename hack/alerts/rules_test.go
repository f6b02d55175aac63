package alerts

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

const root = "../.."

// ruleFiles are the PrometheusRules of the project. Beside each are its tests, in a file
// of promtool's format.
var ruleFiles = []string{"config/prometheus/alerts.yaml", "config/components/service-metrics/alerts.yaml"}

// promql is the language of alerts and dashboards.
var promql = parser.NewParser(parser.Options{})

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// groupsOf is the spec of a PrometheusRule, which is a file of rules of Prometheus.
func groupsOf(t *testing.T, file string) []byte {
	t.Helper()
	var rule struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Metadata   map[string]any `json:"metadata"`
		Spec       any            `json:"spec"`
	}
	if err := yaml.UnmarshalStrict(read(t, file), &rule); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if rule.APIVersion != "monitoring.coreos.com/v1" || rule.Kind != "PrometheusRule" {
		t.Fatalf("%s is a %s %s", file, rule.APIVersion, rule.Kind)
	}
	text, err := yaml.Marshal(rule.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// alertsOf are the alerts of a PrometheusRule, as Prometheus reads them.
func alertsOf(t *testing.T, file string) (all []rulefmt.Rule) {
	t.Helper()
	groups, errs := rulefmt.Parse(groupsOf(t, file), false, model.UTF8Validation, promql, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Errorf("%s: %v", file, err)
	}
	if groups == nil || len(groups.Groups) == 0 {
		t.Fatalf("%s has no rules", file)
	}
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// testsOf is the file of the unit tests of a PrometheusRule.
func testsOf(file string) string {
	return filepath.Join(filepath.Dir(file), "alerts_test.yaml")
}
