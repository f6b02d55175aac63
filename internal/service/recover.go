package service

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/records"
)

// recover opens the live tables, drops half-written files, and takes up the
// indexing that a crash interrupted. What it drops it names in the log. One
// damaged table or session does not keep the others from being served.
func (s *Service) recover(ctx context.Context) error {
	sessions, err := records.ListAll(ctx, s.records, records.Tx.Sessions)
	if err != nil {
		return err
	}
	slices.SortFunc(sessions, byCommit)
	known, used := map[string]bool{}, map[string]bool{}
	for _, one := range sessions {
		if !one.Unfinished() && !one.Processing() {
			continue
		}
		known[one.ID] = true
		if err := s.blocks.Load(ctx, one.ID); err != nil {
			return fmt.Errorf("read the blocks of session %s: %w", one.ID, err)
		}
		s.blocks.Own(one.ID, one.Tenant)
		if one.Processing() {
			used[one.ID] = true
			if err := s.holdPlace(ctx, one); err != nil {
				return err
			}
			s.enqueue(job{tenant: one.Tenant, session: one.ID})
		}
		if err := s.failIncomplete(ctx, one); err != nil {
			return err
		}
	}
	stores, err := records.ListAll(ctx, s.records, records.Tx.DataStores)
	if err != nil {
		return err
	}
	for _, store := range stores {
		for _, live := range store.Tables() {
			known[live.SessionID], used[live.SessionID] = true, true
			if err := s.keepBlocks(ctx, live.SessionID); err != nil {
				return err
			}
		}
		if store.Live != nil {
			if err := s.open(ctx, store); err != nil {
				s.logOf(store.Tenant).Error("the live table cannot be opened and its lookups are refused: upload it again if this persists",
					"store", store.ID, "session", store.Live.SessionID, "error", err)
			}
		}
	}
	return errors.Join(s.blocks.DropUnknown(ctx, known), s.tables.DropUnused(ctx, used))
}

// keepBlocks finds the blocks of a table that is kept again. Where nobody can tell
// which they are, all are.
func (s *Service) keepBlocks(ctx context.Context, session string) error {
	if err := s.blocks.Load(ctx, session); err != nil {
		return fmt.Errorf("read the blocks of the table of session %s: %w", session, err)
	}
	manifest, err := s.tables.Manifest(ctx, session)
	if err != nil {
		return s.blocks.KeepAll(ctx, session) // opening the table says what is wrong with it
	}
	return s.blocks.Keep(ctx, session, manifest.BlockIDs())
}

// failIncomplete ends a session that is sealed and misses a block. One that is
// not sealed yet goes on: the block is not in its list, so it is staged again.
func (s *Service) failIncomplete(ctx context.Context, one *records.Session) error {
	if one.State != edm.StateUploadCompleted {
		return nil
	}
	whole, err := records.Get(ctx, s.records.Of(one.Tenant), records.Tx.Sessions, one.ID) // with its list of blocks
	if err != nil {
		return err
	}
	at := s.blocks.Missing(one.ID, whole.Sealed)
	if at < 0 {
		return nil
	}
	return s.failSession(ctx, one, blobs.NewInvalid(at, blobs.Missing, " was acknowledged and is gone"), (*records.Session).Unfinished)
}

// reopen tries again the live tables that are not served, and takes up those whose
// searchable columns are others.
func (s *Service) reopen(ctx context.Context) {
	stores, err := records.ListAll(ctx, s.records, records.Tx.DataStores)
	if err != nil {
		s.config.Log.Error("read the data stores", "error", err)
		return
	}
	for _, store := range stores {
		if wantedColumns(store) != nil {
			s.enqueue(job{tenant: store.Tenant, store: store.ID})
		}
		if store.Live == nil || s.tables.Serves(store.ID, store.Live) {
			continue
		}
		if err := s.open(ctx, store); err == nil {
			s.logOf(store.Tenant).Info("the live table is open", "store", store.ID, "session", store.Live.SessionID)
		}
	}
}

// open opens the table that a store's record names as its live one.
func (s *Service) open(ctx context.Context, store *records.DataStore) error {
	return s.tables.Reopen(ctx, store.ID, store.Live, func() error { return s.stillLive(ctx, store) })
}

// stillLive makes sure that a table is the live one still, and that a crash
// finds it so.
func (s *Service) stillLive(ctx context.Context, store *records.DataStore) error {
	return s.records.Of(store.Tenant).Update(ctx, func(tx records.Tx) error {
		now, err := tx.DataStores().Get(store.ID)
		if records.IsNotFound(err) || err == nil && (now.Live == nil || now.Live.SessionID != store.Live.SessionID || now.Live.Generation != store.Live.Generation) {
			return errSuperseded
		}
		return err
	})
}

// verify reads the blocks that an earlier run acknowledged, once. A damaged one
// goes off the list of a session that is not sealed, so that its uploader stages
// it again; a sealed session fails. Sessions that are being indexed are not
// looked at: indexing checks what it reads.
func (s *Service) verify(ctx context.Context) {
	sessions, err := records.ListAll(ctx, s.records, records.Tx.Sessions)
	if err != nil {
		s.config.Log.Error("read the sessions", "error", err)
		return
	}
	for _, one := range sessions {
		if !one.Unfinished() {
			continue
		}
		for _, b := range s.blocks.List(one.ID) {
			if ctx.Err() != nil {
				return
			}
			if err := s.verifyBlock(ctx, one, b.ID); err != nil {
				s.logOf(one.Tenant).Error("verify a block", "session", one.ID, "error", err)
			}
		}
	}
}

func (s *Service) verifyBlock(ctx context.Context, of *records.Session, id string) error {
	session := of.ID
	_, err := s.blocks.Read(ctx, session, id)
	var bad *blobs.Invalid
	if !errors.As(err, &bad) {
		return err
	}
	if !s.blocks.Has(session, id) {
		return nil // its session ended meanwhile
	}
	index, _, _ := block.ParseID(id) // read did too
	s.logOf(of.Tenant).Error("an acknowledged block is damaged and was dropped: its uploader stages it again", "session", session, "block", index, "error", bad)
	return errors.Join(s.blocks.Forget(ctx, session, id), s.failSession(ctx, of, bad, func(r *records.Session) bool {
		return r.State == edm.StateUploadCompleted && slices.Contains(r.Sealed, id)
	}))
}
