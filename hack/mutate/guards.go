package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// guard is a line of the code that protects something, the change that takes it
// away, and the tests that must notice.
type guard struct {
	// ID names the guard, for CASE and in the table.
	ID string `json:"id"`
	// Guard says what is true as long as the guard stands.
	Guard string `json:"guard"`
	// File is where it stands, below the module's root.
	File string `json:"file"`
	// Find occurs exactly once in the file; Replace takes its place.
	Find    string `json:"find"`
	Replace string `json:"replace"`
	// Tests must fail, each of them, while the guard is away.
	Tests []testRun `json:"tests"`
}

// testRun selects tests of one package. Exactly one of Run, Focus and Cases is set.
type testRun struct {
	// Package as go test takes it; "" is the package of the guard's file.
	Package string `json:"package,omitempty"`
	// Run is a regular expression over names of tests.
	Run string `json:"run,omitempty"`
	// Focus is a regular expression over texts of the specs of package controllers.
	Focus string `json:"focus,omitempty"`
	// Cases is a regular expression over names of the matrix of faults.
	Cases string `json:"cases,omitempty"`
}

// load reads every list of a folder and refuses what cannot be run.
func load(root, folder string) ([]guard, error) {
	lists, err := filepath.Glob(filepath.Join(root, folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	slices.Sort(lists)
	var all []guard
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			return nil, err
		}
		var some []guard
		if err := yaml.UnmarshalStrict(text, &some); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(list), err)
		}
		for i := range some {
			some[i].complete()
			if err := some[i].check(); err != nil {
				return nil, fmt.Errorf("%s: guard %q: %w", filepath.Base(list), some[i].ID, err)
			}
		}
		all = append(all, some...)
	}
	return all, unique(all)
}

func (g *guard) complete() {
	for i := range g.Tests {
		if g.Tests[i].Package == "" {
			g.Tests[i].Package = "./" + filepath.Dir(g.File)
		}
	}
}

func (g *guard) check() error {
	switch {
	case g.ID == "" || g.Guard == "" || g.File == "" || g.Find == "":
		return errors.New("id, guard, file and find must be set")
	case g.Find == g.Replace:
		return errors.New("replace changes nothing")
	case len(g.Tests) == 0:
		return errors.New("no test is named")
	}
	for _, t := range g.Tests {
		if len(t.Run)+len(t.Focus)+len(t.Cases) != max(len(t.Run), len(t.Focus), len(t.Cases)) || t == (testRun{Package: t.Package}) {
			return errors.New("each test must have exactly one of run, focus and cases")
		}
	}
	return nil
}

func unique(all []guard) error {
	seen := map[string]bool{}
	for _, g := range all {
		if seen[g.ID] {
			return fmt.Errorf("the id %q stands twice", g.ID)
		}
		seen[g.ID] = true
	}
	return nil
}

// mutated is the guard's file without the guard.
func (g *guard) mutated(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, g.File))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), g.Find); n != 1 {
		return "", fmt.Errorf("guard %q: find occurs %d times in %s, want once", g.ID, n, g.File)
	}
	return strings.Replace(string(text), g.Find, g.Replace, 1), nil
}
