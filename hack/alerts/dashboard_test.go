package alerts

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

const dashboardFile = "config/grafana/dashboard.json"

// dashboard is one of Grafana, as far as it is checked.
type dashboard struct {
	Title      string
	Templating struct {
		List []struct{ Name, Definition string }
	}
	Panels []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct{ Expr, LegendFormat string }
	FieldConfig              struct{ Defaults struct{ Unit string } }
}

func dashboardOf(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal(read(t, dashboardFile), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) < 20 {
		t.Fatalf("there are %d panels", len(d.Panels))
	}
	return d
}

var (
	interval = regexp.MustCompile(`\$__\w*interval\b`)
	variable = regexp.MustCompile(`\$\{?([a-z]\w*)`)
	legend   = regexp.MustCompile(`\{\{(\w+)\}\}`)
	ofValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
)

// TestEveryQueryOfTheDashboardIsOfMetricsThatAreShown: a panel of a metric that is misspelt
// stays empty, which looks like quiet.
func TestEveryQueryOfTheDashboardIsOfMetricsThatAreShown(t *testing.T) {
	d, known := dashboardOf(t), documented(t)
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			e, err := promql.ParseExpr(interval.ReplaceAllString(target.Expr, "5m"))
			if err != nil {
				t.Errorf("%s: %v", p.Title, err)
				continue
			}
			checkExpression(t, p.Title, e, known)
			checkLegend(t, p.Title, target.LegendFormat, e, known)
		}
	}
}

// checkLegend wants every label of a legend to be one that the query keeps.
func checkLegend(t *testing.T, title, text string, e parser.Expr, known map[string]metric) {
	t.Helper()
	kept := slices.Clone(targetLabels)
	if by := aggregation(e); by != nil {
		kept = by.Grouping
	} else {
		for _, s := range selects(e) {
			kept = append(kept, known[s.Name].labels...)
		}
	}
	for _, m := range legend.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(kept, m[1]) {
			t.Errorf("%s: its legend shows the label %s, which its query does not keep", title, m[1])
		}
	}
}

func TestTheVariablesOfTheDashboardHaveValues(t *testing.T) {
	d, known, defined := dashboardOf(t), documented(t), []string{}
	for _, v := range d.Templating.List {
		if defined = append(defined, v.Name); v.Definition == "" {
			continue
		}
		m := ofValues.FindStringSubmatch(v.Definition)
		if m == nil {
			t.Errorf("the variable %s is of %q", v.Name, v.Definition)
			continue
		}
		e, err := promql.ParseExpr(fmt.Sprintf("group by (%s) (%s)", m[2], m[1]))
		if err != nil {
			t.Errorf("the variable %s: %v", v.Name, err)
			continue
		}
		checkExpression(t, v.Name, e, known)
	}
	if !slices.Equal(defined, []string{"datasource", "namespace", "store"}) {
		t.Errorf("the variables are %v", defined)
	}
	for _, m := range variable.FindAllStringSubmatch(string(read(t, dashboardFile)), -1) {
		if !slices.Contains(defined, m[1]) {
			t.Errorf("the variable %s is used, and defined nowhere", m[1])
		}
	}
}

// TestTheDashboardIsReadable: panels say what they show, in a unit, and none covers another.
func TestTheDashboardIsReadable(t *testing.T) {
	var rows []string
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range dashboardOf(t).Panels {
		if p.Type == "row" {
			rows = append(rows, p.Title)
		} else if p.Title == "" || p.Description == "" || len(p.Targets) == 0 || p.Type != "table" && p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("the panel %d %q lacks a title, words, a query or a unit", p.ID, p.Title)
		}
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s has the id of another panel, or is too wide", p.Title)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if cells[at] != "" {
					t.Fatalf("%s covers %s", p.Title, cells[at])
				}
				cells[at] = p.Title
			}
		}
	}
	if want := []string{"Overview", "Sessions", "Stores", "Schedules", "Service", "Manager"}; !slices.Equal(rows, want) {
		t.Errorf("the rows are %v, want %v", rows, want)
	}
}

// TestEveryMetricIsWatched: what is measured is to be seen somewhere.
func TestEveryMetricIsWatched(t *testing.T) {
	watched := string(read(t, dashboardFile))
	for _, file := range ruleFiles {
		watched += string(read(t, file))
	}
	for name := range documented(t) {
		if strings.HasPrefix(name, "exactmatch_") && !regexp.MustCompile(name+`(_bucket)?\b`).MatchString(watched) {
			t.Errorf("%s is in no panel and in no alert", name)
		}
	}
}
