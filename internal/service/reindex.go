package service

import (
	"context"
	"errors"
	"os"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/index"
	"exactmatch.dev/operator/internal/service/records"
)

// reindexTries bounds how often the columns may change while they are indexed
// before the next sweep takes them up.
const reindexTries = 3

// reindex makes the live table of a store searchable as the store's columns say:
// from its blocks, beside the indexes that lookups are answered from until
// the others are whole. It writes nothing down before, so a crash leaves files
// that are made again.
func (s *Service) reindex(ctx context.Context, tenant, id string) error {
	for range reindexTries {
		store, err := records.Get(ctx, s.records.Of(tenant), records.Tx.DataStores, id)
		if err != nil {
			return ignoreNotFound(err)
		}
		columns := wantedColumns(store)
		if columns == nil || !s.tables.Whole(id) {
			return nil
		}
		if err := s.reindexAs(ctx, store, columns); !errors.Is(err, errSuperseded) {
			return ignoreNotFound(err)
		}
	}
	return nil
}

func (s *Service) reindexAs(ctx context.Context, store *records.DataStore, columns []edm.Column) error {
	old, err := s.tables.Acquire(store.ID)
	if err != nil || old == nil {
		return nil // it is damaged or gone by now
	}
	defer s.tables.Release(old)
	if old.Generation != store.Live.Generation {
		return errSuperseded
	}
	next, err := s.tables.Reindex(ctx, old, columns)
	if err != nil {
		return s.reindexFailed(ctx, store, old, err)
	}
	if err := s.tables.Replace(store.ID, next, func(int64) (string, error) { return next.SessionID, s.recordReindexed(ctx, store, next) }); err != nil {
		return errors.Join(err, next.Close())
	}
	s.logOf(store.Tenant).Info("indexed again", "store", store.ID, "session", next.SessionID, "generation", next.Generation)
	s.tables.Tidy(ctx, next)
	return nil
}

// reindexFailed has lookups refused where the table's own files are at fault.
// Anything else, a full disk for one, is tried again by the next sweep.
func (s *Service) reindexFailed(ctx context.Context, store *records.DataStore, old *index.Table, cause error) error {
	var file *index.Damaged
	switch {
	case errors.As(cause, &file):
		if old.Verify(ctx) == nil {
			return cause // it is the new index, which is made again
		}
	case !errors.Is(cause, os.ErrNotExist):
		return cause
	}
	if now, err := records.Get(ctx, s.records.Of(store.Tenant), records.Tx.DataStores, store.ID); err != nil || now.Live == nil || now.Live.Generation != old.Generation {
		return errors.Join(ignoreNotFound(err)) // another one is live, and these files go
	}
	old.Break()
	s.logOf(store.Tenant).Error("the live table is damaged: upload it again", "store", store.ID, "session", old.SessionID, "error", cause)
	return nil
}

// recordReindexed writes down which columns of the live table are searchable, as
// a generation of its own.
func (s *Service) recordReindexed(ctx context.Context, store *records.DataStore, next *index.Table) error {
	_, err := records.Change(ctx, s.records.Of(store.Tenant), records.Tx.DataStores, store.ID, func(_ records.Tx, now *records.DataStore) error {
		if now.Live == nil || now.Live.Generation != store.Live.Generation || !sameIndexes(wantedColumns(now), next.Columns) {
			return errSuperseded
		}
		next.Generation = now.Generation + 1
		now.Generation, now.Live.Generation, now.Live.Columns = next.Generation, next.Generation, next.Columns
		return nil
	})
	return err
}
