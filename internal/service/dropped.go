package service

import (
	"context"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// The record of a session goes before its files do, and a crash may come between.
// Its id is kept for that long, in the same transaction: files of an id that the
// database has never had are not ours to delete.
const droppedWindow = 24 * time.Hour

// dropRecord removes a session's record and remembers that its files may be left.
func (s *Service) dropRecord(tx *bbolt.Tx, session string) error {
	if err := putText(tx, droppedBucket, []byte(session), []byte(s.now().Format(time.RFC3339))); err != nil {
		return err
	}
	return remove(tx, sessionsBucket, []byte(session))
}

// forgetDropped forgets the sessions that were dropped a while ago and have no
// files any more. A live table whose session was deleted has some, so that it is
// ours when another replaces it.
func (s *Service) forgetDropped(ctx context.Context) error {
	old, err := s.db.droppedBefore(s.now().Add(-droppedWindow))
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
	return s.db.update(func(tx *bbolt.Tx) error {
		for _, id := range old {
			if err := remove(tx, droppedBucket, []byte(id)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *records) droppedBefore(before time.Time) (old []string, err error) {
	err = r.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(droppedBucket).ForEach(func(k, _ []byte) error {
			text, err := getText(tx, droppedBucket, k)
			if at, _ := time.Parse(time.RFC3339, string(text)); err == nil && at.Before(before) { // one without a time is old
				old = append(old, string(k))
			}
			return err
		})
	})
	return old, err
}
