package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// stays remembers since when sessions have had the reason that they have, as this
// process saw it.
type stays struct {
	mu    sync.Mutex
	known map[types.UID]stay
}

type stay struct {
	reason string
	since  time.Time
}

// see notes the reason of a session, and returns the one before it and how long that
// stayed; "" where it is the same, or this process did not see it begin.
func (s *stays) see(uid types.UID, reason string, now time.Time) (before string, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, seen := s.known[uid]
	if seen && last.reason == reason {
		return "", 0
	}
	if s.known == nil {
		s.known = map[types.UID]stay{}
	}
	s.known[uid] = stay{reason, now}
	return last.reason, now.Sub(last.since)
}

// forget drops a session that is gone.
func (s *stays) forget(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, uid)
}
