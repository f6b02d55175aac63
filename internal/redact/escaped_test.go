package redact_test

import (
	"net/url"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/redact"
)

// A secret whose every part is escaped leaves nothing that stands as it is.
func TestSecretsThatAreEscapedThroughout(t *testing.T) {
	const secret = "ab+/cd=&ef ?gh+/ij=&kl ?mn"
	for name, echo := range map[string]string{"in a query": url.QueryEscape(secret), "in a path": url.PathEscape(secret)} {
		if got := redact.Text("before "+echo+" after", secret); strings.Contains(got, "%") || !strings.Contains(got, "[redacted]") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
