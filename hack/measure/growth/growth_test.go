package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/hack/measure"
)

// runs are two that found the same in two rounds, and something else in a third.
func runs(t *testing.T) (uploads, manager string) {
	t.Helper()
	var samples, sessions []measure.Sample
	for round, took := range []time.Duration{2 * time.Second, 2 * time.Second, 9 * time.Second} {
		for _, size := range []int{1000, 10_000} {
			samples = append(samples, measure.Sample{
				Case: "e2e", Kind: measure.KindEndToEnd, Size: size, Rows: size, Round: round, Wall: took, CPU: took / 2, PeakMemory: 100 << 20,
				Parts: map[string]float64{measure.PartServiceCPU: 0.5, measure.PartServiceMemory: 300 << 20},
			})
		}
		for _, pods := range []int{1, 2} {
			samples = append(samples, measure.Sample{
				Case: "pods", Kind: measure.KindPods, Size: pods, Rows: 2_000_000, Round: round, Wall: took / time.Duration(pods), CPU: took, PeakMemory: 50 << 20,
				Parts: map[string]float64{measure.PartServiceCPU: 0.5, measure.PartPrepare: 0.25},
			})
		}
	}
	for _, size := range []int{100, 10_000} {
		sessions = append(sessions, measure.Sample{
			Kind: measure.KindSessions, Size: size, Wall: time.Second, CPU: time.Second, PeakMemory: 200 << 20,
			Parts: map[string]float64{measure.PartResident: 150 << 20, measure.PartRead: 40 << 20},
		})
	}
	dirs := [2]string{t.TempDir(), t.TempDir()}
	for i, r := range []measure.Run{{Machine: measure.Machine{CPU: "one"}, Samples: samples}, {Machine: measure.Machine{CPU: "other"}, Samples: sessions}} {
		if err := measure.WriteResults(dirs[i], r); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dirs[0], measure.ResultsFile), filepath.Join(dirs[1], measure.ResultsFile)
}

func TestTheGrowthIsDrawnFromBothRuns(t *testing.T) {
	uploads, manager := runs(t)
	docs, plotter := t.TempDir(), filepath.Join(t.TempDir(), "plot")
	if _, err := measure.Output(t.Context(), "../plot", "go", "build", "-o", plotter, "."); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-rows", uploads, "-sessions", manager, "-docs", docs, "-plotter", plotter}); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(docs, "growth.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 1,000 | 2 | 1 | 0.50 | 100 | 300 | 3 |", "| 10,000 | 2 | 1 | 0.50 | 100 | 300 | 3 |",
		"2,000,000 rows, staged by 1 to 2 worker processes", "(0.25 s)", "| 2 | 1 | 0.50 | 2 | 1.00 | 0.50 | 50 | 3 |", "about 4.0·c", "indexed. one,", "finished. other,",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	for name, chart := range (&growth{}).charts() {
		picture, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil || !strings.Contains(string(page), "("+name+")") {
			t.Errorf("%s is not shown, %v", name, err)
		}
		for _, s := range chart.Series {
			if !strings.Contains(string(picture), ">"+s.Name+"<") {
				t.Errorf("%s lacks the line %q", name, s.Name)
			}
		}
	}
}

func TestARunThatDoesNotGrowIsRefused(t *testing.T) {
	uploads, manager := runs(t)
	for _, args := range [][]string{{"-rows", manager, "-sessions", manager}, {"-rows", uploads, "-sessions", uploads}, {"-rows", "absent", "-sessions", manager}} {
		if err := run(t.Context(), append(args, "-docs", t.TempDir())); err == nil {
			t.Errorf("%v is drawn", args)
		}
	}
}
