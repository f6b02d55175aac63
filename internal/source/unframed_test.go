package source_test

import (
	"fmt"
	"net/http"
	"testing"

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
			if got != tc.body || (reasonOf(err) == source.Unavailable) != tc.isCut || (err != nil) != tc.isCut {
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
