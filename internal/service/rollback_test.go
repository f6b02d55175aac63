package service_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/testkit"
)

// keeping is a service that keeps the table before the live one for an hour.
func keeping(t *testing.T) (*lifecycle, *clock) {
	t.Helper()
	l, now := begun(t), newClock()
	l.keeps, l.now = time.Hour, now.now
	l.again(func() {})
	return l, now
}

// tables are the sessions that have files of a table, and of its blocks.
func (l *lifecycle) tables(kind string) (sessions []string) {
	l.Helper()
	left, err := os.ReadDir(filepath.Join(l.dir, kind))
	testkit.Must(l.T, err)
	for _, e := range left {
		sessions = append(sessions, e.Name())
	}
	return sessions
}

// keepsTables wants the tables of these uploads, with their blocks, and no others.
func (l *lifecycle) keepsTables(when string, uploads ...*upload) {
	l.Helper()
	var want []string
	for _, u := range uploads {
		want = append(want, u.id)
	}
	slices.Sort(want)
	for _, kind := range []string{"tables", "blocks"} {
		if got := l.tables(kind); !slices.Equal(got, want) {
			l.Errorf("%s %s are kept of %v, want %v", when, kind, got, want)
		}
	}
}

func (l *lifecycle) previous() *edm.Previous {
	l.Helper()
	var got edm.DataStore
	l.read("/"+l.store, &got)
	return got.Previous
}

func (l *lifecycle) rollback() reply {
	return l.api(http.MethodPost, "/"+l.store+"/rollback", nil)
}

// answersOf wants the tokens of an upload, and of none beside it.
func (l *lifecycle) answersOf(u *upload, generation int64) {
	l.Helper()
	l.finds(u, "ID", generation)
	l.finds(u, "Mail", generation)
}

// One table before the live one is kept, until its time is over, or it is purged, or
// another takes its place.
func TestThePreviousTableIsKeptForAWhile(t *testing.T) {
	l, now := keeping(t)
	first := l.bring()
	l.keepsTables("at first", first)
	second := l.bring()
	l.keepsTables("after a second one", first, second)
	third := l.bring()
	l.keepsTables("after a third one", second, third)
	if p := l.previous(); p == nil || p.SessionID != second.id || p.Generation != 2 || p.Rows != 13 || !p.Until.Equal(now.now().Add(time.Hour)) {
		t.Fatalf("the previous table is %+v", p)
	}
	l.delete(second) // its record; the table stays
	l.again(func() {})
	l.keepsTables("after a restart", second, third)
	now.pass(time.Hour)
	l.worked()
	l.keepsTables("in time", second, third)
	now.pass(time.Second)
	l.worked()
	l.keepsTables("after its time", third)
	if p := l.previous(); p != nil {
		t.Errorf("it is shown as %+v", p)
	}
	fourth := l.bring()
	l.keepsTables("after a fourth one", third, fourth)
	l.wants("a purge", l.api(http.MethodPost, "/"+l.store+"/purge", nil), http.StatusNoContent, "")
	l.keepsTables("after a purge", fourth)
	fifth := l.bring()
	l.keeps = 0
	l.again(func() {})
	l.worked()
	l.keepsTables("of a service that keeps none", fifth)
}

// A rollback makes the table before the live one a generation of its own, there and
// back, and a restart finds it so.
func TestRollingBackThereAndBack(t *testing.T) {
	l, _ := keeping(t)
	first := l.bring()
	second := l.bring()
	l.wants("a rollback", l.rollback(), http.StatusOK, "")
	l.wantsLive(3, first, true, true, false)
	l.answersOf(first, 3)
	l.again(func() {})
	l.answersOf(first, 3)
	l.keepsTables("rolled back", first, second)
	l.wants("a rollback of it", l.rollback(), http.StatusOK, "")
	l.answersOf(second, 4)
	l.uploads = []*upload{second}
	l.again(func() {})
	testkit.Must(t, l.lookups())
}

// What is searchable in the table that is live again is what the store's columns say.
func TestATableThatIsLiveAgainIsSearchedAsTheStoreSays(t *testing.T) {
	l, _ := keeping(t)
	first := l.bring()
	l.bring()
	l.searches("ID", "City")
	l.worked()
	l.wants("a rollback", l.rollback(), http.StatusOK, "")
	l.worked()
	l.wantsLive(5, first, true, false, true)
	l.finds(first, "City", 5)
	l.cannotSearch("Mail")
}

// A damaged live table is rolled back, and not kept itself; nor does it take the
// place of the one that is kept where another is uploaded.
func TestADamagedTableIsRolledBack(t *testing.T) {
	for name, damage := range map[string]func(*lifecycle, *upload){
		"met by a lookup": func(l *lifecycle, u *upload) {
			l.again(func() { flip(l.T, filepath.Join(l.dir, "tables", u.id, "column-0.index")) })
			if r := l.ask(); r.code != edm.CodeTableDamaged {
				l.Fatalf("a lookup is answered by %d %s", r.status, r.body)
			}
		},
		"that does not open": func(l *lifecycle, u *upload) {
			l.again(func() { testkit.Must(l.T, os.Remove(filepath.Join(l.dir, "tables", u.id, "manifest.json"))) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := keeping(t)
			l.T = t
			first := l.bring()
			damage(l, l.bring())
			l.wants("a rollback", l.rollback(), http.StatusOK, "")
			l.answersOf(first, 3)
			if p := l.previous(); p != nil {
				t.Errorf("a damaged table is kept: %+v", p)
			}
			second := l.bring()
			damage(l, second)
			third := l.bring()
			if p := l.previous(); p == nil || p.SessionID != first.id {
				t.Errorf("behind a damaged table %+v is kept, want %s", p, first.id)
			}
			l.again(func() {})
			l.keepsTables("after a restart", first, third)
		})
	}
}

// A previous table that is damaged does not replace the live one.
func TestADamagedPreviousTableIsNotLiveAgain(t *testing.T) {
	l, _ := keeping(t)
	first := l.bring()
	second := l.bring()
	l.again(func() { testkit.Must(t, os.Truncate(filepath.Join(l.dir, "tables", first.id, "column-1.index"), 100)) })
	l.wants("a rollback", l.rollback(), http.StatusInternalServerError, edm.CodeTableDamaged)
	l.answersOf(second, 2)
}

// A commit that is being processed would be live over the table that was rolled back
// to.
func TestNoRollbackWhileACommitIsProcessed(t *testing.T) {
	l, _ := keeping(t)
	l.bring()
	l.bring()
	l.committed(7)
	l.wants("a rollback", l.rollback(), http.StatusConflict, edm.CodeConflict)
}

// With a store go both of its tables, and what is on the disk counts both.
func TestBothTablesGoWithTheirStore(t *testing.T) {
	l, _ := keeping(t)
	first := l.bring()
	l.bring()
	l.delete(first)
	l.wants("a deletion", l.api(http.MethodDelete, "/"+l.store, nil), http.StatusNoContent, "")
	l.keepsTables("without the store")
	l.store = l.anotherStore("another")
	l.bring()
	l.again(func() {})
	if failed := l.service.Work(t.Context()); len(failed) > 0 {
		t.Error(errors.Join(failed...))
	}
}

// A caller who is no administrator rolls nothing back, and removes nothing.
func TestRollbacksAreForAdministrators(t *testing.T) {
	l, _ := keeping(t)
	l.service.CallAs(authn.Caller{Name: "a reader", Roles: []authn.Role{authn.Uploader, authn.Reader}})
	for _, call := range []string{"/rollback", "/purge"} {
		if r := l.api(http.MethodPost, "/"+l.store+call, nil); r.status != http.StatusForbidden {
			t.Errorf("%s is answered %d %s", call, r.status, r.body)
		}
	}
}
