package main

import (
	"context"
	"errors"
	"os"
	"time"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/hack/measure/operator"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
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

const (
	storeName = "people"
	storeKey  = "a key of the limits: 32 bytes ok"
)

// readTable does what the manager does with a table.
func readTable(ctx context.Context, t task) (finding, error) {
	found, err := t.run(ctx)
	var refused *failure.Error
	if errors.As(err, &refused) && !refused.Transient {
		found.Refusal, err = refused.Error(), nil
	}
	if err != nil {
		return found, err
	}
	found.Peak, err = measure.PeakMemory(os.Getpid())
	return found, err
}

func (t task) run(ctx context.Context) (found finding, err error) {
	from, err := source.Open(ctx, source.Config{URI: t.URL, Schemes: []string{"https"}, Guard: operator.Guard})
	if err != nil {
		return found, err
	}
	plan := pipeline.Plan{
		Plan: plan.Plan{
			Store: storeName, Columns: t.columns(), RowsPerBlock: t.Table.RowsPerBlock, BadRows: plan.BadRowsAllowance{MinSample: 1000},
		},
		Source: from, Key: []byte(storeKey),
	}
	w, stop := operator.StartWork(ctx, plan)
	defer stop()
	if err := w.Prepare(ctx); err != nil {
		return found, err
	}
	found.Rows, found.Bytes = w.Prepared.Rows, w.Prepared.Bytes
	if t.Upload {
		err = t.upload(ctx, w)
	}
	return found, err
}

// upload takes what was prepared until it is live.
func (t task) upload(ctx context.Context, w *operator.Work) error {
	store, err := operator.NewStore(ctx, t.Endpoint, t.Token, edm.DataStore{DisplayName: storeName, Columns: operator.Columns(w.Plan.Columns)})
	if err != nil {
		return err
	}
	one, err := store.OpenFor(ctx, w)
	if err != nil {
		return err
	}
	if err := w.Upload(ctx, one.DataUploadURI); err != nil {
		return err
	}
	return store.Commit(ctx, one.ID, 200*time.Millisecond)
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
