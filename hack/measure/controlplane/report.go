package main

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"exactmatch.dev/operator/hack/measure"
)

// results are what a run found; it is what the JSON holds.
type results struct {
	measure.Run
	Settings  options        `json:"settings"`
	Sizes     []sizeResult   `json:"sizes"`
	AfterKill time.Duration  `json:"afterKillNanoseconds"`
	AfterStop time.Duration  `json:"afterStopNanoseconds"`
	Creates   []createResult `json:"creates"`
}

// add keeps a size, and what the growth is drawn of as a sample.
func (r *results) add(one *sizeResult) {
	r.Sizes = append(r.Sizes, *one)
	r.Samples = append(r.Samples, measure.Sample{
		Case: fmt.Sprintf("sessions-%d", one.Sessions), Kind: measure.KindSessions, Size: one.Sessions,
		Wall: one.Steady, CPU: one.Start.CPU, PeakMemory: one.Usage.Peak,
		Parts: map[string]float64{measure.PartResident: float64(one.Usage.Now), measure.PartRead: float64(one.Start.Read)},
	})
}

// sizeResult is a manager at one number of sessions.
type sizeResult struct {
	Sessions int           `json:"sessions"`
	Stores   int           `json:"stores"`
	Window   time.Duration `json:"windowNanoseconds"`
	// From the manager's start until all active sessions are polled and the queues empty.
	Steady time.Duration `json:"steadyNanoseconds"`
	Start  measure.Usage `json:"start"` // until then
	Usage  measure.Usage `json:"usage"` // until the end of the window
	// Within the window.
	CPU              time.Duration    `json:"cpuNanoseconds"`
	Calls            map[string]int   `json:"calls"`
	FinishedCalls    int              `json:"finishedCalls"`
	MostGets         int              `json:"mostGets"`
	ActiveWrites     int              `json:"activeWrites"`
	MostActiveWrites int              `json:"mostActiveWrites"`
	WaitingWrites    int              `json:"waitingWrites"`
	FinishedWrites   int              `json:"finishedWrites"`
	StatusPatches    int              `json:"statusPatches"`
	Requests         map[string]int   `json:"requests"`
	Queue            map[string]delay `json:"queue"`
}

// createResult is what happened to sessions that were created at a fixed rate.
type createResult struct {
	Flags []string         `json:"flags"`
	Count int              `json:"count"`
	P50   time.Duration    `json:"p50Nanoseconds"`
	P99   time.Duration    `json:"p99Nanoseconds"`
	Span  time.Duration    `json:"spanNanoseconds"`
	Queue map[string]delay `json:"queue"`
	Calls map[string]int   `json:"calls"`
	Usage measure.Usage    `json:"usage"`
}

// delay is how long objects wait in the queue of a reconciler, in seconds.
type delay struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

var reconcilers = []string{"exactmatchsession", "exactmatchdatastore", "exactmatchuploadagent"}

func queueBetween(before, after families) map[string]delay {
	out := map[string]delay{}
	for _, name := range reconcilers {
		want := map[string]string{"name": name}
		a, b := before.buckets("workqueue_queue_duration_seconds", want), after.buckets("workqueue_queue_duration_seconds", want)
		d := delay{quantile(a, b, 0.5), quantile(a, b, 0.99)}
		if !math.IsNaN(d.P50) {
			out[name] = d
		}
	}
	return out
}

// requestsBetween counts what the API server served of the run's kinds, Secrets,
// ConfigMaps and Leases, the watch of the driver among it.
func requestsBetween(before, after families) map[string]int {
	out := map[string]int{}
	for _, m := range after["apiserver_request_total"].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		resource := labels["resource"]
		if !strings.HasPrefix(resource, "exactmatch") && !slices.Contains([]string{"secrets", "configmaps", "leases", "events"}, resource) {
			continue
		}
		want := map[string]string{"resource": resource, "subresource": labels["subresource"], "verb": labels["verb"]}
		name := labels["verb"] + " " + strings.TrimSuffix(resource+"/"+labels["subresource"], "/")
		if n := int(after.sum("apiserver_request_total", want) - before.sum("apiserver_request_total", want)); n > 0 {
			out[name] = n
		}
	}
	return out
}

// target is a line of what should hold.
type target struct {
	what, want, got string
	holds           bool
}

const (
	mostMemory   = 256 << 20
	mostQueue    = 1.0
	mostFirst    = 2 * time.Second
	mostToSteady = 30 * time.Second
)

// looksIn is how many looks or writes an interval allows within a window: one
// each, and one for the edge.
func looksIn(window, interval time.Duration) int { return int(window/interval) + 1 }

func (r *results) targets() []target {
	last := r.Sizes[len(r.Sizes)-1]
	peak := int64(0)
	for _, s := range r.Sizes {
		peak = max(peak, s.Usage.Peak)
	}
	for _, c := range r.Creates {
		peak = max(peak, c.Usage.Peak)
	}
	gets, status := looksIn(last.Window, pollInterval), looksIn(last.Window, statusInterval)
	out := []target{
		{"resident size of the manager, peak of all its processes", "256 MiB", measure.MiB(peak), peak <= mostMemory},
		{"calls of the service about finished sessions", "0", fmt.Sprint(last.FinishedCalls), last.FinishedCalls == 0},
		{"writes of finished sessions", "0", fmt.Sprint(last.FinishedWrites), last.FinishedWrites == 0},
		{fmt.Sprintf("GETs of one active session in %s, at most one a poll", last.Window), fmt.Sprint(gets), fmt.Sprint(last.MostGets), last.MostGets <= gets},
		{fmt.Sprintf("writes of one active session in %s, at most one a status interval", last.Window), fmt.Sprint(status), fmt.Sprint(last.MostActiveWrites), last.MostActiveWrites <= status},
		{"from a restart to steady", measure.Seconds(mostToSteady), measure.Seconds(last.Steady), last.Steady <= mostToSteady},
	}
	for _, c := range r.Creates {
		worst := 0.0
		for _, d := range c.Queue {
			worst = max(worst, d.P99)
		}
		how := " at 10 creates/s, " + budget(c.Flags)
		out = append(out,
			target{"p99 in the slowest queue" + how, "1 s", measure.Number(worst) + " s", worst <= mostQueue},
			target{"p99 from a create to its first remote call" + how, "2 s", measure.Seconds(c.P99), c.P99 <= mostFirst})
	}
	return out
}

func budget(flags []string) string {
	if len(flags) == 0 {
		return "default budget of calls"
	}
	return "`" + strings.Join(flags, " ") + "`"
}

func perMinute(n int, w time.Duration) string { return measure.Number(float64(n) / w.Minutes()) }

func (r *results) markdown() string {
	d := &measure.Document{}
	last := r.Sizes[len(r.Sizes)-1]
	d.Line("# The control plane at %s sessions\n", measure.Number(float64(last.Sessions)))
	d.Line("Written by `make bench-control-plane`: %s.", r.Machine)
	d.Line("etcd, the API server, the service and the driver run on the same cores.\n")
	d.Line("%d data stores have one session each that is being indexed and one that waits for it to end; the others are finished. A finished one is a copy of the", last.Stores)
	d.Line("status that a manager wrote for a session which ran to its end, with an id of its own. The manager runs as its own process with its default flags, but for")
	d.Line("addresses. A proxy before the service counts the calls; it shows the active sessions as being indexed, with a time that changes at every look, so that every")
	d.Line("look brings something to write. Writes are counted by a watch of the driver: every change that the API server kept.\n")
	r.targetTable(d)
	r.growthTable(d)
	r.steadyTables(d, last)
	r.createTable(d)
	return d.String()
}

func (r *results) targetTable(d *measure.Document) {
	d.Line("## Targets\n\n| what | at most | measured | |\n|---|---:|---:|---|")
	for _, t := range r.targets() {
		word := measure.Holds
		if !t.holds {
			word = "**" + measure.DoesNotHold + "**"
		}
		d.Line("| %s | %s | %s | %s |", t.what, t.want, t.got, word)
	}
	d.Line("\nWhere the leader is killed, another manager makes its first call after %s: the Lease must run out. Where it stops in order, after %s, the stop included.", measure.Seconds(r.AfterKill), measure.Seconds(r.AfterStop))
}

func (r *results) growthTable(d *measure.Document) {
	d.Line("\n## By the number of sessions\n\n| sessions | restart to steady | CPU until then | read until then | resident | peak | CPU a minute | calls a minute | status writes a minute |")
	d.Line("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, s := range r.Sizes {
		calls := 0
		for _, n := range s.Calls {
			calls += n
		}
		d.Line("| %s | %s | %s | %s | %s | %s | %s | %s | %s |", measure.Number(float64(s.Sessions)), measure.Seconds(s.Steady), measure.Seconds(s.Start.CPU), measure.MiB(s.Start.Read), measure.MiB(s.Usage.Now), measure.MiB(s.Usage.Peak),
			measure.Number(s.CPU.Seconds()/s.Window.Minutes())+" s", perMinute(calls, s.Window), perMinute(s.StatusPatches, s.Window))
	}
}

func (r *results) steadyTables(d *measure.Document, s sizeResult) {
	d.Line("\n## While nothing changes\n\nAt %s sessions, over %s: %d writes of active sessions, %d of waiting ones, %d of finished ones; the API server counted %d PATCHes of status.\n",
		measure.Number(float64(s.Sessions)), s.Window, s.ActiveWrites, s.WaitingWrites, s.FinishedWrites, s.StatusPatches)
	d.Line("| call of the service | a minute |\n|---|---:|")
	for _, kind := range slices.Sorted(maps.Keys(s.Calls)) {
		d.Line("| `%s` | %s |", kind, perMinute(s.Calls[kind], s.Window))
	}
	d.Line("\n| request to the API server | a minute |\n|---|---:|")
	for _, kind := range slices.Sorted(maps.Keys(s.Requests)) {
		d.Line("| `%s` | %s |", kind, perMinute(s.Requests[kind], s.Window))
	}
	d.Line("\n| queue | p50 | p99 |\n|---|---:|---:|")
	for _, name := range slices.Sorted(maps.Keys(s.Queue)) {
		d.Line("| %s | %s ms | %s ms |", name, measure.Number(s.Queue[name].P50*1000), measure.Number(s.Queue[name].P99*1000))
	}
}

func (r *results) createTable(d *measure.Document) {
	d.Line("\n## Creating sessions\n\nAt 10 a second, each in a ready store of its own, so that no session waits for another; everything else goes on. The first remote call about a session is the POST")
	d.Line("that opens it. By default the manager makes 100 calls a second of one endpoint (`--service-qps`), which the polls of the active sessions share, and leaves")
	d.Line("its requests to the API server to that one's priority and fairness. Queues are read from buckets that are powers of ten, as if what is in a bucket were spread evenly: a p99 between 1 s and")
	d.Line("10 s says no more than that.\n")
	d.Line("| budget | sessions | first call p50 | p99 | session queue p50 | p99 | store queue p50 | p99 | calls, all | until the last one |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, c := range r.Creates {
		calls := 0
		for _, n := range c.Calls {
			calls += n
		}
		session, store := c.Queue["exactmatchsession"], c.Queue["exactmatchdatastore"]
		ms := func(v float64) string { return measure.Number(v*1000) + " ms" }
		d.Line("| %s | %d | %s | %s | %s | %s | %s | %s | %d | %s |", budget(c.Flags), c.Count, measure.Seconds(c.P50), measure.Seconds(c.P99), ms(session.P50), ms(session.P99), ms(store.P50), ms(store.P99), calls, measure.Seconds(c.Span))
	}
	for _, c := range r.Creates {
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(c.Calls)) {
			kinds = append(kinds, fmt.Sprintf("%d `%s`", c.Calls[kind], kind))
		}
		d.Line("\nCalls meanwhile, %s: %s.", budget(c.Flags), strings.Join(kinds, ", "))
	}
}

// report writes what was found.
func (r *results) report(o options) error {
	if err := measure.WriteResults(o.out, r); err != nil {
		return err
	}
	fmt.Print(r.markdown())
	if o.docs == "" {
		return nil
	}
	return os.WriteFile(o.docs, []byte(r.markdown()), 0o644) //nolint:gosec // a document
}
