package controllers

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// FuzzLease reads the end of an upload URI: a time that Kubernetes can keep, or
// none.
func FuzzLease(f *testing.F) {
	for _, seed := range []string{
		"https://h/upload/1?se=2026-01-02T03%3A04%3A05Z&sig=x", "https://h/?se=9999-12-31T23%3A59%3A59-23%3A59", "?se=0000-01-01T00%3A00%3A00%2B23%3A59",
		"https://h/?se=2026-01-02", "https://h/?se=x&se=2026-01-02T03:04:05Z", "%zz", "", "http://[::1?se=2026-01-02T03:04:05Z", "https://h/?se=2026-01-02T03:04:05.5Z",
		"https://h/#?se=2026-01-02T03:04:05Z", "https://h/?SE=2026-01-02T03:04:05Z", "https://h/?se=2026-02-30T03:04:05Z",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		got := leaseOf(uri)
		parsed, err := url.Parse(uri)
		said := ""
		if err == nil {
			said = parsed.Query().Get("se")
		}
		switch at, err := time.Parse(time.RFC3339, said); {
		case got.IsZero():
			if err == nil && at.UTC().Year() >= 1 && at.UTC().Year() <= 9999 && !at.IsZero() {
				t.Fatalf("%q ends at %q, and that is not seen", uri, said)
			}
			return
		case err != nil || !got.Equal(at):
			t.Fatalf("%q ends at %v, not at %q", uri, got, said)
		}
		var status, again v1alpha1.ExactMatchSessionStatus
		mirror(&status, &edm.Session{DataUploadURI: uri})
		text, err := json.Marshal(status)
		if err == nil {
			err = json.Unmarshal(text, &again)
		}
		if err != nil || again.LeaseExpiryTime.Unix() != got.Unix() {
			t.Fatalf("the end of %q is written as %s and read as %v: %v", uri, text, again.LeaseExpiryTime, err)
		}
	})
}

// FuzzMirror copies any answer of a service into status: bounded, readable
// again, and without the query of the upload URI.
func FuzzMirror(f *testing.F) {
	for _, seed := range []string{
		`{"id":"1","state":"Created","dataUploadURI":"https://h/upload/1?se=2026-01-02T03:04:05Z&sig=hush","totalBlockCount":3,"fields":["a"]}`,
		`{"completionDateTime":"9999-12-31T23:59:59-23:59","error":{"code":"` + strings.Repeat("x", 5000) + `","details":[{},{"code":"1","innerError":{"errorDateTime":"0000-01-01T00:00:00+23:59"}}]}}`,
		`{"fields":[` + strings.Repeat(`"a",`, 40) + `"a"]}`, `{"state":"` + strings.Repeat("ß", 600) + `"}`, `{}`, `null`, `{"error":{"message":"` + strings.Repeat("é", 700) + `"}}`,
		`{"error":{"details":[` + strings.Repeat(`{"message":"m"},`, 20) + `{}]},"dataUploadURI":"https://h/#sig=hush"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		var from edm.Session
		if json.Unmarshal(answer, &from) != nil || len(from.ID) > 1024 {
			return
		}
		var status, again v1alpha1.ExactMatchSessionStatus
		mirror(&status, &from)
		text, err := json.Marshal(status)
		if err == nil {
			err = json.Unmarshal(text, &again)
		}
		if err != nil {
			t.Fatalf("%s is mirrored as what nobody can read: %v", answer, err)
		}
		back, err := json.Marshal(again)
		if err != nil || string(back) != string(text) {
			t.Fatalf("%s becomes %s, then %s: %v", answer, text, back, err)
		}
		if !utf8.ValidString(status.State) || len(status.Fields) > 32 || len(text) > 6*1024*(50+32) {
			t.Fatalf("%d bytes of an answer become %d of status with %d fields", len(answer), len(text), len(status.Fields))
		}
		if strings.ContainsAny(status.DataUploadURI, "?#") {
			t.Fatalf("the query is mirrored: %q", status.DataUploadURI)
		}
	})
}
