package service

import (
	"log/slog"
	"net/http"

	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/records"
)

// recordsOf are the records of the tenant that a request's caller has. Every handler
// takes them from here, so that it can read, change and count no others.
func (s *Service) recordsOf(r *http.Request) records.Records {
	return s.records.Of(tenantOf(r))
}

func tenantOf(r *http.Request) string { return authn.FromContext(r.Context()).Tenant }

// logOf is for lines about a data store or a session of a tenant.
func (s *Service) logOf(tenant string) *slog.Logger { return s.config.Log.With("tenant", tenant) }
