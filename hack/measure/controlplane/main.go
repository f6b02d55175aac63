// Command bench-control-plane measures the manager beside many sessions: 10,000
// objects of which 9,900 are finished, 50 are being indexed and 50 wait for their
// turn, in 50 data stores. The API server, the manager and the service are real
// processes. A proxy before the service counts its calls and simulates the time
// that indexing takes.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"exactmatch.dev/operator/hack/local"
	"exactmatch.dev/operator/hack/measure"
)

func main() { measure.Main("bench-control-plane", run) }

func run(ctx context.Context, args []string) (err error) {
	began := time.Now()
	if err := measure.CheckSystem(); err != nil {
		return err
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	// The stack's temporary folders are its own, and paths may be relative.
	stack, err := local.New(o.bin)
	if err != nil {
		return err
	}
	b := &bench{options: o, Stack: stack, found: results{Run: measure.Run{Machine: measure.DescribeMachine(ctx)}, Settings: o}}
	defer func() { err = errors.Join(err, b.stop()) }()
	for _, step := range []func(context.Context) error{b.start, b.populate, b.grow, b.failOver, b.timeCreates} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	b.found.Took = time.Since(began)
	return b.found.report(o)
}

// start brings up the control plane, the service and the proxy before it.
func (b *bench) start(ctx context.Context) error {
	say("starting the control plane and the service")
	if err := b.StartPlane(); err != nil {
		return err
	}
	if out, err := b.Kubectl(ctx, "apply", "--server-side", "-f", "config/crd/bases").CombinedOutput(); err != nil {
		return fmt.Errorf("apply the CRDs: %w: %s", err, out)
	}
	if err := b.WaitForCRDs(ctx); err != nil {
		return err
	}
	if err := b.StartService(); err != nil {
		return err
	}
	service, err := url.Parse(fmt.Sprintf("http://127.0.0.1:%d", b.Port))
	if err != nil {
		return err
	}
	b.proxy = newProxy(service, held)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b.server = &http.Server{Handler: b.proxy, ReadHeaderTimeout: time.Minute}
	go func() { _ = b.server.Serve(listener) }() // it ends with Close
	token, err := os.ReadFile(b.Token)
	if err != nil {
		return err
	}
	if b.config, err = b.Config(); err != nil {
		return err
	}
	b.cluster, err = newCluster(b.config, fmt.Sprintf("http://%s/beta", listener.Addr()), string(token))
	return err
}

// populate makes the stores, the model, and the sessions that stay active and
// waiting.
func (b *bench) populate(ctx context.Context) (err error) {
	say("making %d stores with an active and a waiting session each", b.Stores)
	if _, err := startManager(b.Stack, "first", quick...); err != nil {
		return err
	}
	if err := b.common(ctx); err != nil {
		return err
	}
	// The model has a store of its own: the others' content is live nowhere.
	for family, count := range map[string]int{"model": 1, "store": b.Stores} {
		if err := b.stores(ctx, family, count); err != nil {
			return err
		}
	}
	for _, s := range []struct {
		role, family, step string
		count              int
	}{{roleModel, "model", "Completed", 1}, {roleActive, "store", "Processing", b.Stores}, {roleWaiting, "store", "Queued", b.Stores}} {
		if err := b.sessions(ctx, s.role, s.family, s.step, s.count); err != nil {
			return err
		}
	}
	watching, unwatch := context.WithCancel(ctx)
	b.unwatch = unwatch
	if b.writes, err = watchWrites(watching, b.cluster); err != nil {
		return err
	}
	return b.Terminate("first")
}

// grow measures a manager at each number of sessions.
func (b *bench) grow(ctx context.Context) error {
	have := 2 * b.Stores
	for i, size := range b.Sessions {
		say("%d sessions: making %d finished ones", size, size-have)
		if err := b.finish(ctx, b.proxy, have, size-have, b.Stores); err != nil {
			return err
		}
		if err := b.writes.catchUp(ctx, b.cluster); err != nil {
			return err
		}
		have = size
		window := b.Window
		if i < len(b.Sessions)-1 {
			window /= 2
		}
		r, err := b.at(ctx, size, window)
		if err != nil {
			return err
		}
		b.found.add(r)
		say("%d sessions: steady after %s, %s, peak %s", size, r.Steady.Round(time.Millisecond), measure.MiB(r.Usage.Now), measure.MiB(r.Usage.Peak))
	}
	return nil
}

// at starts a manager, waits until it is steady, and watches it for a while.
func (b *bench) at(ctx context.Context, size int, window time.Duration) (*sizeResult, error) {
	m, err := startManager(b.Stack, "manager")
	if err != nil {
		return nil, err
	}
	r := &sizeResult{Sessions: size, Window: window, Stores: b.Stores}
	if r.Steady, err = b.untilSteady(ctx, m); err != nil {
		return nil, err
	}
	if r.Start, err = m.usage(); err != nil {
		return nil, err
	}
	// What a start sets off (the stores' status, held-back writes) is over by then.
	if err := pause(ctx, pollInterval+statusInterval); err != nil {
		return nil, err
	}
	if err := b.watchSteady(ctx, m, r); err != nil {
		return nil, err
	}
	return r, b.Terminate("manager")
}

// watchSteady fills in what a manager does while nothing changes.
func (b *bench) watchSteady(ctx context.Context, m *manager, r *sizeResult) error {
	from := time.Now()
	first, err := m.usage()
	if err != nil {
		return err
	}
	serverBefore, err := scrapeServer(ctx, b.config)
	if err != nil {
		return err
	}
	before, err := scrape(ctx, m.metrics)
	if err != nil {
		return err
	}
	if err := pause(ctx, r.Window); err != nil {
		return err
	}
	to := time.Now()
	after, err := scrape(ctx, m.metrics)
	if err != nil {
		return err
	}
	serverAfter, err := scrapeServer(ctx, b.config)
	if err != nil {
		return err
	}
	if r.Usage, err = m.usage(); err != nil {
		return err
	}
	calls := b.proxy.since(from)
	r.Calls, r.CPU = byKind(calls), r.Usage.CPU-first.CPU
	for name, n := range about(calls, "") {
		if roleOf(name) == roleFinished {
			r.FinishedCalls += n
		}
	}
	_, r.MostGets = ofRole(about(calls, getSession), roleActive)
	changed, err := b.writes.between(from, to)
	if err != nil {
		return err
	}
	r.ActiveWrites, r.MostActiveWrites = ofRole(changed, roleActive)
	r.WaitingWrites, _ = ofRole(changed, roleWaiting)
	r.FinishedWrites, _ = ofRole(changed, roleFinished)
	status := map[string]string{"resource": "exactmatchsessions", "subresource": "status", "verb": "PATCH"}
	r.StatusPatches = int(serverAfter.sum("apiserver_request_total", status) - serverBefore.sum("apiserver_request_total", status))
	r.Requests = requestsBetween(serverBefore, serverAfter)
	r.Queue = queueBetween(before, after)
	return nil
}

// failOver measures how long no manager works where a leader dies, and where it stops.
func (b *bench) failOver(ctx context.Context) error {
	say("failing over")
	if _, err := startManager(b.Stack, "one"); err != nil {
		return err
	}
	began := time.Now()
	if err := b.until(ctx, "the first manager leads", func() (bool, error) { return len(b.proxy.since(began)) > 0, nil }); err != nil {
		return err
	}
	two, err := startManager(b.Stack, "two")
	if err != nil {
		return err
	}
	if err := b.until(ctx, "the second manager stands by", func() (bool, error) { _, err := scrape(ctx, two.metrics); return err == nil, nil }); err != nil {
		return err
	}
	if b.found.AfterKill, err = b.silence(ctx, func() error { return b.Kill("one") }); err != nil {
		return err
	}
	three, err := startManager(b.Stack, "three")
	if err != nil {
		return err
	}
	if err := b.until(ctx, "the third manager stands by", func() (bool, error) { _, err := scrape(ctx, three.metrics); return err == nil, nil }); err != nil {
		return err
	}
	if err := pause(ctx, pollInterval); err != nil {
		return err
	}
	b.found.AfterStop, err = b.silence(ctx, func() error { return b.Terminate("two") })
	if err != nil {
		return err
	}
	say("another manager calls %s after a kill, %s after a stop", b.found.AfterKill.Round(time.Millisecond), b.found.AfterStop.Round(time.Millisecond))
	return b.Terminate("three")
}

// silence is the time from the leader's end until the other one's first call.
func (b *bench) silence(ctx context.Context, end func() error) (time.Duration, error) {
	asked := time.Now()
	if err := end(); err != nil {
		return 0, err
	}
	gone := time.Now() // every call from now on is another manager's
	var first time.Time
	err := b.until(ctx, "another manager calls the service", func() (bool, error) {
		calls := b.proxy.since(gone)
		if len(calls) > 0 {
			first = calls[0].At
		}
		return len(calls) > 0, nil
	})
	return first.Sub(asked), err
}
