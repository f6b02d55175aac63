package source_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/source"
)

// store answers reads of one object as the three services do, near enough for their clients.
type store struct {
	version atomic.Int64
	status  atomic.Int64
	signed  func(*http.Request) bool
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"granted","token_type":"Bearer","expires_in":3600}`))
		return
	}
	if status := int(s.status.Load()); status != 0 || !s.signed(r) {
		if status == 0 {
			status = http.StatusForbidden
		}
		w.Header().Set("x-ms-error-code", "SomethingSecretless")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, `<Error><Code>AccessDenied</Code><Message>the hush AKIDhush</Message></Error>`)
		return
	}
	if ranged := r.Header.Get("x-ms-range"); ranged != "" {
		r.Header.Set("Range", ranged)
	}
	version := s.version.Load()
	w.Header().Set("ETag", fmt.Sprintf(`"v%d"`, version))
	w.Header().Set("X-Goog-Generation", fmt.Sprint(1+version))
	http.ServeContent(w, r, "patients.csv", time.Unix(1e9, 0), strings.NewReader(content))
}

func stores(t *testing.T) map[string]func(srv server) (uri string, credentials map[string][]byte, signed func(*http.Request) bool) {
	authorized := func(prefix string) func(*http.Request) bool {
		return func(r *http.Request) bool { return strings.HasPrefix(r.Header.Get("Authorization"), prefix) }
	}
	type opened = func(server) (string, map[string][]byte, func(*http.Request) bool)
	return map[string]opened{
		"s3": func(srv server) (string, map[string][]byte, func(*http.Request) bool) {
			return "s3://exports/a/patients.csv", creds("endpoint", srv.URL, "accessKeyID", "AKIDhush", "secretAccessKey", "hush\n"),
				authorized("AWS4-HMAC-SHA256 Credential=AKIDhush/")
		},
		"s3 anonymous": func(srv server) (string, map[string][]byte, func(*http.Request) bool) {
			return "s3://exports/a/patients.csv", creds("endpoint", srv.URL, "anonymous", "true"),
				func(r *http.Request) bool {
					return r.Header.Get("Authorization") == "" && r.URL.Path == "/exports/a/patients.csv"
				}
		},
		"gs": func(srv server) (string, map[string][]byte, func(*http.Request) bool) {
			return "gs://exports/a/patients.csv", creds("endpoint", srv.URL, "serviceAccountJSON", serviceAccount(t, srv.URL+"/token")), authorized("Bearer granted")
		},
		"azblob key": func(srv server) (string, map[string][]byte, func(*http.Request) bool) {
			return "azblob://exports/a/patients.csv", creds("endpoint", srv.URL, "accountName", "patients", "accountKey", "c2VjcmV0"),
				authorized("SharedKey patients:")
		},
		"azblob signature": func(srv server) (string, map[string][]byte, func(*http.Request) bool) {
			return "azblob://exports/a/patients.csv", creds("endpoint", srv.URL, "sasToken", "?sv=2025-01-05&sig=hush"),
				func(r *http.Request) bool { return r.URL.Query().Get("sig") == "hush" }
		},
		"azblob connection string": func(srv server) (string, map[string][]byte, func(*http.Request) bool) {
			return "azblob://exports/a/patients.csv", creds("connectionString", "AccountName=patients;AccountKey=c2VjcmV0;BlobEndpoint="+srv.URL),
				authorized("SharedKey patients:")
		},
	}
}

func serviceAccount(t *testing.T, tokenURI string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	b, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "a@b.c", "private_key": string(block), "token_uri": tokenURI})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestObjects(t *testing.T) {
	for name, prepare := range stores(t) {
		t.Run(name, func(t *testing.T) {
			handler := &store{}
			srv := serve(t, handler)
			uri, credentials, signed := prepare(srv)
			handler.signed = signed
			open := func() source.Source {
				s, err := source.Open(t.Context(), source.Config{URI: uri, Schemes: everyScheme, Credentials: credentials, Guard: srv.guard()})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			s := open()
			if s.Name() != "patients.csv" || s.String() != uri {
				t.Errorf("name %q, string %q", s.Name(), s)
			}
			checkRanges(t, s)
			handler.version.Add(1)
			if _, err := read(t, s, 4, 4); reasonOf(err) != failure.SourceChanged {
				t.Errorf("another version: %v", err)
			}
			for status, want := range map[int64]failure.Reason{403: failure.SourceRefused, 401: failure.SourceRefused, 404: failure.SourceNotFound, 503: failure.SourceUnavailable, 429: failure.SourceUnavailable} {
				handler.status.Store(status)
				_, err := read(t, open(), 0, source.ToEnd)
				if reasonOf(err) != want || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "AKID") {
					t.Errorf("status %d: %v, want %s", status, err, want)
				}
				var e *source.Error
				if errors.As(err, &e); (e.RetryAfter == 7*time.Second) != e.Transient() {
					t.Errorf("status %d waits %s", status, e.RetryAfter)
				}
			}
		})
	}
}

func TestServiceAccountThatIsNotAccepted(t *testing.T) {
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"the hush"}`))
	}))
	s, err := source.Open(t.Context(), source.Config{URI: "gs://exports/key", Schemes: everyScheme, Guard: srv.guard(),
		Credentials: creds("endpoint", srv.URL, "serviceAccountJSON", serviceAccount(t, srv.URL+"/token"))})
	if err != nil {
		t.Fatal(err)
	}
	_, err = read(t, s, 0, source.ToEnd)
	if reasonOf(err) != failure.SourceRefused {
		t.Errorf("got %v", err)
	}
	checkNoSecret(t, err)
}

func TestTokensThatHaveExpired(t *testing.T) {
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("x-ms-error-code", "InvalidAuthenticationInfo")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`<Error><Code>ExpiredToken</Code><Message>The hush</Message></Error>`))
	}))
	for uri, credentials := range map[string]map[string][]byte{
		"s3://exports/key":     creds("endpoint", srv.URL, "accessKeyID", "AKIDhush", "secretAccessKey", "hush", "sessionToken", "hush"),
		"azblob://exports/key": creds("endpoint", srv.URL, "sasToken", "sv=2025-01-05&sig=hush"),
	} {
		s, err := source.Open(t.Context(), source.Config{URI: uri, Schemes: everyScheme, Guard: srv.guard(), Credentials: credentials})
		if err != nil {
			t.Fatal(err)
		}
		_, err = read(t, s, 0, source.ToEnd)
		if reasonOf(err) != failure.SourceRefused {
			t.Errorf("%s: %v", uri, err)
		}
		checkNoSecret(t, err)
	}
}

func TestServiceAccountThatHasToWait(t *testing.T) {
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	s, err := source.Open(t.Context(), source.Config{URI: "gs://exports/key", Schemes: everyScheme, Guard: srv.guard(),
		Credentials: creds("endpoint", srv.URL, "serviceAccountJSON", serviceAccount(t, srv.URL+"/token"))})
	if err != nil {
		t.Fatal(err)
	}
	_, err = read(t, s, 0, source.ToEnd)
	var e *source.Error
	if !errors.As(err, &e) || e.Reason != failure.SourceUnavailable || e.RetryAfter != 7*time.Second {
		t.Errorf("got %v", err)
	}
}

func TestServersThatAreNotWhatTheySeem(t *testing.T) {
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(content))
	}))
	for uri, credentials := range map[string]map[string][]byte{
		"s3://exports/key":     creds("endpoint", srv.URL, "anonymous", "true"),
		"gs://exports/key":     creds("endpoint", srv.URL, "anonymous", "true"),
		"azblob://exports/key": creds("endpoint", srv.URL, "anonymous", "true"),
	} {
		s, err := source.Open(t.Context(), source.Config{URI: uri, Schemes: everyScheme, Guard: srv.guard(), Credentials: credentials})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(t, s, 4, 4); reasonOf(err) != failure.SourceInvalid {
			t.Errorf("%s: a server that sends everything gave %q, %v", s, got, err)
		}
	}
}
