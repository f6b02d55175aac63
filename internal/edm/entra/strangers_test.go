package entra

import (
	"errors"
	"net/http"
	"testing"

	"exactmatch.dev/operator/internal/edm/edmtest"
	"exactmatch.dev/operator/internal/edm/rest"
)

// TestStrangersIssueNoTokens: an answer in the place of Microsoft Entra ID's refuses
// no credentials.
func TestStrangersIssueNoTokens(t *testing.T) {
	for _, stranger := range edmtest.Strangers() {
		if stranger.Status/100 == 2 || stranger.Name[4:] == "JSON error text" || stranger.Name[4:] == "huge" {
			continue // the SDK's; and Entra ID's own form
		}
		answer, err := stranger.RoundTrip(&http.Request{})
		if err != nil {
			t.Fatal(err)
		}
		var refused *rest.RefusedError
		if err := refusal(answer); errors.As(err, &refused) {
			t.Errorf("%q refuses credentials: %v", stranger.Name, err)
		}
	}
}
