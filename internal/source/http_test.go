package source_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/source"
)

type server struct {
	*httptest.Server
	pool *x509.CertPool
}

func serve(t *testing.T, h http.Handler) server {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return server{s, pool}
}

func (s server) guard() dial.Guard {
	return dial.Guard{AllowHosts: []string{"127.0.0.1"}, Policy: dial.Anything, RootCAs: s.pool}
}

func (s server) open(t *testing.T, credentials map[string][]byte) source.Source {
	t.Helper()
	opened, err := source.Open(t.Context(), source.Config{
		URI: s.URL + "/exports/patients.csv?sig=hush", Schemes: []string{"https"}, Credentials: credentials, Guard: s.guard()})
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func TestHTTPS(t *testing.T) {
	for name, tag := range map[string]string{"strong": `"v1"`, "weak": `W/"v1"`, "none": ""} {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("sig") != "hush" || r.Header.Get("Authorization") != "Bearer token" || r.Header.Get("Accept-Encoding") != "identity" {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				if tag != "" {
					w.Header().Set("ETag", tag)
				}
				http.ServeContent(w, r, "patients.csv", time.Unix(1e9, 0), strings.NewReader(content))
			}))
			s := srv.open(t, creds("bearerToken", "token\n"))
			if s.Name() != "patients.csv" || s.String() != srv.URL+"/exports/patients.csv" {
				t.Errorf("name %q, string %q", s.Name(), s)
			}
			checkRanges(t, s)
		})
	}
}

func TestHTTPSWithoutRanges(t *testing.T) {
	for name, flush := range map[string]string{"with length": "", "chunked": "yes"} {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(content[:1]))
				if flush != "" {
					_ = http.NewResponseController(w).Flush()
				}
				_, _ = w.Write([]byte(content[1:]))
			}))
			s := srv.open(t, nil)
			for _, tc := range []struct {
				offset, length int64
				want           string
			}{{4, 4, content[4:8]}, {4, source.ToEnd, content[4:]}, {0, source.ToEnd, content}} {
				if got, err := read(t, s, tc.offset, tc.length); err != nil || got != tc.want {
					t.Errorf("%d, %d: %q, %v", tc.offset, tc.length, got, err)
				}
			}
		})
	}
}

func TestHTTPSThatChanges(t *testing.T) {
	for _, kind := range []string{"ranges", "no ranges"} {
		t.Run(kind, func(t *testing.T) {
			var version atomic.Int64
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if kind == "no ranges" {
					r.Header.Del("Range")
				}
				http.ServeContent(w, r, "patients.csv", time.Time{}, strings.NewReader(content+strings.Repeat("5,6\n", int(version.Load()))))
			}))
			s := srv.open(t, nil)
			for range 2 {
				if _, err := read(t, s, 0, 4); err != nil {
					t.Fatal(err)
				}
			}
			version.Add(1)
			_, err := read(t, s, 4, 4)
			if reasonOf(err) != failure.SourceChanged {
				t.Fatalf("got %v", err)
			}
			checkNoSecret(t, err)
		})
	}
}

func TestHTTPSAnswers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		want   failure.Reason
	}{
		{"401", status(401), failure.SourceRefused},
		{"403", status(403), failure.SourceRefused},
		{"404", status(404), failure.SourceNotFound},
		{"410", status(410), failure.SourceNotFound},
		{"400", status(400), failure.SourceInvalid},
		{"204", status(204), failure.SourceInvalid},
		{"408", status(408), failure.SourceUnavailable},
		{"429", status(429), failure.SourceUnavailable},
		{"503", status(503), failure.SourceUnavailable},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x?sig=hush", http.StatusFound) }, failure.SourceInvalid},
		{"another range", part("bytes 3-11/12", content[3:]), failure.SourceInvalid},
		{"a shorter range", part("bytes 4-6/12", content[4:7]), failure.SourceInvalid},
		{"no range", part("", content[4:]), failure.SourceInvalid},
		{"range of nonsense", part("bytes 4-x/12", content[4:]), failure.SourceInvalid},
		{"range beyond the end", part("bytes 4-12/12", content[4:]), failure.SourceInvalid},
		{"range of an unknown total", part("bytes 4-11/*", content[4:]), failure.SourceInvalid},
		{"everything, and shorter than the range", part("bytes 0-2/3", content[:3]), failure.SourceChanged},
		{"body too short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "8")
			w.Header().Set("Content-Range", "bytes 4-11/12")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write([]byte("1"))
		}, failure.SourceUnavailable},
		{"everything, and too short a body", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "8")
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte("1"))
		}, failure.SourceUnavailable},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, failure.SourceUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := serve(t, tc.answer).open(t, nil)
			_, err := read(t, s, 4, source.ToEnd)
			if reasonOf(err) != tc.want {
				t.Fatalf("got %v, want %s", err, tc.want)
			}
			var e *source.Error
			if errors.As(err, &e); e.Transient() != (tc.want == failure.SourceUnavailable) {
				t.Errorf("transient: %v", e.Transient())
			}
			if strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "the body") {
				t.Errorf("the message gives a hush away: %v", err)
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		if code != http.StatusNoContent {
			_, _ = w.Write([]byte("the body"))
		}
	}
}

func part(contentRange, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", contentRange)
		w.WriteHeader(http.StatusPartialContent)
		_, _ = bytes.NewBufferString(text).WriteTo(w)
	}
}
