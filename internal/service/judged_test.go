package service_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/testkit"
)

// commitIf commits with these If-Match headers.
func (l *lifecycle) commitIf(u *upload, tags ...string) reply {
	r := httptest.NewRequest(http.MethodPost, "/beta/dataClassification/exactMatchDataStores/"+l.store+"/sessions/"+u.id+"/commit", nil)
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header["If-Match"] = tags
	w := httptest.NewRecorder()
	l.service.ServeHTTP(w, r)
	return replyOf(w.Code, w.Header(), w.Body.Bytes())
}

func TestAnIfMatchThatCannotBeReadIsRefused(t *testing.T) {
	l := begun(t)
	u := l.opened(7)
	for _, tag := range []string{"live-0", `"live-"`, `"live--1"`, `"live-+1"`, `"live-01"`, `W/"live-0"`, `"live-0", "live-1"`, `"live-0" `, `"live-99999999999999999999"`, ""} {
		l.wants(tag, l.commitIf(u, tag), http.StatusBadRequest, edm.CodeBadRequest)
	}
	l.wants("two headers", l.commitIf(u, `"live-0"`, `"live-0"`), http.StatusBadRequest, edm.CodeBadRequest)
	l.wants("no session's ETag", l.commitIf(u, `"Live-0"`), http.StatusPreconditionFailed, edm.CodePreconditionFailed)
	l.wants("the right one", l.commitIf(u, `"live-0"`), http.StatusNoContent, "")
	l.wants("a repetition of it", l.commitIf(u, `"live-9"`), http.StatusNoContent, "")
}

// What is live when a commit is published is what it was judged against: no other
// commit may be on its way before it.
func TestAJudgedCommitWaitsForTheOneAhead(t *testing.T) {
	l := begun(t)
	first, second := l.opened(7), l.opened(8)
	l.wants("the first commit", l.commitIf(first, `"live-0"`), http.StatusNoContent, "")
	l.wants("a commit behind it", l.commitIf(second, `"live-0"`), http.StatusPreconditionFailed, edm.CodeLiveChanged)
	l.wants("a commit of what comes next", l.commitIf(second, `"live-1"`), http.StatusPreconditionFailed, edm.CodeLiveChanged)
	l.again(func() {})
	l.wants("after a restart", l.commitIf(second, `"live-0"`), http.StatusPreconditionFailed, edm.CodeLiveChanged)
	other := l.store
	l.store = l.anotherStore("another")
	l.wants("a commit of another store", l.commitIf(l.opened(5), `"live-0"`), http.StatusNoContent, "")
	l.store = other
	if failed := l.service.Work(t.Context()); failed != nil {
		t.Fatal(failed)
	}
	r := l.commitIf(second, `"live-0"`)
	l.wants("once that is live", r, http.StatusPreconditionFailed, edm.CodeLiveChanged)
	if !strings.Contains(string(r.body), `\"live-1\"`) {
		t.Errorf("the refusal does not name what is live: %s", r.body)
	}
	l.wants("judged again", l.commitIf(second, `"live-1"`), http.StatusNoContent, "")
}

// A table that is damaged is not shown, so nothing was there to be judged against.
func TestADamagedTableIsNothingLive(t *testing.T) {
	l := begun(t)
	u := l.bring()
	next := l.opened(8)
	l.again(func() { testkit.Must(t, os.RemoveAll(filepath.Join(l.dir, "tables", u.id))) })
	if l.shown() {
		t.Fatal("a table that is gone is shown")
	}
	l.wants("a commit against the table that is gone", l.commitIf(next, `"live-1"`), http.StatusPreconditionFailed, edm.CodeLiveChanged)
	l.wants("a commit against nothing", l.commitIf(next, `"live-0"`), http.StatusNoContent, "")
}
