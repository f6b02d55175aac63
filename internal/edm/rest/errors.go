package rest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"exactmatch.dev/operator/internal/answer"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/redact"
)

const maxMessage = 512

// checkEndpoint is what somebody can do about an answer that is not the service's.
const checkEndpoint = "check spec.endpoint and the proxies on the way to it"

// odataError is the body of every error.
type odataError struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// read reads an error in the service's own form: JSON by its type, whole, with a
// code and a message.
func (o *odataError) read(header http.Header, body []byte) bool {
	return isJSON(header) && len(body) <= maxError && json.Unmarshal(body, o) == nil && o.Error.Code != "" && o.Error.Message != ""
}

func isJSON(header http.Header) bool { return typeOf(header) == "application/json" }

// typeOf is the media type of an answer, "" where it names none.
func typeOf(header http.Header) string {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

// errorOf reads an OData error. Any other answer is a stranger's, whatever its
// status: it passes, and only its type is told, since its body may be anybody's
// page, or a secret.
func errorOf(k call, response *http.Response, body []byte) *edm.Error {
	e := &edm.Error{
		Op: k.op, Status: response.StatusCode, Class: edm.ClassOfStatus(response.StatusCode), RequestID: k.requestID,
		RetryAfter: answer.RetryAfter(response.Header.Get("Retry-After"), time.Now(), longestWait),
	}
	var said odataError
	if !said.read(response.Header, body) {
		e.Foreign, e.Class, e.Code = true, unansweredClass(k), edm.CodeForeignAnswer
		e.Message = "answered with " + cmp.Or(truncate(typeOf(response.Header), 64), "no type") + " in place of an OData error; " + checkEndpoint
		return e
	}
	e.Code, e.Message = k.withoutEcho(response, said.Error.Code, 128), k.withoutEcho(response, said.Error.Message, maxMessage)
	if e.Code == edm.CodeNoSuchCall || e.Code == edm.CodeMethodNotAllowed {
		e.Class = edm.Transient
	}
	return e
}

// maxEcho is how much of a message is searched for echoes; what lies behind it is
// never shown.
const maxEcho = 4096

// withoutEcho returns at most the given number of bytes of what an answer says,
// without what it repeats of the request's secrets.
func (k call) withoutEcho(response *http.Response, said string, most int) string {
	secrets := k.secrets
	if response.Request != nil {
		secrets = append(slices.Clone(secrets), strings.TrimPrefix(response.Request.Header.Get("Authorization"), "Bearer "))
	}
	return truncate(redact.Text(said[:min(len(said), maxEcho)], secrets...), most)
}

// unansweredClass is the class of a call that was sent and that the service has not
// answered: one that is sent once may have had its effect.
func unansweredClass(k call) edm.Class {
	if k.once {
		return edm.Ambiguous
	}
	return edm.Transient
}

// malformed is a success that is not the service's: it may pass.
func malformed(k call, status int, message string) *edm.Error {
	return &edm.Error{Op: k.op, Status: status, Code: "MalformedAnswer", Message: message, RequestID: k.requestID, Class: unansweredClass(k), Foreign: true}
}

// unanswered is a call that brought no answer. One that may not be repeated is
// ambiguous from the moment its headers were written.
func unanswered(k call, sent bool, err error) error {
	e := &edm.Error{Op: k.op, RequestID: k.requestID, Class: edm.Transient, Err: withoutURL(err)}
	var refused *dial.RefusedError
	switch {
	case errors.As(err, &refused):
		e.Class = edm.Terminal
	case k.once && sent:
		e.Class = edm.Ambiguous
	}
	return e
}

// withoutURL drops the URL that net/http puts around its errors.
func withoutURL(err error) error {
	var around *url.Error
	if errors.As(err, &around) {
		return around.Err
	}
	return err
}

// tokenError is a bearer token that could not be had: refused, or not now.
func tokenError(k call, err error) error {
	var refused *RefusedError
	if !errors.As(err, &refused) {
		return &edm.Error{Op: k.op, RequestID: k.requestID, Class: edm.Transient, Err: fmt.Errorf("no bearer token could be obtained for spec.auth: %w", err)}
	}
	return &edm.Error{Op: k.op, RequestID: k.requestID, Class: edm.Credentials, Code: "TokenUnavailable", Err: err, Status: http.StatusUnauthorized,
		Message: "no bearer token is issued for spec.auth: " + truncate(refused.Message, maxMessage)}
}

// longestWait is the longest wait that is taken seriously.
const longestWait = 24 * time.Hour

// truncate returns at most that many bytes of s, in valid UTF-8.
func truncate(s string, most int) string {
	s = strings.ToValidUTF8(s[:min(len(s), most)], "")
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' ' // a message is one line, in logs and on terminals
		}
		return c
	}, s)
}
