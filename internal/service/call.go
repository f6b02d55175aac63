package service

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/authn"
)

// call is a request as logs know it.
type call struct {
	request string // its name, the caller's or ours
	id      string // its name, always ours
	caller  authn.Caller
	proven  bool        // whether there is a caller
	cause   authn.Cause // why not
	subject string      // who has no rule
	tenant  *string     // of an upload, which has no caller; nil where none is known
}

type callKey struct{}

func (c *call) in(ctx context.Context) context.Context { return context.WithValue(ctx, callKey{}, c) }

// requestNameOf is the client-request-id of the call that ctx belongs to, "" for none.
func requestNameOf(ctx context.Context) string {
	if c, is := ctx.Value(callKey{}).(*call); is {
		return c.request
	}
	return ""
}

// announce writes what every answer of the API has.
func (c *call) announce(to http.Header) {
	to.Set("client-request-id", c.request)
	to.Set("request-id", c.id)
	to.Set("X-Block-Format", edm.BlockFormatV1)
	to.Set("Cache-Control", "no-store")
}

// log is the service's, with the names of the call that ctx belongs to, and its caller.
func (s *Service) log(ctx context.Context) *slog.Logger {
	c, is := ctx.Value(callKey{}).(*call)
	if !is {
		return s.config.Log
	}
	log := s.config.Log.With("request", c.request, "request-id", c.id)
	if c.proven {
		log = log.With("caller", c.caller.Name, "tenant", c.caller.Tenant)
	}
	if c.tenant != nil && !c.proven {
		log = log.With("tenant", *c.tenant)
	}
	if c.cause != "" {
		log = log.With("cause", c.cause, "subject", c.subject)
	}
	return log
}

// logIn is the log of what is done for a tenant, in a call or in the background.
func (s *Service) logIn(ctx context.Context, tenant string) *slog.Logger {
	if c, is := ctx.Value(callKey{}).(*call); is && (c.proven || c.tenant != nil) {
		return s.log(ctx)
	}
	return s.log(ctx).With("tenant", tenant)
}

// changes reports whether a call may change something: all of the contract's but those that ask.
func changes(r *http.Request) bool {
	method, path, is := strings.Cut(r.Pattern, " ") // none of a path's other methods
	return is && method != http.MethodGet && strings.HasPrefix(path, base) && !strings.HasSuffix(path, "/lookup") && !strings.HasSuffix(path, "/match") && !strings.HasSuffix(path, "/$count")
}

// audit is the one line that is written of each call that changes something, or was refused to.
func audit(log *slog.Logger, r *http.Request, c *call, out *answer, status int) {
	_, pattern, _ := strings.Cut(r.Pattern, " ")
	path := strings.Split(strings.TrimPrefix(pattern, base+"/"), "/")
	verb := map[string]string{http.MethodPost: "create", http.MethodPatch: "update", http.MethodDelete: "delete"}[r.Method]
	last := path[len(path)-1]
	if r.Method == http.MethodPost && !strings.HasPrefix(last, "exactMatch") && last != "sessions" {
		verb = last // an action, such as commit
	}
	kind, id := "uploadAgent", r.PathValue("id")
	switch {
	case len(path) > 2 && path[2] == "sessions":
		kind = "session"
	case path[0] == "exactMatchDataStores":
		kind, id = "dataStore", r.PathValue("store")
	}
	log.Info("audit", "verb", verb, "kind", kind, "id", cmp.Or(id, createdID(out)), "store", r.PathValue("store"), "roles", c.caller.Roles, "status", status)
}

// createdID is the id of what a create made.
func createdID(out *answer) string {
	if out == nil {
		return ""
	}
	switch made := out.body.(type) {
	case *edm.DataStore:
		return made.ID
	case *shownSession:
		return made.ID
	case *edm.UploadAgent:
		return made.ID
	}
	return ""
}
