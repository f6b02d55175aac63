// Command growth draws how costs grow: of a session with the rows of its table and
// of an upload with the number of its pods, from a run of hack/measure/bench, and of
// the manager with the number of sessions, from a run of hack/measure/controlplane.
package main

import (
	"context"
	"errors"
	"flag"

	"exactmatch.dev/operator/hack/measure"
)

func main() { measure.Main("growth", run) }

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("growth", flag.ContinueOnError)
	rows := f.String("rows", "bin/bench-growth/results.json", "results.json of hack/measure/bench")
	sessions := f.String("sessions", "bin/bench-control-plane/results.json", "results.json of hack/measure/controlplane")
	docs := f.String("docs", "hack/measure/bench/results", "folder that the page and its plots are written to")
	plotter := f.String("plotter", "bin/plot", "the program that draws")
	if err := measure.Parse(f, args); err != nil {
		return err
	}
	var uploads, manager measure.Run
	if err := errors.Join(measure.ReadResults(*rows, &uploads), measure.ReadResults(*sessions, &manager)); err != nil {
		return err
	}
	g := &growth{
		uploads: uploads.Machine, manager: manager.Machine,
		rows: measure.CostsOf(uploads.Samples, measure.KindEndToEnd), pods: measure.CostsOf(uploads.Samples, measure.KindPods),
		sessions: measure.CostsOf(manager.Samples, measure.KindSessions),
	}
	if len(g.rows) == 0 || len(g.pods) == 0 || len(g.sessions) == 0 {
		return errors.New("a run has no case that grows")
	}
	if err := measure.WriteFiles(*docs, map[string][]byte{"growth.md": []byte(g.page())}); err != nil {
		return err
	}
	return measure.Draw(ctx, *plotter, *docs, g.charts())
}
