package controllers

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

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
