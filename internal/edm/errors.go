package edm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"exactmatch.dev/operator/internal/answer"
)

// Class says what a caller may do about an error.
type Class int

// The classes of an error.
const (
	// Transient errors pass: network, 3xx, 407, 408, 409, 412, 423, 425, 429, 5xx, and
	// every answer that is not in the service's own form.
	Transient Class = iota
	// Terminal errors stay until somebody changes something: 400, 404, 413, 422.
	Terminal
	// Credentials were refused: 401 and 403.
	Credentials
	// Ambiguous means that the call may have had its effect: it was sent and no
	// answer of the service came. It is transient, but a create must be resolved by a
	// list first.
	Ambiguous
)

// Error codes in error.code that a caller tells apart.
const (
	CodeNotFound      = "ResourceNotFound"
	CodeThrottled     = "TooManyRequests"
	CodeConflict      = "Conflict"
	CodeBadRequest    = "BadRequest"
	CodeUnauthorized  = "Unauthorized"
	CodeForbidden     = "Forbidden"
	CodeKeyMismatch   = "KeyMismatch"
	CodeRulesMismatch = "RulesMismatch"
	CodeLiveChanged   = "LiveChanged"
	CodeNoLiveTable   = "NoLiveTable"
	CodeNoPrevious    = "NoPreviousTable"
	CodeTooLate       = "TooLate"
	CodeNotSealed     = "NotSealed"
	CodeUnprocessable = "UnprocessableEntity"
	CodeTooLarge      = "RequestEntityTooLarge"
	// CodePreconditionFailed is 412 for an ETag that is not the resource's, or no longer.
	CodePreconditionFailed = "PreconditionFailed"
	// CodeUnsupportedMedia is 415 for a body that is encoded in a way that the service
	// does not read.
	CodeUnsupportedMedia = "UnsupportedMediaType"
	CodeInternal         = "InternalServerError"
	CodeUnavailable      = "ServiceUnavailable"
	CodeStorageFull      = "InsufficientStorage"
	CodeTableDamaged     = "TableDamaged"
	// CodeNoSuchCall is 404 for a path or a method that the service does not have. It
	// says nothing about any resource: the endpoint's path is wrong.
	CodeNoSuchCall = "NoSuchCall"
	// CodeMethodNotAllowed is 405 for a path that the service has and a method that it does
	// not take there: as CodeNoSuchCall, it says nothing about the resource.
	CodeMethodNotAllowed = "MethodNotAllowed"
	// CodeForeignAnswer stands for the code of an answer that is not in the service's
	// own form. No service sends it.
	CodeForeignAnswer = "ForeignAnswer"
)

// ThrottledMessage is what Graph answers with 429 when the rolling quota of
// commits is spent. The number is the quota.
const ThrottledMessage = "Session creation is throttled. Max value of MaxCountOfSuccessfulSessions is %d."

// ODataError is what the body of every refusal has under "error". Target is the property of
// the request's body that is at fault, as it was sent, "" for none.
type ODataError struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	Target     string `json:"target,omitempty"`
	InnerError struct {
		Date            time.Time `json:"date"`
		RequestID       string    `json:"request-id"`
		ClientRequestID string    `json:"client-request-id"`
	} `json:"innerError"`
}

// Error is an answer of the service that is not a success, or the lack of one
// (Status 0). Message is bounded and holds nothing of a request.
type Error struct {
	Op         string // "create session"
	Status     int    // HTTP status; 0 where none was received
	Code       string
	Message    string
	RetryAfter time.Duration // 0 where the service named none
	RequestID  string        // client-request-id, for the service's log
	Class      Class
	Err        error // the cause where Status is 0; its text is free of URLs
	// Foreign: the answer is not in the service's own form, but a proxy's, a captive
	// portal's or another API's. It says nothing about what was asked.
	Foreign bool
}

// Error names the operation, the status and the code.
func (e *Error) Error() string {
	switch {
	case e.Status == 0 && e.Err != nil:
		return fmt.Sprintf("%s: no answer: %v", e.Op, e.Err)
	case e.Code != "":
		return fmt.Sprintf("%s: %d %s: %s", e.Op, e.Status, e.Code, e.Message)
	default:
		return fmt.Sprintf("%s: %d %s", e.Op, e.Status, http.StatusText(e.Status))
	}
}

// Unwrap returns the cause of an unanswered call.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf classifies any error of this contract. What is not an *Error is
// transient: it was never the service's word.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Transient
}

// IsNotFound reports whether the service itself said that it does not know the
// resource. A 404 of a proxy, or of a wrong path, says nothing about it.
func IsNotFound(err error) bool {
	return isServices(err, http.StatusNotFound) && !HasCode(err, CodeNoSuchCall)
}

// IsThrottled reports whether the service itself said 429.
func IsThrottled(err error) bool { return isServices(err, http.StatusTooManyRequests) }

// IsNoSuchPath reports a 404 of whatever form: asked for a collection, it means
// that nobody serves the contract at this path.
func IsNoSuchPath(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// HasCode reports whether the service answered with that error code.
func HasCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// RetryAfter returns the wait that the service asked for, or 0.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// isServices reports an answer of the service itself with that status.
func isServices(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status && !e.Foreign
}

// ClassOfStatus maps the HTTP status of an answer in the service's own form to its
// class.
func ClassOfStatus(status int) Class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return Credentials
	case http.StatusPreconditionFailed:
		return Transient
	}
	if status < http.StatusBadRequest || answer.IsTransient(status) {
		return Transient
	}
	return Terminal
}

// Interrupted reports whether the caller's own context ended.
func Interrupted(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
