package faults_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// faultProxy stands before the service. Every call of a manager passes it: here calls
// are counted, disrupted and spoilt.
type faultProxy struct {
	t       *testing.T
	service http.Handler
	env     *testEnv
	server  *httptest.Server
	second  *httptest.Server // the same, at another address

	mu        sync.Mutex
	down      bool // the only manager is dead: nothing of it comes through
	deaths    int
	callHook  *callHook
	faults    []*armed
	closed    chan struct{} // blocks wait for it
	committed map[string]bool
	moved     bool // replies name the second address
	source    []byte
	delivered map[string]bool // session/block that a manager knows to be there
	missed    map[string]bool // of those, the ones whose caller had given up
	again     []string        // and the ones that were sent once more
	revoked   map[string]bool // signatures
	drip      time.Duration   // what every block takes
	watchers  []*watcher
	kept      map[string][]byte // first answers by path
	etag      string            // of the source
	issued    map[string]bool   // signatures
	errors    []string          // bodies of refusals
}

// watcher counts the answers that it matches.
type watcher struct {
	matches func(c *call, status int) bool
	times   []time.Time
}

// callHook runs once, at the first call that it matches.
type callHook struct {
	matches func(*faultProxy, *call) bool
	do      func(f *faultProxy, w http.ResponseWriter, c *call)
	done    bool
}

// armed is a fault that meets the next few calls which it matches.
type armed struct {
	fault
	matches func(*faultProxy, *call) bool
	left    int
	met     int
}

func newFaultProxy(t *testing.T, service http.Handler) *faultProxy {
	f := &faultProxy{t: t, service: service, etag: `"one"`, kept: map[string][]byte{}, issued: map[string]bool{}, committed: map[string]bool{}, delivered: map[string]bool{}, missed: map[string]bool{}, revoked: map[string]bool{}}
	f.server, f.second = f.listen(), f.listen()
	t.Cleanup(func() {
		f.release()
		for _, s := range []*httptest.Server{f.server, f.second} {
			s.CloseClientConnections()
			s.Close()
		}
	})
	return f
}

// wire is one connection. A caller that gave up waiting closes it: what was written
// last had come too late then.
type wire struct {
	last   string // block
	deaths int
}

type wireKey struct{}

// listen serves the proxy at an address of its own.
func (f *faultProxy) listen() *httptest.Server {
	s := httptest.NewUnstartedServer(f)
	var wires sync.Map // net.Conn → *wire
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		x := &wire{}
		wires.Store(c, x)
		return context.WithValue(ctx, wireKey{}, x)
	}
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if x, known := wires.Load(c); known && state == http.StateClosed {
			wires.Delete(c)
			f.hungUp(x.(*wire))
		}
	}
	s.Start()
	return s
}

// hungUp forgets that a block was acknowledged whose caller did not wait for it. A
// dead process closes its connections too, whatever it has read.
func (f *faultProxy) hungUp(x *wire) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x.last != "" && x.deaths == f.deaths {
		f.missed[x.last] = true
	}
}

func (f *faultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, ok := f.take(r)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	f.recorded(c)
	if hook := f.takeHook(c); hook != nil {
		defer f.env.end()
		hook.do(f, w, c)
		return
	}
	if spoil := f.spoiling(c); spoil != nil {
		f.count(c, 0)
		spoil(f, w, c)
		return
	}
	f.pass(w, c)
}

// take reads the call, and keeps a block on its way for as long as blocks are
// held. Whoever gave up meanwhile is not served.
func (f *faultProxy) take(r *http.Request) (*call, bool) {
	body, err := io.ReadAll(r.Body) // before any wait: only then is a caller that goes away noticed
	f.mu.Lock()
	if x, ok := r.Context().Value(wireKey{}).(*wire); ok {
		x.last = "" // whoever sends on a connection has read what came before
	}
	c := &call{Request: r, body: body, came: time.Now(), deaths: f.deaths}
	closed, ok := f.closed, err == nil && (!f.down || f.byPod(c))
	f.mu.Unlock()
	if !ok || !c.isBlock() {
		return c, ok
	}
	if closed != nil {
		select {
		case <-closed:
		case <-r.Context().Done():
		}
	}
	return c, r.Context().Err() == nil
}

// watch counts answers from now on.
func (f *faultProxy) watch(matches func(c *call, status int) bool) *watcher {
	x := &watcher{matches: matches}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watchers = append(f.watchers, x)
	return x
}

func (f *faultProxy) count(c *call, status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.watchers {
		if x.matches(c, status) {
			x.times = append(x.times, c.came)
		}
	}
}

// seen are the times at which what a watcher has counted came.
func (f *faultProxy) seen(x *watcher) []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), x.times...)
}

// trickle lets every block take its time.
func (f *faultProxy) trickle(d time.Duration) {
	f.mu.Lock()
	f.drip = d
	f.mu.Unlock()
}

// takeHook takes the hook where the call matches.
func (f *faultProxy) takeHook(c *call) *callHook {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.callHook
	if s == nil || s.done || !s.matches(f, c) {
		return nil
	}
	s.done = true
	f.env.begin()
	return s
}

// spoiling takes one use of a fault that is armed against the call.
func (f *faultProxy) spoiling(c *call) func(*faultProxy, http.ResponseWriter, *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.revoked[c.URL.Query().Get("sig")] {
		return answers(http.StatusForbidden, "AuthenticationFailed", "")
	}
	for _, a := range f.faults {
		if a.left > 0 && a.matches(f, c) {
			a.left--
			a.met++
			return a.spoil
		}
	}
	return nil
}

// arm lets a fault meet the next calls that match.
func (f *faultProxy) arm(x fault, matches func(*faultProxy, *call) bool) *armed {
	a := &armed{fault: x, matches: matches, left: max(x.times, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, a)
	return a
}

func (f *faultProxy) met(a *armed) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return a.met
}

// pass lets a call through and its answer back.
func (f *faultProxy) pass(w http.ResponseWriter, c *call) {
	reply := f.effect(c)
	f.mu.Lock()
	drip := f.drip
	f.mu.Unlock()
	if drip > 0 && c.isBlock() {
		pause(c, drip)
	}
	f.deliver(w, c, reply)
}

// effect lets the service do what the call asks, whether or not its caller still
// waits.
func (f *faultProxy) effect(c *call) *httptest.ResponseRecorder {
	return f.effectOf(c, bytes.NewReader(c.body))
}

// effectOf is effect, with a body that comes as it likes.
func (f *faultProxy) effectOf(c *call, body io.Reader) *httptest.ResponseRecorder {
	reply := httptest.NewRecorder()
	if strings.HasPrefix(c.URL.Path, "/source/") {
		f.serveSource(reply, c)
		return reply
	}
	r := c.Clone(context.WithoutCancel(c.Context()))
	r.Body, r.ContentLength = io.NopCloser(body), int64(len(c.body))
	f.mark(c)
	f.service.ServeHTTP(reply, r)
	f.count(c, reply.Code)
	f.keep(c, reply)
	f.overhear(c, reply.Code, reply.Body.Bytes())
	if c.isCommit() && reply.Code == http.StatusNoContent {
		f.mu.Lock()
		f.committed[c.sessionID()] = true
		f.mu.Unlock()
	}
	return reply
}

// forgive forgets what was acknowledged: the service does not have it any more.
func (f *faultProxy) forgive() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.delivered)
}

// mark counts blocks that a manager sends although it knows that they are there.
func (f *faultProxy) mark(c *call) {
	if !c.isBlock() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.delivered[c.block()] {
		f.again = append(f.again, c.block())
	}
}

// deliver writes an answer whole.
func (f *faultProxy) deliver(w http.ResponseWriter, c *call, reply *httptest.ResponseRecorder) {
	body := f.rewritten(reply.Body.Bytes())
	for name, values := range reply.Header() {
		w.Header()[name] = values
	}
	w.Header().Del("Content-Length")
	w.WriteHeader(reply.Code)
	if _, err := w.Write(body); err != nil || !c.isBlock() || reply.Code != http.StatusCreated {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	// Nobody learns what a dead process was told, or one that waits no more.
	if c.deaths == f.deaths && c.Context().Err() == nil {
		f.delivered[c.block()] = true
		if x, ok := c.Context().Value(wireKey{}).(*wire); ok {
			x.last, x.deaths = c.block(), c.deaths
		}
	}
}

// rewritten names the second address in the place of the first, once a renew has
// moved the upload there.
func (f *faultProxy) rewritten(body []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.moved {
		return body
	}
	host := func(s *httptest.Server) []byte { return []byte(strings.TrimPrefix(s.URL, "http://")) }
	return bytes.ReplaceAll(body, host(f.server), host(f.second))
}

func (f *faultProxy) serveSource(w http.ResponseWriter, c *call) {
	f.mu.Lock()
	text, tag := f.source, f.etag
	f.mu.Unlock()
	if len(text) == 0 {
		http.NotFound(w, c.Request)
		return
	}
	w.Header().Set("ETag", tag)
	http.ServeContent(w, c.Request, "table.csv", time.Time{}, bytes.NewReader(text))
}

// hold keeps blocks on their way until release.
func (f *faultProxy) hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = make(chan struct{})
}

func (f *faultProxy) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed != nil {
		close(f.closed)
		f.closed = nil
	}
}

// shut refuses everything while the only manager is dead.
func (f *faultProxy) shut() {
	f.mu.Lock()
	f.down = true
	f.deaths++
	f.mu.Unlock()
}

// byPod tells the calls of workers in pods, which live on without a manager.
func (f *faultProxy) byPod(c *call) bool {
	return f.env.inPods && (c.isSource() || c.isBlob() && !c.isSeal())
}

// podsDie kills the pods that are at work. What is on its way to them is lost.
func (f *faultProxy) podsDie() {
	f.mu.Lock()
	f.deaths++
	f.mu.Unlock()
	if f.env.pods.Kill() == 0 {
		f.t.Error("no pod was at work")
	}
}

func (f *faultProxy) reopen() {
	f.mu.Lock()
	f.down = false
	f.mu.Unlock()
}

// reset ends a connection after n bytes of the answer, as a broken network does.
func reset(w http.ResponseWriter, reply *httptest.ResponseRecorder, n int) {
	var wire bytes.Buffer
	response := reply.Result()
	response.ContentLength = int64(reply.Body.Len())
	_ = response.Write(&wire)
	connection, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = connection.Write(wire.Bytes()[:min(n, wire.Len()-1)])
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}
