package service

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/index"
	"exactmatch.dev/operator/internal/service/records"
)

// jobsOf counts the indexing jobs of a session: one reads the blocks, one sorts
// each searchable column, some of them side by side, the last one publishes.
func jobsOf(one *records.Session) int { return len(searchable(one)) + 2 }

// searchable are the places of the columns that are indexed.
func searchable(one *records.Session) []int {
	var out []int
	for c, column := range one.Columns {
		if column.IsSearchable {
			out = append(out, c)
		}
	}
	return out
}

// indexSession does the jobs of a session. After a crash all of them are done again
// from the blocks.
func (s *Service) indexSession(ctx context.Context, tenant, id string) error {
	one, err := records.Get(ctx, s.records.Of(tenant), records.Tx.Sessions, id)
	if err != nil || !one.Processing() {
		return ignoreNotFound(err)
	}
	err = s.doJobs(ctx, one)
	deleted, live, looked := s.deleted(ctx, one)
	switch {
	case looked != nil || !deleted:
		return errors.Join(err, looked)
	case !live:
		s.discard(ctx, one) // what indexing wrote meanwhile
	}
	return nil // jobs whose files are removed fail, and nobody needs them
}

// deleted reports whether a session has no record any more, and whether its table
// is live all the same.
func (s *Service) deleted(ctx context.Context, one *records.Session) (deleted, live bool, err error) {
	err = s.records.Of(one.Tenant).View(ctx, func(tx records.Tx) error {
		_, err := tx.Sessions().Get(one.ID)
		if deleted = records.IsNotFound(err); !deleted {
			return err
		}
		store, err := tx.DataStores().Serving(one.ID)
		live = store != nil
		return err
	})
	return deleted, live, err
}

func (s *Service) doJobs(ctx context.Context, one *records.Session) error {
	table, err := s.build(ctx, one)
	if records.IsNotFound(err) {
		return nil // it was deleted meanwhile
	}
	if err != nil {
		return s.indexingFailed(ctx, one, err)
	}
	return s.publish(ctx, one, table)
}

// build makes the table of a session out of its blocks, and opens it.
func (s *Service) build(ctx context.Context, one *records.Session) (*index.Table, error) {
	is, err := s.records.Identity(ctx)
	if err != nil {
		return nil, err
	}
	store, err := records.Get(ctx, s.records.Of(one.Tenant), records.Tx.DataStores, one.DataStoreID)
	if err != nil {
		return nil, err
	}
	b, err := s.tables.Build(ctx, index.Meta{SessionID: one.ID, KeyID: one.KeyID, Columns: edm.WithRules(one.Columns), Folder: is.ID, Stamp: is.Stamp})
	if err != nil {
		return nil, err
	}
	err = b.Read(ctx, one.Sealed, func(n int, h *block.Header) error {
		if what := misfit(store, one, h, n); what != "" {
			return blobs.NewInvalid(n, blobs.Mismatch, ": "+what)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.jobDone(ctx, one, 1); err != nil {
		return nil, err
	}
	if err := b.Index(ctx, func(columns int) error { return s.jobDone(ctx, one, 1+columns) }); err != nil {
		return nil, err
	}
	return b.Commit(ctx)
}

func (s *Service) jobDone(ctx context.Context, one *records.Session, done int) error {
	_, err := records.Change(ctx, s.records.Of(one.Tenant), records.Tx.Sessions, one.ID, func(_ records.Tx, r *records.Session) error {
		now, left := s.now(), int32(jobsOf(r)-done)
		r.JobsDone, r.RemainingJobCount, r.LastUpdatedDateTime = done, &left, &now
		return nil
	})
	if err == nil && done > 0 {
		s.logOf(one.Tenant).Info("indexing job done", "session", one.ID, "job", done)
	}
	return err
}

// indexingFailed ends the session where its blocks are at fault. Anything else, a
// full disk for one, is tried again by the next sweep, from the blocks on.
func (s *Service) indexingFailed(ctx context.Context, one *records.Session, cause error) error {
	var block *blobs.Invalid
	if errors.As(cause, &block) {
		return errors.Join(cause, s.failSession(ctx, one, block, (*records.Session).Processing))
	}
	return cause
}

// misfit says how a block contradicts its session. What fits is in its place:
// every block but the last has rowsPerBlock rows.
func misfit(store *records.DataStore, one *records.Session, h *block.Header, at int) string {
	perBlock := int(*one.RowsPerBlock)
	first, last := int64(at)*int64(perBlock), at == int(*one.TotalBlockCount)-1
	switch {
	case h.Index != at:
		return fmt.Sprintf("it says that it is block %d", h.Index)
	case h.FirstRow != first:
		return fmt.Sprintf("it begins with row %d in place of %d", h.FirstRow, first)
	case len(one.Fields) > 0 && !slices.Equal(h.Columns, one.Fields):
		return "its columns are not the session's fields"
	case len(one.Fields) == 0 && !areColumns(h.Columns, one.Learns.Columns):
		return "its columns are not columns of the data store, each named once"
	case one.KeyID != "" && h.KeyID.String() != one.KeyID:
		return "its keyId is not the session's"
	case h.Store != store.DisplayName:
		return "its tokens are of another data store"
	case h.Rules != fingerprint.Rules:
		return fmt.Sprintf("its tokens are not made under rules %s", fingerprint.Rules)
	case first+int64(h.Rows) > index.MaxRows:
		return fmt.Sprintf("a table must have at most %d rows", index.MaxRows)
	case h.Rows > perBlock || !last && h.Rows != perBlock:
		return fmt.Sprintf("it has %d rows in place of %d", h.Rows, perBlock)
	}
	return ""
}

// publish is the last job: one transaction makes the table the live one and the
// session Completed. A table whose commit is older than that of the live one is
// completed and dropped.
func (s *Service) publish(ctx context.Context, one *records.Session, table *index.Table) error {
	// From here on its blocks are the table's, and not what is staged of a session.
	if err := s.blocks.Keep(ctx, one.ID, one.Sealed); err != nil {
		return errors.Join(err, table.Close())
	}
	var change *liveChange
	err := s.tables.Replace(one.DataStoreID, table, func(present int64) (kept string, err error) {
		change, err = s.recordLive(ctx, one, table, present)
		return change.kept(), err
	})
	switch {
	case errors.Is(err, errSuperseded), records.IsNotFound(err):
		s.discard(ctx, one) // completed without going live, or deleted meanwhile
		return table.Close()
	case err != nil:
		return errors.Join(err, table.Close()) // the next sweep tries again
	}
	s.logOf(one.Tenant).Info("live", "session", one.ID, "store", one.DataStoreID, "rows", table.Rows, "generation", table.Generation)
	s.dropTable(ctx, one.Tenant, change.dropped)
	s.enqueue(job{tenant: one.Tenant, store: one.DataStoreID}) // what is searchable may have changed since its create
	return nil
}

// recordLive writes down that a table is live, and gives it its generation. present is
// the one that is live as callers see it.
func (s *Service) recordLive(ctx context.Context, one *records.Session, table *index.Table, present int64) (change *liveChange, err error) {
	superseded := false
	_, err = records.Change(ctx, s.records.Of(one.Tenant), records.Tx.Sessions, one.ID, func(tx records.Tx, r *records.Session) error {
		store, err := tx.DataStores().Get(r.DataStoreID)
		if err != nil {
			return err
		}
		s.finish(r, edm.StateCompleted)
		jobs, none := jobsOf(r), int32(0)
		r.ProcessingCompletionDateTime, r.RemainingJobCount, r.JobsDone = r.CompletionDateTime, &none, jobs
		s.succeeded(store, r)
		if superseded = store.LiveCommitted.After(r.Committed); superseded {
			return tx.DataStores().Put(store)
		}
		store.LiveCommitted = r.Committed
		change = s.makeLive(store, present, edm.Live{
			SessionID: r.ID, ContentKey: r.ContentKey, KeyID: table.KeyID, Rows: table.Rows, Columns: table.Columns, CompletionDateTime: r.CompletionDateTime,
		})
		table.Generation, store.DataLastUpdatedDateTime = store.Generation, r.CompletionDateTime
		return tx.DataStores().Put(store)
	})
	if err == nil && superseded {
		return nil, errSuperseded
	}
	return change, err
}
