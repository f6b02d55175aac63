package rest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// instant answers without a network, so that a bubble's time stands still.
type instant struct{}

func (instant) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{"id":"d"}`)), Request: r}, nil
}

func TestOnlyAPaceThatIsGivenSlowsCallsDown(t *testing.T) {
	for name, tc := range map[string]struct {
		pace *Pace
		took time.Duration
	}{
		"none":                    {nil, 0},
		"unpaced":                 {Unpaced(), 0},
		"10 a second, 20 at once": {NewPace(10, 20), 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := New(Options{Endpoint: "http://127.0.0.1/beta", HTTP: &http.Client{Transport: instant{}}, Pace: tc.pace})
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				for range 100 {
					if _, err := c.Stores().Get(t.Context(), "d"); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(began).Round(time.Millisecond); took != tc.took {
					t.Errorf("100 calls take %s, want %s", took, tc.took)
				}
			})
		})
	}
}
