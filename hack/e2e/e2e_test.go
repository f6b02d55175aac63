//go:build e2e

// Package e2e runs the lifecycle with real processes: what only a process that
// dies, or a real table, can prove.
package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"exactmatch.dev/operator/hack/local"
	"exactmatch.dev/operator/internal/edm/rest"
)

// stack is the one control plane of all tests; sessions and stores are each
// test's own. What `make deploy` brings is there, and the manager runs with the
// rights that it gives.
var (
	stack                  *local.Stack
	metricsPort, probePort int
)

const systemNamespace = "exactmatch-system"

// startManager starts it as its Deployment does: it works once it leads.
func startManager() error {
	return stack.StartManager("--leader-elect=true", "--leader-election-namespace="+systemNamespace,
		fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", metricsPort), fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", probePort))
}

func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (code int, err error) {
	if stack, err = local.New("bin"); err != nil {
		return 1, err
	}
	defer func() {
		if err := stack.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
		}
	}()
	if err := stack.StartPlane(); err != nil {
		return 1, err
	}
	ctx := context.Background()
	if err := errors.Join(stack.Deploy(ctx), stack.ActAs(ctx, systemNamespace, "exactmatch-manager"), stack.StartService()); err != nil {
		return 1, err
	}
	if metricsPort, err = local.FreePort(); err != nil {
		return 1, err
	}
	if probePort, err = local.FreePort(); err != nil {
		return 1, err
	}
	if err := startManager(); err != nil {
		return 1, err
	}
	if err := os.WriteFile(stack.Path("key"), []byte("a key of the end-to-end tests, long enough"), 0o600); err != nil {
		return 1, err
	}
	for _, secret := range []string{"token", "key"} {
		if out, err := stack.Kubectl(ctx, "create", "secret", "generic", secret, "--from-file="+secret+"="+stack.Path(secret)).CombinedOutput(); err != nil {
			return 1, fmt.Errorf("%w: %s", err, out)
		}
	}
	return m.Run(), nil
}

// kubectl runs it and returns what it prints.
func kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	c := stack.Kubectl(t.Context(), args...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// field reads one field of a session.
func field(t *testing.T, session, path string) string {
	t.Helper()
	return kubectl(t, "", "get", "exactmatchsession", session, "-o", "jsonpath={"+path+"}")
}

// finishes waits until nothing more happens and wants one reason.
func finishes(t *testing.T, session, reason string) {
	t.Helper()
	kubectl(t, "", "wait", "--for=condition=Finished", "--timeout=1m", "exactmatchsession/"+session)
	got := field(t, session, `.status.conditions[?(@.type=="Ready")].reason`)
	if got != reason {
		t.Fatalf("%s ends as %s: %s", session, got, field(t, session, `.status.conditions[?(@.type=="Ready")].message`))
	}
}

// agentAt applies an upload agent and a store of its own that speak to a port.
func agentAt(t *testing.T, name, port, columns string) {
	t.Helper()
	kubectl(t, fmt.Sprintf(`
apiVersion: exactmatch.dev/v1alpha1
kind: ExactMatchUploadAgent
metadata: {name: %[1]s}
spec:
  endpoint: http://127.0.0.1:%[2]s/beta
  auth: {bearerTokenSecretRef: {name: token}}
  allow: {hosts: [127.0.0.1]}
---
apiVersion: exactmatch.dev/v1alpha1
kind: ExactMatchDataStore
metadata: {name: %[1]s}
spec:
  uploadAgentRef: {name: %[1]s}
  keySecretRef: {name: key}
  columns: %[3]s
`, name, port, columns), "apply", "-f", "-")
}

// session applies a session of a file.
func session(t *testing.T, name, file string, rowsPerBlock int) {
	t.Helper()
	kubectl(t, fmt.Sprintf(`
apiVersion: exactmatch.dev/v1alpha1
kind: ExactMatchSession
metadata: {name: %[1]s}
spec:
  dataStoreRef: {name: %[1]s}
  source: {uri: "file:///%[2]s"}
  rowsPerBlock: %[3]d
`, name, file, rowsPerBlock), "apply", "-f", "-")
}

// client speaks to the service as any other program may.
func client(t *testing.T) *rest.Client {
	t.Helper()
	token, err := os.ReadFile(stack.Token)
	if err != nil {
		t.Fatal(err)
	}
	c, err := rest.New(rest.Options{Endpoint: stack.Endpoint(), Token: rest.StaticToken(string(token)), Pace: rest.Unpaced()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// dam stands between the manager and the service. It lets some blocks through,
// then holds one in its middle and the answer of another, until it is opened.
type dam struct {
	port    string
	holding chan struct{} // closed once it holds both

	mu      sync.Mutex
	through int           // blocks to let through
	body    bool          // a block is held in its middle
	answer  bool          // the answer of a block is held
	open    chan struct{} // closed once everything may pass
}

func newDam(t *testing.T, through int) *dam {
	t.Helper()
	d := &dam{through: through, holding: make(chan struct{}), open: make(chan struct{})}
	target, err := url.Parse(fmt.Sprintf("http://127.0.0.1:%d", stack.Port))
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // upload URIs lead here too
		},
		ModifyResponse: d.holdAnswer,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := &http.Server{Addr: "127.0.0.1:0", ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.holdBody(r)
		pass.ServeHTTP(w, r)
	})}
	listener := listen(t)
	_, d.port, _ = strings.Cut(listener.Addr().String(), ":")
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return d
}

func isBlock(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Get("comp") == "block"
}

// holdBody counts a block; the ones beyond the allowance stop in their middle.
func (d *dam) holdBody(r *http.Request) {
	if !isBlock(r) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.through > 0 {
		d.through--
		return
	}
	r.Body = &stalled{ReadCloser: r.Body, left: r.ContentLength / 2, open: d.open, done: r.Context().Done(), reached: sync.OnceFunc(func() { d.hold(&d.body) })}
}

// holdAnswer keeps the answer of the last block that was let through.
func (d *dam) holdAnswer(r *http.Response) error {
	if !isBlock(r.Request) {
		return nil
	}
	d.mu.Lock()
	passes := d.through > 0 || d.answer
	d.mu.Unlock()
	if passes || !d.hold(&d.answer) {
		return nil
	}
	select {
	case <-d.open:
	case <-r.Request.Context().Done():
	}
	return nil
}

// hold records what is held now. It reports false where that was held before.
func (d *dam) hold(what *bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if *what {
		return false
	}
	*what = true
	if d.body && d.answer {
		close(d.holding)
	}
	return true
}

// stalled is a body that stops after half of it.
type stalled struct {
	io.ReadCloser
	left    int64
	open    chan struct{}
	done    <-chan struct{}
	reached func()
}

func (s *stalled) Read(p []byte) (int, error) {
	if s.left == 0 {
		s.reached()
		select {
		case <-s.open:
			return s.ReadCloser.Read(p)
		case <-s.done:
			return 0, context.Canceled
		}
	}
	n, err := s.ReadCloser.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	return n, err
}

// staged reads from the service's log how often each block of a session came.
func staged(t *testing.T, id string) map[int]int {
	t.Helper()
	file, err := os.Open(stack.Log("service"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	out := map[int]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var line struct {
			Msg, Session string
			Block        int
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "block staged" && line.Session == id {
			out[line.Block]++
		}
	}
	return out
}

// numbers writes a table of n rows with numbers and an address each.
func numbers(t *testing.T, name string, n int) {
	t.Helper()
	file, err := os.Create(filepath.Join(stack.Sources(), name))
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(file)
	_, _ = fmt.Fprintln(out, "Number,Mail")
	for i := range n {
		_, _ = fmt.Fprintf(out, "N-%06d,n%d@example.com\n", i, i)
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
