package source_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/source"
)

const content = "a,b\n1,2\n3,4\n"

var everyScheme = []string{"file", "https", "s3", "gs", "azblob"}

func reasonOf(err error) failure.Reason {
	var e *source.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// read opens a range and reads it to its end.
func read(t testing.TB, s source.Source, offset, length int64) (string, error) {
	t.Helper()
	r, err := s.Open(t.Context(), offset, length)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

// checkRanges holds a source of content against the content itself.
func checkRanges(t *testing.T, s source.Source) {
	t.Helper()
	size := int64(len(content))
	for _, tc := range []struct{ offset, length int64 }{
		{0, source.ToEnd}, {4, source.ToEnd}, {size - 1, source.ToEnd}, {size, source.ToEnd}, {0, 0}, {3, 0}, {0, 4}, {4, 4}, {8, 4}, {0, size},
	} {
		end := tc.offset + tc.length
		if tc.length == source.ToEnd {
			end = size
		}
		got, err := read(t, s, tc.offset, tc.length)
		if err != nil || got != content[tc.offset:end] {
			t.Errorf("offset %d, length %d: %q, %v", tc.offset, tc.length, got, err)
		}
	}
	for _, tc := range []struct {
		offset, length int64
		want           failure.Reason
	}{{size + 1, source.ToEnd, failure.SourceChanged}, {8, 5, failure.SourceChanged}, {-1, source.ToEnd, failure.SourceInvalid}, {0, -2, failure.SourceInvalid}} {
		if _, err := read(t, s, tc.offset, tc.length); reasonOf(err) != tc.want {
			t.Errorf("offset %d, length %d: %v, want %s", tc.offset, tc.length, err, tc.want)
		}
	}
}

func TestOpenRefusesBeforeAnythingIsDialled(t *testing.T) {
	root := t.TempDir()
	for _, tc := range []struct {
		name   string
		config source.Config
		want   failure.Reason
	}{
		{"not a URI", source.Config{URI: "https://me:hush@a b/%zz?sig=hush"}, failure.SourceInvalid},
		{"no scheme", source.Config{URI: "patients.csv"}, failure.SourceInvalid},
		{"unknown scheme", source.Config{URI: "ftp://host/key?sig=hush"}, failure.SchemeNotAllowed},
		{"scheme not allowed", source.Config{URI: "s3://bucket/key", Schemes: []string{"https"}}, failure.SchemeNotAllowed},
		{"no scheme allowed", source.Config{URI: "https://host/key", Schemes: []string{}}, failure.SchemeNotAllowed},
		{"user info", source.Config{URI: "https://me:hush@host/key?sig=hush"}, failure.SourceInvalid},
		{"user info in s3", source.Config{URI: "s3://me:hush@bucket/key"}, failure.SourceInvalid},
		{"plain http", source.Config{URI: "http://host/key?sig=hush"}, failure.NotPermitted},
		{"query in s3", source.Config{URI: "s3://bucket/key?endpoint=hush"}, failure.SourceInvalid},
		{"no key", source.Config{URI: "s3://bucket/"}, failure.SourceInvalid},
		{"a folder", source.Config{URI: "s3://bucket/folder/"}, failure.SourceInvalid},
		{"no bucket", source.Config{URI: "gs:///key"}, failure.SourceInvalid},
		{"half a credential", source.Config{URI: "s3://bucket/key", Credentials: creds("accessKeyID", "hush", "region", "eu-west-1")}, failure.SourceInvalid},
		{"no region", source.Config{URI: "s3://bucket/key", Credentials: creds("accessKeyID", "hush", "secretAccessKey", "hush")}, failure.SourceInvalid},
		{"plain endpoint", source.Config{URI: "s3://bucket/key", Credentials: creds("endpoint", "http://minio/hush")}, failure.NotPermitted},
		{"endpoint with user info", source.Config{URI: "s3://bucket/key", Credentials: creds("endpoint", "https://me:hush@minio")}, failure.SourceRefused},
		{"no account", source.Config{URI: "azblob://container/key", Credentials: creds("accountKey", "hush")}, failure.SourceInvalid},
		{"account that is a host", source.Config{URI: "azblob://container/key", Credentials: creds("accountName", "evil.example/", "accountKey", "hush")}, failure.SourceInvalid},
		{"account key not base64", source.Config{URI: "azblob://container/key", Credentials: creds("accountName", "abc", "accountKey", "!hush")}, failure.SourceInvalid},
		{"connection string", source.Config{URI: "azblob://container/key", Credentials: creds("connectionString", "hush")}, failure.SourceInvalid},
		{"not a service account", source.Config{URI: "gs://bucket/key", Credentials: creds("serviceAccountJSON", `{"type":"external_account","credential_source":{"file":"hush"}}`)}, failure.SourceInvalid},
		{"two ways to sign", source.Config{URI: "https://host/key", Credentials: creds("bearerToken", "hush", "username", "hush")}, failure.SourceInvalid},
		{"no root", source.Config{URI: "file:///patients.csv"}, failure.SchemeNotAllowed},
		{"file with host", source.Config{URI: "file://exports/patients.csv", Root: root}, failure.SourceInvalid},
		{"file with query", source.Config{URI: "file:///patients.csv?x=hush", Root: root}, failure.SourceInvalid},
		{"file out of the root", source.Config{URI: "file:///../patients.csv", Root: root}, failure.PathOutsideRoot},
		{"file out of the root, escaped", source.Config{URI: "file:///a/%2e%2e/%2e%2e/patients.csv", Root: root}, failure.PathOutsideRoot},
		{"no file", source.Config{URI: "file:///", Root: root}, failure.SourceInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.config.Schemes == nil {
				tc.config.Schemes = everyScheme
			}
			s, err := source.Open(t.Context(), tc.config)
			if reasonOf(err) != tc.want {
				t.Fatalf("%v, %v, want %s", s, err, tc.want)
			}
			checkNoSecret(t, err)
		})
	}
}

func creds(pairs ...string) map[string][]byte {
	m := map[string][]byte{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = []byte(pairs[i+1])
	}
	return m
}

func checkNoSecret(t *testing.T, err error) {
	t.Helper()
	if err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "sig=") {
		t.Errorf("the message gives a hush away: %v", err)
	}
	var e *source.Error
	if errors.As(err, &e) && e.Transient() {
		t.Errorf("transient: %v", err)
	}
}

func TestFile(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "exports", "patients.csv"), content)
	s := openFile(t, root, "file:///exports/patients.csv")
	if s.Name() != "patients.csv" || s.String() != "file:///exports/patients.csv" {
		t.Errorf("name %q, string %q", s.Name(), s)
	}
	checkRanges(t, s)
}

func TestFileThatCannotBeRead(t *testing.T) {
	outside := t.TempDir()
	write(t, filepath.Join(outside, "hush.csv"), content)
	root := t.TempDir()
	write(t, filepath.Join(root, "exports", "patients.csv"), content)
	for link, target := range map[string]string{
		"absolute": filepath.Join(outside, "hush.csv"),
		"up":       filepath.Join("..", filepath.Base(outside), "hush.csv"),
		"folder":   outside,
		"loop":     "loop",
		"within":   filepath.Join("exports", "patients.csv"),
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]failure.Reason{
		"absolute": failure.PathOutsideRoot, "up": failure.PathOutsideRoot, "folder/hush.csv": failure.PathOutsideRoot,
		"loop": failure.SourceInvalid, "pipe": failure.SourceInvalid, "exports": failure.SourceInvalid, "exports/patients.csv/x": failure.SourceInvalid,
		"nowhere.csv": failure.SourceNotFound, "within": "",
	} {
		got, err := read(t, openFile(t, root, "file:///"+path), 0, source.ToEnd)
		if reasonOf(err) != want || (want == "") != (got == content) {
			t.Errorf("%s: %q, %v, want %s", path, got, err, want)
		}
	}
}

func TestFileThatChanges(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "patients.csv")
	write(t, path, content)
	s := openFile(t, root, "file:///patients.csv")
	r, err := s.Open(t.Context(), 0, source.ToEnd)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, content[:4])
	if got, err := io.ReadAll(r); reasonOf(err) != failure.SourceUnavailable {
		t.Errorf("a file cut short reads as whole: %q, %v", got, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := read(t, s, 0, 4); reasonOf(err) != failure.SourceChanged {
		t.Errorf("got %v", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func openFile(t *testing.T, root, uri string) source.Source {
	t.Helper()
	s, err := source.Open(t.Context(), source.Config{URI: uri, Root: root, Schemes: everyScheme})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBytes(t *testing.T) {
	s := source.Bytes("patients.csv", []byte(content))
	if s.Name() != "patients.csv" || s.String() != "patients.csv" {
		t.Errorf("name %q, string %q", s.Name(), s)
	}
	checkRanges(t, s)
}

func TestCancelledReadingIsToldAsSuch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, err := source.Bytes("x", []byte(content)).Open(ctx, 0, source.ToEnd)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestHostsPassTheGuard(t *testing.T) {
	server := serve(t, http.NotFoundHandler())
	for uri, credentials := range map[string]map[string][]byte{
		server.URL + "/patients.csv?sig=hush": nil,
		"s3://bucket/key":                     creds("endpoint", server.URL, "accessKeyID", "hush", "secretAccessKey", "hush"),
		"gs://bucket/key":                     creds("endpoint", server.URL, "anonymous", "true"),
		"azblob://container/key":              creds("endpoint", server.URL, "accountName", "abc", "accountKey", "c2VjcmV0"),
	} {
		s, err := source.Open(t.Context(), source.Config{URI: uri, Schemes: everyScheme, Credentials: credentials, Guard: dial.Guard{RootCAs: server.pool}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = read(t, s, 0, source.ToEnd)
		var refused *dial.RefusedError
		if reasonOf(err) != failure.NotPermitted || !errors.As(err, &refused) {
			t.Errorf("%s: %v", s, err)
		}
		checkNoSecret(t, err)
	}
}
