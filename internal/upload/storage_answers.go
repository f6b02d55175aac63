package upload

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"exactmatch.dev/operator/internal/answer"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/failure"
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

// isMarked reports whether an answer carries what the protocol puts on each. A
// success without is a stranger's.
func isMarked(requestID, version *string) bool {
	return requestID != nil && *requestID != "" && version != nil && *version != ""
}

// isStorages reports whether a refusal is in the protocol's form: a code in a
// header, or in XML beside the protocol's own name of the request.
func isStorages(answered *azcore.ResponseError) bool {
	raw := answered.RawResponse
	if raw == nil || answered.StatusCode < http.StatusBadRequest {
		return false
	}
	if raw.Header.Get("x-ms-error-code") != "" {
		return true
	}
	var said struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
	}
	body, err := runtime.Payload(raw)
	return err == nil && raw.Header.Get("x-ms-request-id") != "" && xml.Unmarshal(body, &said) == nil && said.Code != ""
}

// judged tells the refusal of a stranger as no answer of the storage.
func judged(op string, err error) error {
	var answered *azcore.ResponseError
	if errors.As(err, &answered) && !isStorages(answered) {
		e := foreign(op, answered.StatusCode)
		e.RetryAfter = retryAfter(answered.RawResponse)
		return e
	}
	return err
}

// foreign is an answer that is not the storage's, whatever its status: it says
// nothing of the blocks, and passes.
func foreign(op string, status int) *failure.Error {
	return &failure.Error{Reason: failure.StorageUnavailable, Transient: true,
		Message: fmt.Sprintf("%s: the response %d is not from the storage; check the proxies on the way to the upload URI", op, status)}
}

// blocksOf lists the blocks of a blob. An answer whose root is no list of blocks
// has none, which is not that there are none.
func blocksOf(ctx context.Context, c *blockblob.Client) (blockblob.GetBlockListResponse, error) {
	var raw *http.Response
	list, err := c.GetBlockList(policy.WithCaptureResponse(ctx, &raw), blockblob.BlockListTypeAll, nil)
	if err != nil {
		return list, err
	}
	if body, err := runtime.Payload(raw); err != nil || !isMarked(list.RequestID, list.Version) || rootOf(body) != "BlockList" {
		return list, foreign("list the staged blocks", raw.StatusCode)
	}
	return list, nil
}

// rootOf is the name of an XML document's root, "" where it has none.
func rootOf(text []byte) string {
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		if root, is := token.(xml.StartElement); is {
			return root.Name.Local
		}
	}
}

// mayPass reports whether the SDK asks again: as it does by itself, but for what
// the storage does not have.
func mayPass(response *http.Response, err error) bool {
	if err != nil {
		return true
	}
	return runtime.HasStatusCode(response, http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout) && !unsupported[response.Header.Get("x-ms-error-code")]
}

// unsupported are the codes by which storages refuse what they do not have:
// FeatureNotSupported is a 500 of Azurite's.
var unsupported = map[string]bool{
	"FeatureNotSupported": true, "UnsupportedHeader": true, "InvalidHeaderValue": true, "NotImplemented": true, "APINotImplemented": true,
}

// refusesChecksum reports whether the storage refused a block for the checksum
// beside it.
func refusesChecksum(err error) bool {
	var answered *azcore.ResponseError
	return errors.As(err, &answered) && (unsupported[answered.ErrorCode] || answered.StatusCode == http.StatusNotImplemented)
}

// storageError classifies what the storage met. The SDK's own texts show the
// URL with its signature, so none of them is passed on.
func storageError(op string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var done *failure.Error
	if errors.As(err, &done) {
		return err
	}
	var answered *azcore.ResponseError
	if errors.As(err, &answered) {
		return answeredError(op, answered)
	}
	var refused *dial.RefusedError
	if errors.As(err, &refused) {
		return &failure.Error{Reason: failure.NotPermitted, Transient: true, Message: op + ": " + refused.Error(), Cause: refused}
	}
	return &failure.Error{Reason: failure.StorageUnavailable, Transient: true, Message: op + ": no answer: " + causeOf(err)}
}

func answeredError(op string, answered *azcore.ResponseError) *failure.Error {
	e := &failure.Error{Reason: failure.StorageUnavailable, Transient: true,
		Message:    fmt.Sprintf("%s: the storage responded with %d %s", op, answered.StatusCode, shownCode(answered)),
		RetryAfter: retryAfter(answered.RawResponse)}
	switch code := answered.StatusCode; {
	case code == http.StatusForbidden || code == http.StatusUnauthorized:
		// The signature has expired or was revoked: a renewal mends it.
		e.Reason = failure.StorageRefused
	case answer.IsTransient(code):
	default:
		e.Reason, e.Transient = failure.StorageRefused, false
	}
	return e
}

// maxRetryAfter is the longest wait that is taken seriously.
const maxRetryAfter = 24 * time.Hour

// retryAfter is the wait that an answer asks for.
func retryAfter(response *http.Response) time.Duration {
	if response == nil {
		return 0
	}
	return answer.RetryAfter(response.Header.Get("Retry-After"), time.Now(), maxRetryAfter)
}

// causeOf is a transport error without its URL.
func causeOf(err error) string {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return truncate(withURL.Err.Error())
	}
	return "the connection failed, or the response cannot be read"
}

// truncate returns at most 200 bytes of s, in valid UTF-8.
func truncate(s string) string { return strings.ToValidUTF8(s[:min(len(s), 200)], "") }

// maxAnswer is more than the longest list of blocks takes, maxRefusal than any
// refusal.
const (
	maxAnswer  = 32 << 20
	maxRefusal = 256 << 10
)

// boundedAnswers ends answers that are larger than any of the protocol: the SDK
// keeps the whole of each.
type boundedAnswers struct{ client *http.Client }

func (b boundedAnswers) Do(r *http.Request) (*http.Response, error) {
	response, err := b.client.Do(r) //nolint:gosec // the guard judges every address
	if err != nil {
		return response, err
	}
	most := int64(maxAnswer)
	if response.StatusCode >= http.StatusMultipleChoices {
		most = maxRefusal
	}
	response.Body = &boundedBody{ReadCloser: response.Body, left: most}
	return response, nil
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

var errAnswerTooLarge = errors.New("the response of the storage is larger than any of the protocol")

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errAnswerTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
