package dial_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/dial"
)

// A peer that stops, at whatever point, ends the request; one that is only slow
// does not.
func TestStalledRequestsEnd(t *testing.T) {
	const timeout = 200 * time.Millisecond
	large := bytes.Repeat([]byte("x"), 16<<20) // more than the buffers of a connection take
	for name, tc := range map[string]struct {
		answer  http.HandlerFunc
		stalled bool
	}{
		"before the headers": {func(_ http.ResponseWriter, r *http.Request) { hang(r) }, true},
		"in the body": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("half"))
			w.(http.Flusher).Flush()
			hang(r)
		}, true},
		"slow": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			tick := time.NewTicker(timeout / 4)
			defer tick.Stop()
			for range 8 {
				<-tick.C
				_, _ = w.Write([]byte("byte"))
				w.(http.Flusher).Flush()
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tc.answer)
			defer server.Close()
			defer server.CloseClientConnections()
			client := dial.Guard{AllowHosts: []string{"127.0.0.1"}, Policy: dial.Anything, StallTimeout: timeout}.HTTPClient()
			defer client.CloseIdleConnections()
			resp, err := client.Post(server.URL, "text/plain", bytes.NewReader(large))
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			var timed net.Error
			if stalled := errors.As(err, &timed) && timed.Timeout(); stalled != tc.stalled || !tc.stalled && err != nil {
				t.Errorf("the request ended with %v", err)
			}
		})
	}
}

// hang answers nothing until the caller is gone.
func hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-time.After(time.Second):
	}
}
