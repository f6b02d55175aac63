// Package authn says who calls the service, for which tenant, and in which roles.
package authn

import (
	"context"
	"slices"
)

// Role is what a caller may do.
type Role string

// The roles. No role includes another.
const (
	// Uploader makes data stores and upload agents, and opens, commits and ends sessions.
	Uploader Role = "uploader"
	// Reader asks what is live.
	Reader Role = "reader"
	// Admin rolls back, purges, and reads the tokens of other columns.
	Admin Role = "admin"
)

// Caller is who sends a request.
type Caller struct {
	// Name says in the log who it is, such as "prod:system:serviceaccount:hr:exactmatch".
	Name string
	// Tenant owns all that the caller sees; "" owns what was made before there were
	// tenants, and only an Admin may have it.
	Tenant string
	Roles  []Role
}

// Is reports whether a caller has a role.
func (c Caller) Is(r Role) bool { return slices.Contains(c.Roles, r) }

type callerKey struct{}

// NewContext returns a context that carries a caller.
func NewContext(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// FromContext is the caller of a request; one without a role where there is none.
func FromContext(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
