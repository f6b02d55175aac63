package service

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/records"
)

// api wraps a handler: request ids, the caller and its roles, one place for errors, logs and the audit.
func (s *Service) api(to route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		c := &call{request: requestID(r), id: uuid.NewString()}
		r = r.WithContext(c.in(r.Context()))
		c.announce(w.Header())
		r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
		out, err := s.serve(r, c, to)
		if !c.proven {
			w.Header().Set("Connection", "close")
		}
		s.metrics.refusal(c, r, err)
		if err != nil {
			readOut(r.Body, maxRequestBody)
		}
		s.boundAnswer(w)
		if id := createdID(out); out != nil && out.status == http.StatusCreated {
			w.Header().Set("Location", s.link(r, r.URL.JoinPath(id).EscapedPath(), ""))
		}
		status := s.respond(w, c, out, err)
		log := s.log(r.Context())
		if changes(r) && c.proven {
			audit(log, r, c, out, status)
		}
		log.Info("call", "method", r.Method, "path", r.URL.Path, "status", status, "took", time.Since(began).String())
	})
}

// serve finds out who calls, and lets the handler answer those who may.
func (s *Service) serve(r *http.Request, c *call, to route) (*answer, error) {
	caller, err := s.callers(r)
	if err != nil {
		return nil, err
	}
	c.caller, c.proven = caller, true
	s.gate.proven(r)
	if err := s.calling.turn(r.Context(), caller); err != nil {
		return nil, err
	}
	if err := to.admits(caller); err != nil {
		return nil, err
	}
	r = r.WithContext(authn.NewContext(r.Context(), caller))
	if r.Body, err = uncompressed(r); err != nil {
		return nil, err
	}
	return to.handle(r)
}

// requestID is the caller's, where it is a short plain word, else a new one.
func requestID(r *http.Request) string {
	return cmp.Or(plain(r.Header.Get("client-request-id")), uuid.NewString())
}

// plain is a name of a call that a log can show as it is, "" for any other.
func plain(id string) string {
	if len(id) > maxRequestID || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return ""
	}
	return id
}

// boundAnswer ends an answer that its caller does not take.
func (s *Service) boundAnswer(w http.ResponseWriter) {
	// A recorder of tests has no deadline, a connection that is gone needs none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.times.write))
}

// respond writes the answer, or the failure as an OData error.
func (s *Service) respond(w http.ResponseWriter, c *call, out *answer, err error) int {
	if err == nil {
		if out.etag != "" {
			w.Header().Set("ETag", out.etag)
		}
		if out.body == nil {
			w.WriteHeader(out.status)
			return out.status
		}
		if text, is := out.body.(plainText); is {
			write(w, out.status, "text/plain", []byte(text))
			return out.status
		}
		writeJSON(w, out.status, out.tagged())
		return out.status
	}
	f := s.failureOf(s.log(c.in(context.Background())), err, "request", c.request)
	f.setHeader(w.Header())
	said := edm.ODataError{Code: f.code, Message: f.message, Target: truncate(f.target)}
	said.InnerError.Date, said.InnerError.RequestID, said.InnerError.ClientRequestID = s.now(), c.id, c.request
	writeJSON(w, f.status, map[string]edm.ODataError{"error": said})
	return f.status
}

// failureOf is what a caller is told of an error. What is not meant for callers
// is logged under the request's name.
func (s *Service) failureOf(log *slog.Logger, err error, kind, name string) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	if records.IsNotFound(err) {
		return fail(http.StatusNotFound, edm.CodeNotFound, "%s", err.Error())
	}
	log.Error("internal error", kind, name, "error", err)
	if fullDisk(err) {
		return fail(http.StatusInsufficientStorage, edm.CodeStorageFull, "the service's disk is full: make room in its data folder, then send the call again")
	}
	return fail(http.StatusInternalServerError, edm.CodeInternal, "the service failed; its log has the %s %s", kind, name)
}
