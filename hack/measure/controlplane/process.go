package main

import (
	"context"
	"fmt"
	"time"

	"exactmatch.dev/operator/hack/local"
	"exactmatch.dev/operator/hack/measure"
)

// manager is one process of the operator's binary.
type manager struct {
	stack   *local.Stack
	name    string
	metrics string // address
	started time.Time
}

// startManager starts a manager with its default flags, but for where it listens
// and, as it runs outside a cluster, the namespace of its Lease.
func startManager(stack *local.Stack, name string, more ...string) (*manager, error) {
	port, err := local.FreePort()
	if err != nil {
		return nil, err
	}
	m := &manager{stack: stack, name: name, metrics: fmt.Sprintf("127.0.0.1:%d", port), started: time.Now()}
	return m, stack.Start(name, append([]string{"manager", "--metrics-bind-address", m.metrics, "--metrics-secure=false",
		"--health-probe-bind-address=0", "--policy-file", stack.Policy(), "--leader-election-namespace", namespace}, more...)...)
}

// usage is what the manager has taken so far.
func (m *manager) usage() (measure.Usage, error) {
	pid, err := m.stack.PID(m.name)
	if err != nil {
		return measure.Usage{}, err
	}
	return measure.UsageOf(pid)
}

// idle reports whether nothing waits in the manager's queues. A manager that
// does not serve its metrics yet is not idle.
func (m *manager) idle(ctx context.Context) bool {
	now, err := scrape(ctx, m.metrics)
	if err != nil {
		return false
	}
	return now.sum("workqueue_depth", nil) == 0
}
