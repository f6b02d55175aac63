package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"exactmatch.dev/operator/internal/dial"
)

// statusOf is the status that the storage answered, 0 where it did not.
func statusOf(err error) int {
	var answered *azcore.ResponseError
	if errors.As(err, &answered) {
		return answered.StatusCode
	}
	return 0
}

func hasCode(err error, code string) bool {
	var answered *azcore.ResponseError
	return errors.As(err, &answered) && answered.ErrorCode == code
}

// storageError classifies what the storage met. The SDK's own texts show the
// URL with its signature, so none of them is passed on.
func storageError(op string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var done *Error
	if errors.As(err, &done) {
		return err
	}
	var answered *azcore.ResponseError
	if errors.As(err, &answered) {
		return answeredError(op, answered)
	}
	var refused *dial.RefusedError
	if errors.As(err, &refused) {
		return &Error{Reason: NotPermitted, Transient: true, Message: op + ": " + refused.Error(), cause: refused}
	}
	return &Error{Reason: StorageUnavailable, Transient: true, Message: op + ": no answer: " + causeOf(err)}
}

func answeredError(op string, answered *azcore.ResponseError) *Error {
	e := &Error{Reason: StorageUnavailable, Transient: true,
		Message:    fmt.Sprintf("%s: the storage answered %d %s", op, answered.StatusCode, shownCode(answered)),
		RetryAfter: retryAfter(answered.RawResponse)}
	switch code := answered.StatusCode; {
	case code == http.StatusForbidden || code == http.StatusUnauthorized:
		// The signature has expired or was revoked: a renewal mends it.
		e.Reason = StorageRefused
	case code == http.StatusRequestTimeout, code == http.StatusConflict, code == http.StatusLocked, code == http.StatusTooEarly,
		code == http.StatusTooManyRequests, code >= 500:
	default:
		e.Reason, e.Transient = StorageRefused, false
	}
	return e
}

// retryAfter is the wait in seconds that an answer asks for, at most an hour.
func retryAfter(response *http.Response) time.Duration {
	if response == nil {
		return 0
	}
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, time.Hour)
}

// causeOf is a transport error without its URL.
func causeOf(err error) string {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return bounded(withURL.Err.Error())
	}
	return "the connection failed"
}

// bounded is at most 200 bytes of text, whatever s is.
func bounded(s string) string { return strings.ToValidUTF8(s[:min(len(s), 200)], "") }

// maxAnswer is more than the longest list of blocks takes.
const maxAnswer = 32 << 20

// boundedAnswers ends answers that are larger than any of the protocol: the SDK
// keeps the whole of each.
type boundedAnswers struct{ client *http.Client }

func (b boundedAnswers) Do(r *http.Request) (*http.Response, error) {
	response, err := b.client.Do(r) //nolint:gosec // the guard judges every address
	if err == nil {
		response.Body = &boundedBody{ReadCloser: response.Body, left: maxAnswer}
	}
	return response, err
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

var errAnswerTooLarge = fmt.Errorf("the storage's answer exceeds %d bytes", maxAnswer)

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errAnswerTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
