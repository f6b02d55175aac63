package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/hack/measure"
)

// found is a run whose manager keeps every target but that of its memory.
func found() *results {
	r := &results{Run: measure.Run{Machine: measure.Machine{CPU: "a processor", Cores: 2}}, AfterKill: 15 * time.Second, AfterStop: time.Second}
	queue := map[string]delay{"exactmatchsession": {P50: 0.001, P99: 0.5}, "exactmatchdatastore": {P50: 0.002, P99: 0.7}}
	for _, sessions := range []int{100, 10_000} {
		r.add(&sizeResult{
			Sessions: sessions, Stores: 50, Window: time.Minute, Steady: 3 * time.Second, CPU: time.Second,
			Start: measure.Usage{CPU: 2 * time.Second, Read: 40 << 20}, Usage: measure.Usage{Now: 200 << 20, Peak: 300 << 20},
			Calls: map[string]int{getSession: 300}, MostGets: 7, MostActiveWrites: 7, StatusPatches: 300,
			Requests: map[string]int{"PATCH exactmatchsessions/status": 300}, Queue: queue,
		})
	}
	r.Creates = []createResult{{Count: 100, P50: time.Second, P99: 1500 * time.Millisecond, Span: 12 * time.Second, Queue: queue, Calls: map[string]int{"PUT block": 200}, Usage: measure.Usage{Peak: 100 << 20}}}
	return r
}

func TestTheReportIsWhole(t *testing.T) {
	text := found().markdown()
	for _, want := range []string{
		"# The control plane at 10,000 sessions", "a processor, 2 cores",
		"| resident size of the manager, peak of all its processes | 256 MiB | 300 MiB | **does not hold** |",
		"| calls of the service about finished sessions | 0 | 0 | holds |",
		"| GETs of one active session in 1m0s, at most one a poll | 7 | 7 | holds |",
		"| writes of one active session in 1m0s, at most one a status interval | 7 | 7 | holds |",
		"| from a restart to steady | 30 s | 3 s | holds |",
		"first call after 15 s",
		"| 10,000 | 3 s | 2 s | 40 MiB | 200 MiB | 300 MiB | 1 s | 300 | 300 |",
		"| `" + getSession + "` | 300 |", "| `PATCH exactmatchsessions/status` | 300 |", "| exactmatchsession | 1 ms | 500 ms |",
		"| default budget of calls | 100 | 1 s | 1.50 s | 1 ms | 500 ms | 2 ms | 700 ms | 200 | 12 s |", "200 `PUT block`",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	for _, wrong := range []string{"NaN", "%!"} {
		if strings.Contains(text, wrong) {
			t.Errorf("the report holds %q", wrong)
		}
	}
}

// What the growth draws is in the samples of the results.
func TestSizesAreSamples(t *testing.T) {
	dir := t.TempDir()
	if err := measure.WriteResults(dir, found()); err != nil {
		t.Fatal(err)
	}
	read := &measure.Run{}
	if err := measure.ReadResults(filepath.Join(dir, measure.ResultsFile), read); err != nil || len(read.Samples) != 2 {
		t.Fatalf("%d samples, %v", len(read.Samples), err)
	}
	s := read.Samples[1]
	if s.Kind != measure.KindSessions || s.Size != 10_000 || s.Wall != 3*time.Second || s.CPU != 2*time.Second || s.PeakMemory != 300<<20 ||
		s.Parts[measure.PartResident] != 200<<20 || s.Parts[measure.PartRead] != 40<<20 {
		t.Errorf("%+v", s)
	}
}
