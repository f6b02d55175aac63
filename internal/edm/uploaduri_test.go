package edm_test

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
)

// FuzzUploadURIExpiry reads the end of an upload URI: the time that it says, as one that
// can be written and read again, or none.
func FuzzUploadURIExpiry(f *testing.F) {
	for _, seed := range []string{
		"https://h/upload/1?se=2026-01-02T03%3A04%3A05Z&sig=x", "https://h/?se=9999-12-31T23%3A59%3A59-23%3A59", "?se=0000-01-01T00%3A00%3A00%2B23%3A59",
		"https://h/?se=2026-01-02", "https://h/?se=x&se=2026-01-02T03:04:05Z", "%zz", "", "http://[::1?se=2026-01-02T03:04:05Z", "https://h/?se=2026-01-02T03:04:05.5Z",
		"https://h/#?se=2026-01-02T03:04:05Z", "https://h/?SE=2026-01-02T03:04:05Z", "https://h/?se=2026-02-30T03:04:05Z", "?se=0001-01-01T00:00:00Z",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		got := edm.UploadURIExpiry(uri)
		said := ""
		if parsed, err := url.Parse(uri); err == nil {
			said = parsed.Query().Get("se")
		}
		at, err := time.Parse(time.RFC3339, said)
		if got.IsZero() {
			if err == nil && at.UTC().Format(time.RFC3339)[4] == '-' && at.UTC().Year() > 0 && !at.IsZero() {
				t.Fatalf("%q ends at %q, and that is not seen", uri, said)
			}
			return
		}
		if err != nil || !got.Equal(at) {
			t.Fatalf("%q ends at %v, not at %q", uri, got, said)
		}
		text, err := json.Marshal(got.UTC())
		var again time.Time
		if err == nil {
			err = json.Unmarshal(text, &again)
		}
		if err != nil || !again.Equal(got) {
			t.Fatalf("the end of %q is written as %s and read as %v: %v", uri, text, again, err)
		}
	})
}
