package upload

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm/edmtest"
	"exactmatch.dev/operator/internal/failure"
)

// toStorage is a storage whose requests are answered by the transport.
func toStorage(answers http.RoundTripper) *storage {
	return &storage{target: Target{
		HTTP: &http.Client{Transport: answers, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		URI:  func() string { return "http://storage/u?sp=rcw&sig=hush-signature" },
	}}
}

// storageCalls are all calls of the storage.
func storageCalls() map[string]func(context.Context, *storage) error {
	data := []byte("a block")
	sum := block.Sum(data)
	return map[string]func(context.Context, *storage) error{
		"stage a block": func(ctx context.Context, s *storage) error {
			_, err := s.stage(ctx, block.ID(0, sum), sum, data)
			return err
		},
		"list the blocks": func(ctx context.Context, s *storage) error { _, err := s.staged(ctx); return err },
		"seal the list":   func(ctx context.Context, s *storage) error { return s.seal(ctx, ctx, []string{block.ID(0, sum)}) },
	}
}

func outcomeOf(err error) string {
	var e *failure.Error
	switch {
	case err == nil:
		return "success"
	case errors.Is(err, errUnsealed):
		return "blocks are missing"
	case !errors.As(err, &e):
		return "no *failure.Error"
	case !e.Transient:
		return "terminal: " + string(e.Reason)
	}
	return string(e.Reason)
}

// TestStrangersAreNoStorage takes the answers of strangers for every call of the
// storage: none is a success, an empty list, a refused signature, or an end.
func TestStrangersAreNoStorage(t *testing.T) {
	counts, n := map[string]int{}, 0
	for name, call := range storageCalls() {
		for _, stranger := range edmtest.Strangers() {
			n++
			var err error
			synctest.Test(t, func(t *testing.T) { err = call(t.Context(), toStorage(stranger)) })
			got := outcomeOf(err)
			counts[got]++
			if got != string(failure.StorageUnavailable) {
				if counts[got] <= 5 {
					t.Errorf("%s answered by %q is %s: %v", name, stranger.Name, got, err)
				}
			} else if text := err.Error(); strings.Contains(text, "hush") || len(text) > 400 {
				t.Errorf("%s answered by %q says %q", name, stranger.Name, text)
			}
		}
	}
	t.Logf("%d calls of the storage answered by strangers: %v", n, counts)
}
