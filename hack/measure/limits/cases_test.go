package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/internal/service"
)

// TestMain lets the test's binary stand in for the processes that cases start: the
// one that reads a table, and the operator's service.
func TestMain(m *testing.M) {
	// A command that is not known fails: the tests would start themselves again and again.
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		measure.Main("limits.test", standIn)
		return
	}
	os.Exit(m.Run())
}

func standIn(ctx context.Context, args []string) error {
	if args[0] == measure.ChildArgument {
		return dispatch(ctx, args)
	}
	operator := &cobra.Command{Use: "exactmatch", SilenceUsage: true}
	operator.PersistentFlags().String("log-level", "", "")
	operator.AddCommand(service.Command())
	operator.SetArgs(args)
	return operator.ExecuteContext(ctx)
}

// Every case runs and holds on sizes that say nothing of memory: what is refused,
// and in which words, is the same.
func TestEveryCaseHolds(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // many processes end
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "exactmatch")); err != nil {
		t.Fatal(err)
	}
	small := sizes{Table: 2e6, Line: 2 << 20, Cell: 2 << 20, Bomb: 8 << 20, Blocks: 5, Parallel: 2, Large: 1, LargestRows: 1000}
	o := options{bin: dir, out: filepath.Join(dir, "out"), docs: filepath.Join(dir, "results.md"), quick: true, only: regexp.MustCompile("")}
	if err := drive(t.Context(), o, small); err != nil {
		t.Fatal(err)
	}
	found := &run{}
	if err := measure.ReadResults(filepath.Join(o.out, measure.ResultsFile), found); err != nil {
		t.Fatal(err)
	}
	report, err := os.ReadFile(o.docs)
	if err != nil {
		t.Fatal(err)
	}
	cases := casesOf(small)
	if len(found.Samples) != len(cases) || len(found.Results) != len(cases) {
		t.Errorf("%d samples and %d results of %d cases", len(found.Samples), len(found.Results), len(cases))
	}
	for i, c := range cases {
		r := found.Results[i]
		if r.Case.Name != c.Name || r.Took <= 0 || (c.Table != nil) != (r.Manager > 0) || (c.Upload || c.Service != nil) != (r.Service > 0) {
			t.Errorf("%s: %+v", c.Name, r)
		}
		if !strings.Contains(string(report), "| "+c.Name+" | "+c.Cap+" |") {
			t.Errorf("the report lacks %s", c.Name)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "limits-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("a run left %v, %v", left, err)
	}
}
