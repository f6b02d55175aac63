package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"k8s.io/client-go/rest"

	"exactmatch.dev/operator/hack/local"
)

// bench is one run.
type bench struct {
	options
	*local.Stack
	*cluster
	proxy   *countingProxy
	writes  *writes
	config  *rest.Config
	server  *http.Server
	unwatch context.CancelFunc
	found   results
}

func say(format string, args ...any) {
	fmt.Printf(time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}

func (b *bench) stop() error {
	if b.unwatch != nil {
		b.unwatch() // the API server waits for its watches
	}
	if b.server != nil {
		_ = b.server.Close() // what still calls is stopped next
	}
	return b.Stop()
}

// quick lets a manager that only prepares the run call as fast as it can.
var quick = []string{"--service-qps=10000", "--service-burst=10000"}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// untilSteady waits until every active session was looked at since the manager
// started and nothing waits in its queues, and says how long that took.
func (b *bench) untilSteady(ctx context.Context, m *manager) (time.Duration, error) {
	err := b.until(ctx, "every active session is polled and the queues are empty", func() (bool, error) {
		looked := 0
		for name := range about(b.proxy.since(m.started), getSession) {
			if roleOf(name) == roleActive {
				looked++
			}
		}
		return looked == b.Stores && m.idle(ctx), nil
	})
	return time.Since(m.started), err
}
