package main

import (
	"fmt"

	"exactmatch.dev/operator/hack/measure"
)

// page is the text around the charts.
func (g *growth) page() string {
	d := &measure.Document{}
	d.Line("# Growth\n\nWritten by `make bench-growth`.\n\n## A session, by the rows of its table\n")
	d.Line("From a file to a lookup that finds the last row: prepared and uploaded by a process with the manager's default memory into the service as a process of its")
	d.Line("own, committed and indexed. %s.\n", g.uploads)
	d.Line("Where the load average is not near 0, others were at work on the same cores: elapsed times say little then, processor times more, memory most.\n")
	d.Head("rows:", "seconds:", "uploader CPU s:", "service CPU s:", "uploader peak MiB:", "service peak MiB:", "rounds:")
	for _, c := range g.rows {
		d.Row(measure.Number(float64(c.Size)), number(c, measure.WallSeconds), number(c, measure.CPUSeconds), number(c, measure.Part(measure.PartServiceCPU)),
			number(c, measure.PeakMiB), number(c, partMiB(measure.PartServiceMemory)), fmt.Sprint(len(c.Samples)))
	}
	d.Line("\n![time](growth-session-time.svg)\n\n![memory](growth-session-memory.svg)\n")
	g.podPage(d)
	d.Line("## The manager, by the number of sessions\n")
	d.Line("All but 100 are finished. %s; [the whole report](../../controlplane/results.md).\n", g.manager)
	d.Line("![memory](growth-manager-memory.svg)\n\n![restart](growth-manager-restart.svg)")
	return d.String()
}

func number(c measure.Cost, f measure.Figure) string { return measure.Number(c.Of(f)) }

// podPage tells what pods cost, and what follows for more machines.
func (g *growth) podPage(d *measure.Document) {
	first, last := g.pods[0], g.pods[len(g.pods)-1]
	serviceCPU := measure.Part(measure.PartServiceCPU)
	toFirst := func(c measure.Cost, f measure.Figure) string { return fmt.Sprintf("%.2f", c.Of(f)/first.Of(f)) }
	d.Line("## An upload, by the number of its pods\n")
	d.Line("%s rows, staged by 1 to %d worker processes that share the cores of this machine with the service they send to: this shows what more pods cost, not what", measure.Number(float64(first.Samples[0].Rows)), last.Size)
	d.Line("more machines gain. One reading of the table (%s s) goes before, the seal after; neither is in it.\n", number(first, measure.Part(measure.PartPrepare)))
	d.Head("pods:", "seconds:", "to one pod:", "pods' CPU s:", "to one pod:", "service CPU s:", "pods' peak MiB, all:", "rounds:")
	for _, c := range g.pods {
		d.Row(fmt.Sprint(c.Size), number(c, measure.WallSeconds), toFirst(c, measure.WallSeconds), number(c, measure.CPUSeconds), toFirst(c, measure.CPUSeconds),
			number(c, serviceCPU), number(c, measure.PeakMiB), fmt.Sprint(len(c.Samples)))
	}
	pods, service := first.Of(measure.CPUSeconds), first.Of(serviceCPU)
	d.Line("\n![pods](growth-pods.svg)\n")
	d.Line("On paper, for pods with a core each on other machines: they divide their %s s of processor time among them, and the service needs its %s s regardless of who", measure.Number(pods), measure.Number(service))
	d.Line("sends. So with c cores for the service the upload is bound by the pods up to about %.1f·c of them, and by the service from there on: more pods then only wait", pods/service)
	d.Line("for it. The reading before is one pod's and is not divided, so it bounds what any number of pods can gain; and each pod has to be scheduled and started,")
	d.Line("and reads its own stripes once more, so that over all pods each byte is read about twice. Pods pay where the table is far from the manager, where it lies on a")
	d.Line("claim, or where the manager's memory and cores are wanted for other sessions; for speed alone, first give the service cores.\n")
}
