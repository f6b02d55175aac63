// Command bench-growth draws how costs grow: of a session with the rows of its
// table and of an upload with the number of its pods, from a run of hack/measure/bench,
// and of the manager with the number of sessions, from a run of
// hack/measure/controlplane.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/hack/measure/bench/plot"
)

func main() {
	rows := flag.String("rows", "bin/bench-growth/results.json", "results.json of hack/measure/bench")
	sessions := flag.String("sessions", "bin/bench-control-plane/results.json", "results.json of hack/measure/controlplane")
	docs := flag.String("docs", "hack/measure/bench/results", "folder that the page and its plots are written to")
	flag.Parse()
	if err := run(*rows, *sessions, *docs); err != nil {
		fmt.Fprintln(os.Stderr, "bench-growth:", err)
		os.Exit(1)
	}
}

// rowsRun is what is read of a run of hack/measure/bench.
type rowsRun struct {
	Machine struct {
		CPU   string    `json:"cpu"`
		Cores int       `json:"cores"`
		Load  string    `json:"load"`
		Go    string    `json:"go"`
		Date  time.Time `json:"date"`
	} `json:"machine"`
	Samples []struct {
		Case       string             `json:"case"`
		Wall       time.Duration      `json:"wallNanoseconds"`
		CPU        time.Duration      `json:"cpuNanoseconds"`
		Rows       int                `json:"rows"`
		PeakMemory float64            `json:"peakMemory"`
		Parts      map[string]float64 `json:"parts"`
	} `json:"samples"`
}

// sessionsRun is what is read of a run of hack/measure/controlplane.
type sessionsRun struct {
	Machine struct {
		CPU, Load, Go string
		Cores         int
		Date          time.Time
	} `json:"machine"`
	Sizes []struct {
		Sessions  int           `json:"sessions"`
		Steady    time.Duration `json:"steadyNanoseconds"`
		StartRead float64       `json:"startReadBytes"`
		StartCPU  time.Duration `json:"startCPUNanoseconds"`
		Memory    struct {
			Now  float64 `json:"now"`
			Peak float64 `json:"peak"`
		} `json:"memory"`
	} `json:"sizes"`
}

// cost is a table's way from its file to a lookup, the medians of its rounds.
type cost struct {
	rows, rounds                                      int
	seconds, ourCPU, serviceCPU, ourPeak, servicePeak float64
}

func read(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// medians are those of each figure over the rounds.
func medians(rounds [][5]float64) (out [5]float64) {
	for i := range out {
		all := make([]float64, 0, len(rounds))
		for _, one := range rounds {
			all = append(all, one[i])
		}
		out[i] = median(all)
	}
	return out
}

// costs are the cases from file to lookup, by rows.
func (r *rowsRun) costs() []cost {
	found := map[int][][5]float64{}
	for _, s := range r.Samples {
		if strings.Contains(s.Case, "/e2e-") {
			found[s.Rows] = append(found[s.Rows], [5]float64{
				s.Wall.Seconds(), s.CPU.Seconds(), s.Parts["serviceCPUSeconds"], s.PeakMemory / (1 << 20), s.Parts["servicePeakMemory"] / (1 << 20),
			})
		}
	}
	var out []cost
	for _, rows := range slices.Sorted(maps.Keys(found)) {
		m := medians(found[rows])
		out = append(out, cost{rows, len(found[rows]), m[0], m[1], m[2], m[3], m[4]})
	}
	return out
}

func run(rowsPath, sessionsPath, docs string) error {
	rows, sessions := &rowsRun{}, &sessionsRun{}
	if err := errors.Join(read(rowsPath, rows), read(sessionsPath, sessions)); err != nil {
		return err
	}
	costs := rows.costs()
	pods := rows.podCosts()
	if len(costs) == 0 || len(pods) == 0 || len(sessions.Sizes) == 0 {
		return errors.New("a run has no case that grows")
	}
	files := map[string][]byte{
		"growth.md":                  []byte(page(rows, costs, pods, sessions)),
		"growth-session-time.svg":    sessionTime(costs).SVG(),
		"growth-session-memory.svg":  sessionMemory(costs).SVG(),
		"growth-pods.svg":            podTime(pods).SVG(),
		"growth-manager-memory.svg":  managerMemory(sessions).SVG(),
		"growth-manager-restart.svg": managerRestart(sessions).SVG(),
	}
	var err error
	for name, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(docs, name), text, 0o644)) //nolint:gosec // documents
	}
	return err
}

func costLine(name string, costs []cost, of func(cost) float64) plot.Line {
	l := plot.Line{Name: name}
	for _, c := range costs {
		l.Points = append(l.Points, plot.Point{X: float64(c.rows), Y: of(c)})
	}
	return l
}

func sessionTime(costs []cost) plot.Lines {
	return plot.Lines{Title: "A session from file to lookup", XLabel: "rows of the table", YLabel: "seconds", Lines: []plot.Line{
		costLine("elapsed", costs, func(c cost) float64 { return c.seconds }),
		costLine("CPU of the uploader", costs, func(c cost) float64 { return c.ourCPU }),
		costLine("CPU of the service", costs, func(c cost) float64 { return c.serviceCPU }),
	}}
}

func sessionMemory(costs []cost) plot.Lines {
	return plot.Lines{Title: "Peak memory of a session", XLabel: "rows of the table", YLabel: "largest resident size, MiB", Lines: []plot.Line{
		costLine("uploader", costs, func(c cost) float64 { return c.ourPeak }),
		costLine("service", costs, func(c cost) float64 { return c.servicePeak }),
	}}
}

func managerMemory(r *sessionsRun) plot.Lines {
	now, peak, bytes := plot.Line{Name: "resident"}, plot.Line{Name: "peak"}, plot.Line{Name: "read at the start"}
	for _, s := range r.Sizes {
		x := float64(s.Sessions)
		now.Points = append(now.Points, plot.Point{X: x, Y: s.Memory.Now / (1 << 20)})
		peak.Points = append(peak.Points, plot.Point{X: x, Y: s.Memory.Peak / (1 << 20)})
		bytes.Points = append(bytes.Points, plot.Point{X: x, Y: s.StartRead / (1 << 20)})
	}
	return plot.Lines{Title: "The manager beside many sessions", XLabel: "sessions", YLabel: "MiB", Lines: []plot.Line{now, peak, bytes}}
}

func managerRestart(r *sessionsRun) plot.Lines {
	steady, cpu := plot.Line{Name: "elapsed"}, plot.Line{Name: "CPU"}
	for _, s := range r.Sizes {
		steady.Points = append(steady.Points, plot.Point{X: float64(s.Sessions), Y: s.Steady.Seconds()})
		cpu.Points = append(cpu.Points, plot.Point{X: float64(s.Sessions), Y: s.StartCPU.Seconds()})
	}
	return plot.Lines{Title: "The manager from a restart to steady", XLabel: "sessions", YLabel: "seconds", Lines: []plot.Line{steady, cpu}}
}

// page is the text around the plots.
func page(rows *rowsRun, costs []cost, pods []podCost, sessions *sessionsRun) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Growth\n\nWritten by `make bench-growth`.\n\n## A session, by the rows of its table\n")
	line("From a file to a lookup that finds the last row: prepared and uploaded by a process with the manager's default memory into the service as a process of its")
	line("own, committed and indexed. %s, %d cores, %s, load average %s before the run, %s.\n", rows.Machine.CPU, rows.Machine.Cores, rows.Machine.Go, rows.Machine.Load, rows.Machine.Date.Format(time.DateOnly))
	line("Where the load average is not near 0, others were at work on the same cores: elapsed times say little then, processor times more, memory most.\n")
	line("| rows | seconds | uploader CPU s | service CPU s | uploader peak MiB | service peak MiB | rounds |\n|---:|---:|---:|---:|---:|---:|---:|")
	for _, c := range costs {
		line("| %s | %s | %s | %s | %s | %s | %d |", measure.Number(float64(c.rows)), measure.Number(c.seconds), measure.Number(c.ourCPU), measure.Number(c.serviceCPU), measure.Number(c.ourPeak), measure.Number(c.servicePeak), c.rounds)
	}
	line("\n![time](growth-session-time.svg)\n\n![memory](growth-session-memory.svg)\n")
	podPage(line, pods)
	line("## The manager, by the number of sessions\n")
	line("All but 100 are finished. %s, %d cores, %s, load average %s before the run, %s; [the whole report](../../controlplane/results.md).\n",
		sessions.Machine.CPU, sessions.Machine.Cores, sessions.Machine.Go, sessions.Machine.Load, sessions.Machine.Date.Format(time.DateOnly))
	line("![memory](growth-manager-memory.svg)\n\n![restart](growth-manager-restart.svg)")
	return b.String()
}
