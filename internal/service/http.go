package service

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

const maxRequestBody = 1 << 20

// failure is an answer that is no success. One place writes it.
type failure struct {
	status     int
	code       string
	message    string
	retryAfter time.Duration
}

func (f *failure) Error() string { return fmt.Sprintf("%d %s: %s", f.status, f.code, f.message) }

// setRetryAfter tells how long to wait, in whole seconds.
func (f *failure) setRetryAfter(w http.ResponseWriter) {
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.retryAfter.Round(time.Second)/time.Second)+1))
	}
}

func fail(status int, code, format string, args ...any) *failure {
	return &failure{status: status, code: code, message: bounded(fmt.Sprintf(format, args...))}
}

func notFound(kind records.Kind, id string) error { return &records.NotFound{Kind: kind, ID: id} }

func badRequest(format string, args ...any) *failure {
	return fail(http.StatusBadRequest, edm.CodeBadRequest, format, args...)
}

func unprocessable(code, format string, args ...any) *failure {
	return fail(http.StatusUnprocessableEntity, code, format, args...)
}

// answer is what a handler returns: a status and a body, nil for none.
type answer struct {
	status int
	body   any
}

func ok(body any) (*answer, error)      { return &answer{http.StatusOK, body}, nil }
func created(body any) (*answer, error) { return &answer{http.StatusCreated, body}, nil }
func noContent() (*answer, error)       { return &answer{http.StatusNoContent, nil}, nil }

type handler func(*http.Request) (*answer, error)

// base is where the service serves Graph's paths.
const base = "/beta/dataClassification"

func (s *Service) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /exactMatchUploadAgents":         s.listAgents,
		"POST /exactMatchUploadAgents":        s.createAgent,
		"GET /exactMatchUploadAgents/{id}":    s.getAgent,
		"PATCH /exactMatchUploadAgents/{id}":  s.updateAgent,
		"DELETE /exactMatchUploadAgents/{id}": s.deleteAgent,

		"GET /exactMatchDataStores":                 s.listStores,
		"POST /exactMatchDataStores":                s.createStore,
		"GET /exactMatchDataStores/{store}":         s.getStore,
		"PATCH /exactMatchDataStores/{store}":       s.updateStore,
		"DELETE /exactMatchDataStores/{store}":      s.deleteStore,
		"POST /exactMatchDataStores/{store}/lookup": s.lookup,
		"POST /exactMatchDataStores/{store}/match":  s.match,

		"GET /exactMatchDataStores/{store}/sessions":                  s.listSessions,
		"POST /exactMatchDataStores/{store}/sessions":                 s.createSession,
		"GET /exactMatchDataStores/{store}/sessions/{id}":             s.getSession,
		"PATCH /exactMatchDataStores/{store}/sessions/{id}":           s.updateSession,
		"DELETE /exactMatchDataStores/{store}/sessions/{id}":          s.deleteSession,
		"POST /exactMatchDataStores/{store}/sessions/{id}/commit":     s.commitSession,
		"POST /exactMatchDataStores/{store}/sessions/{id}/cancel":     s.cancelSession,
		"POST /exactMatchDataStores/{store}/sessions/{id}/renew":      s.renewSession,
		"GET /exactMatchDataStores/{store}/sessions/{id}/uploadAgent": s.getSessionAgent,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+base+path, s.api(h))
	}
	mux.HandleFunc("/upload/{session}", s.blob)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("/", s.api(func(r *http.Request) (*answer, error) {
		return nil, fail(http.StatusNotFound, edm.CodeNoSuchCall, "%s of this path is no call of this service", r.Method)
	}))
	return mux
}

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
		err := s.authorize(r)
		var out *answer
		if err == nil {
			s.gate.proven(r)
			out, err = h(r)
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

func (s *Service) authorize(r *http.Request) error {
	want, err := s.token()
	if err != nil {
		return fail(http.StatusServiceUnavailable, edm.CodeUnavailable, "the service's bearer token cannot be read")
	}
	got, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found || subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return fail(http.StatusUnauthorized, edm.CodeUnauthorized, "the bearer token is missing or not the service's")
	}
	return nil
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

// fullDisk reports whether there was no room for a write.
func fullDisk(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, `{"error":{"code":"InternalServerError","message":"the answer cannot be encoded"}}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json;odata.metadata=minimal;charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the caller is gone where this fails
}

// decode reads a request's JSON body.
func decode(r *http.Request, into any) error {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return fail(http.StatusRequestEntityTooLarge, edm.CodeTooLarge, "the body exceeds %d bytes", maxRequestBody)
		}
		return badRequest("the body is not the JSON of this call")
	}
	return nil
}
