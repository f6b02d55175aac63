package main

import (
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/hack/measure"
)

// madeUp is a run whose cases take what a table of costs says, the AVX-512 path
// being ten times as fast as the plain pipeline.
func madeUp(paths []string, p peers) *run {
	s := settings{Rounds: 15, BigRounds: 5, Rows: []int{100_000, 1_000_000, 10_000_000}, Base: 1_000_000, E2ERows: []int{1_000_000}, Upload: 1 << 30, Durable: 1 << 29, Seed: 1}
	m := &matrix{settings: s, paths: paths, peers: p}
	found := &run{Run: measure.Run{Machine: measure.Machine{CPU: "a processor & <another>", Cores: 2}}, Settings: s, Paths: paths, Cases: m.build()}
	cost := map[string]time.Duration{
		kindPlain: 1500, kindOurs + pathPortable: 900, kindOurs + pathSHANI: 500, kindOurs + pathAVX512: 150,
		kindFloor + pathPortable: 800, kindFloor + pathSHANI: 250, kindFloor + pathAVX512: 101,
		kindDuckDB: 4500, kindPython: 12_000, kindPrepare + pathAVX512: 100, kindSHA256: 80, kindEndToEnd: 700, kindHTTP: 100, kindTCP: 95, kindIndex: 150,
	}
	for _, c := range found.Cases {
		for round := range c.Rounds {
			each := max(cost[c.Kind+c.Path], cost[c.Kind], 1)
			took := each * time.Duration(max(c.Table.Rows, 1_000_000))
			found.Samples = append(found.Samples, measure.Sample{
				Case: c.ID, Round: round, CPU: took, Wall: took, Rows: c.Table.Rows, Bytes: int64(max(c.Table.Rows, 1_000_000)) * 126, PeakMemory: 50 << 20,
				Parts: map[string]float64{measure.PartServiceCPU: 0.1, "oneSyncSeconds": 1, partWrite: 0.1},
			})
		}
	}
	return found
}

func TestVerdictsComeFromTheRun(t *testing.T) {
	found := madeUp(allPaths, peers{DuckDB: "d", Python: "p", Redis: "r", Stores: "s"})
	d := newDocument(found)
	got := map[string]string{}
	for _, v := range d.verdicts {
		got[v.against+", "+v.path] = v.word
	}
	for name, want := range map[string]string{
		"plain Go, in memory, mixed, avx512":                                                     measure.Holds, // 10.0 of 10
		"plain Go, in memory, ASCII, avx512":                                                     measure.DoesNotHold,
		"plain Go, in memory, mixed, shani":                                                      measure.DoesNotHold, // 3 of 4
		"plain Go, file to file, portable":                                                       measure.Holds,
		"hash floor, in memory, mixed, avx512":                                                   measure.Holds, // 1.49 of 1.5
		"hash floor, in memory, ASCII, avx512":                                                   measure.DoesNotHold,
		"hash floor, in memory, mixed, shani":                                                    measure.DoesNotHold, // 2
		"DuckDB, file to file, threads = 2, avx512":                                              measure.Holds,
		"Python, file to file, avx512":                                                           measure.Holds,
		"Python, file to file, shani":                                                            measure.DoesNotHold,
		"a sequential write and sync of the same bytes, indexing of 1,000,000 rows, any":         measure.Holds, // 1.5 of 2
		"raw TCP, best number of connections of each, verifying sink, any":                       measure.Holds, // 0.95
		"Redis over TLS, 100 questions a call, elapsed, any":                                     measure.Holds, // 1
		"DuckDB, threads = 1, file to file, against ours with prepare, upload and index, avx512": measure.DoesNotHold,
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if len(d.verdicts) != 3*3+2*2+2*3+3+1+1+1+2 {
		t.Errorf("%d verdicts", len(d.verdicts))
	}
}

func TestWhatDidNotRunIsNotMeasured(t *testing.T) {
	for _, v := range newDocument(madeUp([]string{pathPortable}, peers{})).verdicts {
		measured := v.path == pathPortable && !strings.Contains(v.against, "DuckDB") && !strings.Contains(v.against, "Python") || v.path == "any" && !strings.Contains(v.against, "Redis")
		if measured == (v.word == measure.NotMeasured) {
			t.Errorf("%s, %s: %s", v.against, v.path, v.word)
		}
	}
}

func TestTheReportIsWhole(t *testing.T) {
	for _, found := range []*run{madeUp(allPaths, peers{DuckDB: "d", Python: "p", Redis: "r", Stores: "s"}), madeUp([]string{pathPortable}, peers{}), {Settings: settings{Rounds: 1, Rows: []int{100}, Base: 100}}} {
		d := newDocument(found)
		text := d.markdown()
		for _, wrong := range []string{"NaN", "%!", "Inf"} {
			if strings.Contains(text, wrong) {
				t.Errorf("the report holds %q", wrong)
			}
		}
		if !strings.HasPrefix(text, "# Benchmarks") || !strings.Contains(text, found.Machine.CPU) || !strings.Contains(text[strings.LastIndex(text, "## "):], measure.Holds[:5]) && found.Samples != nil {
			t.Errorf("the report does not begin with the machine and end with the verdicts")
		}
		for name := range d.charts() {
			if !strings.Contains(text, "("+name+")") {
				t.Errorf("the report does not show %s", name)
			}
		}
	}
}

func TestCasesHaveTheirNamesAlone(t *testing.T) {
	found := madeUp(allPaths, peers{DuckDB: "d", Python: "p", Redis: "r", Stores: "s"})
	seen := map[string]bool{}
	for _, c := range found.Cases {
		if seen[c.ID] {
			t.Errorf("two cases are named %s", c.ID)
		}
		seen[c.ID] = true
		if c.Rounds != 15 && c.Table.Rows <= bigRows || c.Rounds != 5 && c.Table.Rows > bigRows {
			t.Errorf("%s has %d rounds", c.ID, c.Rounds)
		}
		if c.Table.Rows > mostPeerRows && (c.Kind == kindPython || c.Kind == kindDuckDB) {
			t.Errorf("%s takes too long", c.ID)
		}
	}
	for _, want := range targets(&matrix{settings: found.Settings, paths: allPaths}) {
		if !seen[want.over] || !seen[want.under] {
			t.Errorf("nothing measures %s / %s", want.over, want.under)
		}
	}
}
