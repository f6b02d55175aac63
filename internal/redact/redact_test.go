package redact_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/redact"
)

const secret = "eyJhbGciOi.J9+/secret~value"

func TestEchoesAreCutOut(t *testing.T) {
	for name, echo := range map[string]string{
		"as it is":       secret,
		"in upper case":  strings.ToUpper(secret),
		"the first part": secret[:14],
		"the last part":  secret[len(secret)-14:],
		"in hex":         hex.EncodeToString([]byte(secret)),
		"in upper hex":   strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"in base64":      base64.StdEncoding.EncodeToString([]byte(secret)),
		"within base64":  base64.StdEncoding.EncodeToString([]byte("Bearer " + secret + " end")),
		"in a query":     url.QueryEscape(secret),
		"in a path":      url.PathEscape(secret),
		"as a bearer":    "Bearer short",
		"as a signature": "https://host/x?sv=1&sig=ab%2Fc&x=1",
	} {
		got := redact.Text("before "+echo+" after", secret)
		if !strings.Contains(got, "[redacted]") || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
			t.Errorf("%s: %q", name, got)
		}
		for _, gone := range []string{secret[:12], "short", "ab%2Fc"} {
			if strings.Contains(strings.ToLower(got), strings.ToLower(gone)) {
				t.Errorf("%s: %q still shows it", name, got)
			}
		}
	}
}

func TestOtherWordsStay(t *testing.T) {
	for _, text := range []string{
		"", "the data store has 1,000 unfinished sessions: cancel some, or wait until they expire", "RulesMismatch", "fileName \"a.csv\": taken", "größer, 日本語",
	} {
		if got := redact.Text(text, secret, ""); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := redact.Text("the pin 4711 is wrong", "4711"); got != "the pin [redacted] is wrong" {
		t.Errorf("a short secret: %q", got)
	}
}

// Whatever surrounds a secret, no twelve characters of it are left.
func TestNoPartOfASecretIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Za-z0-9+/._~-]{12,60}`).Draw(t, "secret")
		before, after := rapid.String().Draw(t, "before"), rapid.String().Draw(t, "after")
		got := strings.ToLower(redact.Text(before+secret+after, secret))
		for i := 0; i+12 <= len(secret); i++ {
			if strings.Contains(got, strings.ToLower(secret[i:i+12])) {
				t.Fatalf("%q shows %q", got, secret[i:i+12])
			}
		}
	})
}

// BenchmarkManySecrets is a refusal of the largest batch of questions.
func BenchmarkManySecrets(b *testing.B) {
	secrets := make([]string, 1000)
	for i := range secrets {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		secrets[i] = base64.StdEncoding.EncodeToString(sum[:16])
	}
	text := strings.Repeat("a refusal of 4 KiB says this ", 141)
	for b.Loop() {
		_ = redact.Text(text, secrets...)
	}
}
