package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/text/cases"
	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
)

// plainTokens are the columns of tokens that the yardstick makes.
func plainTokens(t *testing.T, text []byte, spec tableSpec) [][]byte {
	t.Helper()
	columns := make([][]byte, spec.Fields)
	rows, err := runPlain(bytes.NewReader(text), spec, func(b []byte) error {
		tokens, sum := b[:len(b)-crc32.Size], b[len(b)-crc32.Size:]
		if binary.LittleEndian.Uint32(sum) != crc32.Checksum(tokens, castagnoli) {
			t.Error("the sum of a block is wrong")
		}
		size := len(tokens) / spec.Fields
		for c := range columns {
			columns[c] = append(columns[c], tokens[c*size:(c+1)*size]...)
		}
		return nil
	})
	if err != nil || rows != spec.Rows {
		t.Fatalf("%d rows, %v", rows, err)
	}
	return columns
}

// ourTokens are those of the code under test.
func ourTokens(t *testing.T, text []byte, spec tableSpec, workers int) [][]byte {
	t.Helper()
	plan := spec.plan(source.Bytes("table.csv", text))
	prepared, err := pipeline.Prepare(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	blocks := make([]*block.Block, prepared.Blocks)
	err = makeBlocks(t.Context(), plan, prepared, workers, func(index int, data []byte) error {
		b, err := block.Decode(data)
		mu.Lock()
		defer mu.Unlock()
		blocks[index] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	columns := make([][]byte, spec.Fields)
	for _, b := range blocks {
		for c := range columns {
			columns[c] = append(columns[c], b.Column(c)...)
		}
	}
	return columns
}

func TestPlainMakesOurTokens(t *testing.T) {
	for _, shape := range allShapes {
		for _, fields := range []int{len(fiveOfEight), len(patientColumns), 32} {
			if shape == shapeWide != (fields == 32) {
				continue
			}
			spec := tableSpec{Shape: shape, Rows: 1_003, Fields: fields} // the last block is short
			text := generated(t, spec, 5)
			plain := plainTokens(t, text, spec)
			for _, workers := range []int{1, 2} {
				for c, ours := range ourTokens(t, text, spec, workers) {
					if !bytes.Equal(ours, plain[c]) {
						t.Errorf("%s, %d workers: the tokens of column %d differ", spec, workers, c)
					}
				}
			}
		}
	}
}

// Every rule of SPEC.md, not only what the tables hold.
func TestPlainNormalisesAsTheRulesSay(t *testing.T) {
	characters := rapid.RuneFrom([]rune("aB9 \t\n\u00a0\u2003\u3000-.'(é\u0301ÄßﬁＡ１ΣςİıᎠꭰᏸ€\x00\x7f"))
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringOfN(characters, 0, 12, -1).Draw(t, "cell")
		rules := schema.Column{
			Name: "c", IsCaseInsensitive: rapid.Bool().Draw(t, "fold"),
			IgnoredDelimiters: strings.Split(rapid.SampledFrom([]string{"", "-", " ", "- .'", "(é"}).Draw(t, "ignored"), ""),
		}
		want, err := fingerprint.Normalize(rules, []byte(cell))
		if err != nil {
			t.Fatal(err)
		}
		column, err := newPlainColumn("c", rules.IgnoredDelimiters)
		if err != nil {
			t.Fatal(err)
		}
		if rules.IsCaseInsensitive {
			folder := cases.Fold()
			column.folder = &folder
		}
		if got := column.normalize(cell); got != string(want) {
			t.Fatalf("%+q becomes %+q, want %+q (%+v)", cell, got, want, rules)
		}
	})
}

func TestEmptyCellsHaveNoToken(t *testing.T) {
	spec := tableSpec{Shape: shapeMixed, Rows: 2, Fields: 5}
	text := []byte("PatientID,SSN,FirstName,LastName,DOB,Phone,Email,Address\n1,,,,,,,\n2, - ,,'.',,() ,  ,\n")
	for c, tokens := range plainTokens(t, text, spec) {
		if !bytes.Equal(tokens, make([]byte, 2*plainToken)) {
			t.Errorf("column %d: %x", c, tokens)
		}
	}
}

func TestSumsOfFilesAgree(t *testing.T) {
	dir := t.TempDir()
	cache := tableCache{dir: dir, seed: 5}
	spec := tableSpec{Shape: shapeMixed, Rows: 1_003, Fields: 5}
	if err := cache.makeAll(t.Context(), []tableSpec{spec}, t.Logf); err != nil {
		t.Fatal(err)
	}
	sums := map[string]bool{}
	for _, kind := range []string{kindPlain, kindOurs} {
		for _, where := range []string{inMemory, inFile} {
			s, err := works[kind](t.Context(), task{
				Case: benchCase{Kind: kind, Table: spec, Where: where, Workers: 1}, Table: cache.path(spec), Work: dir, Sum: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			if s.Rows != spec.Rows || s.Bytes == 0 || s.Wall <= 0 || s.PeakMemory == 0 {
				t.Errorf("%s, %s: %+v", kind, where, s)
			}
			sums[s.TokenSum] = true
		}
	}
	if len(sums) != 1 || sums[""] {
		t.Errorf("the sums are %v", sums)
	}
	if _, err := sumOfPlainBlocks(filepath.Join(dir, "blocks"), tableSpec{Shape: shapeMixed, Rows: 2_000, Fields: 5}); err == nil {
		t.Error("a file that is cut off was summed")
	}
}

func TestTheSmallCasesRun(t *testing.T) {
	dir := t.TempDir()
	cache := tableCache{dir: dir, seed: 5}
	spec := tableSpec{Shape: shapeMixed, Rows: 3_000, Fields: 5}
	if err := cache.makeAll(t.Context(), []tableSpec{spec}, t.Logf); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{kindFloor, kindPrepare, kindSHA256, kindProbe} {
		s, err := works[kind](t.Context(), task{
			Case: benchCase{Kind: kind, Table: spec, Where: inMemory, Workers: 1}, Table: cache.path(spec), Work: dir,
		})
		if err != nil || kind != kindProbe && s.Rows != spec.Rows {
			t.Errorf("%s: %+v, %v", kind, s, err)
		}
	}
}
