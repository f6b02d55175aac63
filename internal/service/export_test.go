package service

import (
	"context"
	"net/http"
	"strings"
	"time"

	"exactmatch.dev/operator/internal/service/authn"
)

// NewOver is for tests of the package's outside.
var NewOver = newOver

// Work does what Run does, once and in order.
func (s *Service) Work(ctx context.Context) (failed []error) {
	s.sweep(ctx)
	for {
		select {
		case j := <-s.jobs:
			if err := s.do(ctx, j); err != nil {
				failed = append(failed, err)
			}
		default:
			return failed
		}
	}
}

func (s *Service) Index(ctx context.Context, session string) error {
	return s.indexSession(ctx, "", session)
}

func (s *Service) Verify(ctx context.Context) { s.verify(ctx) }

// Dropped counts the sessions that are remembered without a record.
func (s *Service) Dropped() int {
	all, err := s.droppedBefore(context.Background(), "", time.Unix(1<<40, 0))
	if err != nil {
		panic(err)
	}
	return len(all)
}

// PutBlock lays a block there that no call would take.
func (s *Service) PutBlock(session, id string, data []byte) error {
	return s.blocks.Put(context.Background(), session, id, data)
}

// TakeTenants has the service take a bearer of the form "tenant/<name>" for a caller
// of that tenant, and any other as before.
func (s *Service) TakeTenants() {
	s.callers = func(r *http.Request) (authn.Caller, error) {
		_, tenant, found := strings.Cut(r.Header.Get("Authorization"), "Bearer tenant/")
		if !found {
			return s.authenticate(r)
		}
		return authn.Caller{Name: tenant, Tenant: tenant, Roles: []authn.Role{authn.Uploader, authn.Reader, authn.Admin}}, nil
	}
}

// CallAs has every caller be this one.
func (s *Service) CallAs(c authn.Caller) {
	s.callers = func(*http.Request) (authn.Caller, error) { return c, nil }
}
