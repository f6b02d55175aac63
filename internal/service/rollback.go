package service

import (
	"context"
	"errors"
	"net/http"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// liveChange says what becomes of other tables where one goes live.
type liveChange struct {
	former  *records.Former // the one before it, where that is kept
	dropped string          // the session of one that is kept no more
}

// kept is the session whose table is kept beside the live one, "" where none is.
func (c *liveChange) kept() string {
	if c == nil || c.former == nil {
		return ""
	}
	return c.former.SessionID
}

// makeLive makes a table the live one of a data store's record, as the next
// generation. The one before it is kept for a while, in place of that before it;
// but where it is damaged, and so not present as callers see it, nobody wants it back,
// and that before it stays.
func (s *Service) makeLive(store *records.DataStore, present int64, live edm.Live) *liveChange {
	now, old, former := s.now(), store.Live, store.Former
	store.Generation++
	live.Generation = store.Generation
	store.Live, store.DataLastUpdatedDateTime = &live, &now
	switch {
	case s.config.RollbackRetention == 0:
		store.Former = nil
	case old != nil && old.Generation == present:
		store.Former = &records.Former{Live: *old, Until: now.Add(s.config.RollbackRetention)}
	}
	if store.Former != nil && store.Former.SessionID == live.SessionID {
		store.Former = nil // it is the one that goes live again
	}
	change := &liveChange{former: store.Former}
	if former != nil && former.SessionID != live.SessionID && former.SessionID != change.kept() {
		change.dropped = former.SessionID
	}
	return change
}

// rollback makes the table live again that was so before the present one, as a
// generation of its own.
func (s *Service) rollback(r *http.Request) (*answer, error) {
	judged, err := judgedOf(r)
	if err != nil {
		return nil, err
	}
	store, err := records.Get(r.Context(), s.recordsOf(r), records.Tx.DataStores, r.PathValue("store"))
	if err != nil {
		return nil, err
	}
	if store.Former == nil {
		return nil, noPrevious(store)
	}
	table, err := s.tables.OpenLive(r.Context(), &store.Former.Live)
	if err != nil {
		s.logIn(r.Context(), store.Tenant).Error("the previous table cannot be opened", "store", store.ID, "session", store.Former.SessionID, "error", err)
		return nil, fail(http.StatusInternalServerError, edm.CodeTableDamaged, "the previous table of the data store %q is damaged, and the live one stays: upload the table again", store.DisplayName)
	}
	var change *liveChange
	err = s.tables.Replace(store.ID, table, func(present int64) (string, error) {
		now, err := records.Change(r.Context(), s.recordsOf(r), records.Tx.DataStores, store.ID, func(_ records.Tx, now *records.DataStore) (err error) {
			change, err = s.swap(now, store, judged, present)
			return err
		})
		if err == nil {
			store, table.Generation = now, now.Generation
		}
		return change.kept(), err
	})
	if err != nil {
		return nil, errors.Join(err, table.Close())
	}
	s.logIn(r.Context(), store.Tenant).Info("rolled back", "store", store.ID, "session", table.SessionID, "generation", table.Generation)
	s.dropTable(r.Context(), store.Tenant, change.dropped)
	s.enqueue(job{tenant: store.Tenant, store: store.ID}) // what is searchable may have changed since
	return ok(s.show(store))
}

func noPrevious(store *records.DataStore) error {
	return unprocessable(edm.CodeNoPrevious, "the data store %q keeps no previous table: upload the table that you want", store.DisplayName)
}

// swap makes the former table of a record the live one, where the record is still as
// it was seen.
func (s *Service) swap(now, seen *records.DataStore, judged *int64, present int64) (*liveChange, error) {
	if now.Former == nil {
		return nil, noPrevious(now)
	}
	if err := checkJudged(judged, now, present); err != nil {
		return nil, err
	}
	if len(now.Processing) > 0 {
		return nil, fail(http.StatusConflict, edm.CodeConflict, "a commit of the data store is being processed and would replace the table again: wait until its session has ended")
	}
	if now.Former.SessionID != seen.Former.SessionID || now.Generation != seen.Generation {
		return nil, fail(http.StatusConflict, edm.CodeConflict, "another table went live meanwhile: read the data store, then decide again")
	}
	return s.makeLive(now, present, now.Former.Live), nil
}

// purge removes the previous table.
func (s *Service) purge(r *http.Request) (*answer, error) {
	store, err := records.Get(r.Context(), s.recordsOf(r), records.Tx.DataStores, r.PathValue("store"))
	if err != nil {
		return nil, err
	}
	if err := s.forgetFormer(r.Context(), store, func(*records.Former) bool { return true }); err != nil {
		return nil, err
	}
	return noContent()
}

// forgetFormer removes the previous table of a data store where it is to go.
func (s *Service) forgetFormer(ctx context.Context, store *records.DataStore, goes func(*records.Former) bool) error {
	dropped := ""
	_, err := records.Change(ctx, s.records.Of(store.Tenant), records.Tx.DataStores, store.ID, func(_ records.Tx, now *records.DataStore) error {
		if now.Former == nil || !goes(now.Former) {
			return errNothingToDo
		}
		dropped, now.Former = now.Former.SessionID, nil
		return nil
	})
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	if err != nil {
		return err
	}
	s.logIn(ctx, store.Tenant).Info("the previous table was removed", "store", store.ID, "session", dropped)
	s.dropTable(ctx, store.Tenant, dropped)
	return nil
}

// forgetFormers removes the previous tables whose time is over, of a tenant.
func (s *Service) forgetFormers(ctx context.Context, tenant string) error {
	stores, err := records.List(ctx, s.records.Of(tenant), records.Tx.DataStores)
	for _, store := range stores {
		over := func(f *records.Former) bool { return s.config.RollbackRetention == 0 || s.now().After(f.Until) }
		if store.Former != nil && over(store.Former) {
			err = errors.Join(err, ignoreNotFound(s.forgetFormer(ctx, store, over)))
		}
	}
	return err
}

// dropTable removes the table of a session, and its blocks, where its record names it no
// more.
func (s *Service) dropTable(ctx context.Context, tenant, session string) {
	if session != "" {
		s.discard(ctx, &records.Session{Session: edm.Session{ID: session}, Tenant: tenant})
	}
}
