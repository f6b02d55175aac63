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

// growth is what the two runs found, by rows of the table, pods, and sessions.
type growth struct {
	uploads, manager     measure.Machine
	rows, pods, sessions []measure.Cost
}

// partMiB is a part that is memory.
func partMiB(name string) measure.Figure {
	return func(s measure.Sample) float64 { return s.Parts[name] / (1 << 20) }
}

func (g *growth) charts() map[string]measure.Chart {
	serviceCPU := measure.Part(measure.PartServiceCPU)
	return map[string]measure.Chart{
		"growth-session-time.svg": {Title: "A session from file to lookup", XLabel: "rows of the table", YLabel: "seconds", Series: []measure.Series{
			measure.Curve("elapsed", g.rows, measure.WallSeconds),
			measure.Curve("CPU of the uploader", g.rows, measure.CPUSeconds),
			measure.Curve("CPU of the service", g.rows, serviceCPU),
		}},
		"growth-session-memory.svg": {Title: "Peak memory of a session", XLabel: "rows of the table", YLabel: "largest resident size, MiB", Series: []measure.Series{
			measure.Curve("uploader", g.rows, measure.PeakMiB),
			measure.Curve("service", g.rows, partMiB(measure.PartServiceMemory)),
		}},
		"growth-pods.svg": {Title: "An upload by pods that share the cores of one machine", XLabel: "pods", YLabel: "seconds", Series: []measure.Series{
			measure.Curve("elapsed", g.pods, measure.WallSeconds),
			measure.Curve("CPU of the pods", g.pods, measure.CPUSeconds),
			measure.Curve("CPU of the service", g.pods, serviceCPU),
		}},
		"growth-manager-memory.svg": {Title: "The manager beside many sessions", XLabel: "sessions", YLabel: "MiB", Series: []measure.Series{
			measure.Curve("resident", g.sessions, partMiB(measure.PartResident)),
			measure.Curve("peak", g.sessions, measure.PeakMiB),
			measure.Curve("read at the start", g.sessions, partMiB(measure.PartRead)),
		}},
		"growth-manager-restart.svg": {Title: "The manager from a restart to steady", XLabel: "sessions", YLabel: "seconds", Series: []measure.Series{
			measure.Curve("elapsed", g.sessions, measure.WallSeconds),
			measure.Curve("CPU", g.sessions, measure.CPUSeconds),
		}},
	}
}
