package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

var allShapes = []string{shapeMixed, shapeASCII, shapeWide, shapeShort, shapeLong, shapeFew}

func generated(t testing.TB, spec tableSpec, seed uint64) []byte {
	t.Helper()
	var text bytes.Buffer
	if err := writeTable(&text, spec, seed); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func specOf(shape string, rows int) tableSpec {
	fields := len(fiveOfEight)
	if shape == shapeWide {
		fields = 32
	}
	return tableSpec{Shape: shape, Rows: rows, Fields: fields}
}

func TestTablesAreDeterministic(t *testing.T) {
	for _, shape := range allShapes {
		long, again := generated(t, specOf(shape, 500), 7), generated(t, specOf(shape, 500), 7)
		if !bytes.Equal(long, again) {
			t.Errorf("%s: the same seed gives another table", shape)
		}
		if !bytes.HasPrefix(long, generated(t, specOf(shape, 100), 7)) {
			t.Errorf("%s: a shorter table is not the beginning of a longer one", shape)
		}
		if bytes.Equal(long, generated(t, specOf(shape, 500), 8)) {
			t.Errorf("%s: another seed gives the same table", shape)
		}
	}
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}

func TestTablesHaveTheirShape(t *testing.T) {
	const rows = 20_000
	for _, shape := range allShapes {
		spec := specOf(shape, rows)
		text := generated(t, spec, 1)
		records, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", shape, err)
		}
		if len(records) != rows+1 || len(records[0]) != len(spec.columns()) {
			t.Fatalf("%s: %d records of %d columns", shape, len(records), len(records[0]))
		}
		accented, different := 0, map[string]bool{}
		for _, record := range records[1:] {
			row := strings.Join(record, "|")
			different[row] = true
			if !isASCII(row) {
				accented++
			}
			if !strings.Contains(record[7], ",") {
				t.Fatalf("%s: no comma in %q", shape, record[7])
			}
		}
		share := float64(accented) / rows
		if shape == shapeASCII && accented > 0 || shape == shapeMixed && (share < 0.25 || share > 0.27) {
			t.Errorf("%s: %.3f of the rows are beyond ASCII", shape, share)
		}
		if shape == shapeFew && len(different) != fewRows {
			t.Errorf("few: %d different rows", len(different))
		}
		if about := bytesPerRow[shape] * rows; int64(len(text)) > about || int64(len(text)) < about/2 {
			t.Errorf("%s: %d bytes a row, about %d are reckoned with", shape, len(text)/rows, bytesPerRow[shape])
		}
	}
}

func TestCellsOfShortAndLongTables(t *testing.T) {
	for shape, bounds := range map[string][2]int{shapeShort: {4, 8}, shapeLong: {80, 200}} {
		records, err := csv.NewReader(bytes.NewReader(generated(t, specOf(shape, 3_000), 1))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records[1:] {
			for column, cell := range record {
				if len(cell) < bounds[0] || len(cell) > bounds[1] {
					t.Fatalf("%s: column %d has %d bytes: %q", shape, column, len(cell), cell)
				}
			}
		}
	}
}

func TestTablesAreMadeOnce(t *testing.T) {
	cache := tableCache{dir: t.TempDir(), seed: 3}
	specs := []tableSpec{{shapeMixed, 200, 5}, {shapeMixed, 200, 8}, {shapeASCII, 200, 5}}
	if got := len(cache.missing(specs)); got != 2 {
		t.Errorf("%d tables are missing, want one for each shape", got)
	}
	if err := cache.makeAll(t.Context(), specs, t.Logf); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(cache.dir)
	if err != nil || len(entries) != 2 || len(cache.missing(specs)) != 0 {
		t.Errorf("%d files, %d missing, %v", len(entries), len(cache.missing(specs)), err)
	}
}

func TestAnInterruptedTableIsNotThere(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	cache := tableCache{dir: t.TempDir(), seed: 3}
	if err := cache.makeAll(ctx, []tableSpec{{shapeMixed, 200, 5}}, t.Logf); err == nil {
		t.Error("an interrupted table succeeded")
	}
	if entries, err := os.ReadDir(cache.dir); err != nil || len(entries) != 0 {
		t.Errorf("%d files stay, %v", len(entries), err)
	}
}

func TestAFullDiskIsToldBefore(t *testing.T) {
	cache := tableCache{dir: t.TempDir(), seed: 3}
	err := cache.makeAll(t.Context(), []tableSpec{{shapeLong, 1_000_000_000_000, 5}}, t.Logf)
	if err == nil || !strings.Contains(err.Error(), "-out") {
		t.Errorf("%v", err)
	}
}
