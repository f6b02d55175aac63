package main

import (
	"context"
	"errors"
	"strings"

	"exactmatch.dev/operator/hack/measure/operator"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/pipeline"
)

// startService starts the operator's service in the folder of a case, with a data
// store for the case's table.
func startService(ctx context.Context, t task) (*operator.Service, *operator.Store, error) {
	service, err := operator.StartService(ctx, t.Service, t.Work)
	if err != nil {
		return nil, nil, err
	}
	store, err := newStore(ctx, t, service)
	return service, store, err
}

// newStore makes a data store for a case's table. It stops the service where it fails.
func newStore(ctx context.Context, t task, service *operator.Service) (*operator.Store, error) {
	hashed := patientColumns
	if t.Case.Table.Rows > 0 {
		hashed = t.Case.Table.hashed()
	}
	columns := operator.Columns(hashed)
	for i := range columns {
		columns[i].IsSearchable = true
	}
	store, err := operator.NewStore(ctx, service.Endpoint, service.Token, edm.DataStore{DisplayName: storeName, Columns: columns})
	if err != nil {
		return nil, errors.Join(err, service.Stop())
	}
	return store, nil
}

// openSession opens a session whose blocks are never read.
func openSession(ctx context.Context, store *operator.Store, blocks int) (string, error) {
	keyID, err := pipeline.KeyID([]byte(storeKey), storeName)
	if err != nil {
		return "", err
	}
	one, err := store.Open(ctx, operator.Blocks{RowsPerBlock: uploadRows, Count: blocks, KeyID: keyID, ContentKey: "sha256:" + strings.Repeat("0", 64)})
	if err != nil {
		return "", err
	}
	return one.DataUploadURI, nil
}
