// Command mutate takes guards out of the code, one at a time, and says which tests
// notice. It runs in the root of the module and changes no file but its table.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

const (
	folder       = "hack/mutate/guards"
	defaultTable = "hack/mutate/TABLE.md"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// options are the command's flags.
type options struct {
	cases, pure, gremlins, table string
	timeout                      time.Duration
	missing                      bool
}

func run(ctx context.Context) error {
	var o options
	flag.StringVar(&o.cases, "case", "", "mutate the guards whose ids match the regular expression, and no pure package")
	flag.StringVar(&o.pure, "pure", "", "mutate the pure packages that match the regular expression, and no guard")
	flag.StringVar(&o.gremlins, "gremlins", "", "the program that mutates the pure packages; without it they are left out")
	flag.StringVar(&o.table, "table", defaultTable, "the table to write")
	flag.BoolVar(&o.missing, "missing", false, "leave out the guards that the table shows killed, as after an interrupted run")
	flag.DurationVar(&o.timeout, "timeout", 5*time.Minute, "bounds one run of the tests of one guard")
	flag.Parse()
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	guards, err := load(root, folder)
	if err != nil {
		return err
	}
	known, err := readTable(o.table)
	if err != nil {
		return err
	}
	w := &work{root: root, options: o, guards: guards, table: known}
	return w.run(ctx)
}

// work is one run of the command.
type work struct {
	root    string
	options options
	guards  []guard
	table   *table
	alive   []string // what nothing noticed
}

func (w *work) run(ctx context.Context) error {
	if w.options.pure == "" {
		if err := w.judgeGuards(ctx); err != nil {
			return err
		}
	}
	if w.options.cases == "" && w.options.gremlins != "" {
		if err := w.mutatePure(ctx); err != nil {
			return err
		}
	}
	if len(w.alive) > 0 {
		return fmt.Errorf("%d not killed: %v", len(w.alive), w.alive)
	}
	return nil
}

// judgeGuards takes the chosen guards away, one after the other. The table is
// written after each, so that an interrupted run loses nothing.
func (w *work) judgeGuards(ctx context.Context) error {
	chosen, err := regexp.Compile("^(?:" + w.options.cases + ")$")
	if err != nil {
		return fmt.Errorf("-case: %w", err)
	}
	scratch, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	r := &runner{root: w.root, timeout: w.options.timeout, scratch: scratch, whole: map[testRun]verdict{}}
	met := 0
	for i := range w.guards {
		g := &w.guards[i]
		if w.options.cases != "" && !chosen.MatchString(g.ID) {
			continue
		}
		met++
		if w.options.missing && w.table.guards[g.ID].isKilled() {
			continue
		}
		if err := w.judgeGuard(ctx, r, g); err != nil {
			return err
		}
	}
	if met == 0 {
		return fmt.Errorf("no guard is called %s", w.options.cases)
	}
	return w.write()
}

func (w *work) judgeGuard(ctx context.Context, r *runner, g *guard) error {
	start := time.Now()
	v, err := r.judge(ctx, g)
	if err != nil {
		return err
	}
	fmt.Printf("%-34s %-20s %4.0f s  %s\n", g.ID, v.kind, time.Since(start).Seconds(), joinCell(v.by))
	if !v.isKilled() {
		w.alive = append(w.alive, g.ID)
	}
	w.table.guards[g.ID] = v
	return w.write()
}

func (w *work) write() error {
	return os.WriteFile(w.options.table, []byte(w.table.markdown(w.guards)), 0o600)
}
