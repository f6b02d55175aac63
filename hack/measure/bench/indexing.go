package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/index"
)

const (
	// indexColumns are the searchable columns of an indexing: three whose tokens are in
	// one row, one of a thousand kinds, one of fifty.
	indexColumns   = 5
	indexBlockRows = 100_000

	partWrite = "writeSeconds" // of as many bytes as indexing wrote, and their sync
)

// kindsOf are how many tokens a column has, 0 for another in each row.
var kindsOf = [indexColumns]int{0, 0, 0, 1000, 50}

func indexID(rows int) string { return fmt.Sprintf("index/%d", rows) }

// indexCase indexes the blocks of a table, and then writes as many bytes to a file.
func indexCase(ctx context.Context, t task) (s *measure.Sample, err error) {
	store := func(kind string) (blobs.Store, error) {
		dir := filepath.Join(t.Work, kind)
		return blobs.NewFolder(fsys.OS{}, dir), os.MkdirAll(dir, 0o700)
	}
	staged, err := store("blocks")
	if err != nil {
		return nil, err
	}
	made, err := store("tables")
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	blocks := blobs.NewBlocks(staged, log)
	columns, ids, err := stageTokens(ctx, blocks, t.Case.Rows)
	if err != nil {
		return nil, err
	}
	tables := index.NewTables(made, blocks, index.Limits{}, log)
	var table *index.Table
	s, err = measure.Section(func() (err error) {
		table, err = buildIndex(ctx, tables, columns, ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, table.Close()) }()
	files, err := made.List(ctx, indexSession)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		s.Bytes += f.Size
	}
	began := time.Now()
	if err := writeZeros(filepath.Join(t.Work, "zeros"), s.Bytes); err != nil {
		return nil, err
	}
	s.Rows, s.Parts = t.Case.Rows, map[string]float64{partWrite: time.Since(began).Seconds()}
	s.Parts[partLookup], err = lookUp(table, t.Case.Rows)
	return s, err
}

// lookUp asks an index for tokens of its first column, and then again, measured: the
// seconds of one.
func lookUp(table *index.Table, rows int) (float64, error) {
	var tokens []fingerprint.Token
	for i := range min(storeLookups, rows) {
		token, err := table.Token(0, int64(i*7_654_321%rows))
		if err != nil {
			return 0, err
		}
		tokens = append(tokens, token)
	}
	var began time.Duration
	for range 2 {
		began = measure.CPUTime()
		for i, token := range tokens {
			found := int64(-1)
			if _, err := table.Match(0, token, nil, 1, func(row int64, _ []int) { found = row }); err != nil || found != int64(i*7_654_321%rows) {
				return 0, fmt.Errorf("the index does not find the token of row %d (%w)", i*7_654_321%rows, err)
			}
		}
	}
	return (measure.CPUTime() - began).Seconds() / float64(len(tokens)), nil
}

const indexSession = "session"

// buildIndex makes the table, as the service does.
func buildIndex(ctx context.Context, tables *index.Tables, columns []edm.Column, ids []string) (*index.Table, error) {
	b, err := tables.Build(ctx, index.Meta{SessionID: indexSession, KeyID: fingerprint.KeyID{}.String(), Columns: columns})
	if err != nil {
		return nil, err
	}
	if err := b.Read(ctx, ids, func(int, *block.Header) error { return nil }); err != nil {
		return nil, err
	}
	if err := b.Index(ctx, func(int) error { return nil }); err != nil {
		return nil, err
	}
	return b.Commit(ctx)
}

// stageTokens stages blocks of tokens that are as good as random.
func stageTokens(ctx context.Context, blocks *blobs.Blocks, rows int) (columns []edm.Column, ids []string, err error) {
	h := block.Header{Rules: fingerprint.Rules, Store: storeName}
	for c := range indexColumns {
		h.Columns = append(h.Columns, fmt.Sprint("column ", c))
		columns = append(columns, edm.Column{Name: h.Columns[c], IsSearchable: true})
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a table, not a secret
	var d block.Draft
	for ; h.FirstRow < int64(rows); h.FirstRow += indexBlockRows {
		h.Index, h.Rows = len(ids), int(min(indexBlockRows, int64(rows)-h.FirstRow))
		if err := d.Begin(h); err != nil {
			return nil, nil, err
		}
		for c := range indexColumns {
			fillTokens(d.Column(c), random, c)
		}
		data := d.Encode()
		ids = append(ids, block.ID(h.Index, block.Sum(data)))
		if err := blocks.Put(ctx, indexSession, ids[h.Index], data); err != nil {
			return nil, nil, err
		}
	}
	return edm.WithRules(columns), ids, nil
}

func fillTokens(tokens []byte, random *rand.Rand, column int) {
	for at := 0; at < len(tokens); at += fingerprint.TokenSize {
		of := random
		if n := kindsOf[column]; n > 0 {
			of = rand.New(rand.NewPCG(uint64(column), random.Uint64N(uint64(n)))) //nolint:gosec // a table, not a secret
		}
		binary.LittleEndian.PutUint64(tokens[at:], of.Uint64())
		binary.LittleEndian.PutUint64(tokens[at+8:], of.Uint64())
	}
}

// writeZeros writes bytes to a file in order, and syncs it.
func writeZeros(path string, bytes int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for ; bytes > 0 && err == nil; bytes -= int64(len(buf)) {
		_, err = f.Write(buf[:min(bytes, int64(len(buf)))])
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// indexToWrite is the time of indexing, in that of writing as many bytes.
func indexToWrite(s measure.Sample) float64 { return s.Wall.Seconds() / s.Parts[partWrite] }

// indexRows are the rows of the cases of indexing.
func (s settings) indexRows() []int { return s.E2ERows }

func (m *matrix) indexing() {
	for _, rows := range m.settings.indexRows() {
		c := benchCase{ID: indexID(rows), Kind: kindIndex, Workers: 1, Rows: rows}
		if rows > bigRows {
			c.Rounds = min(m.settings.Rounds, m.settings.BigRounds)
		}
		m.add(c)
		if m.peers.Stores == "" || rows > mostPeerRows {
			continue
		}
		for _, kind := range storeKinds {
			m.add(benchCase{ID: storeID(kind, rows), Kind: kind, Workers: 1, Rows: rows})
		}
	}
}

// storeKinds are the stores of keys beside the index.
var storeKinds = []string{kindPebble, kindSQLite}

func storeID(kind string, rows int) string { return fmt.Sprintf("index/%s-%d", kind, rows) }

func (d *document) indexing() {
	d.Line("\n## Indexing\n")
	d.Line("Blocks of %d searchable columns (three of them with another token in each row, one of a thousand tokens, one of fifty) made a table in one process within its default memory of 256 MiB, beside a sequential write and sync of as many bytes right after it.\n", indexColumns)
	d.Head("rows", "seconds:", "write and sync, seconds:", "indexing / write:", "CPU ns/token:", "bytes/token:", "peak MiB:")
	for _, rows := range d.run.Settings.indexRows() {
		id, r := indexID(rows), d.results
		perToken := func(f func(measure.Sample) float64) measure.Figure {
			return func(s measure.Sample) float64 { return f(s) / float64(s.Rows*indexColumns) }
		}
		d.Row(measure.Number(float64(rows)), measure.Median(r.Of(id, measure.WallSeconds)), measure.Median(r.Of(id, measure.Part(partWrite))), measure.Spread(r.Of(id, indexToWrite)),
			measure.Median(r.Of(id, perToken(func(s measure.Sample) float64 { return float64(s.CPU.Nanoseconds()) }))),
			measure.Median(r.Of(id, perToken(func(s measure.Sample) float64 { return float64(s.Bytes) }))), measure.Median(r.Of(id, measure.PeakMiB)))
	}
	d.stores()
}

// stores shows the index beside other stores of keys.
func (d *document) stores() {
	d.Line("\n### Beside Pebble and SQLite\n")
	d.Line("The same tokens, with their columns and rows, as keys of Pebble (batches without a log, flushed and compacted at the end) and of an index that SQLite makes after one transaction without a journal; both with 256 MiB. Rows have %d tokens. A lookup finds the row of a token, in a process that asked for all of them before. `-index-peers` builds them.\n", indexColumns)
	d.Head("", "rows", "rows/s:", "x index, elapsed:", "bytes/token:", "lookups/s of CPU:")
	for _, rows := range d.run.Settings.indexRows() {
		ids := map[string]string{"ours": indexID(rows)}
		for _, kind := range storeKinds {
			ids[kind] = storeID(kind, rows)
		}
		for _, name := range []string{"ours", kindPebble, kindSQLite} {
			r := d.results
			if id := ids[name]; len(r[id]) > 0 {
				d.Row(name, measure.Number(float64(rows)),
					measure.Median(r.Of(id, func(s measure.Sample) float64 { return float64(s.Rows) / s.Wall.Seconds() })),
					measure.Spread(r.Ratio(id, ids["ours"], measure.WallSeconds)),
					measure.Median(r.Of(id, func(s measure.Sample) float64 { return float64(s.Bytes) / float64(s.Rows*indexColumns) })),
					measure.Median(r.Of(id, func(s measure.Sample) float64 { return 1 / s.Parts[partLookup] })))
			}
		}
	}
}

// judgeIndexing are the verdicts on indexing.
func judgeIndexing(r measure.Results, m *matrix) (all []verdict) {
	for _, rows := range m.settings.indexRows() {
		t := target{against: fmt.Sprintf("a sequential write and sync of the same bytes, indexing of %s rows", measure.Number(float64(rows))), path: "any", bound: measure.AtMost(2)}
		got := r.Of(indexID(rows), indexToWrite)
		all = append(all, verdict{target: t, got: got, word: t.bound.Judge(got)})
	}
	return all
}
