package edmtest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
)

// eventuallyLive reads the store until its live table is as it should be: indexes
// are made in the background.
func (f *fixture) eventuallyLive(t *testing.T, is func(*edm.Live) bool) *edm.Live {
	t.Helper()
	ctx, stop := context.WithTimeout(f.ctx, 30*time.Second)
	defer stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		live := f.current(t).Live
		if live != nil && is(live) {
			return live
		}
		select {
		case <-ctx.Done():
			t.Fatalf("live stays %+v", live)
		case <-tick.C:
		}
	}
}

// searchableChanges wants the live table to be searchable as the store's columns
// say, without an upload.
func searchableChanges(t *testing.T, f *fixture) {
	f.open(t)
	s := f.publish(t, people(9))
	before := f.current(t)
	f.changeRules(t, []edm.Column{f.store.Columns[0], {Name: "Email", IsCaseInsensitive: true}, {Name: "City", IsSearchable: true}, {Name: "Phone", IsSearchable: true}})
	live := f.eventuallyLive(t, func(l *edm.Live) bool { return l.Columns[2].IsSearchable })
	if live.Generation != 2 || live.SessionID != s.ID || live.Rows != 9 || live.Columns[1].IsSearchable || !live.Columns[0].IsSearchable || len(live.Columns) != 3 {
		t.Fatalf("live is %+v", live)
	}
	if !live.CompletionDateTime.Equal(*before.Live.CompletionDateTime) || live.ContentKey != before.Live.ContentKey || live.KeyID != before.Live.KeyID {
		t.Fatalf("live was %+v and is %+v", before.Live, live)
	}
	if now := f.current(t); *now.Quota != *before.Quota || !now.DataLastUpdatedDateTime.Equal(*before.DataLastUpdatedDateTime) {
		t.Fatalf("it took a commit: %+v", now)
	}
	if got := f.match(t, "City", "Lima", map[string]string{"ID": "P-4"}); got.Total != 3 || got.generation != 2 || len(got.Rows[1].Matched) != 1 {
		t.Fatalf("match says %+v", got)
	}
	_, err := f.Service.Stores().Match(f.ctx, f.store.ID, f.batch(f.question(t, "Email", "P1@example.com", nil)))
	wantError(t, err, http.StatusUnprocessableEntity, edm.CodeUnprocessable)
	f.changeRules(t, f.store.Columns)
	f.eventuallyLive(t, func(l *edm.Live) bool {
		return l.Generation == 3 && l.Columns[1].IsSearchable && !l.Columns[2].IsSearchable
	})
	if got := f.match(t, "Email", "P7@example.com", nil); got.Total != 1 || got.generation != 3 {
		t.Fatalf("match says %+v", got)
	}
}
