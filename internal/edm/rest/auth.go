package rest

import (
	"context"
	"strings"
)

// TokenSource gives the bearer token of the next request. Its errors hold no
// secret. One that is a *RefusedError stays until the credentials change; any
// other passes.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// RefusedError says that no token is issued for these credentials.
type RefusedError struct{ Message string }

func (e *RefusedError) Error() string { return e.Message }

// StaticToken is a token as it stands in a Secret; white space around it is
// dropped. It never prints itself.
func StaticToken(token string) TokenSource { return static{strings.TrimSpace(token)} }

type static struct{ secret string }

func (s static) Token(context.Context) (string, error) {
	if s.secret == "" {
		return "", &RefusedError{"the token is empty"}
	}
	return s.secret, nil
}

// String hides the token.
func (static) String() string { return "[redacted]" }

// GoString hides the token.
func (static) GoString() string { return "[redacted]" }
