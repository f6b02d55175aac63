package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/internal/executor/worker"
	"exactmatch.dev/operator/internal/service"
)

// TestMain lets the test's binary stand in for the processes that cases start:
// the sink, and the operator's service and workers.
func TestMain(m *testing.M) {
	// A command that is not known fails: the tests would start themselves again and again.
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		measure.Main("bench.test", standIn)
		return
	}
	os.Exit(m.Run())
}

func standIn(ctx context.Context, args []string) error {
	if args[0] == "sink" || args[0] == measure.ChildArgument {
		return dispatch(ctx, args)
	}
	operator := &cobra.Command{Use: "exactmatch", SilenceUsage: true}
	operator.AddCommand(service.Command(), worker.Command())
	operator.SetArgs(args)
	return operator.ExecuteContext(ctx)
}

// wheres says over which tables each kind runs, "" being none.
var wheres = map[string][]string{
	kindPlain: {inMemory, inFile}, kindOurs: {inMemory, inFile}, kindFloor: {inMemory}, kindPrepare: {inMemory}, kindSHA256: {inMemory},
	kindEndToEnd: {inFile}, kindPods: {inFile}, kindHTTP: {""}, kindTCP: {""}, kindService: {""}, kindDisk: {""}, kindIndex: {""}, kindProbe: {""},
	kindMatch: {inFile}, kindRedis: {inFile},
}

// Every kind of case runs: a measurement that nobody can take any more is lost.
func TestEveryKindRuns(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // many processes end
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cache := tableCache{dir: t.TempDir(), seed: 1}
	table := tableSpec{Shape: shapeMixed, Rows: 1000, Fields: len(fiveOfEight)}
	if err := cache.make(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	if len(wheres) != len(works) {
		t.Errorf("%d kinds are tried of %d", len(wheres), len(works))
	}
	for kind, do := range works {
		for _, where := range wheres[kind] {
			t.Run(kind+"-"+where, func(t *testing.T) {
				if _, err := exec.LookPath("redis-server"); kind == kindRedis && err != nil {
					t.Skip("redis-server is not installed")
				}
				c := benchCase{Kind: kind, Where: where, Workers: 2, Bytes: 2 * uploadBlock, Rows: 1000}
				if where != "" {
					c.Table = table
				}
				s, err := do(t.Context(), task{Case: c, Table: cache.path(table), Work: t.TempDir(), Service: self, Sum: summed(kind)})
				if err != nil {
					t.Fatal(err)
				}
				checkSample(t, c, s)
			})
		}
	}
}

// checkSample wants of a sample what the report takes out of its kind.
func checkSample(t *testing.T, c benchCase, s *measure.Sample) {
	t.Helper()
	switch c.Kind {
	case kindProbe:
		if s.Text == "" {
			t.Errorf("%+v names no path", s)
		}
		return
	case kindHTTP, kindTCP, kindService, kindDisk:
		if want := 2 * int64(mustBlocks(t)[0].Size()); s.Bytes != want {
			t.Errorf("%d bytes were moved, want %d", s.Bytes, want)
		}
	case kindMatch, kindRedis:
		if s.Rows != matchQuestions {
			t.Errorf("%d questions, want %d", s.Rows, matchQuestions)
		}
	case kindIndex:
		if s.Rows != c.Rows || s.Bytes < int64(12*indexColumns*c.Rows) {
			t.Errorf("%d rows of %d are indexed in %d bytes", s.Rows, c.Rows, s.Bytes)
		}
	default:
		if s.Rows != c.Table.Rows {
			t.Errorf("%d rows, want %d", s.Rows, c.Table.Rows)
		}
	}
	if s.Wall <= 0 || s.CPU <= 0 || s.PeakMemory <= 0 {
		t.Errorf("%+v lacks a figure", s)
	}
	if summed(c.Kind) && len(s.TokenSum) != 32 {
		t.Errorf("the sum of the tokens is %q", s.TokenSum)
	}
	parts := map[string][]string{
		kindEndToEnd: {measure.PartPrepare, partUpload, partIndex, partLookup, measure.PartServiceMemory}, kindPods: {measure.PartPrepare}, kindDisk: {"oneSyncSeconds"}, kindIndex: {partWrite},
	}
	for _, part := range parts[c.Kind] {
		if s.Parts[part] <= 0 {
			t.Errorf("%s is %v", part, s.Parts[part])
		}
	}
}

// The peers' tokens are compared where Python is installed.
func TestPythonMakesOurTokens(t *testing.T) {
	dir := t.TempDir()
	p := peers{Python: filepath.Join(dir, "python", "pipeline.py")}
	if err := writePeers(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := measure.Output(t.Context(), dir, "python3", "--version"); err != nil {
		t.Skipf("there is no python3: %v", err)
	}
	cache := tableCache{dir: dir, seed: 1}
	table := tableSpec{Shape: shapeMixed, Rows: 1000, Fields: len(fiveOfEight)}
	if err := cache.make(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	one := task{Case: benchCase{Kind: kindPython, Table: table, Where: inFile, Workers: 1}, Table: cache.path(table), Work: dir, Sum: true}
	theirs, err := p.python(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	one.Work = t.TempDir()
	if ours, err := oursCase(t.Context(), one); err != nil || ours.TokenSum != theirs.TokenSum {
		t.Errorf("ours are %+v, %v; Python's %s", ours, err, theirs.TokenSum)
	}
}
