package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/hack/measure/bench/plot"
)

// podCost is an upload by so many pods, the medians of its rounds.
type podCost struct {
	pods, rows, rounds                         int
	seconds, podCPU, serviceCPU, peak, prepare float64
}

// podCosts are the uploads by workers, by their number.
func (r *rowsRun) podCosts() []podCost {
	found := map[int][][5]float64{}
	rows := 0
	for _, s := range r.Samples {
		at := strings.Index(s.Case, "/pods-")
		if at < 0 {
			continue
		}
		var pods int
		if _, err := fmt.Sscanf(s.Case[strings.LastIndexByte(s.Case, '-')+1:], "%d", &pods); err != nil {
			continue
		}
		rows = s.Rows
		found[pods] = append(found[pods], [5]float64{
			s.Wall.Seconds(), s.CPU.Seconds(), s.Parts["serviceCPUSeconds"], s.PeakMemory / (1 << 20), s.Parts["prepareSeconds"],
		})
	}
	var out []podCost
	for _, pods := range slices.Sorted(maps.Keys(found)) {
		m := medians(found[pods])
		out = append(out, podCost{pods, rows, len(found[pods]), m[0], m[1], m[2], m[3], m[4]})
	}
	return out
}

func podLine(name string, costs []podCost, of func(podCost) float64) plot.Line {
	l := plot.Line{Name: name}
	for _, c := range costs {
		l.Points = append(l.Points, plot.Point{X: float64(c.pods), Y: of(c)})
	}
	return l
}

func podTime(costs []podCost) plot.Lines {
	return plot.Lines{Title: "An upload by pods that share the cores of one machine", XLabel: "pods", YLabel: "seconds", Lines: []plot.Line{
		podLine("elapsed", costs, func(c podCost) float64 { return c.seconds }),
		podLine("CPU of the pods", costs, func(c podCost) float64 { return c.podCPU }),
		podLine("CPU of the service", costs, func(c podCost) float64 { return c.serviceCPU }),
	}}
}

// podPage tells what pods cost, and what follows for more machines.
func podPage(line func(string, ...any), costs []podCost) {
	first, last := costs[0], costs[len(costs)-1]
	line("## An upload, by the number of its pods\n")
	line("%s rows, staged by 1 to %d worker processes that share the cores of this machine with the service they send to: this shows what more pods cost, not what", measure.Number(float64(first.rows)), last.pods)
	line("more machines gain. One reading of the table (%s s) goes before, the seal after; neither is in it.\n", measure.Number(first.prepare))
	line("| pods | seconds | to one pod | pods' CPU s | to one pod | service CPU s | pods' peak MiB, all | rounds |\n|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, c := range costs {
		line("| %d | %s | %.2f | %s | %.2f | %s | %s | %d |", c.pods, measure.Number(c.seconds), c.seconds/first.seconds, measure.Number(c.podCPU), c.podCPU/first.podCPU,
			measure.Number(c.serviceCPU), measure.Number(c.peak), c.rounds)
	}
	line("\n![pods](growth-pods.svg)\n")
	line("On paper, for pods with a core each on other machines: they divide their %s s of processor time among them, and the service has its %s s whoever", measure.Number(first.podCPU), measure.Number(first.serviceCPU))
	line("sends. So with c cores for the service the upload is bound by the pods up to about %.1f·c of them, and by the service from there on: more pods then only wait", first.podCPU/first.serviceCPU)
	line("for it. The reading before is one pod's and is not divided, so it bounds what any number of pods can gain; and each pod has to be scheduled and started,")
	line("and reads its own stripes once more, so that over all pods each byte is read about twice. Pods pay where the table is far from the manager, where it lies on a")
	line("claim, or where the manager's memory and cores are wanted for other sessions; for speed alone, first give the service cores.\n")
}
