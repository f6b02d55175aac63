package service_test

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/testkit"
)

// remaining is what the store shows of its quota.
func (l *lifecycle) remaining() int32 {
	l.Helper()
	var got edm.DataStore
	testkit.Must(l.T, json.Unmarshal(l.api(http.MethodGet, "/"+l.store, nil).body, &got))
	return got.Quota.Remaining
}

func (l *lifecycle) wantsRemaining(after string, want int32) {
	l.Helper()
	if got := l.remaining(); got != want {
		l.Fatalf("after %s %d commits remain, want %d", after, got, want)
	}
}

func (l *lifecycle) tryCommit(u *upload) reply {
	return l.api(http.MethodPost, "/"+l.store+"/sessions/"+u.id+"/commit", nil)
}

func (l *lifecycle) wants(what string, r reply, status int, code string) {
	l.Helper()
	if r.status != status || r.code != code {
		l.Fatalf("%s is answered %d %s %s; want %d %s", what, r.status, r.code, r.body, status, code)
	}
}

func (l *lifecycle) opened(rows int) *upload {
	l.Helper()
	u := &upload{edition: newEdition(l.names[l.store], rows, 5, modelKey)}
	l.open(u)
	l.seal(u)
	return u
}

// limited is a service whose stores take a number of commits a day.
func limited(t *testing.T, commits int) *lifecycle {
	t.Helper()
	l := begun(t)
	l.commits = commits
	l.again(func() {})
	return l
}

func (l *lifecycle) worked() {
	l.Helper()
	_ = l.service.Work(l.Context()) // a session that fails is told of by its state
}

// A commit that is being processed holds a place, and gives it back where it does
// not succeed, whenever the service starts again.
func TestTheQuotaCountsSuccesses(t *testing.T) {
	l := limited(t, 2)
	good, bad, other, last := l.opened(7), l.opened(8), l.opened(9), l.opened(6)
	l.wantsRemaining("no commit", 2)
	testkit.Must(t, os.Remove(l.blockFile(bad, 1)))
	l.wants("a commit", l.tryCommit(good), http.StatusNoContent, "")
	l.wants("a commit that will fail", l.tryCommit(bad), http.StatusNoContent, "")
	l.wants("one more", l.tryCommit(other), http.StatusTooManyRequests, edm.CodeThrottled)
	l.wantsRemaining("two that are processed", 0)
	l.again(func() {})
	l.wantsRemaining("a restart", 0)
	l.worked()
	if got, err := l.get(bad); err != nil || got.State != edm.StateFailed {
		t.Fatalf("the session without a block is %+v (%v)", got, err)
	}
	l.wantsRemaining("one that failed", 1)
	l.wants("a commit in its place", l.tryCommit(other), http.StatusNoContent, "")
	l.wants("one more than the quota", l.tryCommit(last), http.StatusTooManyRequests, edm.CodeThrottled)
	l.delete(other)
	l.wantsRemaining("the delete of one that is processed", 1)
	l.again(func() {})
	l.wantsRemaining("a restart", 1)
	l.wants("a commit in the place of a deleted one", l.tryCommit(last), http.StatusNoContent, "")
	l.worked()
	l.wantsRemaining("two that succeeded", 0)
	l.delete(good)
	l.delete(last)
	l.wantsRemaining("the delete of what succeeded", 0)
}

// A commit that was older than the live one when it was done has succeeded too.
func TestASupersededCommitCounts(t *testing.T) {
	l := limited(t, 3)
	first, second := l.opened(7), l.opened(8)
	l.wants("a commit", l.tryCommit(first), http.StatusNoContent, "")
	l.wants("a later one", l.tryCommit(second), http.StatusNoContent, "")
	testkit.Must(t, l.service.Index(t.Context(), second.id))
	testkit.Must(t, l.service.Index(t.Context(), first.id))
	if live := l.liveNow(); live.SessionID != second.id || live.Generation != 1 {
		t.Fatalf("live is %+v", live)
	}
	l.wantsRemaining("both", 1)
	l.again(func() {})
	l.wantsRemaining("a restart", 1)
}

// liveNow is what the store shows as live.
func (l *lifecycle) liveNow() *edm.Live {
	l.Helper()
	var got edm.DataStore
	testkit.Must(l.T, json.Unmarshal(l.api(http.MethodGet, "/"+l.store, nil).body, &got))
	return got.Live
}

// Without --max-commits-per-day a store takes every commit and shows no quota. What
// was committed counts for one that is set later.
func TestThereIsNoQuotaUnlessOneIsSet(t *testing.T) {
	l := limited(t, 0)
	shown := func() map[string]any {
		t.Helper()
		var got map[string]any
		testkit.Must(t, json.Unmarshal(l.api(http.MethodGet, "/"+l.store, nil).body, &got))
		return got
	}
	const commits = 7 // more than Microsoft allows
	for range commits {
		l.wants("a commit", l.tryCommit(l.opened(3)), http.StatusNoContent, "")
		if quota, is := shown()["quota"]; is {
			t.Fatalf("the quota is %v", quota)
		}
		l.worked()
	}
	if live := l.liveNow(); live == nil || live.Generation != commits {
		t.Errorf("live is %+v", live)
	}
	l.commits = 3
	l.again(func() {})
	l.wantsRemaining("a quota that is set later", 0)
}
