package source_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/source"
)

// versionOf is the version of a source that can be seen.
func versionOf(t *testing.T, s source.Source) string {
	t.Helper()
	got, err := source.Version(t.Context(), s)
	if err != nil || got == "" {
		t.Fatalf("version %q: %v", got, err)
	}
	return got
}

func TestVersionOfAnObject(t *testing.T) {
	for name, prepare := range stores(t) {
		t.Run(name, func(t *testing.T) {
			handler := &store{}
			srv := serve(t, handler)
			uri, credentials, signed := prepare(srv)
			handler.signed = signed
			s, err := source.Open(t.Context(), source.Config{URI: uri, Schemes: everyScheme, Credentials: credentials, Guard: srv.guard()})
			if err != nil {
				t.Fatal(err)
			}
			first := versionOf(t, s)
			if again := versionOf(t, s); again != first {
				t.Errorf("%q is %q the second time", first, again)
			}
			handler.version.Add(1)
			if versionOf(t, s) == first {
				t.Error("another version is not seen")
			}
			for status, want := range map[int64]failure.Reason{403: failure.SourceRefused, 404: failure.SourceNotFound} {
				handler.status.Store(status)
				if _, err := source.Version(t.Context(), s); reasonOf(err) != want || strings.Contains(err.Error(), "hush") {
					t.Errorf("status %d: %v, want %s", status, err, want)
				}
			}
		})
	}
}

func TestVersionOverHTTPS(t *testing.T) {
	for _, tc := range []struct {
		name, tag, want string
		modified        time.Time
		body            string
		status          int
		reason          failure.Reason
	}{
		{name: "an entity tag", tag: `"v1"`, modified: time.Unix(1e9, 0), body: "a\n1\n", want: `"v1"`},
		{name: "a weak one", tag: `W/"v1"`, body: "a\n1\n", want: `"v1"`},
		{name: "a time", modified: time.Unix(1e9, 0), body: "a\n1\n", want: "2001-09-09T01:46:40Z"},
		{name: "an empty table", tag: `"v1"`, want: `"v1"`},
		{name: "neither", body: "a\n1\n", reason: failure.SourceInvalid},
		{name: "nothing there", status: http.StatusNotFound, reason: failure.SourceNotFound},
		{name: "a refusal", status: http.StatusForbidden, reason: failure.SourceRefused},
		{name: "a redirect", status: http.StatusFound, reason: failure.SourceInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet {
					w.WriteHeader(http.StatusForbidden) // as a presigned URL
					return
				}
				if tc.status != 0 {
					w.WriteHeader(tc.status)
					return
				}
				if tc.tag != "" {
					w.Header().Set("ETag", tc.tag)
				}
				http.ServeContent(w, r, "t.csv", tc.modified, strings.NewReader(tc.body))
			}))
			got, err := source.Version(t.Context(), srv.open(t, nil))
			if got != tc.want || reasonOf(err) != tc.reason || (err != nil && strings.Contains(err.Error(), "hush")) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestVersionOfAFile(t *testing.T) {
	root := t.TempDir()
	s, err := source.Open(t.Context(), source.Config{URI: "file:///t.csv", Root: root, Schemes: everyScheme})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Version(t.Context(), s); reasonOf(err) != failure.SourceNotFound {
		t.Errorf("no file: %v", err)
	}
	name := filepath.Join(root, "t.csv")
	if err := os.WriteFile(name, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := versionOf(t, s)
	if err := os.Chtimes(name, time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	if versionOf(t, s) == first {
		t.Error("another time of modification is not seen")
	}
	if versionOf(t, source.Bytes("t", []byte("a"))) == versionOf(t, source.Bytes("t", []byte("b"))) {
		t.Error("another content is not seen")
	}
}
