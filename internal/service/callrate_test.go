package service

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"exactmatch.dev/operator/internal/service/authn"
)

// What a caller sends beyond its rate waits for its turn, and nobody else does.
func TestACallersCallsAreSpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, began := newCallRate(10), time.Now()
		flood, good := authn.Caller{Tenant: "prod/hr", Name: "flood"}, authn.Caller{Tenant: "prod/hr", Name: "good"}
		for i := range 15 {
			if err := calls.turn(t.Context(), flood); err != nil {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("15 calls at 10 a second, after a second's worth at once, take %s", took)
		}
		at := time.Now()
		if err := calls.turn(t.Context(), good); err != nil || time.Since(at) != 0 {
			t.Errorf("another caller waits %s: %v", time.Since(at), err)
		}
	})
}

// A call that would wait for more than a second is refused and takes no turn.
func TestACallThatWouldWaitTooLongIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, began := newCallRate(10), time.Now()
		var mu sync.Mutex
		served, refused := 0, 0
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				err := calls.turn(t.Context(), authn.Caller{Tenant: "prod/hr", Name: "flood"})
				mu.Lock()
				defer mu.Unlock()
				var f *failure
				switch {
				case err == nil:
					served++
				case errors.As(err, &f) && f.status == http.StatusTooManyRequests && f.retryAfter > 0 && strings.Contains(f.message, "--max-calls-per-second"):
					refused++
				default:
					t.Errorf("it is answered %v", err)
				}
			})
		}
		all.Wait()
		if served != 20 || refused != 80 || time.Since(began) != time.Second {
			t.Errorf("%d calls are served and %d refused within %s", served, refused, time.Since(began))
		}
	})
}

func TestACallerThatIsGoneWaitsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, caller := newCallRate(1), authn.Caller{Name: "gone"}
		if err := calls.turn(t.Context(), caller); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := calls.turn(ctx, caller); !errors.Is(err, context.Canceled) {
			t.Errorf("it ends with %v", err)
		}
	})
}

func TestAnyNumberOfCalls(t *testing.T) {
	calls := newCallRate(0)
	for range 10_000 {
		if err := calls.turn(t.Context(), authn.Caller{Name: "one"}); err != nil {
			t.Fatal(err)
		}
	}
}
