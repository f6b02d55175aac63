package main

import (
	"fmt"

	"exactmatch.dev/operator/hack/measure"
)

// document is the report of a run.
type document struct {
	measure.Document
	run      *run
	results  measure.Results
	matrix   *matrix
	verdicts []verdict
}

func newDocument(found *run) *document {
	d := &document{run: found, results: measure.ResultsOf(found.Samples), matrix: &matrix{settings: found.Settings, paths: found.Paths}}
	d.verdicts = judgeAll(d.results, d.matrix)
	return d
}

func orNone(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

// pathName is how a path is shown.
var pathName = map[string]string{pathPortable: "portable", pathSHANI: "SHA-NI", pathAVX512: "AVX-512", "": "the machine's best"}

// title is how a case is shown.
func title(c benchCase) string {
	name := map[string]string{
		kindPlain: "plain Go", kindOurs: "ours, " + pathName[c.Path], kindFloor: "hashes alone, " + pathName[c.Path], kindDuckDB: "DuckDB", kindPython: "Python",
		kindPrepare: "prepare, " + pathName[c.Path], kindSHA256: "crypto/sha256",
	}[c.Kind]
	switch {
	case c.Kind == kindDuckDB:
		name += fmt.Sprintf(", threads = %d", c.Workers)
	case c.Workers > 1:
		name += fmt.Sprintf(", %d workers", c.Workers)
	}
	return name
}

// rowsAndShape is how a table is shown.
func rowsAndShape(t tableSpec) string {
	return fmt.Sprintf("%s rows, %s, %d of %d columns", measure.Number(float64(t.Rows)), t.Shape, t.Fields, len(t.columns()))
}
