package source_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/source"
)

func TestBodiesThatEndWithTheConnection(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		isCut      bool
	}{
		{"a line end", "a,b\n1,2\n", false},
		{"a line end of Windows", "a,b\r\n1,2\r\n", false},
		{"a line end of old Macs", "a,b\r1,2\r", false},
		{"within a line", "a,b\n1,2", true},
		{"within the header", "a", true},
		{"nothing", "", false},
		{"an end-of-file mark", "a,b\n1,2\n\x1a", false},
		{"a line, and an end-of-file mark", "a,b\n1,2\x1a", true},
		{"UTF-16, little endian", "\xff\xfea\x00\n\x001\x00\n\x00", false},
		{"UTF-16, little endian, half a line end", "\xff\xfea\x00\n\x001\x00\n", false},
		{"UTF-16, little endian, within a line", "\xff\xfea\x00\n\x001\x00", true},
		{"UTF-16, big endian", "\xfe\xff\x00a\x00\n\x001\x00\n", false},
		{"UTF-16, big endian, within a line", "\xfe\xff\x00a\x00\n\x001", true},
		{"gzip", gzipped("a\n1\n"), false},
		{"zstd", "\x28\xb5\x2f\xfd and more", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			answer := raw("HTTP/1.0 200 OK\n", tc.body)
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r, 1) }))
			got, err := read(t, srv.open(t, nil), 0, source.ToEnd)
			if got != tc.body || (reasonOf(err) == failure.SourceUnavailable) != tc.isCut || (err != nil) != tc.isCut {
				t.Errorf("%q, %v", got, err)
			}
			if len(tc.body) < 2 {
				return
			}
			if got, err := read(t, srv.open(t, nil), 1, 1); got != tc.body[1:2] || err != nil {
				t.Errorf("a part needs no line end: %q, %v", got, err)
			}
			answer = raw(fmt.Sprintf("HTTP/1.0 200 OK\nContent-Length: %d\n", len(tc.body)), tc.body)
			if got, err := read(t, srv.open(t, nil), 0, source.ToEnd); got != tc.body || err != nil {
				t.Errorf("what is announced needs no line end: %q, %v", got, err)
			}
		})
	}
}

// TestSurplusBytesAreNotLogged: net/http logs what arrives on an idle connection, and here that is a table.
func TestSurplusBytesAreNotLogged(t *testing.T) {
	for name, open := range map[string]func(*testing.T, server) source.Source{
		"https": func(t *testing.T, srv server) source.Source { return srv.open(t, nil) },
		"azblob": func(t *testing.T, srv server) source.Source {
			s, err := source.Open(t.Context(), source.Config{URI: "azblob://exports/patients.csv", Schemes: everyScheme, Guard: srv.guard(),
				Credentials: creds("endpoint", srv.URL, "anonymous", "true")})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			logged := capture(t)
			ended := make(chan struct{})
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				defer close(ended)
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					panic(err)
				}
				_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nLast-Modified: Wed, 01 Jan 2025 00:00:00 GMT\r\nContent-Length: 8\r\n\r\na,b\n1,2\nhush,hush\n")
				_, _ = io.Copy(io.Discard, conn) // until the client has seen everything, and closes
				_ = conn.Close()
			}))
			if got, err := read(t, open(t, srv), 0, source.ToEnd); got != "a,b\n1,2\n" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			<-ended
			if text := logged(); strings.Contains(text, "hush") {
				t.Errorf("logged: %s", text)
			}
		})
	}
}

// capture collects the output of the standard logger until the test ends, and returns a function that returns it.
func capture(t *testing.T) func() string {
	var mu sync.Mutex
	var text strings.Builder
	log.SetOutput(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return text.Write(p)
	}))
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return text.String()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
