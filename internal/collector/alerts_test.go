package collector

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// alerts are those on the manager.
func alerts(t *testing.T) (all []alert) {
	t.Helper()
	text, err := os.ReadFile("../../config/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Spec struct {
			Groups []struct {
				Rules []alert `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Spec.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

var (
	metricName = regexp.MustCompile(`exactmatch_[a-z_]+`)
	labelName  = regexp.MustCompile(`\$labels\.(\w+)`)
	grouped    = regexp.MustCompile(`by \(([^)]*)\)`)
	labelsOf   = regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
)

// TestEveryAlertIsOfAMetricThatIsShown: an alert on a metric or a label that is misspelt
// never fires.
func TestEveryAlertIsOfAMetricThatIsShown(t *testing.T) {
	labels := map[string][]string{"exactmatch_policy_last_reload_successful": nil}
	for _, d := range all {
		m := labelsOf.FindStringSubmatch(d.String())
		labels[m[1]] = strings.Split(m[2], ",")
	}
	seen := map[string]bool{}
	for _, a := range alerts(t) {
		if seen[a.Alert] || !strings.HasPrefix(a.Alert, "ExactMatch") || a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("the alert %q is there twice, or lacks words", a.Alert)
		}
		if seen[a.Alert] = true; !slices.Contains([]string{"critical", "warning"}, a.Labels["severity"]) {
			t.Errorf("%s has the severity %q", a.Alert, a.Labels["severity"])
		}
		var kept []string
		for _, name := range metricName.FindAllString(a.Expr, -1) {
			has, there := labels[name]
			if !there {
				t.Errorf("%s asks for %s, which nothing shows", a.Alert, name)
			}
			kept = append(kept, has...)
		}
		if by := grouped.FindStringSubmatch(a.Expr); by != nil {
			kept = strings.Split(by[1], ", ")
		}
		for _, used := range labelName.FindAllStringSubmatch(a.Annotations["summary"]+a.Annotations["description"], -1) {
			if !slices.Contains(kept, used[1]) {
				t.Errorf("%s shows the label %s, which its expression does not keep", a.Alert, used[1])
			}
		}
	}
}
