package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/edm"
)

// answering is a service that answers always the same.
type answering struct {
	status       int
	header, body string
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	header := http.Header{}
	for line := range strings.SplitSeq(a.header, "\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			header.Add(name, strings.TrimSpace(value))
		}
	}
	return &http.Response{StatusCode: a.status, Header: header, Body: io.NopCloser(strings.NewReader(a.body)), Request: r, ContentLength: -1}, nil
}

// FuzzAnswer lets the service answer anything. Every call ends with a value or an
// *edm.Error of a class that fits, a bounded wait and a bounded line of text,
// with nothing of the token and of a body that is no OData error.
func FuzzAnswer(f *testing.F) {
	f.Add(uint16(200), "Content-Type: application/json", `{"value":[{"id":"1"}],"@odata.nextLink":"https://elsewhere/?$skip=1"}`)
	f.Add(uint16(200), "", `{"value":{"id":"1","state":"Created","dataUploadURI":"https://h/?sig=x"}}`)
	f.Add(uint16(200), "", `[`)
	f.Add(uint16(200), "Content-Type: application/json", `{"generation":1,"sessionId":"s","answers":[{"total":1,"rows":[{"row":1,"matched":{"A":0}}]}]}`)
	f.Add(uint16(429), "Retry-After: 9223372037", `{"error":{"code":"TooManyRequests","message":"later"}}`)
	f.Add(uint16(503), "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", "")
	f.Add(uint16(429), "Retry-After: -1", "")
	f.Add(uint16(400), "", `{"error":{"code":"`+strings.Repeat("é", 200)+`","message":"`+strings.Repeat("ü", 700)+`"}}`)
	f.Add(uint16(300), "", `{"error":{"code":"x`+strings.Repeat("é", 200)+`","message":"x`+strings.Repeat("ü", 700)+`"}}`)
	f.Add(uint16(300), "", `{"error":{"code":"a\nb\u001b[31m","message":"c\u0000\u009b"}}`)
	f.Add(uint16(502), "Content-Type: text/html; charset=x", "<html>hush</html>")
	f.Add(uint16(404), "Content-Type: "+strings.Repeat("x", 100)+"/y", "")
	f.Fuzz(func(t *testing.T, status uint16, header, body string) {
		code := 100 + int(status)%900
		c, err := New(Options{
			Endpoint: "http://service/beta", Token: StaticToken(hush), HTTP: &http.Client{
				Transport: answering{code, header, body}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			}, Pace: Unpaced(),
		})
		if err != nil {
			t.Fatal(err)
		}
		c.sleep = func(context.Context, time.Duration) error { return nil }
		calls := []func() error{
			func() error { _, err := c.Sessions().Create(t.Context(), "d", edm.Session{}, "r"); return err },
			func() error { _, err := c.Sessions().Renew(t.Context(), "d", "s"); return err },
			func() error {
				_, err := c.Stores().Match(t.Context(), "d", edm.MatchRequest{Questions: make([]edm.MatchQuestion, 1)})
				return err
			},
			func() error { return c.Sessions().Commit(t.Context(), "d", "s", nil) },
			func() error { _, err := c.Stores().List(t.Context(), edm.Query{Top: 2}); return err },
		}
		for _, call := range calls {
			c.o.Pace.until = time.Time{}
			checkError(t, call(), code, body)
		}
	})
}

func checkError(t *testing.T, err error, status int, body string) {
	t.Helper()
	if err == nil {
		if status < 200 || status > 299 {
			t.Fatalf("%d is a success", status)
		}
		return
	}
	var e *edm.Error
	if !errors.As(err, &e) || e.RetryAfter < 0 || e.RetryAfter > 24*time.Hour {
		t.Fatalf("%d: %+v", status, err)
	}
	if e.Status != 0 && e.Status != status {
		t.Fatalf("%d is told as %d", status, e.Status)
	}
	text := err.Error()
	if len(text) > 1000 || !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r\x1b\x00") || !strings.Contains(body, hush) && strings.Contains(text, hush) {
		t.Fatalf("says %q", text)
	}
	if !strings.Contains(body, `"`) && len(body) > 12 && strings.Contains(text, body) {
		t.Fatalf("repeats a body that is no error: %q", text)
	}
}
