package service_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/testkit"
)

// searches makes these columns the searchable ones of the store.
func (l *lifecycle) searches(names ...string) {
	l.Helper()
	columns := []edm.Column{{Name: "ID"}, {Name: "Mail"}, {Name: "City"}}
	for i := range columns {
		for _, name := range names {
			columns[i].IsSearchable = columns[i].IsSearchable || columns[i].Name == name
		}
	}
	testkit.Must(l.T, l.call(l.api(http.MethodPatch, "/"+l.store, map[string]any{"columns": columns}), http.StatusOK))
}

func (l *lifecycle) wantsLive(generation int64, u *upload, searchable ...bool) {
	l.Helper()
	live := l.liveNow()
	if live == nil || live.Generation != generation || live.SessionID != u.id || len(live.Columns) != len(searchable) {
		l.Fatalf("live is %s", toJSON(live))
	}
	for c, is := range searchable {
		if live.Columns[c].IsSearchable != is {
			l.Fatalf("live is %s; want %v", toJSON(live), searchable)
		}
	}
}

// finds asks for row 3 of an upload by one of its columns.
func (l *lifecycle) finds(u *upload, column string, generation int64) {
	l.Helper()
	r := l.api(http.MethodPost, "/"+l.store+"/match", questionOf(column, modelToken(u.name, column, 3)))
	want := edm.MatchResponse{Generation: generation, SessionID: u.id, Answers: []edm.MatchAnswer{{Total: 1, Rows: []edm.MatchRow{{Row: 3}}}}}
	if got := string(r.body); r.status != http.StatusOK || got != toJSON(want) {
		l.Fatalf("%s: row 3 is answered %d %s; want %s", column, r.status, got, toJSON(want))
	}
}

func (l *lifecycle) cannotSearch(column string) {
	l.Helper()
	r := l.api(http.MethodPost, "/"+l.store+"/match", questionOf(column, modelToken("", "ID", 3)))
	l.wants("a column that is not searchable", r, http.StatusUnprocessableEntity, edm.CodeUnprocessable)
}

func (l *lifecycle) tableFiles(u *upload) (names []string) {
	l.Helper()
	entries, err := os.ReadDir(filepath.Join(l.dir, "tables", u.id))
	testkit.Must(l.T, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestSearchableColumnsChange(t *testing.T) {
	l := begun(t)
	u := l.bring()
	l.searches("ID", "City")
	l.wantsLive(1, u, true, true, false) // until it is indexed
	l.finds(u, "Mail", 1)
	l.cannotSearch("City")
	l.worked()
	check := func() {
		t.Helper()
		l.wantsLive(2, u, true, false, true)
		l.finds(u, "City", 2)
		l.finds(u, "ID", 2)
		l.cannotSearch("Mail")
		if files := l.tableFiles(u); len(files) != 4 {
			t.Fatalf("the table has the files %v", files)
		}
	}
	check()
	l.again(func() {})
	l.worked()
	check()
	l.delete(u) // its record; the table stays
	l.searches()
	l.worked()
	l.wantsLive(3, u, false, false, false)
	l.searches("ID", "Mail")
	l.worked()
	l.finds(u, "Mail", 4)
	next := l.bring() // the store's columns at its create
	l.wantsLive(5, next, true, true, false)
}

// A table that comes while the one before it waits to be indexed again is live,
// and is indexed as the store's columns say.
func TestANewTableWinsOverANewIndex(t *testing.T) {
	l := begun(t)
	old := l.bring()
	next := l.opened(9)
	l.wants("a commit", l.tryCommit(next), http.StatusNoContent, "")
	l.searches("ID", "Mail", "City")
	testkit.Must(t, l.service.Index(t.Context(), next.id))
	l.wantsLive(2, next, true, true, false)
	l.worked()
	l.wantsLive(3, next, true, true, true)
	l.finds(next, "City", 3)
	if _, err := os.ReadDir(filepath.Join(l.dir, "tables", old.id)); !os.IsNotExist(err) {
		t.Errorf("the table that was replaced is there still: %v", err)
	}
}

// What is taken back before it was done changes nothing.
func TestSearchableThereAndBack(t *testing.T) {
	l := begun(t)
	u := l.bring()
	l.searches("City")
	l.searches("ID", "Mail")
	l.worked()
	l.wantsLive(1, u, true, true, false)
}

// flipColumn flips a bit of a token of a block's column.
func flipColumn(t *testing.T, path string, column int) {
	t.Helper()
	text, err := os.ReadFile(path)
	testkit.Must(t, err)
	l, err := block.LayoutOf(text)
	testkit.Must(t, err)
	text[l.Columns[column].Offset] ^= 1
	testkit.Must(t, os.WriteFile(path, text, 0o600))
}

// A block that is damaged is found when it is indexed, and not by an
// answer of "no".
func TestADamagedTableIsNotIndexedAgain(t *testing.T) {
	l := begun(t)
	u := l.bring()
	l.again(func() { flipColumn(t, l.blockFile(u, 1), 2) })
	l.searches("ID", "City")
	l.worked()
	if live := l.liveNow(); live != nil {
		t.Fatalf("a damaged table is shown as %s", toJSON(live))
	}
	next := l.bring()
	l.finds(next, "City", 2)
}
