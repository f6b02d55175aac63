package edm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Class says what a caller may do about an error.
type Class int

// The classes of an error.
const (
	// Transient errors pass: network, 408, 409, 412, 423, 425, 429 and 5xx.
	Transient Class = iota
	// Terminal errors stay until somebody changes something: 400, 404, 413, 422.
	Terminal
	// Credentials were refused: 401 and 403.
	Credentials
	// Ambiguous means that the call may have had its effect: it was sent and no
	// answer came. It is transient, but a create must be settled by a list first.
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
	CodeTooLate       = "TooLate"
	CodeNotSealed     = "NotSealed"
	CodeUnprocessable = "UnprocessableEntity"
	CodeTooLarge      = "RequestEntityTooLarge"
	CodeInternal      = "InternalServerError"
	CodeUnavailable   = "ServiceUnavailable"
	CodeStorageFull   = "InsufficientStorage"
	CodeTableDamaged  = "TableDamaged"
)

// ThrottledMessage is what Graph answers with 429 when the rolling quota of
// commits is spent. The number is the quota.
const ThrottledMessage = "Session creation is throttled. Max value of MaxCountOfSuccessfulSessions is %d."

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

// IsNotFound reports whether the service said 404.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// IsThrottled reports whether the service said 429.
func IsThrottled(err error) bool { return hasStatus(err, http.StatusTooManyRequests) }

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

func hasStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

// ClassOfStatus maps an HTTP status to its class.
func ClassOfStatus(status int) Class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return Credentials
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusPreconditionFailed, http.StatusLocked,
		http.StatusTooEarly, http.StatusTooManyRequests:
		return Transient
	}
	if status >= 500 || status == 0 {
		return Transient
	}
	return Terminal
}

// Interrupted reports whether the caller's own context ended.
func Interrupted(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
