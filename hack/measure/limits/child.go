package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/executor/pool"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/upload"
)

// task is what a child reads from its standard input; it answers with a finding.
type task struct {
	Table  tableSpec `json:"table"`
	URL    string    `json:"url"`
	Upload bool      `json:"upload"`
	// Endpoint and Token of the service.
	Endpoint string `json:"endpoint"`
	Token    string `json:"token"`
}

type finding struct {
	Refusal string `json:"refusal,omitempty"`
	Rows    int64  `json:"rows"`
	Bytes   int64  `json:"bytes"`
	Peak    int64  `json:"peak"`
}

// The manager's defaults.
const (
	transferMemory = 256 << 20
	parallelism    = 4
)

const (
	storeName = "people"
	storeKey  = "a key of the limits: 32 bytes ok"
)

// runChild does what the manager does with a table.
func runChild(ctx context.Context) error {
	var t task
	if err := json.NewDecoder(os.Stdin).Decode(&t); err != nil {
		return fmt.Errorf("read the task: %w", err)
	}
	found, err := t.run(ctx)
	var refused *failure.Error
	if errors.As(err, &refused) && !refused.Transient {
		found.Refusal, err = refused.Error(), nil
	}
	if err != nil {
		return err
	}
	if found.Peak, err = peakMemory(os.Getpid()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// guard lets this machine be reached.
var guard = dial.Guard{AllowHosts: []string{"127.0.0.1"}, Policy: dial.Anything}

func (t task) run(ctx context.Context) (found finding, err error) {
	from, err := source.Open(ctx, source.Config{URI: t.URL, Schemes: []string{"https"}, Guard: guard})
	if err != nil {
		return found, err
	}
	plan := pipeline.Plan{
		Plan: plan.Plan{
			Store: storeName, Columns: t.columns(), RowsPerBlock: t.Table.RowsPerBlock, BadRows: plan.BadRowsAllowance{MinSample: 1000},
		},
		Source: from, Key: []byte(storeKey),
	}
	w, stop := startWork(ctx, plan)
	defer stop()
	if err := w.prepare(ctx); err != nil {
		return found, err
	}
	found.Rows, found.Bytes = w.prepared.Rows, w.prepared.Bytes
	if t.Upload {
		err = w.upload(ctx, t)
	}
	return found, err
}

func (t task) columns() []schema.Column {
	if t.Table.Fields == 0 {
		return []schema.Column{{Name: "ID", IsSearchable: true}, {Name: "Mail"}}
	}
	var all []schema.Column
	for i, name := range columnNames(t.Table.Fields) {
		all = append(all, schema.Column{Name: name, IsSearchable: i == 0})
	}
	return all
}

// work is one table in a pool as the manager has it.
type work struct {
	pool     *pool.Pool
	woken    chan struct{}
	plan     pipeline.Plan
	prepared *pipeline.Prepared
}

const workKey = "limits"

// startWork starts a pool; stop ends it.
func startWork(ctx context.Context, plan pipeline.Plan) (w *work, stop func()) {
	w = &work{plan: plan, woken: make(chan struct{}, 1)}
	w.pool = pool.NewPool(pool.PoolOptions{Parallelism: parallelism, Memory: transferMemory, Wake: func(string) {
		select {
		case w.woken <- struct{}{}:
		default: // it is awake
		}
	}})
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.pool.Start(ctx) // it fails never
	}()
	return w, func() {
		cancel()
		<-ended
	}
}

func (w *work) prepare(ctx context.Context) error {
	w.pool.Prepare(workKey, w.plan)
	return w.reach(ctx, pool.PhasePrepared)
}

// reach waits until the work is as far as that, or has failed.
func (w *work) reach(ctx context.Context, phase pool.Phase) error {
	for {
		select {
		case <-w.woken:
		case <-ctx.Done():
			return ctx.Err()
		}
		switch now := w.pool.Status(workKey); now.Phase {
		case pool.PhaseFailed:
			return now.Err
		case phase:
			w.prepared = now.Prepared
			return nil
		}
	}
}

// upload takes what was prepared until it is live.
func (w *work) upload(ctx context.Context, t task) error {
	c, err := rest.New(rest.Options{Endpoint: t.Endpoint, Token: rest.StaticToken(t.Token), HTTP: guard.HTTPClient(), Pace: rest.Unpaced()})
	if err != nil {
		return err
	}
	var columns []edm.Column
	var fields []string
	for _, column := range w.plan.Columns {
		columns, fields = append(columns, edm.Column{Name: column.Name, IsSearchable: column.IsSearchable}), append(fields, column.Name)
	}
	store, err := c.Stores().Create(ctx, edm.DataStore{DisplayName: storeName, Columns: columns}, "store")
	if err != nil {
		return err
	}
	perBlock, blocks := int32(w.plan.RowsPerBlock), int32(w.prepared.Blocks)
	one, err := c.Sessions().Create(ctx, store.ID, edm.Session{
		Fields: fields, FileName: "table.csv", RowsPerBlock: &perBlock, TotalBlockCount: &blocks, KeyID: w.prepared.KeyID, ContentKey: w.prepared.ContentKey,
	}, "session")
	if err != nil {
		return err
	}
	w.pool.Upload(workKey, w.plan, w.prepared, upload.Target{HTTP: guard.HTTPClient(), URI: func() string { return one.DataUploadURI }, Parallelism: parallelism})
	if err := w.reach(ctx, pool.PhaseUploaded); err != nil {
		return err
	}
	return commit(ctx, c.Sessions(), store.ID, one.ID)
}

// commit hands the blocks over and waits until they are indexed.
func commit(ctx context.Context, sessions edm.Sessions, store, id string) error {
	if err := sessions.Commit(ctx, store, id, nil); err != nil {
		return err
	}
	every := time.NewTicker(200 * time.Millisecond)
	defer every.Stop()
	for {
		now, err := sessions.Get(ctx, store, id)
		switch {
		case err != nil:
			return err
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
