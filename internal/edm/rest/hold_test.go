package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"exactmatch.dev/operator/internal/edm"
)

// busy is a service that asks to wait for as long as it is told to. It takes a
// second for each answer.
type busy struct {
	mu    sync.Mutex
	wait  string // Retry-After, "" for none
	calls int
}

func (b *busy) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	b.calls++
	wait := b.wait
	b.mu.Unlock()
	time.Sleep(time.Second)
	if wait == "cut off" {
		return nil, io.ErrUnexpectedEOF
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if wait == "" {
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(`{"id":"d"}`)), Request: r}, nil
	}
	header.Set("Retry-After", wait)
	body := `{"error":{"code":"ServiceUnavailable","message":"later"}}`
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (b *busy) asks(wait string) {
	b.mu.Lock()
	b.wait = wait
	b.mu.Unlock()
}

func (b *busy) asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.calls
	b.calls = 0
	return n
}

func (b *busy) client(t *testing.T, pace *Pace) *Client {
	t.Helper()
	c, err := New(Options{Endpoint: "http://service/beta", HTTP: &http.Client{Transport: b}, Pace: pace})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// manyGets sends calls at once, and returns how they ended.
func manyGets(ctx context.Context, c *Client, n int) []error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = c.Stores().Get(ctx, "d") })
	}
	all.Wait()
	return errs
}

func held(errs []error) (n int) {
	for _, err := range errs {
		if errors.Is(err, errHeldBack) {
			n++
		}
	}
	return n
}

// TestAnEndpointIsHeldBackForMinutesThenProbed: a service, or a proxy in its
// place, that asks to wait for a day is asked again by one call every five minutes.
func TestAnEndpointIsHeldBackForMinutesThenProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busy{wait: "86400"}
		c := b.client(t, Unpaced())
		_, err := c.Stores().Get(t.Context(), "d")
		if edm.RetryAfter(err) != 24*time.Hour {
			t.Errorf("the call's own wait is %s", edm.RetryAfter(err))
		}
		if errs := manyGets(t.Context(), c, 10); held(errs) != 10 || edm.RetryAfter(errs[0]) != 5*time.Minute {
			t.Errorf("%d of 10 calls are held back, for %s", held(errs), edm.RetryAfter(errs[0]))
		}
		b.asked()
		for round := range 3 {
			time.Sleep(5 * time.Minute)
			errs := manyGets(t.Context(), c, 10)
			if n := b.asked(); n != 1 || held(errs) != 9 {
				t.Fatalf("round %d: %d probes, and %d of 10 calls are held back", round, n, held(errs))
			}
		}
		b.asks("")
		time.Sleep(5 * time.Minute)
		for _, err := range manyGets(t.Context(), c, 10) {
			if err != nil {
				t.Errorf("the probe came through, and another call ends with %v", err)
			}
		}
		if n := b.asked(); n != 10 {
			t.Errorf("%d of 10 calls were sent", n)
		}
	})
}

// TestAProbeThatIsNotAnsweredIsFollowedByAnother: one at a time.
func TestAProbeThatIsNotAnsweredIsFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busy{wait: "300"}
		c := b.client(t, Unpaced())
		_, _ = c.Stores().Get(t.Context(), "d")
		time.Sleep(5 * time.Minute)
		gone, stop := context.WithTimeout(t.Context(), time.Millisecond)
		defer stop()
		b.asks("cut off")
		if _, err := c.Stores().Get(gone, "d"); err == nil {
			t.Error("a call that was cut off succeeds")
		}
		b.asks("")
		if _, err := c.Stores().Get(t.Context(), "d"); err != nil {
			t.Errorf("the next probe ends with %v", err)
		}
		if errs := manyGets(t.Context(), c, 10); held(errs) != 0 {
			t.Errorf("%d of 10 calls are held back after the probe", held(errs))
		}
	})
}

// TestAHoldIsOfOneTenant: what one is asked to wait holds back no call of another,
// though both spend one budget.
func TestAHoldIsOfOneTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, shared := &busy{wait: "3600"}, NewPace(1, 1)
		one, other := b.client(t, shared.Apart()), b.client(t, shared.Apart())
		_, _ = one.Stores().Get(t.Context(), "d")
		b.asks("")
		began := time.Now()
		for i, err := range manyGets(t.Context(), other, 5) {
			if err != nil {
				t.Errorf("call %d of another tenant: %v", i, err)
			}
		}
		if took := time.Since(began); took < 4*time.Second {
			t.Errorf("5 calls at 1 a second take %s", took)
		}
		if _, err := one.Stores().Get(t.Context(), "d"); !errors.Is(err, errHeldBack) {
			t.Errorf("the first tenant's own call: %v", err)
		}
	})
}

// TestAShortWaitIsWaitedOut: all calls go on after it, the first of them alone.
func TestAShortWaitIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busy{wait: "1"}
		c := b.client(t, Unpaced())
		_, _ = c.Stores().Get(t.Context(), "d")
		b.asks("")
		if errs := manyGets(t.Context(), c, 10); held(errs) != 0 {
			t.Errorf("%d of 10 calls end: %s", held(errs), fmt.Sprint(errs[0]))
		}
	})
}
