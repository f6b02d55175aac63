package main

import (
	"fmt"
	"slices"

	"exactmatch.dev/operator/hack/measure/bench/plot"
)

// cases that ran over a table, of some kinds, in the order of the run.
func (d *document) casesOf(t tableSpec, where string, kinds ...string) []benchCase {
	var out []benchCase
	for _, c := range d.run.Cases {
		if c.Table == t && c.Where == where && slices.Contains(kinds, c.Kind) && len(d.results[c.ID]) > 0 {
			out = append(out, c)
		}
	}
	return out
}

func (d *document) baseCase() {
	base := d.matrix.base()
	for _, where := range []string{inMemory, inFile} {
		cases := d.casesOf(base, where, kindPlain, kindOurs, kindDuckDB, kindPython)
		if len(cases) == 0 {
			continue
		}
		name := map[string]string{inMemory: "In memory", inFile: "File to file"}[where]
		d.line("\n## %s: %s\n", name, rowsAndShape(base))
		d.head("pipeline", "CPU ns/row", "wall ns/row", "MB/s", "x plain", "peak MiB", "rounds")
		plain := idOf(base, kindPlain, "", where, 1)
		for _, c := range cases {
			r := d.results
			d.row(title(c), median(r.of(c.ID, cpuPerRow)), median(r.of(c.ID, wallPerRow)), median(r.of(c.ID, wallMBps)),
				spread(r.ratio(plain, c.ID, cpuPerRow)), median(r.of(c.ID, memoryMiB)), fmt.Sprint(len(r[c.ID])))
		}
	}
}

// varied shows the cases that differ from the base case in one thing.
func (d *document) varied() {
	d.line("\n## One thing varied, in memory\n")
	cells := []string{"table", "plain, CPU ns/row"}
	for _, path := range d.run.Paths {
		cells = append(cells, pathName[path]+", CPU ns/row", "x plain")
	}
	d.head(cells...)
	for _, t := range append([]tableSpec{d.matrix.base()}, d.matrix.variations()...) {
		plain := idOf(t, kindPlain, "", inMemory, 1)
		cells := []string{rowsAndShape(t), median(d.results.of(plain, cpuPerRow))}
		for _, path := range d.run.Paths {
			ours := idOf(t, kindOurs, path, inMemory, 1)
			cells = append(cells, median(d.results.of(ours, cpuPerRow)), spread(d.results.ratio(plain, ours, cpuPerRow)))
		}
		d.row(cells...)
	}
	d.line("\nShort cells have 4 to 8 bytes, long ones 80 to 200, few is a table of %d different rows.\n\n![ratios](ratios.svg)", fewRows)
}

// growth shows what a row costs in tables of every length.
func (d *document) growth() {
	d.line("\n## Growth\n\n### In memory, CPU ns/row\n")
	d.growthTable(inMemory, cpuPerRow)
	d.line("\n### File to file, CPU ns/row\n")
	d.growthTable(inFile, cpuPerRow)
	d.line("\n### File to file, peak MiB\n")
	d.growthTable(inFile, memoryMiB)
	d.line("\n![growth in memory](growth-memory.svg)\n\n![growth file to file](growth-file.svg)\n\n![peak memory](peak-memory.svg)")
}

func (d *document) growthTable(where string, f figure) {
	cells := []string{"pipeline"}
	for _, rows := range d.run.Settings.Rows {
		cells = append(cells, plot.Number(float64(rows))+" rows")
	}
	d.head(cells...)
	for _, c := range d.growing(where) {
		cells := []string{title(c)}
		for _, rows := range d.run.Settings.Rows {
			s := d.results.of(grown(c, rows), f)
			text := median(s)
			if s.Count > 0 && s.Count < d.run.Settings.Rounds {
				text += fmt.Sprintf(" (%d rounds)", s.Count)
			}
			cells = append(cells, text)
		}
		d.row(cells...)
	}
}

// growing are the cases that ran over tables of several lengths.
func (d *document) growing(where string) []benchCase {
	var out []benchCase
	for _, c := range d.casesOf(d.matrix.base(), where, kindPlain, kindOurs, kindDuckDB, kindPython) {
		if c.Kind == kindDuckDB || c.Workers == 1 {
			out = append(out, c)
		}
	}
	return out
}

// grown is the id of the same case over another number of rows.
func grown(c benchCase, rows int) string {
	t := c.Table
	t.Rows = rows
	return idOf(t, c.Kind, c.Path, c.Where, c.Workers)
}

func (d *document) floors() {
	d.line("\n## How near to the hashes alone, in memory\n")
	d.line("The hashes alone are the tokens of normalised cells that fit the second cache, by the best code of each path. Ours hashes fewer: it remembers values that repeat, which two of the five columns have.\n")
	d.head("table and path", "hashes, CPU ns/row", "whole way, CPU ns/row", "whole way / hashes")
	for _, t := range []tableSpec{d.matrix.base(), d.matrix.variation(shapeASCII)} {
		for _, path := range d.run.Paths {
			floor, ours := idOf(t, kindFloor, path, inMemory, 1), idOf(t, kindOurs, path, inMemory, 1)
			d.row(t.Shape+", "+pathName[path], median(d.results.of(floor, cpuPerRow)), median(d.results.of(ours, cpuPerRow)), spread(d.results.ratio(ours, floor, cpuPerRow)))
		}
	}
}

func (d *document) prepare() {
	base := d.matrix.base()
	sha := idOf(base, kindSHA256, "", inMemory, 1)
	d.line("\n## Preparing, in memory\n")
	d.line("Preparing reads the whole table, sums the stored bytes with SHA-256 and decides the blocks. Beside it stands SHA-256 alone over the same bytes.\n")
	d.head("", "MB/s of CPU time", "CPU ns/row", "time of SHA-256 / time of it")
	for _, c := range d.casesOf(base, inMemory, kindPrepare, kindSHA256) {
		d.row(title(c), median(d.results.of(c.ID, cpuMBps)), median(d.results.of(c.ID, cpuPerRow)), spread(d.results.ratio(sha, c.ID, cpuPerRow)))
	}
}

func (d *document) uploads() {
	d.line("\n## Upload\n")
	d.line("The operator's client and SDK into a sink that checks the CRC-64/NVME of every block of %d MiB, beside the same bytes over plain sockets; both between two processes on loopback.\n", uploadBlock>>20)
	d.head("connections", "ours, MB/s", "raw TCP, MB/s", "ours / raw")
	for _, n := range uploadConnections {
		ours, raw := uploadID(kindHTTP, n), uploadID(kindTCP, n)
		d.row(fmt.Sprint(n), median(d.results.of(ours, wallMBps)), median(d.results.of(raw, wallMBps)), spread(d.results.ratio(ours, raw, wallMBps)))
	}
	service, disk := uploadID(kindService, durableConnections), uploadID(kindDisk, 1)
	oneSync := d.results.of(disk, func(s sample) float64 { return float64(s.Bytes) / 1e6 / s.Parts["oneSyncSeconds"] })
	d.line("\nThe service syncs every block before it answers, so it is held against the disk: the same bytes to one file in order.\n")
	d.head("", "MB/s", "x disk")
	d.row(fmt.Sprintf("into the service, %d connections", durableConnections), median(d.results.of(service, wallMBps)), spread(d.results.ratio(service, disk, wallMBps)))
	d.row(fmt.Sprintf("disk, a sync each %d MiB", uploadBlock>>20), median(d.results.of(disk, wallMBps)), "1")
	d.row("disk, one sync at the end", median(oneSync), "")
	d.line("\n![upload](upload.svg)")
}

func (d *document) endToEnd() {
	d.line("\n## From file to searchable\n")
	d.line("A table in a file, prepared and uploaded by a process with the manager's default memory, into the service as a process of its own, committed, indexed, and its last row found by a lookup.\n")
	d.head("rows", "seconds", "rows/s", "prepare s", "upload s", "index s", "uploader CPU s", "service CPU s", "uploader peak MiB", "service peak MiB", "rounds")
	for _, rows := range d.run.Settings.E2ERows {
		t := d.matrix.base()
		t.Rows = rows
		id, r := idOf(t, kindEndToEnd, "", inFile, durableConnections), d.results
		d.row(plot.Number(float64(rows)), median(r.of(id, func(s sample) float64 { return s.Wall.Seconds() })),
			median(r.of(id, func(s sample) float64 { return float64(s.Rows) / s.Wall.Seconds() })),
			median(r.of(id, part(partPrepare))), median(r.of(id, part(partUpload))), median(r.of(id, part(partIndex))),
			median(r.of(id, func(s sample) float64 { return s.CPU.Seconds() })), median(r.of(id, part(partServiceCPU))),
			median(r.of(id, memoryMiB)), median(r.of(id, func(s sample) float64 { return s.Parts[partServiceMemory] / (1 << 20) })), fmt.Sprint(len(r[id])))
	}
}

func (d *document) targets() {
	d.line("\n## Targets\n")
	d.line("Processor time but for raw TCP. Each word is computed from this run.\n")
	d.row("against", "path", "want", "got", "")
	d.line("|---|---|---:|---:|---|")
	for _, v := range d.verdicts {
		name := pathName[v.path]
		if name == "" {
			name = v.path
		}
		d.row(v.against, name, v.bound.String(), spread(v.got), v.word)
	}
}
