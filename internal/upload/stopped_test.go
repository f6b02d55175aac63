package upload_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/testkit/sink"
	"exactmatch.dev/operator/internal/testkit/tables"
	"exactmatch.dev/operator/internal/upload"
)

// A manager that stops waits for the request that seals, and for nothing else: a URI that
// the storage refuses by then is renewed for the next one.
func TestASealThatIsStoppedWaitsForNoURI(t *testing.T) {
	s := sink.New(t)
	plan := tables.Plan(tables.CSV(10), 5)
	prepared := tables.Prepare(t, plan)
	one := s.Open(prepared, plan)
	s.Spoil = func(w http.ResponseWriter, r *http.Request) bool {
		if sink.IsSeal(r) {
			sink.RefuseStorage(http.StatusForbidden, "AuthenticationFailed")(w, r)
		}
		return sink.IsSeal(r)
	}
	ctx, stop := context.WithCancel(t.Context())
	target := sink.Target(one)
	target.Patience, target.Refused = time.Hour, func(string) { stop() }
	ended := make(chan error, 1)
	go func() { ended <- upload.Run(ctx, plan, prepared, target, sink.Options()) }()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it still waits for another URI")
	}
}
