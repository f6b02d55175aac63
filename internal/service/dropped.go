package service

import (
	"context"
	"slices"
	"time"

	"exactmatch.dev/operator/internal/service/records"
)

// The record of a session goes before its files do, and a crash may come between.
// Its id is kept for that long, in the same transaction: files of an id that the
// database has never had are not ours to delete.
const droppedWindow = 24 * time.Hour

// forgetDropped forgets the sessions of a tenant that were dropped a while ago and have no
// files any more. A live table whose session was deleted has some, so that it is
// ours when another replaces it.
func (s *Service) forgetDropped(ctx context.Context, tenant string) error {
	old, err := s.droppedBefore(ctx, tenant, s.now().Add(-droppedWindow))
	if err != nil || len(old) == 0 {
		return err
	}
	for _, sessions := range []func(context.Context) ([]string, error){s.tables.Sessions, s.blocks.Sessions} {
		there, err := sessions(ctx)
		if err != nil {
			return err
		}
		old = slices.DeleteFunc(old, func(id string) bool { return slices.Contains(there, id) })
	}
	return s.records.Of(tenant).Update(ctx, func(tx records.Tx) error {
		for _, id := range old {
			if err := tx.Tombstones().Delete(id); err != nil {
				return err
			}
		}
		return nil
	})
}

// droppedBefore are the sessions of a tenant that were dropped before a time.
func (s *Service) droppedBefore(ctx context.Context, tenant string, before time.Time) (old []string, err error) {
	all, err := records.List(ctx, s.records.Of(tenant), records.Tx.Tombstones)
	for _, one := range all {
		if one.At.Before(before) {
			old = append(old, one.Session)
		}
	}
	return old, err
}
