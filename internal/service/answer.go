package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"syscall"
	"time"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// failure is an answer that is not a success. One place writes it.
type failure struct {
	status     int
	code       string
	message    string
	target     string // the property that is at fault
	retryAfter time.Duration
	challenge  string // WWW-Authenticate
	limit      string // the limit that was met, as metrics have it; "" where code and call say it
	encodings  string // Accept-Encoding
	allow      string // Allow
}

func (f *failure) Error() string { return fmt.Sprintf("%d %s: %s", f.status, f.code, f.message) }

// setHeader tells how long to wait, in whole seconds, and what is wanted in place of what
// was sent.
func (f *failure) setHeader(to http.Header) {
	if f.retryAfter > 0 {
		to.Set("Retry-After", strconv.Itoa(int(f.retryAfter.Round(time.Second)/time.Second)+1))
	}
	for name, value := range map[string]string{"WWW-Authenticate": f.challenge, "Accept-Encoding": f.encodings, "Allow": f.allow} {
		if value != "" {
			to.Set(name, value)
		}
	}
}

func fail(status int, code, format string, args ...any) *failure {
	return &failure{status: status, code: code, message: truncate(fmt.Sprintf(format, args...))}
}

func noSession(id string) error { return &records.NotFound{Kind: records.KindSession, ID: id} }

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
	etag   string // of the resource that the body shows
}

// tagged is the body with the ETag of the resource that it shows.
func (a *answer) tagged() any {
	if _, whole := a.body.(map[string]any); whole || a.etag == "" { // an entity has it already
		return a.body
	}
	entity, err := asMap(a.body)
	if err != nil {
		return a.body
	}
	entity["@odata.etag"] = a.etag
	return entity
}

func ok(body any) (*answer, error) {
	return &answer{status: http.StatusOK, body: body, etag: etagOf(body)}, nil
}

func created(body any) (*answer, error) {
	return &answer{status: http.StatusCreated, body: body, etag: etagOf(body)}, nil
}

func noContent() (*answer, error) { return &answer{status: http.StatusNoContent}, nil }

// fullDisk reports whether there was no room for a write.
func fullDisk(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// encoded is a body in JSON.
type encoded []byte

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, is := body.(encoded)
	var err error
	if !is {
		text, err = json.Marshal(body)
	}
	if err != nil {
		http.Error(w, `{"error":{"code":"InternalServerError","message":"the answer cannot be encoded"}}`, http.StatusInternalServerError)
		return
	}
	write(w, status, "application/json;odata.metadata=minimal;charset=utf-8", text)
}

func write(w http.ResponseWriter, status int, kind string, text []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(text))) // of HEAD too
	w.WriteHeader(status)
	_, _ = w.Write(text) //nolint:gosec // as the type says; the caller is gone where this fails
}

// truncate cuts a message between two characters.
func truncate(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	end := maxMessage - len("…")
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// tooMany is the message of a list that is longer than it may be.
func tooMany(what string, has, most int) string {
	return fmt.Sprintf("%s has %d entries and must have 1 to %d", what, has, most)
}

type handler func(*http.Request) (*answer, error)

// ignoreNotFound drops the 404 of a session that was deleted meanwhile.
func ignoreNotFound(err error) error {
	if records.IsNotFound(err) {
		return nil
	}
	return err
}
