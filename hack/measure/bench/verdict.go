package main

import (
	"fmt"
	"slices"

	"exactmatch.dev/operator/hack/measure"
)

// target is one number to reach: the ratio of two cases of the same round.
type target struct {
	against, path string
	bound         measure.Bound
	over, under   string
	figure        measure.Figure
}

// verdict is a target and what the run says about it.
type verdict struct {
	target
	got  measure.Summary
	word string
}

// bounds of the three paths.
type bounds map[string]measure.Bound

// targets are those of the project, for the cases of a run.
func targets(m *matrix) []target {
	base, ascii := m.base(), m.variation(shapeASCII)
	var all []target
	add := func(against string, want bounds, over, under func(path string) string) {
		for _, path := range slices.Backward(allPaths) {
			if b, is := want[path]; is {
				all = append(all, target{against: against, path: path, bound: b, over: over(path), under: under(path), figure: cpuPerRow})
			}
		}
	}
	fixed := func(id string) func(string) string { return func(string) string { return id } }
	ours := func(t tableSpec, where string, workers int) func(string) string {
		return func(path string) string { return idOf(t, kindOurs, path, where, workers) }
	}
	floor := func(t tableSpec) func(string) string {
		return func(path string) string { return idOf(t, kindFloor, path, inMemory, 1) }
	}
	three := func(avx512, shani, portable float64) bounds {
		return bounds{pathAVX512: measure.AtLeast(avx512), pathSHANI: measure.AtLeast(shani), pathPortable: measure.AtLeast(portable)}
	}
	add("plain Go, in memory, mixed", three(10, 4, 1.5), fixed(idOf(base, kindPlain, "", inMemory, 1)), ours(base, inMemory, 1))
	add("plain Go, in memory, ASCII", three(12, 4, 1.5), fixed(idOf(ascii, kindPlain, "", inMemory, 1)), ours(ascii, inMemory, 1))
	add("plain Go, file to file", three(9, 3.5, 1.5), fixed(idOf(base, kindPlain, "", inFile, 1)), ours(base, inFile, 1))
	add("hash floor, in memory, mixed", bounds{pathAVX512: measure.AtMost(1.5), pathSHANI: measure.AtMost(1.5)}, ours(base, inMemory, 1), floor(base))
	add("hash floor, in memory, ASCII", bounds{pathAVX512: measure.AtMost(1.35), pathSHANI: measure.AtMost(1.5)}, ours(ascii, inMemory, 1), floor(ascii))
	for _, threads := range []int{1, 2} {
		add(fmt.Sprintf("DuckDB, file to file, threads = %d", threads), three(15, 7, 3), fixed(idOf(base, kindDuckDB, "", inFile, threads)), ours(base, inFile, threads))
	}
	add("Python, file to file", three(50, 25, 10), fixed(idOf(base, kindPython, "", inFile, 1)), ours(base, inFile, 1))
	return append(all, wholeWay(m)...)
}

// wholeWay are the targets beyond one pipeline. The end-to-end case takes the
// machine's best path, so it is judged where that is AVX-512.
func wholeWay(m *matrix) []target {
	base := m.base()
	if !slices.Contains(m.paths, pathAVX512) {
		return nil
	}
	return []target{{
		against: "DuckDB, threads = 1, file to file, against ours with prepare, upload and index", path: pathAVX512, bound: measure.AtLeast(8),
		over: idOf(base, kindDuckDB, "", inFile, 1), under: idOf(base, kindEndToEnd, "", inFile, durableConnections), figure: allCPU,
	}}
}

// bestUpload is the number of connections that move most. Ours is compared with
// the best of plain sockets, whatever number that has.
func bestUpload(r measure.Results, kind string) string {
	best, most := "", 0.0
	for _, n := range uploadConnections {
		if rate := r.Of(uploadID(kind, n), wallMBps); rate.Count > 0 && rate.Median > most {
			best, most = uploadID(kind, n), rate.Median
		}
	}
	return best
}

// judgeAll computes every verdict of a run.
func judgeAll(r measure.Results, m *matrix) []verdict {
	all := targets(m)
	all = append(all, target{
		against: "raw TCP, best number of connections of each, verifying sink", path: "any", bound: measure.AtLeast(0.9),
		over: bestUpload(r, kindHTTP), under: bestUpload(r, kindTCP), figure: wallMBps,
	})
	verdicts := make([]verdict, 0, len(all))
	for _, t := range all {
		got := r.Ratio(t.over, t.under, t.figure)
		verdicts = append(verdicts, verdict{target: t, got: got, word: t.bound.Judge(got)})
	}
	return append(append(verdicts, judgeIndexing(r, m)...), judgeMatching(r)...)
}
