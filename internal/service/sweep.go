package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"exactmatch.dev/operator/internal/service/records"
)

// sweep expires unfinished sessions, takes up indexing that found no place or
// failed, tries live tables again that could not be opened, and forgets what is
// kept no longer.
func (s *Service) sweep(ctx context.Context) {
	s.reopen(ctx)
	s.doubt()
	if err := s.eachTenant(ctx, s.forgetRequests); err != nil {
		s.config.Log.Error("forget old request ids", "error", err)
	}
	sessions, err := records.ListAll(ctx, s.records, records.Tx.Sessions)
	if err != nil {
		s.config.Log.Error("sweep", "error", err)
		return
	}
	slices.SortFunc(sessions, byCommit)
	for _, one := range sessions {
		if one.Processing() {
			s.enqueue(job{tenant: one.Tenant, session: one.ID})
		}
		if one.Unfinished() && s.now().After(one.Expiry) {
			s.expire(ctx, one)
		}
	}
	if err := s.eachTenant(ctx, s.forgetDropped); err != nil {
		s.config.Log.Error("forget dropped sessions", "error", err)
	}
	if err := s.eachTenant(ctx, s.forgetFormers); err != nil {
		s.config.Log.Error("remove previous tables", "error", err)
	}
	if err := s.dropEnded(ctx, sessions); err != nil {
		s.config.Log.Error("drop old sessions", "error", err)
	}
}

// doubtInterval is how long the sum of a page that was compared is not compared
// again.
const doubtInterval = time.Hour

// doubt has the sums of the live tables' pages compared once more, each at its next
// read.
func (s *Service) doubt() {
	if now := s.now(); now.Sub(s.doubted) >= doubtInterval {
		s.doubted = now
		s.tables.Doubt()
	}
}

// eachTenant does something for one tenant after another. What fails for one is
// tried for the others all the same.
func (s *Service) eachTenant(ctx context.Context, do func(ctx context.Context, tenant string) error) error {
	tenants, err := s.records.Tenants(ctx)
	for _, tenant := range tenants {
		if failed := do(ctx, tenant); failed != nil {
			err = errors.Join(err, fmt.Errorf("tenant %q: %w", tenant, failed))
		}
	}
	return err
}

func (s *Service) forgetRequests(ctx context.Context, tenant string) error {
	return records.Forget(ctx, s.records.Of(tenant), s.now().Add(-requestWindow))
}
