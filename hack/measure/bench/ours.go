package main

import (
	"context"
	"crypto/sha256"

	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/simd"
)

// The code under test is reached through this file; a change of its insides is
// met here.

// cpuVariable forces a path in a process that starts.
const cpuVariable = simd.Environment

// codePath is the path that this process takes. It fails where the environment
// asks for one that does not run here.
func codePath() (string, error) { return simd.Path(), simd.Err() }

// makeBlocks makes every block of a prepared plan. emit may be called from
// several goroutines; data is valid until it returns.
func makeBlocks(ctx context.Context, plan pipeline.Plan, prepared *pipeline.Prepared, workers int, emit func(index int, data []byte) error) error {
	return pipeline.Make(ctx, plan, prepared, pipeline.MakeOptions{
		Stripes: prepared.Stripes, AtOnce: workers, Workers: workers,
		Emit: func(_ context.Context, index int, data []byte) error { return emit(index, data) },
	})
}

// floor is what hashing every cell costs at least: the tokens of cells that are
// normalised and laid out already and that fit the second cache. A pipeline that
// remembers the tokens of values that repeat hashes fewer.
type floor struct {
	columns []floorBatches
	tokens  []byte
	rows    int
}

type floorBatches struct {
	mac     *simd.MAC
	batches []simd.Batch
	long    [][]byte // cells that no batch takes
}

// newFloor lays out the normal forms of some rows.
func newFloor(columns []floorColumn) *floor {
	f := &floor{tokens: make([]byte, 0, simd.Lanes*fingerprint.TokenSize), rows: len(columns[0].ends)}
	for _, c := range columns {
		key := sha256.Sum256([]byte(c.name))
		laid := floorBatches{mac: simd.NewMAC(key[:]), batches: make([]simd.Batch, (f.rows+simd.Lanes-1)/simd.Lanes)}
		start := uint32(0)
		for row, end := range c.ends {
			cell, message := c.text[start:end], &laid.batches[row/simd.Lanes][row%simd.Lanes]
			if len(cell) > simd.MaxMessage {
				message.Drop()
				laid.long = append(laid.long, cell)
			} else {
				message.Put(cell)
			}
			start = end
		}
		f.columns = append(f.columns, laid)
	}
	return f
}

// hash makes tokens for a number of rows, the same ones again and again.
func (f *floor) hash(rows int) {
	tokens := f.tokens[:cap(f.tokens)]
	for done := 0; done < rows; done += f.rows {
		for c := range f.columns {
			column := &f.columns[c]
			left := min(f.rows, rows-done)
			for b := 0; left > 0; b++ {
				n := min(left, simd.Lanes)
				column.mac.Tokens(tokens, &column.batches[b], n)
				left -= n
			}
			for _, cell := range column.long {
				column.mac.Sum(tokens[:0], cell)
			}
		}
	}
}

// floorColumn holds the normal forms of a column one after another.
type floorColumn struct {
	name string
	text []byte
	ends []uint32
}
