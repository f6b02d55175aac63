package faults_test

import (
	"context"
	"net/http"
	"os"
	"sync"

	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/service"
)

// host runs the service of a case, which can be stopped and started again while
// calls wait.
type host struct {
	mu      sync.RWMutex // held to write while the service is away
	service *service.Service
	end     context.CancelFunc
	ended   chan error
}

// ServeHTTP implements http.Handler.
func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	h.service.ServeHTTP(w, r)
}

func (h *host) start(w *testEnv) {
	s, err := service.New(service.Config{
		Dir: w.dir, Token: w.accepted, MaxCommits: 100, Now: w.serviceNow, UploadURITTL: w.uriTTL,
	})
	if err != nil {
		w.t.Errorf("start the service: %v", err)
		return
	}
	ctx, end := context.WithCancel(context.Background())
	h.service, h.end, h.ended = s, end, make(chan error, 1)
	go func(ended chan<- error) { ended <- s.Run(ctx) }(h.ended)
}

func (h *host) stop(w *testEnv) {
	h.end()
	if err := <-h.ended; err != nil {
		w.t.Errorf("the service ended with %v", err)
	}
	if err := h.service.Close(); err != nil {
		w.t.Errorf("close the service: %v", err)
	}
}

// whileAway stops the service, does something to its data folder, and starts it.
func (w *testEnv) whileAway(do func() error) {
	w.host.mu.Lock()
	defer w.host.mu.Unlock()
	w.host.stop(w)
	if err := do(); err != nil {
		w.t.Errorf("the service's data folder: %v", err)
	}
	w.host.start(w)
}

// backUp copies the service's data folder.
func (w *testEnv) backUp() (to string) {
	to = w.t.TempDir()
	w.whileAway(func() error { return os.CopyFS(to, os.DirFS(w.dir)) })
	return to
}

// putBack replaces the service's data folder by an earlier copy. What was live
// then is live again, and nobody may wonder at that.
func (w *testEnv) putBack(from string) {
	w.whileAway(func() error {
		if err := os.RemoveAll(w.dir); err != nil {
			return err
		}
		return os.CopyFS(w.dir, os.DirFS(from))
	})
	w.proxy.forgive()
	w.reader.forgive()
}

// accepted is the bearer token that the service takes.
func (w *testEnv) accepted() (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.token, nil
}

// shown is the token that the case itself shows.
type shown struct{ w *testEnv }

// Token implements rest.TokenSource.
func (s shown) Token(context.Context) (string, error) { return s.w.accepted() }

// keep remembers a key of the data store by its id. The last one is what its Secret
// holds now.
func (w *testEnv) keep(key string) {
	id, err := pipeline.KeyID([]byte(key), w.namespace)
	if err != nil {
		w.t.Errorf("the id of a key: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[id], w.keyID = []byte(key), id
}
