// Package index keeps tables so that lookups find rows by their tokens: files of
// tokens, a sorted index of each searchable column, and which table of a data
// store is live. No other package knows the bytes of these files.
package index

import (
	"errors"
	"log/slog"
	"path/filepath"
	"sync"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/fsys"
)

// Live holds the live table of each data store. A reader pins the table
// that it began with; a replaced one goes when its last reader is done.
type Live struct {
	files fsys.FS
	root  string
	log   *slog.Logger

	mu     sync.Mutex
	tables map[string]*Table // by data store
	closed map[string]string // data store → session whose table cannot be opened
}

func NewLive(fs fsys.FS, root string, log *slog.Logger) *Live {
	return &Live{files: fs, root: root, log: log, tables: map[string]*Table{}, closed: map[string]string{}}
}

func (l *Live) Dir(session string) string { return filepath.Join(l.root, session) }

// Reopen opens the table that a data store's record names as its live one, once
// confirm has said that it still does.
func (l *Live) Reopen(store string, live *edm.Live, confirm func() error) error {
	t, err := OpenAs(l.files, l.Dir(live.SessionID), live.Generation, live.Columns)
	if err == nil && (t.SessionID != live.SessionID || t.KeyID != live.KeyID || t.Rows != live.Rows) {
		err = errors.Join(&fsys.Damaged{What: "table.json is another table's"}, t.Close())
	}
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.closed[store] = live.SessionID
		return err
	}
	if err := l.Replace(store, t, confirm); err != nil {
		return errors.Join(err, t.Close())
	}
	return nil
}

// Replace makes an open table the live one, nil for none, once record has
// written that down. Lookups wait meanwhile: whoever reads that a session is
// completed finds its table, and never the one before it. It fails only where
// record does, and then nothing has changed.
func (l *Live) Replace(store string, t *Table, record func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := record(); err != nil {
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
		old.retired, old.kept = true, t != nil && t.Dir == old.Dir
		l.dispose(old)
	}
	return nil
}

// dispose removes a table that nobody needs any more. l.mu is held.
func (l *Live) dispose(t *Table) {
	if !t.retired || t.readers > 0 {
		return
	}
	err := t.Close()
	if !t.kept {
		err = errors.Join(err, l.files.RemoveAll(t.Dir))
	}
	if err != nil {
		l.log.Warn("a replaced table is left; the next start removes it", "session", t.SessionID, "error", err)
	}
}

// Acquire pins the live table of a data store; nil where there is none, and an
// error where there is one that cannot be opened. The caller releases it.
func (l *Live) Acquire(store string) (*Table, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[store]
	if t == nil && l.closed[store] != "" {
		return nil, &fsys.Damaged{What: "the live table could not be opened"}
	}
	if t != nil {
		t.readers++
	}
	return t, nil
}

func (l *Live) Release(t *Table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.readers--
	l.dispose(t)
}

// Serves reports whether a data store's lookups are answered from the table that
// its record names.
func (l *Live) Serves(store string, live *edm.Live) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[store]
	return t != nil && t.SessionID == live.SessionID && t.Generation == live.Generation
}

// DropIndex removes the index of a column. A reader that has it open keeps it.
func (l *Live) DropIndex(dir string, column int) error {
	path := indexPath(dir, column)
	return errors.Join(l.files.RemoveAll(path), l.files.RemoveAll(topsPath(path)))
}

// Tidy removes the indexes of columns that are not searchable any more.
func (l *Live) Tidy(t *Table) {
	for c := range t.Columns {
		if t.Columns[c].IsSearchable {
			continue
		}
		if err := l.DropIndex(t.Dir, c); err != nil {
			l.log.Warn("an index that is not needed is left; it goes with its table", "session", t.SessionID, "column", c, "error", err)
		}
	}
}

// Whole reports whether lookups of a data store can be answered, as far as is
// known.
func (l *Live) Whole(store string) (whole bool) {
	l.Still(store, func(generation int64) { whole = generation > 0 })
	return whole
}

// Still calls f while no live table is replaced, with the generation of a data
// store's, 0 where it has none that is whole.
func (l *Live) Still(store string, f func(generation int64)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.tables[store]; t != nil && !t.Broken.Load() {
		f(t.Generation)
		return
	}
	f(0)
}

// Drop removes the files of a table that is not live.
func (l *Live) Drop(session string) error { return l.files.RemoveAll(l.Dir(session)) }

// DropUnused removes the tables of sessions that are not in used.
func (l *Live) DropUnused(used map[string]bool) error {
	names, err := l.files.ReadDir(l.root)
	if err != nil {
		return err
	}
	for _, e := range names {
		if !used[e.Name()] {
			err := l.Drop(e.Name())
			l.log.Warn("dropped a table that is neither live nor being indexed", "session", e.Name(), "error", err)
		}
	}
	return nil
}

// Close closes the live tables and leaves their files.
func (l *Live) Close() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for store, t := range l.tables {
		err = errors.Join(err, t.Close())
		delete(l.tables, store)
	}
	return err
}
