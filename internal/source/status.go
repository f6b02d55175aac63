package source

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// statusError turns the status of an answer, the code that a service gives with it, and its header into an Error.
func statusError(where string, status int, code string, header http.Header) *Error {
	e := &Error{Source: where, Message: fmt.Sprintf("the server answers %d %s", status, http.StatusText(status))}
	if isCode(code) {
		e.Message += " (" + code + ")"
	}
	switch status {
	case http.StatusNotFound, http.StatusGone:
		e.Reason = NotFound
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		e.Reason = Refused
		e.Message += ": check the credentials"
	case http.StatusPreconditionFailed:
		e.Reason = Changed
		e.Message = "it has changed while it was read"
	case http.StatusRequestedRangeNotSatisfiable:
		e.Reason = Changed
		e.Message = "it is shorter than it was"
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests:
		e.Reason = Unavailable
	default:
		e.Reason = Invalid
		if status >= http.StatusInternalServerError {
			e.Reason = Unavailable
		}
		if status >= 300 && status < 400 {
			e.Message += ": redirects are not followed, give the address that it leads to"
		}
	}
	if e.Reason == Unavailable {
		e.RetryAfter = retryAfter(header.Get("Retry-After"), time.Now())
	}
	return e
}

// isCode keeps out what is no plain error code: the text of an answer may repeat the request.
func isCode(code string) bool {
	for _, c := range code {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return code != "" && len(code) <= 64
}

// maxRetryAfter bounds the wait that a server may ask for.
const maxRetryAfter = time.Hour

// retryAfter reads seconds or an HTTP date, as whole seconds; 0 where there is neither, or the date has passed.
func retryAfter(value string, now time.Time) time.Duration {
	seconds, err := strconv.ParseUint(value, 10, 31)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return maxRetryAfter
	case err == nil:
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil || !at.After(now) {
		return 0
	}
	return min((at.Sub(now) + time.Second - 1).Truncate(time.Second), maxRetryAfter)
}
