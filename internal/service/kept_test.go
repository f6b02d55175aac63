package service

import (
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// A store that takes any number of commits remembers a bounded number of them, the
// last ones.
func TestCommitsAreKeptInABoundedNumber(t *testing.T) {
	h := newHarness(t)
	store := &records.DataStore{}
	for n := range maxKept + 10 {
		one := &records.Session{Session: edm.Session{ID: "a"}, Committed: fuzzNow.Add(-time.Hour + time.Duration(n)*time.Millisecond)}
		h.succeeded(store, one)
	}
	if len(store.Commits) != maxKept || !store.Commits[0].Equal(fuzzNow.Add(-time.Hour+10*time.Millisecond)) {
		t.Errorf("%d commits are kept, the first of %s", len(store.Commits), store.Commits[0])
	}
}
