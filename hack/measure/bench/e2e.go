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
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/executor/pool"
	"exactmatch.dev/operator/internal/lookup"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/upload"
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
	service, err := startService(ctx, t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, service.stop()) }()
	from, err := openTable(ctx, t)
	if err != nil {
		return nil, err
	}
	last, err := lastRow(t)
	if err != nil {
		return nil, err
	}
	before, err := measure.UsageOf(service.pid())
	if err != nil {
		return nil, err
	}
	way := &wayThrough{service: service, plan: t.Case.Table.plan(from), last: last, parts: map[string]float64{}}
	s, err = measure.Section(func() error { return way.run(ctx) })
	if err != nil {
		return nil, fmt.Errorf("%w; the service says: %s", err, service.lastWords())
	}
	after, err := measure.UsageOf(service.pid())
	if err != nil {
		return nil, err
	}
	way.parts[measure.PartServiceCPU] = (after.CPU - before.CPU).Seconds()
	way.parts[measure.PartServiceMemory] = float64(after.Peak)
	s.Rows, s.Bytes, s.Parts = int(way.prepared.Rows), way.prepared.Bytes, way.parts
	return s, nil
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
	service  *serviceProcess
	plan     pipeline.Plan
	last     []string
	prepared *pipeline.Prepared
	parts    map[string]float64
}

func (w *wayThrough) run(ctx context.Context) error {
	var one *edm.Session
	for _, step := range []struct {
		part string
		do   func() error
	}{
		{measure.PartPrepare, func() error { return w.pooled(ctx, nil) }},
		{partUpload, func() (err error) {
			if one, err = w.service.create(ctx, namesOf(w.plan.Columns), w.plan.RowsPerBlock, w.prepared.Blocks, w.prepared.KeyID, w.prepared.ContentKey); err != nil {
				return err
			}
			return w.pooled(ctx, one)
		}},
		{partIndex, func() error { return w.commit(ctx, one) }},
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

// pooled runs the next phase in a pool as large as the manager's: preparation
// where there is no session yet, else the upload.
func (w *wayThrough) pooled(ctx context.Context, one *edm.Session) error {
	const key = "bench"
	woken := make(chan struct{}, 1)
	works := pool.NewPool(pool.PoolOptions{Parallelism: 4, Memory: managerMemory, Wake: func(string) {
		select {
		case woken <- struct{}{}:
		default: // it is awake
		}
	}})
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = works.Start(ctx) // it fails never
	}()
	defer func() {
		stop()
		<-ended
	}()
	if one == nil {
		works.Prepare(key, w.plan)
	} else {
		works.Upload(key, w.plan, w.prepared, upload.Target{
			HTTP: guarded(), URI: func() string { return one.DataUploadURI }, Parallelism: durableConnections,
		})
	}
	for {
		select {
		case <-woken:
		case <-ctx.Done():
			return ctx.Err()
		}
		switch now := works.Status(key); now.Phase {
		case pool.PhaseFailed:
			return now.Err
		case pool.PhasePrepared:
			w.prepared = now.Prepared
			return nil
		case pool.PhaseUploaded:
			return nil
		}
	}
}

// commit hands the blocks over and waits until they are indexed.
func (w *wayThrough) commit(ctx context.Context, one *edm.Session) error {
	sessions, store := w.service.client.Sessions(), w.service.store.ID
	if err := sessions.Commit(ctx, store, one.ID, nil); err != nil {
		return err
	}
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for {
		now, err := sessions.Get(ctx, store, one.ID)
		if err != nil {
			return err
		}
		switch {
		case now.State == edm.StateCompleted:
			return nil
		case now.State.Ended():
			return fmt.Errorf("the session ended as %s: %+v", now.State, now.Error)
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// find asks for the last row by its first column, with all the others.
func (w *wayThrough) find(ctx context.Context) error {
	query := lookup.Query{Key: w.plan.Key, Store: storeName, Column: w.plan.Columns[0].Name, Limit: 1000}
	for i, c := range w.plan.Columns[1:] {
		query.SameRow = append(query.SameRow, lookup.Cell{Column: c.Name, Value: w.last[i+1]})
	}
	asker, err := lookup.Open(ctx, w.service.client.Stores(), query)
	if err != nil {
		return err
	}
	found, err := asker.Ask(ctx, lookup.Value{Number: 1, Text: w.last[0]})
	if err != nil {
		return err
	}
	for _, row := range found.Rows {
		if row.Row == w.prepared.Rows-1 && len(row.Matched) == len(w.plan.Columns)-1 {
			return nil
		}
	}
	return errors.New("the lookup did not find the last row of the table: the service answers wrongly")
}
