package main

import (
	"math"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/hack/measure/bench/plot"
)

// plots draws the pictures of the report, by file name.
func (d *document) plots() map[string][]byte {
	return map[string][]byte{
		"growth-memory.svg": d.grows("Cost of a row, in memory", "processor time, ns/row", inMemory, cpuPerRow).SVG(),
		"growth-file.svg":   d.grows("Cost of a row, file to file", "processor time, ns/row", inFile, cpuPerRow).SVG(),
		"peak-memory.svg":   d.grows("Peak memory, file to file", "largest resident size, MiB", inFile, measure.PeakMiB).SVG(),
		"ratios.svg":        d.ratioBars().SVG(),
		"upload.svg":        d.uploadBars().SVG(),
	}
}

// grows is a figure against the rows of the table.
func (d *document) grows(name, label, where string, f measure.Figure) plot.Lines {
	out := plot.Lines{Title: name, XLabel: "rows of the table", YLabel: label}
	for _, c := range d.growing(where) {
		line := plot.Line{Name: title(c)}
		for _, rows := range d.run.Settings.Rows {
			if s := d.results.Of(grown(c, rows), f); s.Count > 0 {
				line.Points = append(line.Points, plot.Point{X: float64(rows), Y: s.Median})
			}
		}
		out.Lines = append(out.Lines, line)
	}
	return out
}

// ratioBars are the ratios to the plain pipeline.
func (d *document) ratioBars() plot.Bars {
	base := d.matrix.base()
	out := plot.Bars{Title: "Times as fast as plain Go, processor time", YLabel: "plain Go / ours", Groups: []string{"base", "file"}}
	tables, wheres := []tableSpec{base, base}, []string{inMemory, inFile}
	for _, t := range d.matrix.variations() {
		name := t.Shape
		if t.Shape == base.Shape {
			name = "8 of 8"
		}
		out.Groups, tables, wheres = append(out.Groups, name), append(tables, t), append(wheres, inMemory)
	}
	for _, path := range d.run.Paths {
		s := plot.Series{Name: pathName[path]}
		for i, t := range tables {
			ratio := d.results.Ratio(idOf(t, kindPlain, "", wheres[i], 1), idOf(t, kindOurs, path, wheres[i], 1), cpuPerRow)
			s.Values = append(s.Values, ratio.Median)
		}
		out.Series = append(out.Series, s)
	}
	return out
}

// uploadBars are the rates of the uploads.
func (d *document) uploadBars() plot.Bars {
	out := plot.Bars{
		Title: "Upload on loopback", YLabel: "MB/s", Groups: []string{"1 connection", "2 connections", "4 connections", "durable"},
		Series: []plot.Series{{Name: "ours"}, {Name: "raw TCP; disk"}},
	}
	for at, kind := range []string{kindHTTP, kindTCP} {
		for _, n := range uploadConnections {
			out.Series[at].Values = append(out.Series[at].Values, d.results.Of(uploadID(kind, n), wallMBps).Median)
		}
	}
	durable := []string{uploadID(kindService, durableConnections), uploadID(kindDisk, 1)}
	for at, id := range durable {
		rate := d.results.Of(id, wallMBps).Median
		if !math.IsNaN(rate) {
			out.Series[at].Values = append(out.Series[at].Values, rate)
		}
	}
	return out
}
