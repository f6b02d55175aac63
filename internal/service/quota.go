package service

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

const quotaWindow = 24 * time.Hour

// maxKept are the commits of a store that are kept at most, so that a quota that is
// set later counts them.
const maxKept = 1000

// quota counts the commits of the rolling window that succeeded, and those that
// are being processed: each of them holds a place until it has ended. It is nil where
// any number is taken.
func (s *Service) quota(r *records.DataStore) *edm.Quota {
	if s.config.MaxCommits == 0 {
		return nil
	}
	taken := slices.SortedFunc(maps.Values(r.Processing), time.Time.Compare)
	taken = slices.Concat(s.recentCommits(r), taken)
	q := &edm.Quota{Max: int32(s.config.MaxCommits), Remaining: int32(max(s.config.MaxCommits-len(taken), 0))}
	if q.Remaining == 0 {
		slices.SortFunc(taken, time.Time.Compare)
		next := taken[len(taken)-s.config.MaxCommits].Add(quotaWindow)
		if soon := s.now().Add(sweepInterval); next.Before(soon) {
			next = soon // what is being processed is as old as that
		}
		q.NextSlotDateTime = &next
	}
	return q
}

func (s *Service) recentCommits(r *records.DataStore) []time.Time {
	since := s.now().Add(-quotaWindow)
	return slices.DeleteFunc(slices.Clone(r.Commits), func(t time.Time) bool { return !t.After(since) })
}

// commitTime is now, or just after the store's last commit where the clock was
// put back: of two commits the later one is live, whatever the clock says.
func (s *Service) commitTime(r *records.DataStore) time.Time {
	at := s.now()
	for _, before := range append(slices.Collect(maps.Values(r.Processing)), append(slices.Clone(r.Commits), r.LiveCommitted)...) {
		if !at.After(before) {
			at = before.Add(time.Millisecond)
		}
	}
	return at
}

// take gives a commit its time and its place in the quota.
func (s *Service) take(store *records.DataStore, one *records.Session) {
	one.Committed = s.commitTime(store)
	hold(store, one)
}

func hold(store *records.DataStore, one *records.Session) {
	if store.Processing == nil {
		store.Processing = map[string]time.Time{}
	}
	store.Processing[one.ID] = one.Committed
}

// succeeded keeps the place of a commit that has been processed.
func (s *Service) succeeded(store *records.DataStore, one *records.Session) {
	delete(store.Processing, one.ID)
	kept := append(s.recentCommits(store), one.Committed)
	store.Commits = kept[max(len(kept)-max(maxKept, s.config.MaxCommits), 0):]
}

// giveBack frees the place of a commit that comes to nothing.
func giveBack(tx records.Tx, one *records.Session) error {
	store, err := tx.DataStores().Get(one.DataStoreID)
	if err != nil {
		return ignoreNotFound(err)
	}
	if _, held := store.Processing[one.ID]; !held {
		return nil
	}
	delete(store.Processing, one.ID)
	return tx.DataStores().Put(store)
}

// holdPlace gives a commit that is being processed the place that an earlier
// version counted as spent.
func (s *Service) holdPlace(ctx context.Context, one *records.Session) error {
	return s.records.Of(one.Tenant).Update(ctx, func(tx records.Tx) error {
		store, err := tx.DataStores().Get(one.DataStoreID)
		if err != nil {
			return ignoreNotFound(err)
		}
		if _, held := store.Processing[one.ID]; held {
			return nil
		}
		hold(store, one)
		store.Commits = slices.DeleteFunc(store.Commits, one.Committed.Equal)
		return tx.DataStores().Put(store)
	})
}

// throttle refuses what the quota does not allow now.
func (s *Service) throttle(r *records.DataStore) error {
	q := s.quota(r)
	if q == nil || q.Remaining > 0 {
		return nil
	}
	f := fail(http.StatusTooManyRequests, edm.CodeThrottled, edm.ThrottledMessage, q.Max)
	f.retryAfter = q.NextSlotDateTime.Sub(s.now())
	return f
}
