package service

import (
	"net/http"
	"slices"
	"time"

	"exactmatch.dev/operator/internal/edm"
)

const quotaWindow = 24 * time.Hour

// quota counts the commits of the rolling window.
func (s *Service) quota(r *storeRecord) *edm.Quota {
	recent := s.recentCommits(r)
	q := &edm.Quota{Max: int32(s.config.MaxCommits), Remaining: int32(max(s.config.MaxCommits-len(recent), 0))}
	if q.Remaining == 0 {
		next := recent[len(recent)-s.config.MaxCommits].Add(quotaWindow)
		q.NextSlotDateTime = &next
	}
	return q
}

func (s *Service) recentCommits(r *storeRecord) []time.Time {
	since := s.now().Add(-quotaWindow)
	return slices.DeleteFunc(slices.Clone(r.Commits), func(t time.Time) bool { return !t.After(since) })
}

// commitTime is now, or just after the store's last commit where the clock was
// put back: of two commits the later one is live, whatever the clock says.
func (s *Service) commitTime(r *storeRecord) time.Time {
	at := s.now()
	for _, before := range append(slices.Clone(r.Commits), r.LiveCommitted) {
		if !at.After(before) {
			at = before.Add(time.Millisecond)
		}
	}
	return at
}

// throttle refuses what the quota does not allow now.
func (s *Service) throttle(r *storeRecord) error {
	q := s.quota(r)
	if q.Remaining > 0 {
		return nil
	}
	f := fail(http.StatusTooManyRequests, edm.CodeThrottled, edm.ThrottledMessage, q.Max)
	f.retryAfter = q.NextSlotDateTime.Sub(s.now())
	return f
}
