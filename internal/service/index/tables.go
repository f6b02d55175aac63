// Package index keeps tables so that lookups find rows by their tokens: the blocks of
// a session as they came, a sorted index of each searchable column, and which table
// of a data store is live. No other package knows the bytes of these files, which
// FORMAT.md describes.
package index

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/blobs"
)

// Tables are the indexed tables of sessions, and which is live in each data
// store. It holds the live table of each data store. A reader pins the table
// that it began with; a replaced one goes when its last reader is done.
type Tables struct {
	store  blobs.Store
	blocks *blobs.Blocks
	limits Limits
	log    *slog.Logger

	mu     sync.Mutex
	tables map[string]*Table // by data store
	closed map[string]string // data store → session whose table cannot be opened
}

// NewTables knows no live table before Reopen or Replace.
func NewTables(store blobs.Store, blocks *blobs.Blocks, limits Limits, log *slog.Logger) *Tables {
	return &Tables{store: store, blocks: blocks, limits: limits.withDefaults(), log: log, tables: map[string]*Table{}, closed: map[string]string{}}
}

func (l *Tables) files(session string) group { return group{l.store, session} }

// blockFiles are the blocks of a session.
func (l *Tables) blockFiles(session string) group { return group{l.blocks.Store(), session} }

// Manifest lists the files of the table of a session.
func (l *Tables) Manifest(ctx context.Context, session string) (*Manifest, error) {
	return ReadManifest(ctx, l.store, session)
}

// Reopen opens the table that a data store's record names as its live one, once
// confirm has said that it still does.
func (l *Tables) Reopen(ctx context.Context, store string, live *edm.Live, confirm func() error) error {
	t, err := l.OpenLive(ctx, live)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.closed[store] = live.SessionID
		return err
	}
	if err := l.Replace(store, t, func(int64) (string, error) { return live.SessionID, confirm() }); err != nil {
		return errors.Join(err, t.Close())
	}
	return nil
}

// OpenLive opens a table as a data store's record describes it.
func (l *Tables) OpenLive(ctx context.Context, live *edm.Live) (*Table, error) {
	t, err := l.openAs(ctx, l.files(live.SessionID), live.Generation, live.Columns)
	if err == nil && (t.SessionID != live.SessionID || t.KeyID != live.KeyID || t.Rows != live.Rows) {
		return nil, errors.Join(damaged("%s is another table's", manifestName), t.Close())
	}
	return t, err
}

// Check opens a table and reads all of it.
func (l *Tables) Check(ctx context.Context, live *edm.Live) error {
	t, err := l.OpenLive(ctx, live)
	if err != nil {
		return err
	}
	return errors.Join(t.Verify(ctx), t.Close())
}

// Replace makes an open table the live one, nil for none, once record has
// written that down. record is told the generation that is live, 0 where there is no
// table that is whole. The files of that table go, unless record returns its session.
// Lookups wait meanwhile: a caller that reads that a session is completed
// finds its table, and never the one before it. It fails only where record does, and
// then nothing has changed.
func (l *Tables) Replace(store string, t *Table, record func(present int64) (kept string, err error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept, err := record(l.present(store))
	if err != nil {
		return err
	}
	old := l.tables[store]
	delete(l.closed, store)
	if t != nil {
		l.tables[store] = t
	} else {
		delete(l.tables, store)
	}
	if old != nil {
		old.retired, old.kept = true, kept == old.SessionID || t != nil && t.SessionID == old.SessionID
		l.dispose(old)
	}
	return nil
}

// dispose removes a table that nobody needs any more. l.mu is held.
func (l *Tables) dispose(t *Table) {
	if !t.retired || t.readers > 0 {
		return
	}
	err := t.Close()
	if !t.kept {
		err = errors.Join(err, l.blocks.Drop(context.Background(), t.SessionID), l.store.RemoveAll(context.Background(), t.SessionID))
	}
	if err != nil {
		l.log.Warn("a replaced table is left; the next start removes it", "session", t.SessionID, "error", err)
	}
}

// Acquire pins the live table of a data store; nil where there is none, and an
// error where there is one that cannot be opened. The caller releases it.
func (l *Tables) Acquire(store string) (*Table, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[store]
	if t == nil && l.closed[store] != "" {
		return nil, &Damaged{"the live table could not be opened"}
	}
	if t != nil {
		t.readers++
	}
	return t, nil
}

// Release ends what Acquire began.
func (l *Tables) Release(t *Table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.readers--
	l.dispose(t)
}

// Serves reports whether a data store's lookups are answered from the table that
// its record names.
func (l *Tables) Serves(store string, live *edm.Live) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[store]
	return t != nil && t.SessionID == live.SessionID && t.Generation == live.Generation
}

// Whole reports whether lookups of a data store can be answered, as far as is
// known.
func (l *Tables) Whole(store string) (whole bool) {
	l.Still(store, func(generation int64) { whole = generation > 0 })
	return whole
}

// Still calls f while no live table is replaced, with the generation of a data
// store's, 0 where it has none that is whole.
func (l *Tables) Still(store string, f func(generation int64)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.present(store))
}

// present is the generation of a data store's live table, 0 where it has none that is
// whole. l.mu is held.
func (l *Tables) present(store string) int64 {
	if t := l.tables[store]; t != nil && !t.Broken() {
		return t.Generation
	}
	return 0
}

// Drop removes the files of a table that is not live, but for its blocks.
func (l *Tables) Drop(ctx context.Context, session string) error {
	return l.store.RemoveAll(ctx, session)
}

// Sessions are those whose tables have files, or had some.
func (l *Tables) Sessions(ctx context.Context) ([]string, error) { return l.store.Groups(ctx) }

// DropUnused removes the tables of sessions that are not in used.
func (l *Tables) DropUnused(ctx context.Context, used map[string]bool) error {
	sessions, err := l.Sessions(ctx)
	if err != nil {
		return err
	}
	for _, session := range sessions {
		if !used[session] {
			err := l.Drop(ctx, session)
			l.log.Warn("dropped a table that is neither live nor being indexed", "session", session, "error", err)
		}
	}
	return nil
}

// Close closes the live tables and leaves their files.
func (l *Tables) Close() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for store, t := range l.tables {
		err = errors.Join(err, t.Close())
		delete(l.tables, store)
	}
	return err
}

// Doubt has the sums of all pages of the live tables compared once more.
func (l *Tables) Doubt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tables {
		t.Doubt()
	}
}
