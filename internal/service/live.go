package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"exactmatch.dev/operator/internal/fingerprint"
)

// tableMeta describes an indexed table. It lies beside the table's files, so
// that a live table outlives the record of the session that brought it.
type tableMeta struct {
	SessionID string       `json:"sessionId"`
	KeyID     string       `json:"keyId"`
	Rows      int64        `json:"rows"`
	Columns   []metaColumn `json:"columns"`
}

type metaColumn struct {
	Name         string `json:"name"`
	IsSearchable bool   `json:"isSearchable"`
}

func metaPath(dir string) string { return filepath.Join(dir, "table.json") }
func tokenPath(dir string, column int) string {
	return filepath.Join(dir, fmt.Sprintf("col-%d.tok", column))
}
func indexPath(dir string, column int) string {
	return filepath.Join(dir, fmt.Sprintf("col-%d.idx", column))
}

func readMeta(dir string) (*tableMeta, error) {
	text, err := os.ReadFile(metaPath(dir))
	if err != nil {
		return nil, err
	}
	meta := new(tableMeta)
	if err := json.Unmarshal(text, meta); err != nil {
		return nil, &damaged{"table.json cannot be read"}
	}
	return meta, nil
}

// openTable is a table that lookups answer from. It does not change.
type openTable struct {
	tableMeta
	generation int64
	dir        string
	tokens     []*pageFile
	indexes    []*columnIndex // nil where the column is not searchable

	// Below are guarded by liveTables.mu.
	readers int
	retired bool
}

func openLive(dir string, generation int64) (_ *openTable, err error) {
	meta, err := readMeta(dir)
	if err != nil {
		return nil, err
	}
	t := &openTable{tableMeta: *meta, generation: generation, dir: dir, indexes: make([]*columnIndex, len(meta.Columns))}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	for c, column := range meta.Columns {
		tokens, err := openPages(tokenPath(dir, c), fingerprint.TokenSize)
		if err != nil {
			return nil, err
		}
		t.tokens = append(t.tokens, tokens)
		if tokens.entries != meta.Rows {
			return nil, &damaged{fmt.Sprintf("the file of column %q has %d rows, the table %d", column.Name, tokens.entries, meta.Rows)}
		}
		if !column.IsSearchable {
			continue
		}
		if t.indexes[c], err = openIndex(indexPath(dir, c)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *openTable) close() (err error) {
	for _, f := range t.tokens {
		err = errors.Join(err, f.close())
	}
	for _, x := range t.indexes {
		if x != nil {
			err = errors.Join(err, x.file.close())
		}
	}
	return err
}

// column is the place of a column in the table, -1 where it has none.
func (t *openTable) column(name string) int {
	for c, column := range t.Columns {
		if column.Name == name {
			return c
		}
	}
	return -1
}

// token returns the token of a cell.
func (t *openTable) token(column int, row int64) (fingerprint.Token, error) {
	entry, err := t.tokens[column].at(row)
	if err != nil {
		return emptyToken, err
	}
	return fingerprint.Token(entry), nil
}

// liveTables holds the live table of each data store. A reader pins the table
// that it began with; a replaced one goes when its last reader is done.
type liveTables struct {
	root string

	mu     sync.Mutex
	tables map[string]*openTable // by data store
}

func newLiveTables(root string) *liveTables {
	return &liveTables{root: root, tables: map[string]*openTable{}}
}

func (l *liveTables) dir(session string) string { return filepath.Join(l.root, session) }

// reopen opens the live table of a data store at the service's start.
func (l *liveTables) reopen(store, session string, generation int64) error {
	t, err := openLive(l.dir(session), generation)
	if err != nil {
		return err
	}
	return l.replace(store, t, func() error { return nil })
}

// replace makes an open table the live one, nil for none, once record has
// written that down. Lookups wait meanwhile: whoever reads that a session is
// completed finds its table, and never the one before it.
func (l *liveTables) replace(store string, t *openTable, record func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := record(); err != nil {
		return err
	}
	old := l.tables[store]
	if t != nil {
		l.tables[store] = t
	} else {
		delete(l.tables, store)
	}
	if old == nil {
		return nil
	}
	old.retired = true
	return l.dispose(old)
}

// dispose removes a table that nobody needs any more. l.mu is held.
func (l *liveTables) dispose(t *openTable) error {
	if !t.retired || t.readers > 0 {
		return nil
	}
	return errors.Join(t.close(), os.RemoveAll(t.dir))
}

// acquire pins the live table of a data store; nil where there is none. The
// caller releases it.
func (l *liveTables) acquire(store string) *openTable {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[store]
	if t != nil {
		t.readers++
	}
	return t
}

func (l *liveTables) release(t *openTable) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.readers--
	return l.dispose(t)
}

// serves reports whether a session's table is the live one of a data store.
func (l *liveTables) serves(store, session string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[store]
	return t != nil && t.SessionID == session
}

// servesAny reports whether a session's table is live anywhere.
func (l *liveTables) servesAny(session string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tables {
		if t.SessionID == session {
			return true
		}
	}
	return false
}

// drop removes the files of a table that is not live.
func (l *liveTables) drop(session string) error { return os.RemoveAll(l.dir(session)) }

// dropUnused removes the tables of sessions that are not in used.
func (l *liveTables) dropUnused(used map[string]bool) error {
	names, err := os.ReadDir(l.root)
	if err != nil {
		return err
	}
	for _, e := range names {
		if !used[e.Name()] {
			err = errors.Join(err, l.drop(e.Name()))
		}
	}
	return err
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
