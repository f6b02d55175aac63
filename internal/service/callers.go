package service

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/authn"
)

// everything is what the bearer of the service's own token may do.
var everything = []authn.Role{authn.Uploader, authn.Reader, authn.Admin}

// token reads the service's own bearer token, which is not empty.
func (s *Service) token() (string, error) {
	token, err := s.config.Token()
	if err == nil && token == "" {
		err = errors.New("it is empty")
	}
	return token, err
}

// authenticate finds out who calls.
func (s *Service) authenticate(r *http.Request) (authn.Caller, error) {
	shown, err := bearerOf(r)
	if err != nil {
		return authn.Caller{}, err
	}
	var unreadable error
	if s.config.Token != nil {
		want, err := s.token()
		if err == nil && subtle.ConstantTimeCompare([]byte(shown), []byte(want)) == 1 {
			return authn.Caller{Name: "bearer-token", Roles: everything}, nil
		}
		unreadable = err
	}
	if s.config.Callers != nil {
		caller, err := s.config.Callers.Authenticate(r.Context(), shown)
		if err == nil {
			return caller, nil
		}
		if unreadable == nil {
			return authn.Caller{}, refused(r, err)
		}
	}
	if unreadable != nil {
		return authn.Caller{}, fail(http.StatusServiceUnavailable, edm.CodeUnavailable, "the service's bearer token cannot be read")
	}
	return authn.Caller{}, unauthorized("invalid_token", "the bearer token is not valid")
}

// bearerOf is the token that a request shows.
func bearerOf(r *http.Request) (string, error) {
	all := r.Header.Values("Authorization")
	if len(all) == 0 {
		return "", unauthorized("", "the request has no bearer token: send the header Authorization: Bearer TOKEN")
	}
	scheme, token, _ := strings.Cut(all[0], " ")
	token = strings.TrimSpace(token)
	if len(all) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", unauthorized("invalid_request", "the header Authorization must be there once, as Bearer TOKEN")
	}
	return token, nil
}

// refused is the answer to a token that brings no caller.
func refused(r *http.Request, err error) error {
	var why *authn.Refusal
	if !errors.As(err, &why) {
		return err
	}
	if c, is := r.Context().Value(callKey{}).(*call); is {
		c.cause, c.subject = why.Cause, why.Subject
	}
	switch {
	case why.Cause == authn.KeysUnavailable:
		f := fail(http.StatusServiceUnavailable, edm.CodeUnavailable, "%s", why.Message)
		f.retryAfter = why.RetryAfter
		return f
	case why.Proven():
		return fail(http.StatusForbidden, edm.CodeForbidden, "%s", why.Message)
	}
	return unauthorized("invalid_token", why.Message)
}

// unauthorized is 401 with the challenge of RFC 6750; code is "" where nothing was shown.
func unauthorized(code, message string) *failure {
	f := fail(http.StatusUnauthorized, edm.CodeUnauthorized, "%s", message)
	f.challenge = `Bearer realm="exactmatch"`
	if code != "" {
		f.challenge += fmt.Sprintf(`, error=%q, error_description=%q`, code, message)
	}
	return f
}

// admits refuses a caller that has none of the roles of a call.
func (to route) admits(caller authn.Caller) error {
	var names []string
	for _, role := range to.roles {
		if caller.Is(role) {
			return nil
		}
		names = append(names, string(role))
	}
	missing := "a role that nobody has"
	switch len(names) {
	case 0:
	case 1:
		missing = "the role " + names[0]
	default:
		missing = "one of the roles " + strings.Join(names, ", ")
	}
	return forbidden("the call needs %s, and the caller has not: have the administrator add it in the service's policy file", missing)
}

func forbidden(format string, args ...any) *failure {
	f := fail(http.StatusForbidden, edm.CodeForbidden, format, args...)
	f.challenge = `Bearer realm="exactmatch", error="insufficient_scope"`
	return f
}

// mayReadTokens refuses the tokens of other columns to all but administrators: with the
// rows found they tell more of a record than the one who asks knows.
func mayReadTokens(r *http.Request, columns []string) error {
	if len(columns) == 0 || authn.FromContext(r.Context()).Is(authn.Admin) {
		return nil
	}
	return forbidden("resultColumnNames asks for the tokens of other columns, which needs the role %s: leave it out, or have the administrator add the role", authn.Admin)
}
