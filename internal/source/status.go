package source

import (
	"fmt"
	"net/http"
	"time"

	"exactmatch.dev/operator/internal/answer"
	"exactmatch.dev/operator/internal/failure"
)

// statusError turns the status of an answer, the code that a service gives with it, and its header into an Error.
func statusError(where string, status int, code string, header http.Header) *Error {
	e := &Error{Source: where, Message: fmt.Sprintf("the server answers %d %s", status, http.StatusText(status))}
	if isCode(code) {
		e.Message += " (" + code + ")"
	}
	switch status {
	case http.StatusPreconditionFailed:
		e.Reason, e.Message = failure.SourceChanged, "it changed while it was read"
		return e
	case http.StatusRequestedRangeNotSatisfiable:
		e.Reason, e.Message = failure.SourceChanged, "it is shorter than before"
		return e
	}
	remedy := ""
	e.Reason, remedy = judgeStatus(status, code)
	e.Message += remedy
	if e.Reason == failure.SourceUnavailable {
		e.RetryAfter = answer.RetryAfter(header.Get("Retry-After"), time.Now(), maxRetryAfter)
	}
	return e
}

// judgeStatus returns the reason that a status stands for, and what to do about it; "" where waiting is all there is to do.
func judgeStatus(status int, code string) (reason failure.Reason, remedy string) {
	switch status {
	case http.StatusNotFound, http.StatusGone:
		return failure.SourceNotFound, ": check the URI, and that the table exists"
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return failure.SourceRefused, refusedRemedy
	}
	switch {
	case answer.IsTransient(status):
		return failure.SourceUnavailable, ""
	case status >= http.StatusBadRequest && refusalCodes[code]:
		return failure.SourceRefused, refusedRemedy
	case status >= http.StatusBadRequest:
		return failure.SourceInvalid, ": check the URI; a signed one must be complete"
	case status >= http.StatusMultipleChoices:
		return failure.SourceInvalid, ": redirects are not followed, use the URI that it leads to"
	}
	return failure.SourceInvalid, ": only 200 OK carries a table, check the URI"
}

const refusedRemedy = ": check the credentials; if the URI is signed, its signature may have expired: issue a new one"

// refusalCodes are the codes of object stores for credentials or signatures that they do not accept, some of them with status 400.
var refusalCodes = map[string]bool{
	"AccessDenied": true, "AuthenticationFailed": true, "AuthorizationFailure": true, "AuthorizationHeaderMalformed": true,
	"AuthorizationPermissionMismatch": true, "AuthorizationQueryParametersError": true, "ExpiredToken": true, "InvalidAccessKeyId": true,
	"InvalidAuthenticationInfo": true, "InvalidToken": true, "RequestTimeTooSkewed": true, "SignatureDoesNotMatch": true, "TokenRefreshRequired": true,
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
