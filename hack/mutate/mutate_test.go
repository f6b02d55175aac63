package main

import (
	"errors"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func guards(t *testing.T) []guard {
	t.Helper()
	all, err := load(root, folder)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The list cannot rot: each entry finds its guard once, and what is left without it
// is Go.
func TestEveryGuardIsWhereTheListSays(t *testing.T) {
	for _, g := range guards(t) {
		text, err := g.mutated(root)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := parser.ParseFile(token.NewFileSet(), g.File, text, 0); err != nil {
			t.Errorf("guard %q: %v", g.ID, err)
		}
		for _, test := range g.Tests {
			if info, err := os.Stat(filepath.Join(root, test.Package)); err != nil || !info.IsDir() {
				t.Errorf("guard %q: %s is not a package: %v", g.ID, test.Package, err)
			}
		}
	}
}

// The pure packages are listed where they are.
func TestEveryPurePackageExists(t *testing.T) {
	for _, dir := range pure {
		if files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go")); err != nil || len(files) == 0 {
			t.Errorf("%s is not a package with tests: %v", dir, err)
		}
	}
}

// A guard that no test misses is either missing a test or not needed.
func TestEveryGuardIsProven(t *testing.T) {
	known, err := readTable("TABLE.md")
	if err != nil {
		t.Fatal(err)
	}
	all := guards(t)
	for _, g := range all {
		switch v, ran := known.guards[g.ID]; {
		case !ran:
			t.Logf("guard %q has not run yet: run make mutate CASE=%s", g.ID, g.ID)
		case !v.isKilled():
			t.Errorf("guard %q is %q in TABLE.md: write the test that it lacks, or take it away; then run make mutate CASE=%s", g.ID, v.kind, g.ID)
		}
	}
	for id := range known.guards {
		if !slices.ContainsFunc(all, func(g guard) bool { return g.ID == id }) {
			t.Errorf("TABLE.md has a guard %q that the list has not: run make mutate", id)
		}
	}
}

func TestTheTableIsReadAsItIsWritten(t *testing.T) {
	list := []guard{{ID: "a", Guard: "one | two", File: "x/a.go"}, {ID: "b", Guard: "another", File: "y/b.go"}, {ID: "c", Guard: "new", File: "y/b.go"}}
	before := &table{
		guards: map[string]verdict{"a": {killed, []string{"TestA", "TestB|C", "TestD", "TestE"}}, "b": {timedOut, nil}},
		pure:   map[string]score{"internal/edm": {Killed: 3, TimedOut: 1, Lived: 1, NotCovered: 2}},
	}
	name := filepath.Join(t.TempDir(), "TABLE.md")
	if err := os.WriteFile(name, []byte(before.markdown(list)), 0o600); err != nil {
		t.Fatal(err)
	}
	after, err := readTable(name)
	if err != nil {
		t.Fatal(err)
	}
	text := after.markdown(list)
	if before.markdown(list) != text {
		t.Errorf("it changes when it is read and written:\n%s", text)
	}
	for _, want := range []string{"TestA; TestB\\|C; TestD; and 1 more", "| killed by timeout |", "| not run |", "| **all** | 3 | 2 |", "| 80.0% |"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

func TestVerdicts(t *testing.T) {
	failed := errors.New("exit status 1")
	for name, tc := range map[string]struct {
		output string
		err    error
		want   verdict
	}{
		"green":         {"ok  \tx/y\t0.1s\n", nil, verdict{kind: survived}},
		"red":           {"--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/b (0.00s)\n        a_test.go:1: no\nFAIL\nFAIL\tx/y\t0.1s\n", failed, verdict{killed, []string{"TestA/b"}}},
		"red specs":     {"Summarizing 1 Failure:\n  [FAIL] A session [It] goes on\n--- FAIL: TestControllers (1.00s)\nFAIL\n", failed, verdict{killed, []string{"A session [It] goes on"}}},
		"a panic":       {"panic: nil map\nFAIL\tx/y\t0.1s\n", failed, verdict{killed, []string{"a panic"}}},
		"too long":      {"panic: test timed out after 1s\nFAIL\tx/y\t1.1s\n", failed, verdict{timedOut, []string{"a panic"}}},
		"no Go":         {"# x/y\ny/a.go:1:2: undefined: z\nFAIL\tx/y [build failed]\nFAIL\n", failed, verdict{unbuilt, []string{"y/a.go:1:2: undefined: z"}}},
		"no test":       {"ok  \tx/y\t0.1s [no tests to run]\n", nil, verdict{kind: noTests}},
		"no spec":       {"Ran 0 of 167 Specs in 0.1 seconds\nok  \tx/y\t0.1s\n", nil, verdict{kind: noTests}},
		"no such thing": {"pattern ./z: directory not found\n", failed, verdict{noTests, []string{"pattern ./z: directory not found"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := verdictOf(tc.output, tc.err)
			if got.kind != tc.want.kind || !slices.Equal(got.by, tc.want.by) {
				t.Errorf("it is %+v, want %+v", got, tc.want)
			}
		})
	}
}

// Every test that is named has to notice: one of several that does not shows that
// it tests less than it claims.
func TestEachTestHasToNotice(t *testing.T) {
	var none verdict
	for _, tc := range []struct{ first, second, want kind }{
		{killed, killed, killed}, {killed, survived, survived}, {survived, killed, survived}, {timedOut, killed, killed}, {killed, timedOut, timedOut}, {unbuilt, killed, unbuilt},
	} {
		if got := none.and(verdict{kind: tc.first}).and(verdict{kind: tc.second}); got.kind != tc.want {
			t.Errorf("%s and %s are %s, want %s", tc.first, tc.second, got.kind, tc.want)
		}
	}
}

func TestAGuardThatSelectsNoTestIsRefused(t *testing.T) {
	whole := guard{ID: "a", Guard: "b", File: "c.go", Find: "d", Replace: "e", Tests: []testRun{{Run: "f"}}}
	if err := whole.check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*guard){
		"no id": func(g *guard) { g.ID = "" }, "nothing changed": func(g *guard) { g.Replace = g.Find }, "no tests": func(g *guard) { g.Tests = nil },
		"nothing selected": func(g *guard) { g.Tests = []testRun{{Package: "./x"}} },
		"two selections":   func(g *guard) { g.Tests = []testRun{{Run: "a", Focus: "b"}} },
	} {
		g := whole
		spoil(&g)
		if g.check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if unique([]guard{whole, whole}) == nil {
		t.Error("an id may stand twice")
	}
}
