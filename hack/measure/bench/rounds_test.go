package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"exactmatch.dev/operator/hack/measure"
)

func TestRoundsAreSpread(t *testing.T) {
	for rounds := 1; rounds <= 15; rounds++ {
		taken, gap, last := 0, 0, -1
		for round := range 15 {
			if takesPart(benchCase{Rounds: rounds}, round, 15) {
				taken++
				gap = max(gap, round-last)
				last = round
			}
		}
		if taken != rounds || gap > (15+rounds-1)/rounds {
			t.Errorf("%d rounds: %d taken, at most %d apart", rounds, taken, gap)
		}
	}
}

// The driver measures in processes of their own, and writes what they found.
func TestTheDriverRunsCases(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GORACE", "atexit_sleep_ms=0") // many processes end
	out, docs, plotter := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "plot")
	if _, err := measure.Output(t.Context(), "../plot", "go", "build", "-o", plotter, "."); err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"-quick", "-rounds", "2", "-rows", "500", "-e2e-rows", "500", "-only", "mixed-500-5/(plain|ours-portable)-memory", "-out", out, "-docs", docs, "-service", self, "-plotter", plotter})
	if err != nil {
		t.Fatal(err)
	}
	if err := drive(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	found := &run{}
	if err := measure.ReadResults(filepath.Join(out, measure.ResultsFile), found); err != nil {
		t.Fatal(err)
	}
	if len(found.Cases) != 2 || len(found.Samples) != 4 || found.Machine.Cores == 0 || found.Samples[0].Size != 500 {
		t.Errorf("the results hold %d cases, %d samples, %+v", len(found.Cases), len(found.Samples), found.Machine)
	}
	for _, name := range []string{reportFile, "ratios.svg"} {
		if info, err := os.Stat(filepath.Join(docs, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Another build runs the same cases in the same rounds, and is shown beside this one.
func TestBuildsAreComparedInEachRound(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // many processes end
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	for _, name := range []string{"bench", "exactmatch"} {
		if err := os.Symlink(self, filepath.Join(other, name)); err != nil {
			t.Fatal(err)
		}
	}
	o, err := parse([]string{"-quick", "-rounds", "2", "-rows", "500", "-only", "mixed-500-5/(plain|ours-portable)-memory", "-out", t.TempDir(), "-service", self, "-against", other})
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRunner(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.choose(t.Context(), o, []string{pathPortable}), r.tables.makeAll(t.Context(), tablesOf(r.cases), t.Logf), r.rounds(t.Context(), o.settings)); err != nil {
		t.Fatal(err)
	}
	if len(r.samples) != 8 {
		t.Errorf("%d samples of 2 cases by 2 builds in 2 rounds", len(r.samples))
	}
	first := map[int]string{}
	for _, s := range r.samples {
		id, other := strings.CutSuffix(s.Case, againstSuffix)
		if other != (s.Kind == "") {
			t.Errorf("%s has the kind %q", s.Case, s.Kind)
		}
		if id == r.cases[0].ID && first[s.Round] == "" {
			first[s.Round] = s.Case
		}
	}
	if first[0] == first[1] {
		t.Errorf("%s is first in both rounds", first[0])
	}
	d := newDocument(&run{Run: measure.Run{Samples: r.samples}, Settings: o.settings, Paths: []string{pathPortable}, Cases: r.cases})
	if text := d.markdown(); !strings.Contains(text, "## Against another build") || !strings.Contains(text, "| `"+r.cases[0].ID+"` | ") {
		t.Errorf("the report does not show the other build")
	}
	o.against = t.TempDir()
	if _, err := newRunner(o); err == nil || !strings.Contains(err.Error(), "-against") {
		t.Errorf("a folder without a build: %v", err)
	}
}
