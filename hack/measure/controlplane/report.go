package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"exactmatch.dev/operator/hack/measure"
)

// results are what a run found; it is what the JSON holds.
type results struct {
	Machine   machine        `json:"machine"`
	Settings  options        `json:"settings"`
	Sizes     []sizeResult   `json:"sizes"`
	AfterKill time.Duration  `json:"afterKillNanoseconds"`
	AfterStop time.Duration  `json:"afterStopNanoseconds"`
	Creates   []createResult `json:"creates"`
}

// machine is what the figures hold for.
type machine struct {
	CPU, Kernel, Go, Load string
	Cores                 int
	Date                  time.Time
}

func describeMachine() machine {
	m := machine{CPU: "unknown processor", Go: runtime.Version(), Cores: runtime.NumCPU(), Date: time.Now().UTC()}
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			return "" // shown as unknown
		}
		return strings.TrimSpace(string(text))
	}
	for line := range strings.SplitSeq(read("/proc/cpuinfo"), "\n") {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
		}
	}
	m.Kernel = read("/proc/sys/kernel/osrelease")
	m.Load, _, _ = strings.Cut(read("/proc/loadavg"), " ")
	return m
}

// sizeResult is a manager at one number of sessions.
type sizeResult struct {
	Sessions int           `json:"sessions"`
	Stores   int           `json:"stores"`
	Window   time.Duration `json:"windowNanoseconds"`
	// From the manager's start until all active sessions are polled and the queues empty.
	Steady    time.Duration `json:"steadyNanoseconds"`
	StartRead int64         `json:"startReadBytes"`
	StartCPU  time.Duration `json:"startCPUNanoseconds"`
	// Within the window.
	Memory           memory           `json:"memory"`
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

// createResult is how sessions fared that were created at a fixed rate.
type createResult struct {
	Flags  []string         `json:"flags"`
	Count  int              `json:"count"`
	P50    time.Duration    `json:"p50Nanoseconds"`
	P99    time.Duration    `json:"p99Nanoseconds"`
	Span   time.Duration    `json:"spanNanoseconds"`
	Queue  map[string]delay `json:"queue"`
	Calls  map[string]int   `json:"calls"`
	Memory memory           `json:"memory"`
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
		peak = max(peak, s.Memory.Peak)
	}
	for _, c := range r.Creates {
		peak = max(peak, c.Memory.Peak)
	}
	gets, status := looksIn(last.Window, pollInterval), looksIn(last.Window, statusInterval)
	out := []target{
		{"resident size of the manager, peak of all its processes", "256 MiB", mib(peak), peak <= mostMemory},
		{"calls of the service about finished sessions", "0", fmt.Sprint(last.FinishedCalls), last.FinishedCalls == 0},
		{"writes of finished sessions", "0", fmt.Sprint(last.FinishedWrites), last.FinishedWrites == 0},
		{fmt.Sprintf("GETs of one active session in %s, at most one a poll", last.Window), fmt.Sprint(gets), fmt.Sprint(last.MostGets), last.MostGets <= gets},
		{fmt.Sprintf("writes of one active session in %s, at most one a status interval", last.Window), fmt.Sprint(status), fmt.Sprint(last.MostActiveWrites), last.MostActiveWrites <= status},
		{"from a restart to steady", seconds(mostToSteady), seconds(last.Steady), last.Steady <= mostToSteady},
	}
	for _, c := range r.Creates {
		worst := 0.0
		for _, d := range c.Queue {
			worst = max(worst, d.P99)
		}
		how := " at 10 creates/s, " + budget(c.Flags)
		out = append(out,
			target{"p99 in the slowest queue" + how, "1 s", measure.Number(worst) + " s", worst <= mostQueue},
			target{"p99 from a create to its first remote call" + how, "2 s", seconds(c.P99), c.P99 <= mostFirst})
	}
	return out
}

func budget(flags []string) string {
	if len(flags) == 0 {
		return "default budget of calls"
	}
	return "`" + strings.Join(flags, " ") + "`"
}

func mib(bytes int64) string                  { return fmt.Sprintf("%d MiB", (bytes+1<<20-1)>>20) }
func seconds(d time.Duration) string          { return measure.Number(d.Seconds()) + " s" }
func perMinute(n int, w time.Duration) string { return measure.Number(float64(n) / w.Minutes()) }

func (r *results) markdown() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	m, last := r.Machine, r.Sizes[len(r.Sizes)-1]
	line("# The control plane at %s sessions\n", measure.Number(float64(last.Sessions)))
	line("Written by `make bench-control-plane`: %s, %d cores, kernel %s, %s, load average %s before the run, %s.", m.CPU, m.Cores, m.Kernel, m.Go, m.Load, m.Date.Format(time.DateOnly))
	line("etcd, the API server, the service and the driver run on the same cores.\n")
	line("%d data stores have one session each that is being indexed and one that waits for its turn; the others are finished. A finished one is a copy of the", last.Stores)
	line("status that a manager wrote for a session which ran to its end, with an id of its own. The manager runs as its own process with its default flags, but for")
	line("addresses. A front before the service counts the calls; it shows the active sessions as being indexed, with a time that changes at every look, so that every")
	line("look brings something to write. Writes are counted by a watch of the driver: every change that the API server kept.\n")
	r.targetTable(line)
	r.growthTable(line)
	r.steadyTables(line, last)
	r.createTable(line)
	return b.String()
}

func (r *results) targetTable(line func(string, ...any)) {
	line("## Targets\n\n| what | at most | measured | |\n|---|---:|---:|---|")
	for _, t := range r.targets() {
		word := "holds"
		if !t.holds {
			word = "**does not hold**"
		}
		line("| %s | %s | %s | %s |", t.what, t.want, t.got, word)
	}
	line("\nWhere the leader is killed, another manager makes its first call after %s: the Lease must run out. Where it stops in order, after %s, the stop included.", seconds(r.AfterKill), seconds(r.AfterStop))
}

func (r *results) growthTable(line func(string, ...any)) {
	line("\n## By the number of sessions\n\n| sessions | restart to steady | CPU until then | read until then | resident | peak | CPU a minute | calls a minute | status writes a minute |")
	line("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, s := range r.Sizes {
		calls := 0
		for _, n := range s.Calls {
			calls += n
		}
		line("| %s | %s | %s | %s | %s | %s | %s | %s | %s |", measure.Number(float64(s.Sessions)), seconds(s.Steady), seconds(s.StartCPU), mib(s.StartRead), mib(s.Memory.Now), mib(s.Memory.Peak),
			measure.Number(s.CPU.Seconds()/s.Window.Minutes())+" s", perMinute(calls, s.Window), perMinute(s.StatusPatches, s.Window))
	}
}

func (r *results) steadyTables(line func(string, ...any), s sizeResult) {
	line("\n## While nothing changes\n\nAt %s sessions, over %s: %d writes of active sessions, %d of waiting ones, %d of finished ones; the API server counted %d PATCHes of status.\n",
		measure.Number(float64(s.Sessions)), s.Window, s.ActiveWrites, s.WaitingWrites, s.FinishedWrites, s.StatusPatches)
	line("| call of the service | a minute |\n|---|---:|")
	for _, kind := range slices.Sorted(maps.Keys(s.Calls)) {
		line("| `%s` | %s |", kind, perMinute(s.Calls[kind], s.Window))
	}
	line("\n| request to the API server | a minute |\n|---|---:|")
	for _, kind := range slices.Sorted(maps.Keys(s.Requests)) {
		line("| `%s` | %s |", kind, perMinute(s.Requests[kind], s.Window))
	}
	line("\n| queue | p50 | p99 |\n|---|---:|---:|")
	for _, name := range slices.Sorted(maps.Keys(s.Queue)) {
		line("| %s | %s ms | %s ms |", name, measure.Number(s.Queue[name].P50*1000), measure.Number(s.Queue[name].P99*1000))
	}
}

func (r *results) createTable(line func(string, ...any)) {
	line("\n## Creating sessions\n\nAt 10 a second, each in a ready store of its own, so that nobody waits for another's turn; everything else goes on. The first remote call about a session is the POST")
	line("that opens it. By default the manager makes 100 calls a second of one endpoint (`--service-qps`), which the polls of the active sessions share, and leaves")
	line("its requests to the API server to that one's priority and fairness. Queues are read from buckets that are powers of ten, as if what is in a bucket were spread evenly: a p99 between 1 s and")
	line("10 s says no more than that.\n")
	line("| budget | sessions | first call p50 | p99 | session queue p50 | p99 | store queue p50 | p99 | calls, all | until the last one |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, c := range r.Creates {
		calls := 0
		for _, n := range c.Calls {
			calls += n
		}
		session, store := c.Queue["exactmatchsession"], c.Queue["exactmatchdatastore"]
		ms := func(v float64) string { return measure.Number(v*1000) + " ms" }
		line("| %s | %d | %s | %s | %s | %s | %s | %s | %d | %s |", budget(c.Flags), c.Count, seconds(c.P50), seconds(c.P99), ms(session.P50), ms(session.P99), ms(store.P50), ms(store.P99), calls, seconds(c.Span))
	}
	for _, c := range r.Creates {
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(c.Calls)) {
			kinds = append(kinds, fmt.Sprintf("%d `%s`", c.Calls[kind], kind))
		}
		line("\nCalls meanwhile, %s: %s.", budget(c.Flags), strings.Join(kinds, ", "))
	}
}

// report writes what was found.
func (b *bench) report() error {
	text, err := json.MarshalIndent(b.found, "", " ")
	if err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(b.out, 0o750), os.WriteFile(filepath.Join(b.out, "results.json"), text, 0o600)); err != nil {
		return err
	}
	fmt.Print(b.found.markdown())
	if b.docs == "" {
		return nil
	}
	return os.WriteFile(b.docs, []byte(b.found.markdown()), 0o644) //nolint:gosec // a document
}
