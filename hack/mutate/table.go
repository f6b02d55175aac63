package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// table is what is known of every guard and every package that gremlins has
// mutated. A run that is not of all keeps the other rows.
type table struct {
	guards map[string]verdict
	pure   map[string]score
}

// score counts what became of the mutants of a package.
type score struct{ Killed, TimedOut, Lived, NotCovered int }

var (
	guardRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| .* \\| ([a-z ]+) \\| (.*) \\|$")
	pureRow  = regexp.MustCompile(`(?m)^\| (internal/\S+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| \S+ \|$`)
)

// readTable reads the table of an earlier run; there may be none.
func readTable(name string) (*table, error) {
	t := &table{guards: map[string]verdict{}, pure: map[string]score{}}
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, row := range guardRow.FindAllStringSubmatch(string(text), -1) {
		if v := (verdict{kind(row[2]), splitCell(row[3])}); v.kind != notRun {
			t.guards[row[1]] = v
		}
	}
	for _, row := range pureRow.FindAllStringSubmatch(string(text), -1) {
		var n [4]int
		for i := range n {
			if n[i], err = strconv.Atoi(row[i+2]); err != nil {
				return nil, err
			}
		}
		t.pure[row[1]] = score{n[0], n[1], n[2], n[3]}
	}
	return t, nil
}

const head = `# Mutations

Written by ` + "`make mutate`" + `; do not edit. A guard is a check that protects something. Each of the list in ` + "`guards/`" + ` is taken
away and the tests that are named with it run: every one of them must fail. What does not compile is not counted as killed,
and a run that ends by its timeout is said apart. The pure packages are mutated by gremlins, line by line.

`

// markdown is the table over the guards of the list, in the list's order.
func (t *table) markdown(guards []guard) string {
	var b strings.Builder
	b.WriteString(head)
	t.writeScores(&b, guards)
	b.WriteString("\n## Guards\n\n| id | guard | file | verdict | noticed by |\n|---|---|---|---|---|\n")
	for _, g := range guards {
		v, ok := t.guards[g.ID]
		if !ok {
			v.kind = notRun
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", g.ID, cell(g.Guard), g.File, v.kind, joinCell(v.by))
	}
	t.writePure(&b)
	return b.String()
}

// writeScores counts the guards by package.
func (t *table) writeScores(b *strings.Builder, guards []guard) {
	type count struct{ all, killed int }
	counts, sum := map[string]count{}, count{}
	for _, g := range guards {
		c := counts[filepath.Dir(g.File)]
		c.all++
		sum.all++
		if t.guards[g.ID].isKilled() {
			c.killed++
			sum.killed++
		}
		counts[filepath.Dir(g.File)] = c
	}
	b.WriteString("| package | guards | killed |\n|---|---:|---:|\n")
	for _, name := range sorted(counts) {
		fmt.Fprintf(b, "| %s | %d | %d |\n", name, counts[name].all, counts[name].killed)
	}
	fmt.Fprintf(b, "| **all** | %d | %d |\n", sum.all, sum.killed)
}

// writePure writes what gremlins has found. The score is the share of the mutants
// that ran and were noticed; what no test of the package covers did not run.
func (t *table) writePure(b *strings.Builder) {
	b.WriteString("\n## Pure packages\n\n| package | killed | by timeout | lived | not covered | score |\n|---|---:|---:|---:|---:|---:|\n")
	for _, name := range sorted(t.pure) {
		s := t.pure[name]
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %s |\n", name, s.Killed, s.TimedOut, s.Lived, s.NotCovered, s.percent())
	}
}

func (s score) percent() string {
	noticed := s.Killed + s.TimedOut
	if all := noticed + s.Lived; all > 0 {
		return fmt.Sprintf("%.1f%%", 100*float64(noticed)/float64(all))
	}
	return "—"
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// most is how many tests a cell names.
const most = 3

// cell is text that ends no cell.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ").Replace(text)
}

func joinCell(by []string) string {
	parts := make([]string, 0, most+1)
	for _, one := range by[:min(len(by), most)] {
		parts = append(parts, cell(one))
	}
	if more := len(by) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// splitCell keeps a cell of an earlier run as it is.
func splitCell(text string) []string {
	if text == "" {
		return nil
	}
	return []string{strings.ReplaceAll(text, "\\|", "|")}
}
