package service

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

type alertingRule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

// alertsOf are the alerts on the service.
func alertsOf(t *testing.T) (all []alertingRule) {
	t.Helper()
	text, err := os.ReadFile("../../config/components/service-metrics/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Spec struct {
			Groups []struct{ Rules []alertingRule }
		}
	}
	if err := yaml.UnmarshalStrict(text, &struct {
		APIVersion, Kind string
		Metadata         map[string]any
		Spec             *struct {
			Groups []struct {
				Name  string
				Rules []alertingRule
			}
		}
	}{}); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Spec.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// Each alert asks for metrics that the service has, by labels that they have, and says what
// is wrong and what to do.
func TestAlertsAreOfMetricsThatExist(t *testing.T) {
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("\n\\| `(exactmatch_[a-z_]+)` \\|([^|]*)\\|").FindAllStringSubmatch(apiPage(t), -1) {
		documented[row[1]] = row[2]
	}
	name := regexp.MustCompile(`(exactmatch_[a-z_]+)(?:\{([^}]*)\})?`)
	by := regexp.MustCompile(`by \(([^)]*)\)`)
	shown := regexp.MustCompile(`\$labels\.(\w+)`)
	seen := map[string]bool{}
	alerts := alertsOf(t)
	if len(alerts) < 10 {
		t.Fatalf("there are %d alerts", len(alerts))
	}
	for _, a := range alerts {
		if seen[a.Alert] || !strings.HasPrefix(a.Alert, "ExactMatchService") || a.Annotations["summary"] == "" || a.Annotations["description"] == "" ||
			!slices.Contains([]string{"critical", "warning"}, a.Labels["severity"]) {
			t.Errorf("the alert %+v is incomplete, or there twice", a)
		}
		seen[a.Alert] = true
		if strings.Count(a.Expr, "(") != strings.Count(a.Expr, ")") || strings.Count(a.Expr, `"`)%2 != 0 {
			t.Errorf("%s: %q is not whole", a.Alert, a.Expr)
		}
		labels := ""
		for _, m := range name.FindAllStringSubmatch(a.Expr, -1) {
			has, there := documented[m[1]]
			if !there {
				t.Errorf("%s asks for %s, which the service has not", a.Alert, m[1])
			}
			labels += has
			for one := range strings.SplitSeq(m[2], ",") {
				label, _, _ := strings.Cut(strings.TrimSpace(one), "=")
				if label = strings.TrimRight(label, "!"); label != "" && !strings.Contains(has, "`"+label+"`") {
					t.Errorf("%s asks for %s by %q, which it has not", a.Alert, m[1], label)
				}
			}
		}
		kept := labels
		if m := by.FindStringSubmatch(a.Expr); m != nil {
			kept = "`" + strings.ReplaceAll(m[1], ", ", "` `") + "`"
		}
		for _, one := range shown.FindAllStringSubmatch(a.Annotations["summary"], -1) {
			if !strings.Contains(labels, "`"+one[1]+"`") || !strings.Contains(kept, "`"+one[1]+"`") {
				t.Errorf("%s shows the label %s, which its expression does not keep", a.Alert, one[1])
			}
		}
	}
}

// The values of labels that alerts ask for are ones that the service gives.
func TestAlertsAreOfValuesThatExist(t *testing.T) {
	given := map[string][]string{"outcome": {"failed", "completed", "answered", "refused"}, "reason": {"missing", "keysUnavailable"}, "route": {"/readyz"}, "code": {"5.."}}
	for _, a := range alertsOf(t) {
		for _, m := range regexp.MustCompile(`(\w+)(?:=~|!=|=)"([^"]*)"`).FindAllStringSubmatch(a.Expr, -1) {
			if !slices.Contains(given[m[1]], m[2]) {
				t.Errorf("%s asks for %s=%q", a.Alert, m[1], m[2])
			}
		}
	}
}
