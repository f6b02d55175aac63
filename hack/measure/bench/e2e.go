package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"time"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/hack/measure/operator"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/lookup"
	"exactmatch.dev/operator/internal/source"
)

// The parts of an end-to-end case beyond those that the growth is drawn of, in seconds.
const (
	partUpload = "uploadSeconds"
	partIndex  = "indexSeconds"
	partLookup = "lookupSeconds"
)

// endToEndCase takes a table from its file until a lookup finds its last row: the
// service is a process of its own, this process uploads as the manager does.
func endToEndCase(ctx context.Context, t task) (s *measure.Sample, err error) {
	service, store, err := startService(ctx, t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, service.Stop()) }()
	from, err := openTable(ctx, t)
	if err != nil {
		return nil, err
	}
	last, err := lastRow(t)
	if err != nil {
		return nil, err
	}
	work, stop := operator.StartWork(ctx, t.Case.Table.plan(from))
	defer stop()
	before, err := service.Usage()
	if err != nil {
		return nil, err
	}
	way := &wayThrough{Work: work, store: store, last: last, parts: map[string]float64{}}
	s, err = measure.Section(func() error { return way.run(ctx) })
	if err != nil {
		return nil, fmt.Errorf("%w; the service says: %s", err, service.LastWords())
	}
	after, err := service.Usage()
	if err != nil {
		return nil, err
	}
	way.parts[measure.PartServiceCPU] = (after.CPU - before.CPU).Seconds()
	way.parts[measure.PartServiceMemory] = float64(after.Peak)
	s.Rows, s.Bytes, s.Parts = int(work.Prepared.Rows), work.Prepared.Bytes, way.parts
	return s, nil
}

// publish makes the case's table live.
func publish(ctx context.Context, t task, store *operator.Store, from source.Source) error {
	work, stop := operator.StartWork(ctx, t.Case.Table.plan(from))
	defer stop()
	if err := work.Prepare(ctx); err != nil {
		return err
	}
	one, err := store.OpenFor(ctx, work)
	if err != nil {
		return err
	}
	if err := work.Upload(ctx, one.DataUploadURI); err != nil {
		return err
	}
	return store.Commit(ctx, one.ID, 5*time.Millisecond)
}

// lastRow reads the cells of the table's last row that are hashed, in order.
func lastRow(t task) ([]string, error) {
	in, err := os.Open(t.Table)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // it was only read
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	// No row is longer than the end that is read, and none holds a line break.
	const end = 64 << 10
	tail := make([]byte, min(info.Size(), end))
	if _, err := in.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
		return nil, err
	}
	line := bytes.TrimSuffix(tail, []byte("\n"))
	record, err := csv.NewReader(bytes.NewReader(line[bytes.LastIndexByte(line, '\n')+1:])).Read()
	if err != nil {
		return nil, err
	}
	var cells []string
	for _, at := range t.Case.Table.positions() {
		cells = append(cells, record[at])
	}
	return cells, nil
}

// wayThrough is one table on its way.
type wayThrough struct {
	*operator.Work
	store *operator.Store
	last  []string
	parts map[string]float64
}

func (w *wayThrough) run(ctx context.Context) error {
	var one *edm.Session
	for _, step := range []struct {
		part string
		do   func() error
	}{
		{measure.PartPrepare, func() error { return w.Prepare(ctx) }},
		{partUpload, func() (err error) {
			if one, err = w.store.OpenFor(ctx, w.Work); err != nil {
				return err
			}
			return w.Upload(ctx, one.DataUploadURI)
		}},
		{partIndex, func() error { return w.store.Commit(ctx, one.ID, 5*time.Millisecond) }},
		{partLookup, func() error { return w.find(ctx) }},
	} {
		began := time.Now()
		if err := step.do(); err != nil {
			return err
		}
		w.parts[step.part] = time.Since(began).Seconds()
	}
	return nil
}

// find asks for the last row by its first column, with all the others.
func (w *wayThrough) find(ctx context.Context) error {
	query := lookup.Query{Key: w.Plan.Key, Store: storeName, Column: w.Plan.Columns[0].Name, Limit: 1000}
	for i, c := range w.Plan.Columns[1:] {
		query.SameRow = append(query.SameRow, lookup.Cell{Column: c.Name, Value: w.last[i+1]})
	}
	asker, err := lookup.Open(ctx, w.store.Client.Stores(), query)
	if err != nil {
		return err
	}
	found, err := asker.Ask(ctx, lookup.Value{Number: 1, Text: w.last[0]})
	if err != nil {
		return err
	}
	for _, row := range found.Rows {
		if row.Row == w.Prepared.Rows-1 && len(row.Matched) == len(w.Plan.Columns)-1 {
			return nil
		}
	}
	return errors.New("the lookup did not find the last row of the table: the service answers wrongly")
}
