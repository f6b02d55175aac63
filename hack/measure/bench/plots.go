package main

import "exactmatch.dev/operator/hack/measure"

// charts are the pictures of the report, by file name.
func (d *document) charts() map[string]measure.Chart {
	return map[string]measure.Chart{
		"growth-memory.svg": d.grows("Cost of a row, in memory", "processor time, ns/row", inMemory, cpuPerRow),
		"growth-file.svg":   d.grows("Cost of a row, file to file", "processor time, ns/row", inFile, cpuPerRow),
		"peak-memory.svg":   d.grows("Peak memory, file to file", "largest resident size, MiB", inFile, measure.PeakMiB),
		"ratios.svg":        d.ratioBars(),
		"upload.svg":        d.uploadBars(),
	}
}

// grows is a figure against the rows of the table.
func (d *document) grows(name, label, where string, f measure.Figure) measure.Chart {
	out := measure.Chart{Title: name, XLabel: "rows of the table", YLabel: label}
	for _, c := range d.growing(where) {
		line := measure.Series{Name: title(c)}
		for _, rows := range d.run.Settings.Rows {
			line.Add(float64(rows), d.results.Of(grown(c, rows), f).Median)
		}
		out.Series = append(out.Series, line)
	}
	return out
}

// ratioBars are the ratios to the plain pipeline.
func (d *document) ratioBars() measure.Chart {
	base := d.matrix.base()
	out := measure.Chart{Title: "Times as fast as plain Go, processor time", YLabel: "plain Go / ours", Groups: []string{"base", "file"}}
	tables, wheres := []tableSpec{base, base}, []string{inMemory, inFile}
	for _, t := range d.matrix.variations() {
		name := t.Shape
		if t.Shape == base.Shape {
			name = "8 of 8"
		}
		out.Groups, tables, wheres = append(out.Groups, name), append(tables, t), append(wheres, inMemory)
	}
	for _, path := range d.run.Paths {
		s := measure.Series{Name: pathName[path]}
		for i, t := range tables {
			ratio := d.results.Ratio(idOf(t, kindPlain, "", wheres[i], 1), idOf(t, kindOurs, path, wheres[i], 1), cpuPerRow)
			s.Add(float64(i), ratio.Median)
		}
		out.Series = append(out.Series, s)
	}
	return out
}

// uploadBars are the rates of the uploads.
func (d *document) uploadBars() measure.Chart {
	out := measure.Chart{
		Title: "Upload on loopback", YLabel: "MB/s", Groups: []string{"1 connection", "2 connections", "4 connections", "durable"},
		Series: []measure.Series{{Name: "ours"}, {Name: "raw TCP; disk"}},
	}
	durable := []string{uploadID(kindService, durableConnections), uploadID(kindDisk, 1)}
	for at, kind := range []string{kindHTTP, kindTCP} {
		for i, n := range uploadConnections {
			out.Series[at].Add(float64(i), d.results.Of(uploadID(kind, n), wallMBps).Median)
		}
		out.Series[at].Add(float64(len(uploadConnections)), d.results.Of(durable[at], wallMBps).Median)
	}
	return out
}
