package service

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/records"
)

// api wraps a handler: request id, bearer token, one place for errors and logs.
func (s *Service) api(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		id := requestID(r)
		header := w.Header()
		header.Set("client-request-id", id)
		header.Set("request-id", uuid.NewString())
		header.Set("X-Block-Format", edm.BlockFormatV1)
		header.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
		caller, err := s.callers(r)
		var out *answer
		if err == nil {
			s.gate.proven(r)
			out, err = h(r.WithContext(authn.NewContext(r.Context(), caller)))
		} else {
			header.Set("Connection", "close")
		}
		if err != nil {
			readOut(r.Body, maxRequestBody)
		}
		s.boundAnswer(w)
		status := s.respond(w, id, out, err)
		s.config.Log.Info("call", "method", r.Method, "path", r.URL.Path, "status", status, "request", id, "took", time.Since(began).String())
	})
}

// requestID is the caller's, where it is a short plain word, else a new one.
func requestID(r *http.Request) string {
	id := r.Header.Get("client-request-id")
	if id == "" || len(id) > maxRequestID || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return uuid.NewString()
	}
	return id
}

// token reads the bearer token, which is not empty.
func (s *Service) token() (string, error) {
	token, err := s.config.Token()
	if err == nil && token == "" {
		err = errors.New("it is empty")
	}
	return token, err
}

// authenticate finds out who calls. The bearer of the service's own token may do
// everything.
func (s *Service) authenticate(r *http.Request) (authn.Caller, error) {
	want, err := s.token()
	if err != nil {
		return authn.Caller{}, fail(http.StatusServiceUnavailable, edm.CodeUnavailable, "the service's bearer token cannot be read")
	}
	got, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found || subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return authn.Caller{}, fail(http.StatusUnauthorized, edm.CodeUnauthorized, "the bearer token is missing or invalid")
	}
	return authn.Caller{Name: "bearer-token", Roles: []authn.Role{authn.Uploader, authn.Reader, authn.Admin}}, nil
}

// boundAnswer ends an answer that its caller does not take.
func (s *Service) boundAnswer(w http.ResponseWriter) {
	// A recorder of tests has no deadline, a connection that is gone needs none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.times.write))
}

// respond writes the answer, or the failure as an OData error.
func (s *Service) respond(w http.ResponseWriter, requestID string, out *answer, err error) int {
	if err == nil {
		if out.body == nil {
			w.WriteHeader(out.status)
			return out.status
		}
		writeJSON(w, out.status, out.body)
		return out.status
	}
	f := s.failureOf(err, "request", requestID)
	f.setRetryAfter(w)
	now := s.now()
	writeJSON(w, f.status, map[string]any{"error": map[string]any{
		"code": f.code, "message": f.message,
		"innerError": edm.InnerError{ErrorDateTime: &now, ClientRequestID: requestID},
	}})
	return f.status
}

// failureOf is what a caller is told of an error. What is not meant for callers
// is logged under the request's name.
func (s *Service) failureOf(err error, kind, name string) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	if records.IsNotFound(err) {
		return fail(http.StatusNotFound, edm.CodeNotFound, "%s", err.Error())
	}
	s.config.Log.Error("internal error", kind, name, "error", err)
	if fullDisk(err) {
		return fail(http.StatusInsufficientStorage, edm.CodeStorageFull, "the service's disk is full: make room in its data folder, then send the call again")
	}
	return fail(http.StatusInternalServerError, edm.CodeInternal, "the service failed; its log has the %s %s", kind, name)
}
