package service

import (
	"errors"
	"log/slog"
	"path/filepath"
	"sync"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/fsys"
)

// liveTables holds the live table of each data store. A reader pins the table
// that it began with; a replaced one goes when its last reader is done.
type liveTables struct {
	files fsys.FS
	root  string
	log   *slog.Logger

	mu     sync.Mutex
	tables map[string]*openTable // by data store
	closed map[string]string     // data store → session whose table cannot be opened
}

func newLiveTables(fs fsys.FS, root string, log *slog.Logger) *liveTables {
	return &liveTables{files: fs, root: root, log: log, tables: map[string]*openTable{}, closed: map[string]string{}}
}

func (l *liveTables) dir(session string) string { return filepath.Join(l.root, session) }

// reopen opens the table that a data store's record names as its live one, once
// confirm has said that it still does.
func (l *liveTables) reopen(store string, live *edm.Live, confirm func() error) error {
	t, err := openAs(l.files, l.dir(live.SessionID), live.Generation, live.Columns)
	if err == nil && (t.SessionID != live.SessionID || t.KeyID != live.KeyID || t.Rows != live.Rows) {
		err = errors.Join(&fsys.Damaged{What: "table.json is another table's"}, t.close())
	}
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.closed[store] = live.SessionID
		return err
	}
	if err := l.replace(store, t, confirm); err != nil {
		return errors.Join(err, t.close())
	}
	return nil
}

// replace makes an open table the live one, nil for none, once record has
// written that down. Lookups wait meanwhile: whoever reads that a session is
// completed finds its table, and never the one before it. It fails only where
// record does, and then nothing has changed.
func (l *liveTables) replace(store string, t *openTable, record func() error) error {
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
		old.retired, old.kept = true, t != nil && t.dir == old.dir
		l.dispose(old)
	}
	return nil
}

// dispose removes a table that nobody needs any more. l.mu is held.
func (l *liveTables) dispose(t *openTable) {
	if !t.retired || t.readers > 0 {
		return
	}
	err := t.close()
	if !t.kept {
		err = errors.Join(err, l.files.RemoveAll(t.dir))
	}
	if err != nil {
		l.log.Warn("a replaced table is left; the next start removes it", "session", t.SessionID, "error", err)
	}
}

// acquire pins the live table of a data store; nil where there is none, and an
// error where there is one that cannot be opened. The caller releases it.
func (l *liveTables) acquire(store string) (*openTable, error) {
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

func (l *liveTables) release(t *openTable) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.readers--
	l.dispose(t)
}

// serves reports whether a data store's lookups are answered from the table that
// its record names.
func (l *liveTables) serves(store string, live *edm.Live) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[store]
	return t != nil && t.SessionID == live.SessionID && t.generation == live.Generation
}

// dropIndex removes the index of a column. A reader that has it open keeps it.
func (l *liveTables) dropIndex(dir string, column int) error {
	path := indexPath(dir, column)
	return errors.Join(l.files.RemoveAll(path), l.files.RemoveAll(topsPath(path)))
}

// tidy removes the indexes of columns that are not searchable any more.
func (l *liveTables) tidy(t *openTable) {
	for c := range t.Columns {
		if t.Columns[c].IsSearchable {
			continue
		}
		if err := l.dropIndex(t.dir, c); err != nil {
			l.log.Warn("an index that is not needed is left; it goes with its table", "session", t.SessionID, "column", c, "error", err)
		}
	}
}

// whole reports whether lookups of a data store can be answered, as far as is
// known.
func (l *liveTables) whole(store string) (whole bool) {
	l.still(store, func(generation int64) { whole = generation > 0 })
	return whole
}

// still calls f while no live table is replaced, with the generation of a data
// store's, 0 where it has none that is whole.
func (l *liveTables) still(store string, f func(generation int64)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.tables[store]; t != nil && !t.broken.Load() {
		f(t.generation)
		return
	}
	f(0)
}

// drop removes the files of a table that is not live.
func (l *liveTables) drop(session string) error { return l.files.RemoveAll(l.dir(session)) }

// dropUnused removes the tables of sessions that are not in used.
func (l *liveTables) dropUnused(used map[string]bool) error {
	names, err := l.files.ReadDir(l.root)
	if err != nil {
		return err
	}
	for _, e := range names {
		if !used[e.Name()] {
			err := l.drop(e.Name())
			l.log.Warn("dropped a table that is neither live nor being indexed", "session", e.Name(), "error", err)
		}
	}
	return nil
}

// close closes the live tables and leaves their files.
func (l *liveTables) close() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for store, t := range l.tables {
		err = errors.Join(err, t.close())
		delete(l.tables, store)
	}
	return err
}
