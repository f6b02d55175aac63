package main

import (
	"exactmatch.dev/operator/hack/measure"
)

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
