package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// runner runs tests of the module at root, where one file may be another.
type runner struct {
	root    string
	timeout time.Duration // of one run of one package's tests
	scratch string        // for what is laid over the module
	whole   map[testRun]verdict
}

// judge takes a guard away and runs its tests. The tree is not touched: go test
// gets the changed file as an overlay.
func (r *runner) judge(ctx context.Context, g *guard) (verdict, error) {
	overlay, err := r.overlay(g)
	if err != nil {
		return verdict{}, err
	}
	var all verdict
	for _, t := range g.Tests {
		if fault := r.unmutated(ctx, t); fault != nil {
			return *fault, ctx.Err()
		}
		all = all.and(r.test(ctx, t, "-overlay="+overlay))
	}
	return all, ctx.Err()
}

// unmutated runs tests as they are, once: tests that fail anyway, or do not run,
// would show nothing.
func (r *runner) unmutated(ctx context.Context, t testRun) *verdict {
	found, ok := r.whole[t]
	if !ok {
		found = r.test(ctx, t)
		r.whole[t] = found
	}
	switch found.kind {
	case survived:
		return nil
	case killed, timedOut:
		return &verdict{kind: failsAnyway, by: found.by}
	}
	return &found
}

// overlay writes the guard's file without the guard, and the file that says where
// it belongs.
func (r *runner) overlay(g *guard) (string, error) {
	text, err := g.mutated(r.root)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(r.scratch, g.ID+".go")
	if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(r.root, g.File): changed}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(r.scratch, g.ID+".json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

// test runs tests and judges how they end.
func (r *runner) test(ctx context.Context, t testRun, flags ...string) verdict {
	args := append([]string{"test", "-vet=off", "-count=1", "-timeout=" + (r.timeout + time.Minute).String()}, flags...)
	//nolint:gosec // the flags are of the list
	command := exec.CommandContext(ctx, "go", append(args, t.arguments(r.timeout)...)...)
	command.Dir = r.root
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	return verdictOf(output.String(), err)
}

// arguments select the tests. Specs are those of package controllers. Ginkgo ends what takes too long by itself, so that
// its control plane is stopped in order.
func (t testRun) arguments(timeout time.Duration) []string {
	switch {
	case t.Focus != "":
		return []string{"-run=^TestControllers$", t.Package, "-args", "-ginkgo.no-color", "-ginkgo.fail-fast", "-ginkgo.timeout=" + timeout.String(), "-ginkgo.focus=" + t.Focus}
	case t.Cases != "":
		return []string{"-run=^TestMatrix$", t.Package, "-args", "-case=" + t.Cases}
	}
	return []string{"-run=" + t.Run, t.Package}
}

// String is how a person runs the tests.
func (t testRun) String() string {
	switch {
	case t.Focus != "":
		return fmt.Sprintf("%s, specs %q", t.Package, t.Focus)
	case t.Cases != "":
		return fmt.Sprintf("%s, cases %q", t.Package, t.Cases)
	}
	return fmt.Sprintf("%s, -run %q", t.Package, t.Run)
}
