package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/source"
)

const bearer = "a token for tests"

// sink is the real service with a data store, behind a recorder that a test may
// let spoil requests.
type sink struct {
	t       *testing.T
	client  *rest.Client
	store   *edm.DataStore
	agent   *edm.UploadAgent
	handler http.Handler
	server  *httptest.Server

	mu     sync.Mutex
	blocks map[string]int // block ids and how often their bodies came
	moving int            // bodies that are on their way now
	peak   int            // the most of them
	spoil  func(http.ResponseWriter, *http.Request) bool
}

func newSink(t *testing.T) *sink {
	t.Helper()
	backend, err := service.New(service.Config{Dir: t.TempDir(), Token: func() (string, error) { return bearer, nil }, MaxCommits: 1000})
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- backend.Run(ctx) }()
	s := &sink{t: t, handler: backend, blocks: map[string]int{}}
	s.server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.server.Close()
		stop()
		must(t, <-ended)
		must(t, backend.Close())
	})
	s.client, err = rest.New(rest.Options{Endpoint: s.server.URL + "/beta", Token: rest.StaticToken(bearer), Pace: rest.Unpaced()})
	must(t, err)
	s.agent, err = s.client.Agents().Create(t.Context(), edm.UploadAgent{Description: "transfer"}, "agent")
	must(t, err)
	s.store, err = s.client.Stores().Create(t.Context(), edm.DataStore{DisplayName: "people", Columns: []edm.Column{
		{Name: "ID", IsSearchable: true}, {Name: "Mail", IsSearchable: true, IsCaseInsensitive: true},
	}}, "store")
	must(t, err)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func isBlock(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Get("comp") == "block"
}

func isSeal(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Get("comp") == "blocklist"
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	spoil := s.spoil
	if isBlock(r) {
		s.blocks[r.URL.Query().Get("blockid")]++
		s.moving++
		s.peak = max(s.peak, s.moving)
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
	s.handler.ServeHTTP(w, r)
}

// quiet closes the door to what is on its way and waits until all that came in has
// been dealt with.
func (s *sink) quiet() {
	http.DefaultClient.CloseIdleConnections()
	s.server.CloseClientConnections()
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

// spoilOnce lets the first request that is selected be answered by another.
func (s *sink) spoilOnce(selects func(*http.Request) bool, answer http.HandlerFunc) {
	var once sync.Once
	s.spoil = func(w http.ResponseWriter, r *http.Request) (spoilt bool) {
		if selects(r) {
			once.Do(func() {
				spoilt = true
				answer(w, r)
			})
		}
		return spoilt
	}
}

// refuseStorage answers as Azure's storage refuses.
func refuseStorage(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("x-ms-error-code", code)
		w.WriteHeader(status)
	}
}

// sent forgets and returns how many block bodies came.
func (s *sink) sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, times := range s.blocks {
		n += times
	}
	s.blocks = map[string]int{}
	return n
}

// open opens a session for what was prepared.
func (s *sink) open(p *pipeline.Prepared, plan pipeline.Plan) *edm.Session {
	s.t.Helper()
	rows, blocks := int32(plan.RowsPerBlock), int32(p.Blocks)
	one, err := s.client.Sessions().Create(s.t.Context(), s.store.ID, edm.Session{
		UploadAgentID: s.agent.ID, Fields: []string{"ID", "Mail"}, FileName: "people.csv",
		RowsPerBlock: &rows, TotalBlockCount: &blocks, KeyID: p.KeyID, ContentKey: p.ContentKey,
	}, p.ContentKey+s.t.Name())
	must(s.t, err)
	return one
}

func (s *sink) state(id string) edm.State {
	s.t.Helper()
	one, err := s.client.Sessions().Get(s.t.Context(), s.store.ID, id)
	must(s.t, err)
	return one.State
}

func target(one *edm.Session) pipeline.Target {
	return pipeline.Target{HTTP: http.DefaultClient, URI: func() string { return one.DataUploadURI }, Parallelism: 4}
}

func options() pipeline.Options {
	return pipeline.Options{Memory: semaphore.NewWeighted(64 << 20), MemorySize: 64 << 20}
}

// csvOf is a table of n rows.
func csvOf(n int) string {
	var text strings.Builder
	text.WriteString("ID,Mail\n")
	for i := range n {
		fmt.Fprintf(&text, "P-%d,p%d@example.com\n", i, i)
	}
	return text.String()
}

// planOf is a plan for a table that is at hand.
func planOf(text string, rowsPerBlock int) pipeline.Plan {
	return pipeline.Plan{
		Source: source.Bytes("people.csv", []byte(text)), Store: "people", Key: []byte("a key for tests that has 32 bytes or more"),
		Columns:      []pipeline.Column{{Name: "ID"}, {Name: "Mail", IsCaseInsensitive: true}},
		RowsPerBlock: rowsPerBlock, BadRows: pipeline.BadRowsAllowance{MinSample: 1000},
	}
}

// planOfFile is a plan for a file, which can change.
func planOfFile(t *testing.T, text string, rowsPerBlock int) (pipeline.Plan, string) {
	t.Helper()
	root := t.TempDir()
	path := filepath.Join(root, "people.csv")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	from, err := source.Open(t.Context(), source.Config{URI: "file:///people.csv", Root: root, Schemes: []string{"file"}})
	must(t, err)
	plan := planOf("", rowsPerBlock)
	plan.Source = from
	return plan, path
}

func prepare(t *testing.T, plan pipeline.Plan) *pipeline.Prepared {
	t.Helper()
	p, err := pipeline.Prepare(t.Context(), plan)
	must(t, err)
	return p
}

// ids are the ids of the blocks that the sink has seen.
func (s *sink) ids() map[int]string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[int]string{}
	for id := range s.blocks {
		index, _, err := block.ParseID(id)
		must(s.t, err)
		if other, twice := out[index]; twice && other != id {
			s.t.Fatalf("block %d came with two contents", index)
		}
		out[index] = id
	}
	return out
}

// replaceBody damages what is on its way.
func replaceBody(r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	body[len(body)/2] ^= 1
	r.Body = io.NopCloser(bytes.NewReader(body))
}
