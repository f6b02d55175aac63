package upload

import (
	"regexp"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"exactmatch.dev/operator/internal/redact"
)

// codes are what error codes of the storage look like: words, which the protocol
// lists. Anything else may repeat the request.
var codes = regexp.MustCompile(`^[A-Za-z]{1,64}$`)

// shownCode is the storage's error code, "" where it is none, without what it may
// repeat of the upload URI's signature.
func shownCode(answered *azcore.ResponseError) string {
	if !codes.MatchString(answered.ErrorCode) {
		return ""
	}
	if answered.RawResponse == nil || answered.RawResponse.Request == nil {
		return answered.ErrorCode
	}
	return redact.Text(answered.ErrorCode, answered.RawResponse.Request.URL.Query().Get("sig"))
}
