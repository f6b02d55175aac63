package service

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"exactmatch.dev/operator/internal/service/authn"
)

// A caller has a bounded number of calls in work, whatever others do, and waits for no other.
func TestCallersTakeTurns(t *testing.T) {
	turns := newTurns()
	busy, other := authn.Caller{Name: "busy", Tenant: "prod/hr"}, authn.Caller{Name: "other", Tenant: "prod/hr"}
	var held []func()
	for range turns.most {
		done, err := turns.take(t.Context(), busy)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, done)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	var refused *failure
	if _, err := turns.take(gone, busy); !errors.As(err, &refused) || refused.status != http.StatusServiceUnavailable {
		t.Errorf("one call more is answered %v", err)
	}
	done, err := turns.take(t.Context(), other)
	if err != nil {
		t.Fatalf("another caller waits: %v", err)
	}
	done()
	var waiting sync.WaitGroup
	waiting.Go(func() {
		done, err := turns.take(t.Context(), busy)
		if err != nil {
			t.Error(err)
			return
		}
		done()
	})
	for _, done := range held {
		done()
	}
	waiting.Wait()
	if len(turns.of) != 0 {
		t.Errorf("%d callers are remembered who have no call", len(turns.of))
	}
}

// A body that does not come, and an answer that is not read, take no turn: calls of the same
// caller are answered beside more of them than there are turns.
func TestWaitingTakesNoTurn(t *testing.T) {
	h := newHarness(t)
	at := h.over()
	for range 2 * h.turns.most {
		h.dial(at, "POST %s/exactMatchDataStores HTTP/1.1\r\nHost: service\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", base, fuzzToken)
		h.dial(at, "%s", strings.Repeat(fmt.Sprintf("GET %s/exactMatchDataStores HTTP/1.1\r\nHost: service\r\nAuthorization: Bearer %s\r\n\r\n", base, fuzzToken), 200))
	}
	c := h.dial(at, "GET %s/exactMatchDataStores/live HTTP/1.1\r\nHost: service\r\nAuthorization: Bearer %s\r\n\r\n", base, fuzzToken)
	if status, text := c.answer(); status != http.StatusOK {
		t.Errorf("%d %s", status, text)
	}
}
