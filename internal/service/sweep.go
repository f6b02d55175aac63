package service

import (
	"context"
	"slices"

	"exactmatch.dev/operator/internal/service/records"
)

// sweep expires unfinished sessions, takes up indexing that found no place or
// failed, tries live tables again that could not be opened, and forgets what is
// kept no longer.
func (s *Service) sweep(ctx context.Context) {
	s.reopen(ctx)
	if err := records.Forget(ctx, s.records, s.now().Add(-requestWindow)); err != nil {
		s.config.Log.Error("forget old request ids", "error", err)
	}
	sessions, err := records.List(ctx, s.records, records.Tx.Sessions)
	if err != nil {
		s.config.Log.Error("sweep", "error", err)
		return
	}
	slices.SortFunc(sessions, byCommit)
	for _, one := range sessions {
		if one.Processing() {
			s.enqueue(job{session: one.ID})
		}
		if one.Unfinished() && s.now().After(one.Expiry) {
			s.expire(ctx, one.ID)
		}
	}
	if err := s.forgetDropped(ctx); err != nil {
		s.config.Log.Error("forget dropped sessions", "error", err)
	}
	if err := s.dropEnded(ctx, sessions); err != nil {
		s.config.Log.Error("drop old sessions", "error", err)
	}
}
