package faults_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"exactmatch.dev/operator/controllers"
	"exactmatch.dev/operator/internal/policy"
)

// managerRun is one run of a manager, from its start to its stop or its crash. The
// faults of its way to the API server lie in its transport and in an interceptor
// of its client.
type managerRun struct {
	name  string
	stop  context.CancelFunc
	ended chan struct{}

	dead    atomic.Bool  // nothing of it reaches the API server any more
	away    atomic.Bool  // the API server cannot be reached
	watches *gate        // holds back what its watches bring
	refused atomic.Int64 // calls of the API server that failed because it was away
}

// errCrashed is what a dead process would never see.
var errCrashed = errors.New("the process is dead")

// errAway is an API server that does not answer.
var errAway = errors.New("connection refused")

// post is what a manager is for: a namespace, and the name that it gives its
// cluster; "" is the usual one.
type post struct{ namespace, cluster string }

// startManager starts a manager for the namespace of the environment.
func (w *testEnv) startManager(name string) *managerRun {
	w.t.Helper()
	l := w.manage(name, post{namespace: w.namespace}, w.interceptor)
	w.mu.Lock()
	w.managers = append(w.managers, l)
	w.mu.Unlock()
	return l
}

// manage starts a manager whose writes pass an interceptor.
func (w *testEnv) manage(name string, at post, writes func(*managerRun) interceptor.Funcs) *managerRun {
	w.t.Helper()
	l := &managerRun{name: name, ended: make(chan struct{}), watches: newGate()}
	config := rest.CopyConfig(admin)
	config.QPS = -1
	config.Wrap(func(base http.RoundTripper) http.RoundTripper { return &apiTransport{run: l, base: base} })
	mgr, err := ctrl.NewManager(config, managerOptions(at.namespace, writes(l)))
	if err != nil {
		w.t.Errorf("start %s: %v", name, err)
		close(l.ended)
		l.stop = func() {}
		return l
	}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	options := w.options(name)
	options.Cluster = at.cluster
	if err := controllers.Add(ctx, mgr, options); err != nil {
		w.t.Errorf("start %s: %v", name, err)
	}
	go func() {
		defer close(l.ended)
		if err := mgr.Start(ctx); err != nil && !l.dead.Load() {
			w.t.Errorf("%s ended with %v", name, err)
		}
	}()
	return l
}

func managerOptions(namespace string, writes interceptor.Funcs) ctrl.Options {
	stop := 20 * time.Second
	return ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"},
		Cache:                   cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
		Controller:              config.Controller{SkipNameValidation: new(true)},
		GracefulShutdownTimeout: &stop,
		NewClient: func(c *rest.Config, o client.Options) (client.Client, error) {
			base, err := client.NewWithWatch(c, o)
			if err != nil {
				return nil, err
			}
			return interceptor.NewClient(base, writes), nil
		},
	}
}

// A stall is told from a machine that is busy with other cases.
const (
	requestTimeout = 1500 * time.Millisecond
	stallTimeout   = 1200 * time.Millisecond
)

// options make a manager that waits for nothing long.
func (w *testEnv) options(instance string) controllers.Options {
	return controllers.Options{
		SourceRoot: w.files, TransferMemory: 64 << 20, TransferParallelism: 2, Instance: instance, ServiceQPS: w.qps, ServiceBurst: 2 * w.qps,
		StatusInterval: 40 * time.Millisecond, PollInterval: 40 * time.Millisecond,
		RequestTimeout: requestTimeout, StallTimeout: stallTimeout,
		QueueInterval: 100 * time.Millisecond, ResyncInterval: 300 * time.Millisecond,
		RepairInterval: 100 * time.Millisecond, FinalizeTimeout: w.finalizeTimeout,
		WorkerImage: "exactmatch.dev/operator:test", Now: w.managerNow, Policy: policy.Fixed(policy.ThisMachine),
	}
}

// verb is what a write does.
type verb string

const (
	creates verb = "create"
	updates verb = "update"
	patches verb = "patch"
	deletes verb = "delete"
)

// interceptor sees every write of a run to the API server.
func (w *testEnv) interceptor(l *managerRun) interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return w.write(ctx, l, creates, o, func(ctx context.Context) error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return w.write(ctx, l, updates, o, func(ctx context.Context) error { return c.Update(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return w.write(ctx, l, deletes, o, func(ctx context.Context) error { return c.Delete(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return w.write(ctx, l, patches, o, func(ctx context.Context) error { return c.Patch(ctx, o, patch, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			return w.write(ctx, l, patches, o, func(ctx context.Context) error { return c.SubResource(sub).Patch(ctx, o, patch, opts...) })
		},
	}
}

// write lets one write happen, or runs the hook that waits for it.
func (w *testEnv) write(ctx context.Context, l *managerRun, v verb, o client.Object, do func(context.Context) error) error {
	if l.dead.Load() {
		return errCrashed
	}
	w.mu.Lock()
	hook := w.writeHook
	if hook == nil || hook.done || !hook.meets(v, o) {
		w.mu.Unlock()
		err := do(ctx)
		if err == nil {
			w.noted(o)
		}
		return err
	}
	hook.done = true
	w.going++
	w.mu.Unlock()
	defer w.end()
	return hook.do(ctx, w, l, o, do)
}

// crash ends a run as kill -9 does: from now on nothing of it has an effect.
func (l *managerRun) crash() {
	l.dead.Store(true)
	l.watches.open()
	l.stop()
}

// terminate asks a run to stop, as a rollout does.
func (l *managerRun) terminate() {
	l.watches.open()
	l.stop()
}

// apiTransport carries the requests of a run to the API server.
type apiTransport struct {
	run  *managerRun
	base http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *apiTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.run.dead.Load() {
		return nil, errCrashed
	}
	if t.run.away.Load() {
		t.run.refused.Add(1)
		return nil, errAway
	}
	response, err := t.base.RoundTrip(r)
	if err == nil && r.URL.Query().Get("watch") != "" {
		response.Body = &watchBody{ReadCloser: response.Body, run: t.run, ctx: r.Context()}
	}
	return response, err
}

// watchBody is the stream of a watch: it freezes with the cache of the run and breaks
// with the API server.
type watchBody struct {
	io.ReadCloser
	run *managerRun
	ctx context.Context //nolint:containedctx // of the request that the body belongs to
}

// Read implements io.Reader.
func (b *watchBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.run.watches.pass(b.ctx)
	if b.run.dead.Load() {
		return 0, errCrashed
	}
	if b.run.away.Load() {
		return 0, errAway
	}
	return n, err
}

// gate is open until it is shut, and then until it is opened.
type gate struct {
	mu sync.Mutex
	ch chan struct{} // closed where the gate is open
}

func newGate() *gate {
	g := &gate{ch: make(chan struct{})}
	close(g.ch)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.ch:
		g.ch = make(chan struct{})
	default:
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.ch:
	default:
		close(g.ch)
	}
}

func (g *gate) pass(ctx context.Context) {
	g.mu.Lock()
	ch := g.ch
	g.mu.Unlock()
	select {
	case <-ch:
	case <-ctx.Done():
	}
}

// within waits for a channel, and fails the test where it takes too long.
func within(t *testing.T, ch <-chan struct{}, d time.Duration, what string) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ch:
	case <-timer.C:
		t.Errorf("%s does not end within %s", what, d)
	}
}
