package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"exactmatch.dev/operator/controllers"
	operator "exactmatch.dev/operator/internal/manager"
	"exactmatch.dev/operator/internal/policy"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/testkit/plane"
)

// The small version of the benchmark. Everything runs in this process.
const (
	smallStores   = 4
	smallFinished = 200
	smallPoll     = time.Second
	smallStatus   = 2 * time.Second
	bearer        = "token-of-a-test"
)

//go:embed testdata/counts.json
var committedCounts []byte

// counts are what one session may cost at most, whatever the machine: a change
// that makes them grow is to be seen in review.
type counts struct {
	// Calls of the service from the create of a session until it is being indexed,
	// its own and those of its store, but for polls.
	CallsToProcessing map[string]int `json:"callsToProcessing"`
	// WritesToProcessing are the changes of the session's object over the same way.
	WritesToProcessing int `json:"writesToProcessing"`
	// WritesToWaiting are those of a session until it waits for another's turn.
	WritesToWaiting int `json:"writesToWaiting"`
	// RestartCalls are a restart's, for each data store with an active session.
	RestartCalls int `json:"restartCallsPerStore"`
}

// startInProcess runs a manager until the function that it returns is called.
func startInProcess(t *testing.T, admin *rest.Config, name string) (stop func()) {
	t.Helper()
	g := NewWithT(t)
	wait := 20 * time.Second
	mgr, err := ctrl.NewManager(admin, ctrl.Options{
		Scheme: newScheme(), Cache: operator.Options().Cache, Metrics: metricsserver.Options{BindAddress: "0"}, GracefulShutdownTimeout: &wait,
		Controller: config.Controller{SkipNameValidation: new(true)},
	})
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	g.Expect(controllers.Add(ctx, mgr, controllers.Options{
		Policy: policy.Fixed(policy.ThisMachine), TransferMemory: 64 << 20, TransferParallelism: 2, Instance: name, ServiceQPS: 10_000, ServiceBurst: 10_000,
		PollInterval: smallPoll, StatusInterval: smallStatus,
	})).To(Succeed())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("%s ended with %v", name, err)
		}
	}
}

// small brings up the API server, the service and the proxy.
func small(t *testing.T) (*cluster, *countingProxy, *rest.Config) {
	t.Helper()
	g := NewWithT(t)
	ctrl.SetLogger(logr.Discard())
	environment, err := plane.New()
	g.Expect(err).NotTo(HaveOccurred())
	admin, err := environment.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	admin.QPS = -1
	s, err := service.New(service.Config{Dir: t.TempDir(), Token: func() (string, error) { return bearer, nil }})
	g.Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	direct := httptest.NewServer(s)
	t.Cleanup(func() {
		direct.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	target, err := url.Parse(direct.URL)
	g.Expect(err).NotTo(HaveOccurred())
	p := newProxy(target, held)
	shown := httptest.NewServer(p)
	t.Cleanup(func() { shown.CloseClientConnections(); shown.Close() })
	c, err := newCluster(admin, shown.URL+"/beta", bearer)
	g.Expect(err).NotTo(HaveOccurred())
	return c, p, admin
}

// TestWhatSessionsCost holds the counts of calls and writes against those that
// are committed. It times nothing: spans that are measured only widen a bound.
func TestWhatSessionsCost(t *testing.T) {
	g := NewWithT(t)
	allowed := counts{}
	g.Expect(json.Unmarshal(committedCounts, &allowed)).To(Succeed())
	c, p, admin := small(t)
	ctx := t.Context()
	stop := startInProcess(t, admin, "first")
	running := true
	defer func() {
		if running {
			stop()
		}
	}()
	must := func(err error) { t.Helper(); g.Expect(err).NotTo(HaveOccurred()) }
	must(c.common(ctx))
	must(c.stores(ctx, "model", 1))
	must(c.stores(ctx, "store", smallStores))
	must(c.sessions(ctx, roleModel, "model", "Completed", 1))
	seen, err := watchWrites(ctx, c)
	must(err)

	began := time.Now()
	must(c.sessions(ctx, roleActive, "store", "Processing", smallStores))
	must(seen.catchUp(ctx, c))
	checkCalls(t, "until a session is being indexed", byKind(p.since(began)), allowed.CallsToProcessing, time.Since(began))
	waits := time.Now()
	must(c.sessions(ctx, roleWaiting, "store", "Queued", smallStores))
	must(seen.catchUp(ctx, c))
	changed, err := seen.between(began, time.Now())
	must(err)
	_, most := ofRole(changed, roleActive)
	spare := looksIn(time.Since(began), smallStatus)
	if most > allowed.WritesToProcessing+spare {
		t.Errorf("an active session was written %d times; %d are committed, and %d for the time that passed", most, allowed.WritesToProcessing, spare)
	}
	t.Logf("an active session was written %d times", most)
	changed, err = seen.between(waits, time.Now())
	must(err)
	if _, most = ofRole(changed, roleWaiting); most > allowed.WritesToWaiting {
		t.Errorf("a waiting session was written %d times; %d are committed", most, allowed.WritesToWaiting)
	}
	t.Logf("a waiting session was written %d times", most)

	stop()
	running = false
	must(c.finish(ctx, p, 0, smallFinished, smallStores))
	must(seen.catchUp(ctx, c))
	checkSteady(t, c, p, admin, seen, allowed)
}

// checkSteady starts a manager over all sessions: it polls the active ones and
// leaves the finished ones alone.
func checkSteady(t *testing.T, c *cluster, p *countingProxy, admin *rest.Config, seen *writes, allowed counts) {
	t.Helper()
	g, ctx := NewWithT(t), t.Context()
	began := time.Now()
	defer startInProcess(t, admin, "second")()
	g.Expect(c.until(ctx, "each active session is polled 5 times", func() (bool, error) {
		polled := about(p.since(began), getSession)
		done := len(polled) > 0
		for n := range smallStores {
			done = done && polled[storeName(roleActive, n)] >= 5
		}
		return done, nil
	})).To(Succeed())
	passed := time.Since(began)
	calls := p.since(began)
	for name, n := range about(calls, "") {
		switch {
		case roleOf(name) != roleActive:
			t.Errorf("%d calls about %s: nothing is to be asked about it", n, name)
		case n > looksIn(passed, smallPoll):
			t.Errorf("%d calls about %s in %s: one a poll is enough", n, name, passed)
		}
	}
	others := len(calls) - byKind(calls)[getSession]
	if most := allowed.RestartCalls * (smallStores + 1); others > most {
		t.Errorf("a restart made %d calls that are no polls: %v; %d are committed", others, byKind(calls), most)
	}
	t.Logf("a restart made %d calls that are no polls: %v", others, byKind(calls))
	g.Expect(seen.catchUp(ctx, c)).To(Succeed())
	changed, err := seen.between(began, time.Now())
	g.Expect(err).NotTo(HaveOccurred())
	for name, n := range changed {
		switch {
		case roleOf(name) == roleModel: // the mark of catchUp
		case roleOf(name) == roleFinished:
			t.Errorf("%s was written %d times: nothing changes about it", name, n)
		case n > looksIn(passed, smallStatus)+1:
			t.Errorf("%s was written %d times in %s: one each status interval is enough", name, n, passed)
		}
	}
}

// checkCalls holds calls against what is committed for one session. A session and
// its store may each be looked at once more each poll.
func checkCalls(t *testing.T, when string, got, allowed map[string]int, passed time.Duration) {
	t.Helper()
	t.Logf("%s, %d sessions: %v", when, smallStores, got)
	for kind, n := range got {
		most := allowed[kind] * smallStores
		if kind == getSession || kind == getStore {
			most += smallStores * looksIn(passed, smallPoll)
		}
		if n > most {
			t.Errorf("%s: %d times %s by %d sessions; %d are committed", when, n, kind, smallStores, most)
		}
	}
	if got[http.MethodPost+" exactMatchDataStores/{id}/sessions"] != smallStores {
		t.Errorf("%s: %v opens each session other than once", when, got)
	}
}
