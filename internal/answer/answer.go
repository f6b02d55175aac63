// Package answer holds what an answer over HTTP says of trying again, no matter who gave
// it: a source, a storage, or the service.
package answer

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// IsTransient reports whether a refusal of that status may pass without anybody
// changing anything: the one list of such statuses.
func IsTransient(status int) bool {
	switch status {
	case http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusConflict, http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= http.StatusInternalServerError
}

// RetryAfter is the wait that a Retry-After header asks for (RFC 9110, 10.2.3): whole
// seconds, of a number or until a date, and at most most. It is 0 where the value is
// neither, or the date is not after now.
func RetryAfter(value string, now time.Time, most time.Duration) time.Duration {
	seconds, err := strconv.ParseUint(value, 10, 31)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return most
	case err == nil:
		return min(time.Duration(seconds)*time.Second, most)
	}
	at, err := http.ParseTime(value)
	if err != nil || !at.After(now) {
		return 0
	}
	return (min(at.Sub(now), most) + time.Second - 1).Truncate(time.Second) // a date can be centuries ahead
}
