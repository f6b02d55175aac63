package controllers_test

import (
	"net/http"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
)

// gate stands before the service and spoils requests as a test asks.
type gate struct {
	service http.Handler

	mu     sync.Mutex
	spoil  func(http.ResponseWriter, *http.Request) bool // true: answered
	closed chan struct{}                                 // blocks wait for it, nil where they need not
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	spoil, closed := g.spoil, g.closed
	g.mu.Unlock()
	if closed != nil && isBlock(r) {
		select {
		case <-closed:
		case <-r.Context().Done():
			return
		}
	}
	if spoil != nil && spoil(w, r) {
		return
	}
	g.service.ServeHTTP(w, r)
}

func isBlock(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/upload/") && r.URL.Query().Get("comp") == "block"
}

// answer spoils until the test ends.
func (g *gate) answer(spoil func(http.ResponseWriter, *http.Request) bool) {
	g.mu.Lock()
	g.spoil = spoil
	g.mu.Unlock()
	DeferCleanup(func() { g.heal() })
}

// heal lets everything through again.
func (g *gate) heal() {
	g.mu.Lock()
	g.spoil = nil
	g.mu.Unlock()
}

// holdBlocks keeps blocks from reaching the service until open, or the test's end.
func (g *gate) holdBlocks() {
	g.mu.Lock()
	g.closed = make(chan struct{})
	g.mu.Unlock()
	DeferCleanup(g.open)
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != nil {
		close(g.closed)
		g.closed = nil
	}
}

// refuse answers every call that the test selects with one status.
func refuse(status int, selects func(*http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !selects(r) {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"error":{"code":"Spoilt","message":"by the test"}}`))
		return true
	}
}

func posts(suffix string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, suffix)
	}
}
