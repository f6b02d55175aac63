package main

import (
	"fmt"
	"slices"

	"exactmatch.dev/operator/hack/measure"
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
		d.Line("\n## %s: %s\n", name, rowsAndShape(base))
		d.Head("pipeline", "CPU ns/row:", "wall ns/row:", "MB/s:", "x plain:", "peak MiB:", "rounds:")
		plain := idOf(base, kindPlain, "", where, 1)
		for _, c := range cases {
			r := d.results
			d.Row(title(c), measure.Median(r.Of(c.ID, cpuPerRow)), measure.Median(r.Of(c.ID, wallPerRow)), measure.Median(r.Of(c.ID, wallMBps)),
				measure.Spread(r.Ratio(plain, c.ID, cpuPerRow)), measure.Median(r.Of(c.ID, measure.PeakMiB)), fmt.Sprint(len(r[c.ID])))
		}
	}
}

// varied shows the cases that differ from the base case in one thing.
func (d *document) varied() {
	d.Line("\n## One thing varied, in memory\n")
	cells := []string{"table", "plain, CPU ns/row:"}
	for _, path := range d.run.Paths {
		cells = append(cells, pathName[path]+", CPU ns/row:", "x plain:")
	}
	d.Head(cells...)
	for _, t := range append([]tableSpec{d.matrix.base()}, d.matrix.variations()...) {
		plain := idOf(t, kindPlain, "", inMemory, 1)
		cells := []string{rowsAndShape(t), measure.Median(d.results.Of(plain, cpuPerRow))}
		for _, path := range d.run.Paths {
			ours := idOf(t, kindOurs, path, inMemory, 1)
			cells = append(cells, measure.Median(d.results.Of(ours, cpuPerRow)), measure.Spread(d.results.Ratio(plain, ours, cpuPerRow)))
		}
		d.Row(cells...)
	}
	d.Line("\nShort cells have 4 to 8 bytes, long ones 80 to 200, few is a table of %d different rows.\n\n![ratios](ratios.svg)", fewRows)
}

// growth shows what a row costs in tables of every length.
func (d *document) growth() {
	d.Line("\n## Growth\n\n### In memory, CPU ns/row\n")
	d.growthTable(inMemory, cpuPerRow)
	d.Line("\n### File to file, CPU ns/row\n")
	d.growthTable(inFile, cpuPerRow)
	d.Line("\n### File to file, peak MiB\n")
	d.growthTable(inFile, measure.PeakMiB)
	d.Line("\n![growth in memory](growth-memory.svg)\n\n![growth file to file](growth-file.svg)\n\n![peak memory](peak-memory.svg)")
}

func (d *document) growthTable(where string, f measure.Figure) {
	cells := []string{"pipeline"}
	for _, rows := range d.run.Settings.Rows {
		cells = append(cells, measure.Number(float64(rows))+" rows:")
	}
	d.Head(cells...)
	for _, c := range d.growing(where) {
		cells := []string{title(c)}
		for _, rows := range d.run.Settings.Rows {
			s := d.results.Of(grown(c, rows), f)
			text := measure.Median(s)
			if s.Count > 0 && s.Count < d.run.Settings.Rounds {
				text += fmt.Sprintf(" (%d rounds)", s.Count)
			}
			cells = append(cells, text)
		}
		d.Row(cells...)
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
	d.Line("\n## How near to the hashes alone, in memory\n")
	d.Line("The hashes alone are the tokens of normalised cells that fit the second cache, by the best code of each path. Ours hashes fewer: it remembers values that repeat, which two of the five columns have.\n")
	d.Head("table and path", "hashes, CPU ns/row:", "whole way, CPU ns/row:", "whole way / hashes:")
	for _, t := range []tableSpec{d.matrix.base(), d.matrix.variation(shapeASCII)} {
		for _, path := range d.run.Paths {
			floor, ours := idOf(t, kindFloor, path, inMemory, 1), idOf(t, kindOurs, path, inMemory, 1)
			d.Row(t.Shape+", "+pathName[path], measure.Median(d.results.Of(floor, cpuPerRow)), measure.Median(d.results.Of(ours, cpuPerRow)), measure.Spread(d.results.Ratio(ours, floor, cpuPerRow)))
		}
	}
}

func (d *document) prepare() {
	base := d.matrix.base()
	sha := idOf(base, kindSHA256, "", inMemory, 1)
	d.Line("\n## Preparing, in memory\n")
	d.Line("Preparing reads the whole table, sums the stored bytes with SHA-256 and decides the blocks. Beside it stands SHA-256 alone over the same bytes.\n")
	d.Head("", "MB/s of CPU time:", "CPU ns/row:", "time of SHA-256 / time of it:")
	for _, c := range d.casesOf(base, inMemory, kindPrepare, kindSHA256) {
		d.Row(title(c), measure.Median(d.results.Of(c.ID, cpuMBps)), measure.Median(d.results.Of(c.ID, cpuPerRow)), measure.Spread(d.results.Ratio(sha, c.ID, cpuPerRow)))
	}
}

func (d *document) uploads() {
	d.Line("\n## Upload\n")
	d.Line("The operator's client and SDK into a sink that checks the CRC-64/NVME of every block of %d MiB, beside the same bytes over plain sockets; both between two processes on loopback.\n", uploadBlock>>20)
	d.Head("connections", "ours, MB/s:", "raw TCP, MB/s:", "ours / raw:")
	for _, n := range uploadConnections {
		ours, raw := uploadID(kindHTTP, n), uploadID(kindTCP, n)
		d.Row(fmt.Sprint(n), measure.Median(d.results.Of(ours, wallMBps)), measure.Median(d.results.Of(raw, wallMBps)), measure.Spread(d.results.Ratio(ours, raw, wallMBps)))
	}
	service, disk := uploadID(kindService, durableConnections), uploadID(kindDisk, 1)
	oneSync := d.results.Of(disk, func(s measure.Sample) float64 { return float64(s.Bytes) / 1e6 / s.Parts["oneSyncSeconds"] })
	d.Line("\nThe service syncs every block before it answers, so it is held against the disk: the same bytes to one file in order.\n")
	d.Head("", "MB/s:", "x disk:")
	d.Row(fmt.Sprintf("into the service, %d connections", durableConnections), measure.Median(d.results.Of(service, wallMBps)), measure.Spread(d.results.Ratio(service, disk, wallMBps)))
	d.Row(fmt.Sprintf("disk, a sync each %d MiB", uploadBlock>>20), measure.Median(d.results.Of(disk, wallMBps)), "1")
	d.Row("disk, one sync at the end", measure.Median(oneSync), "")
	d.Line("\n![upload](upload.svg)")
}

func (d *document) endToEnd() {
	d.Line("\n## From file to searchable\n")
	d.Line("A table in a file, prepared and uploaded by a process with the manager's default memory, into the service as a process of its own, committed, indexed, and its last row found by a lookup.\n")
	d.Head("rows", "seconds:", "rows/s:", "prepare s:", "upload s:", "index s:", "uploader CPU s:", "service CPU s:", "uploader peak MiB:", "service peak MiB:", "rounds:")
	for _, rows := range d.run.Settings.E2ERows {
		t := d.matrix.base()
		t.Rows = rows
		id, r := idOf(t, kindEndToEnd, "", inFile, durableConnections), d.results
		d.Row(measure.Number(float64(rows)), measure.Median(r.Of(id, measure.WallSeconds)),
			measure.Median(r.Of(id, func(s measure.Sample) float64 { return float64(s.Rows) / s.Wall.Seconds() })),
			measure.Median(r.Of(id, measure.Part(measure.PartPrepare))), measure.Median(r.Of(id, measure.Part(partUpload))), measure.Median(r.Of(id, measure.Part(partIndex))),
			measure.Median(r.Of(id, measure.CPUSeconds)), measure.Median(r.Of(id, measure.Part(measure.PartServiceCPU))),
			measure.Median(r.Of(id, measure.PeakMiB)), measure.Median(r.Of(id, func(s measure.Sample) float64 { return s.Parts[measure.PartServiceMemory] / (1 << 20) })), fmt.Sprint(len(r[id])))
	}
}

func (d *document) targets() {
	d.Line("\n## Targets\n")
	d.Line("Processor time but for raw TCP. Each word is computed from this run.\n")
	d.Head("against", "path", "want:", "got:", "")
	for _, v := range d.verdicts {
		name := pathName[v.path]
		if name == "" {
			name = v.path
		}
		d.Row(v.against, name, v.bound.String(), measure.Spread(v.got), v.word)
	}
}

// against shows this build beside the other one, case by case.
func (d *document) against() {
	shown := false
	for _, c := range d.run.Cases {
		other := c.ID + againstSuffix
		if len(d.results[other]) == 0 {
			continue
		}
		if !shown {
			shown = true
			d.Line("\n## Against another build\n")
			d.Line("Each case ran by both builds in each round, one right after the other. Ratios are this build to the other: below 1 is less.\n")
			d.Head("case", "CPU:", "elapsed:", "peak memory:", "rounds:")
		}
		d.Row("`"+c.ID+"`", measure.Spread(d.results.Ratio(c.ID, other, measure.CPUSeconds)), measure.Spread(d.results.Ratio(c.ID, other, measure.WallSeconds)),
			measure.Spread(d.results.Ratio(c.ID, other, measure.PeakMiB)), fmt.Sprint(len(d.results[other])))
	}
}
