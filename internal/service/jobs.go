package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/index"
	"exactmatch.dev/operator/internal/service/records"
)

// jobsOf counts the indexing jobs of a session: one reads the blocks, one sorts
// each searchable column, the last one publishes.
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

// indexSession does the jobs of a session that are not done, in order. Each is
// done from its beginning after a crash, and counted once its files are synced.
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
	columns := searchable(one)
	if meta, err := s.tables.Meta(ctx, one.ID); err == nil && !meta.Ruled() {
		one.JobsDone = 0 // an earlier version read the blocks, and kept no rules
	}
	for done := one.JobsDone; done <= len(columns); done++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var err error
		if done == 0 {
			err = s.readBlocks(ctx, one)
		} else {
			err = s.tables.Index(ctx, one.ID, columns[done-1])
		}
		if err != nil {
			return s.indexingFailed(ctx, one, err)
		}
		if err := s.jobDone(ctx, one, done+1); err != nil {
			return ignoreNotFound(err)
		}
	}
	return s.publish(ctx, one)
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

// indexingFailed ends the session where its blocks are at fault. Files that the
// jobs made and that are damaged or gone are made again from the blocks. Anything
// else, a full disk for one, is tried again by the next sweep.
func (s *Service) indexingFailed(ctx context.Context, one *records.Session, cause error) error {
	var block *blobs.Invalid
	var file *index.Damaged
	switch {
	case errors.As(cause, &block):
		return errors.Join(cause, s.failSession(ctx, one, block, (*records.Session).Processing))
	case errors.As(cause, &file) || errors.Is(cause, os.ErrNotExist):
		err := s.jobDone(ctx, one, 0)
		if err == nil {
			s.logOf(one.Tenant).Warn("indexing begins again from the blocks", "session", one.ID, "error", cause)
		}
		return errors.Join(cause, ignoreNotFound(err))
	}
	return cause
}

// readBlocks is the first job: every block in order, checked against the
// session, into the token files and the description of its table.
func (s *Service) readBlocks(ctx context.Context, one *records.Session) error {
	is, err := s.records.Identity(ctx)
	if err != nil {
		return err
	}
	b, err := s.tables.Build(ctx, index.Meta{SessionID: one.ID, KeyID: one.KeyID, Columns: edm.WithRules(one.Columns), Folder: is.ID, Stamp: is.Stamp})
	if err != nil {
		return err
	}
	rows, err := s.copyTokens(ctx, one, b)
	if err != nil {
		return errors.Join(err, b.Close())
	}
	return b.Commit(ctx, rows)
}

func (s *Service) copyTokens(ctx context.Context, one *records.Session, to *index.Builder) (rows int64, err error) {
	store, err := records.Get(ctx, s.records.Of(one.Tenant), records.Tx.DataStores, one.DataStoreID)
	if err != nil {
		return 0, err
	}
	for n, id := range one.Sealed {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		data, err := s.blocks.Read(ctx, one.ID, id)
		if err != nil {
			return 0, err
		}
		b, err := block.Decode(data)
		if err != nil {
			return 0, &blobs.Invalid{What: fmt.Sprintf("block %d: %v", n, err)}
		}
		if what := misfit(store, one, &b.Header, n); what != "" {
			return 0, &blobs.Invalid{What: fmt.Sprintf("block %d: %s", n, what)}
		}
		for c := range one.Columns {
			if err := to.Add(c, b.Column(c)); err != nil {
				return 0, err
			}
		}
		rows += int64(b.Rows)
	}
	return rows, nil
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
	case !slices.Equal(h.Columns, one.Fields):
		return "its columns are not the session's fields"
	case h.KeyID.String() != one.KeyID:
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
// completed and dropped. All of it is read before: jobs may be done on either
// side of a crash, and a whole table is not replaced by one that is damaged.
func (s *Service) publish(ctx context.Context, one *records.Session) error {
	table, err := s.tables.Open(ctx, one.ID)
	if err != nil {
		return s.indexingFailed(ctx, one, err)
	}
	if err := table.Verify(ctx); err != nil {
		return errors.Join(s.indexingFailed(ctx, one, err), table.Close())
	}
	err = s.tables.Replace(one.DataStoreID, table, func() error { return s.recordLive(ctx, one, table) })
	switch {
	case errors.Is(err, errSuperseded), records.IsNotFound(err):
		s.discard(ctx, one) // completed without going live, or deleted meanwhile
		return table.Close()
	case err != nil:
		return errors.Join(err, table.Close()) // the next sweep tries again
	}
	s.logOf(one.Tenant).Info("live", "session", one.ID, "store", one.DataStoreID, "rows", table.Rows, "generation", table.Generation)
	s.discardBlocks(ctx, one)
	s.enqueue(job{tenant: one.Tenant, store: one.DataStoreID}) // what is searchable may have changed since its create
	return nil
}

// recordLive writes down that a table is live, and gives it its generation.
func (s *Service) recordLive(ctx context.Context, one *records.Session, table *index.Table) error {
	superseded := false
	_, err := records.Change(ctx, s.records.Of(one.Tenant), records.Tx.Sessions, one.ID, func(tx records.Tx, r *records.Session) error {
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
		table.Generation = store.Generation + 1
		store.Generation, store.LiveCommitted, store.DataLastUpdatedDateTime = table.Generation, r.Committed, r.CompletionDateTime
		store.Live = &edm.Live{
			SessionID: r.ID, ContentKey: r.ContentKey, KeyID: table.KeyID, Rows: table.Rows, Generation: table.Generation,
			Columns: table.Columns, CompletionDateTime: r.CompletionDateTime,
		}
		return tx.DataStores().Put(store)
	})
	if err == nil && superseded {
		return errSuperseded
	}
	return err
}
