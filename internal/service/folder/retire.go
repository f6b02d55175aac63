package folder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"exactmatch.dev/operator/internal/service/records"
	"exactmatch.dev/operator/internal/service/records/bolt"
)

// Retire says what would go with a tenant.
func (t *Tenants) Retire(ctx context.Context, tenant string) error {
	return t.retiring(ctx, tenant, func(_ *bolt.Store, has holding) error {
		t.say("%s: %s", nameOf(tenant), has)
		return fmt.Errorf("nothing was removed: repeat the command with --yes to remove everything of the %s", nameOf(tenant))
	})
}

// RetireNow removes everything that a tenant has: its records, in one transaction
// that remembers whose files may be left, and then its files. Where it was stopped in
// between, it goes on when it is called again, and so does a start of the service.
func (t *Tenants) RetireNow(ctx context.Context, tenant string) error {
	return t.retiring(ctx, tenant, func(db *bolt.Store, has holding) error {
		sessions, err := t.forget(ctx, db.Of(tenant))
		if err != nil {
			return err
		}
		for _, one := range sessions {
			if err := t.removeFiles(one); err != nil {
				return err
			}
		}
		if err := forgetLeft(ctx, db.Of(tenant), sessions); err != nil {
			return err
		}
		t.Log.Info("tenant retired", "tenant", tenant, "stores", has.stores, "sessions", has.sessions, "agents", has.agents, "requests", has.requests)
		t.say("%s: removed %s; its upload URIs have ended", nameOf(tenant), has)
		return nil
	})
}

// retiring runs f where a tenant has anything.
func (t *Tenants) retiring(ctx context.Context, tenant string, f func(*bolt.Store, holding) error) error {
	if tenant == "" {
		return errors.New("a tenant must be named: what has none is not retired")
	}
	return t.with(ctx, func(db *bolt.Store) error {
		has, err := holdingIn(ctx, db.Of(tenant))
		if err != nil {
			return err
		}
		if has == (holding{}) {
			t.say("the %s has nothing: 'exactmatch service tenant list' names those that have something", nameOf(tenant))
			return nil
		}
		return f(db, has)
	})
}

// forget removes the records of a tenant, and leaves a tombstone for every session
// that may have files, which it returns.
func (t *Tenants) forget(ctx context.Context, of records.Records) (sessions []string, err error) {
	err = of.Update(ctx, func(tx records.Tx) error {
		names, err := SessionsOf(tx)
		if err != nil {
			return err
		}
		sessions = slices.Sorted(maps.Keys(names))
		if err := forgetRecords(tx); err != nil {
			return err
		}
		for _, one := range sessions {
			if err := tx.Tombstones().Put(records.Tombstone{Session: one, At: t.Now()}); err != nil {
				return err
			}
		}
		return nil
	})
	return sessions, err
}

// forgetRecords removes all records but tombstones.
func forgetRecords(tx records.Tx) error {
	stores, err := tx.DataStores().List()
	for _, one := range stores {
		err = errors.Join(err, tx.DataStores().Delete(one.ID))
	}
	if err != nil {
		return err
	}
	sessions, err := tx.Sessions().List()
	for _, one := range sessions {
		err = errors.Join(err, tx.Sessions().Delete(one.ID))
	}
	if err != nil {
		return err
	}
	agents, err := tx.Agents().List()
	for _, one := range agents {
		err = errors.Join(err, tx.Agents().Delete(one.ID))
	}
	if err != nil {
		return err
	}
	requests, err := tx.Requests().Before(always)
	for _, one := range requests {
		err = errors.Join(err, tx.Requests().Delete(one.Kind, one.Key))
	}
	return err
}

// removeFiles removes the blocks and the table of a session.
func (t *Tenants) removeFiles(session string) error {
	if session == "" || session == "." || !filepath.IsLocal(session) || filepath.Base(session) != session {
		return fmt.Errorf("the session %q has no folder of its own", session)
	}
	for _, kind := range []string{Blocks, Tables} {
		within := filepath.Join(t.Dir, kind)
		if err := errors.Join(t.FS.RemoveAll(filepath.Join(within, session)), t.FS.SyncDir(within)); err != nil {
			return fmt.Errorf("remove %s/%s: %w", kind, session, err)
		}
	}
	return nil
}

// forgetLeft forgets sessions whose files are gone.
func forgetLeft(ctx context.Context, of records.Records, sessions []string) error {
	return of.Update(ctx, func(tx records.Tx) error {
		for _, one := range sessions {
			if err := tx.Tombstones().Delete(one); err != nil {
				return err
			}
		}
		return nil
	})
}
