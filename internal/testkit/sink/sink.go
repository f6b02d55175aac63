// Package sink is the real service with one data store, behind a recorder of the
// blocks that come in.
package sink

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/upload"
)

// Bearer is the token of the service.
const Bearer = "a token for tests"

// Sink is the real service with a data store, behind a recorder that a test may
// let spoil requests.
type Sink struct {
	t       testing.TB
	Client  *rest.Client
	Store   *edm.DataStore
	Agent   *edm.UploadAgent
	Handler http.Handler
	Server  *httptest.Server

	mu     sync.Mutex
	Blocks map[string]int // block ids and how often their bodies came
	moving int            // bodies that are on their way now
	Peak   int            // the most of them
	Spoil  func(http.ResponseWriter, *http.Request) bool
}

// New makes a sink whose data store has the columns ID and Mail, for as long as the
// test goes.
func New(t testing.TB) *Sink {
	t.Helper()
	backend, err := service.New(service.Config{Dir: t.TempDir(), Token: func() (string, error) { return Bearer, nil }, MaxCommits: 1000})
	testkit.Must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- backend.Run(ctx) }()
	s := &Sink{t: t, Handler: backend, Blocks: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.Server.Close()
		stop()
		testkit.Must(t, <-ended)
		testkit.Must(t, backend.Close())
	})
	s.Client, err = rest.New(rest.Options{Endpoint: s.Server.URL + "/beta", Token: rest.StaticToken(Bearer), Pace: rest.Unpaced()})
	testkit.Must(t, err)
	s.Agent, err = s.Client.Agents().Create(t.Context(), edm.UploadAgent{Description: "transfer"}, "agent")
	testkit.Must(t, err)
	s.Store, err = s.Client.Stores().Create(t.Context(), edm.DataStore{DisplayName: "people", Columns: []edm.Column{
		{Name: "ID", IsSearchable: true}, {Name: "Mail", IsSearchable: true, IsCaseInsensitive: true},
	}}, "store")
	testkit.Must(t, err)
	return s
}

// IsBlock reports whether a request stages a block.
func IsBlock(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Get("comp") == "block"
}

// IsSeal reports whether a request seals a list of blocks.
func IsSeal(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Get("comp") == "blocklist"
}

func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	spoil := s.Spoil
	if IsBlock(r) {
		s.Blocks[r.URL.Query().Get("blockid")]++
		s.moving++
		s.Peak = max(s.Peak, s.moving)
		defer func() {
			s.mu.Lock()
			s.moving--
			s.mu.Unlock()
		}()
	}
	s.mu.Unlock()
	if spoil != nil && spoil(w, r) {
		return
	}
	s.Handler.ServeHTTP(w, r)
}

// Quiet closes the door to what is on its way and waits until all that came in has
// been dealt with.
func (s *Sink) Quiet() {
	http.DefaultClient.CloseIdleConnections()
	s.Server.CloseClientConnections()
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		s.mu.Lock()
		moving := s.moving
		s.mu.Unlock()
		switch {
		case moving == 0:
			return
		case time.Now().After(deadline):
			s.t.Fatalf("%d blocks stay on their way", moving)
		}
	}
}

// SpoilOnce lets the first request that is selected be answered by another.
func (s *Sink) SpoilOnce(selects func(*http.Request) bool, answer http.HandlerFunc) {
	var once sync.Once
	s.Spoil = func(w http.ResponseWriter, r *http.Request) (spoilt bool) {
		if selects(r) {
			once.Do(func() {
				spoilt = true
				answer(w, r)
			})
		}
		return spoilt
	}
}

// RefuseStorage answers as Azure's storage refuses.
func RefuseStorage(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("x-ms-error-code", code)
		w.WriteHeader(status)
	}
}

// Sent forgets and returns how many block bodies came.
func (s *Sink) Sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, times := range s.Blocks {
		n += times
	}
	s.Blocks = map[string]int{}
	return n
}

// Open opens a session for what was prepared.
func (s *Sink) Open(p *pipeline.Prepared, plan pipeline.Plan) *edm.Session {
	s.t.Helper()
	rows, blocks := int32(plan.RowsPerBlock), int32(p.Blocks)
	one, err := s.Client.Sessions().Create(s.t.Context(), s.Store.ID, edm.Session{
		UploadAgentID: s.Agent.ID, Fields: []string{"ID", "Mail"}, FileName: "people.csv",
		RowsPerBlock: &rows, TotalBlockCount: &blocks, KeyID: p.KeyID, ContentKey: p.ContentKey,
	}, p.ContentKey+s.t.Name())
	testkit.Must(s.t, err)
	return one
}

// State is what the service says of a session.
func (s *Sink) State(id string) edm.State {
	s.t.Helper()
	one, err := s.Client.Sessions().Get(s.t.Context(), s.Store.ID, id)
	testkit.Must(s.t, err)
	return one.State
}

// Target is where the blocks of a session go.
func Target(one *edm.Session) upload.Target {
	return upload.Target{HTTP: http.DefaultClient, URI: func() string { return one.DataUploadURI }, Parallelism: 4}
}

// Options are those of an upload that has 64 MiB.
func Options() upload.Options {
	return upload.Options{Memory: semaphore.NewWeighted(64 << 20), MemorySize: 64 << 20}
}

// IDs are the ids of the blocks that the sink has seen.
func (s *Sink) IDs() map[int]string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[int]string{}
	for id := range s.Blocks {
		index, _, err := block.ParseID(id)
		testkit.Must(s.t, err)
		if other, twice := out[index]; twice && other != id {
			s.t.Fatalf("block %d came with two contents", index)
		}
		out[index] = id
	}
	return out
}

// ReplaceBody damages what is on its way.
func ReplaceBody(r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	body[len(body)/2] ^= 1
	r.Body = io.NopCloser(bytes.NewReader(body))
}
