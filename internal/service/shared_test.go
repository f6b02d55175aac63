package service

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/records"
	"exactmatch.dev/operator/internal/service/records/bolt"
)

// shared is a service whose tenants all have the same, under the same names and
// request ids.
type shared struct {
	*Service
	t    *testing.T
	data [][]byte
	have map[string]*possessions // by tenant
}

// possessions are what a tenant has: a live table, a session that takes blocks, one
// that is sealed, and an upload agent.
type possessions struct {
	agent, store, live, open, sealed string
	uri                              string // of open
}

// sharers are the tenants. The names of two begin alike.
var sharers = []string{"", "prod/hr", "prod/hr2"}

func newShared(t *testing.T, config Config) *shared {
	t.Helper()
	s := &shared{t: t, data: fuzzBlocks(t), have: map[string]*possessions{}}
	config.Dir, config.PublicURL, config.MinFreeDisk = t.TempDir(), "http://service", 1
	config.Token, config.Now = func() (string, error) { return fuzzToken, nil }, func() time.Time { return fuzzNow }
	if config.Log == nil {
		config.Log = slog.New(newLines(t))
	}
	s.start(config)
	t.Cleanup(s.stop)
	for _, tenant := range sharers {
		s.have[tenant] = s.fill(tenant)
	}
	return s
}

func (s *shared) start(config Config) {
	s.t.Helper()
	var err error
	s.Service, err = New(config)
	s.must(err)
	s.records.(*bolt.Store).Unsynced() // nothing of a test is kept
	s.TakeTenants()
	s.Watch(s.t)
}

// stop stops the service, unless it is stopped.
func (s *shared) stop() {
	s.t.Helper()
	if s.Service != nil {
		s.must(s.Close())
	}
	s.Service = nil
}

func (s *shared) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// request is a call of a tenant's caller.
func (s *shared) request(tenant, method, path, body string) *http.Request {
	r := httptest.NewRequest(method, "http://service"+base+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+fuzzToken)
	if tenant != "" {
		r.Header.Set("Authorization", "Bearer tenant/"+tenant)
	}
	r.Header.Set("client-request-id", "the-same")
	return r
}

func (s *shared) answer(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// as sends a call of a tenant's caller.
func (s *shared) as(tenant, method, path, body string) *httptest.ResponseRecorder {
	return s.answer(s.request(tenant, method, path, body))
}

// upload sends a call to an upload URI.
func (s *shared) upload(method, uri string, body []byte) *httptest.ResponseRecorder {
	return s.answer(httptest.NewRequest(method, uri, bytes.NewReader(body)))
}

// makes sends a create and returns the id of what it made.
func (s *shared) makes(tenant, path, body string) (id string, uri string) {
	s.t.Helper()
	w := s.as(tenant, http.MethodPost, path, body)
	var made struct{ ID, DataUploadURI string }
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != http.StatusCreated {
		s.t.Fatalf("%q POST %s: %d %s", tenant, path, w.Code, w.Body)
	}
	return made.ID, made.DataUploadURI
}

// Bodies that every tenant sends alike.
const (
	tenantsAgent = `{"description":"ours"}`
	storeBody    = `{"displayName":"live","columns":[{"name":"ID","isSearchable":true},{"name":"Mail","isSearchable":true},{"name":"City"}]}`
)

// agentlessBody is a create that names no upload agent.
const agentlessBody = `{"fields":["ID","Mail","City"],"fileName":"people.csv","rowsPerBlock":2,"totalBlockCount":2,"keyId":"` + fuzzKeyID + `"}`

func sessionBody(agent string) string {
	return fmt.Sprintf(`{"uploadAgentId":%q,"fields":["ID","Mail","City"],"fileName":"people.csv","rowsPerBlock":2,"totalBlockCount":2,"keyId":%q}`, agent, fuzzKeyID)
}

func (s *shared) fill(tenant string) *possessions {
	s.t.Helper()
	h := &possessions{}
	h.agent, _ = s.makes(tenant, "/exactMatchUploadAgents", tenantsAgent)
	h.store, _ = s.makes(tenant, "/exactMatchDataStores", storeBody)
	sessions := "/exactMatchDataStores/" + h.store + "/sessions"
	forget := func() { // so that the next create is another
		s.must(s.records.Of(tenant).Update(s.t.Context(), func(tx records.Tx) error {
			return tx.Requests().Delete(records.KindSession, h.store+"/the-same")
		}))
	}
	var uri string
	h.live, uri = s.makes(tenant, sessions, sessionBody(h.agent))
	s.stages(uri)
	if w := s.as(tenant, http.MethodPost, sessions+"/"+h.live+"/commit", ""); w.Code != http.StatusNoContent {
		s.t.Fatalf("commit: %d %s", w.Code, w.Body)
	}
	for len(s.jobs) > 0 {
		s.must(s.do(s.t.Context(), <-s.jobs))
	}
	forget()
	h.sealed, uri = s.makes(tenant, sessions, sessionBody(h.agent))
	s.stages(uri)
	forget()
	h.open, h.uri = s.makes(tenant, sessions, sessionBody(h.agent))
	return h
}

// stages uploads both blocks and seals them.
func (s *shared) stages(uri string) {
	s.t.Helper()
	var list struct {
		XMLName xml.Name `xml:"BlockList"`
		Latest  []string
	}
	for i, data := range s.data {
		id := block.ID(i, block.Sum(data))
		list.Latest = append(list.Latest, id)
		if w := s.upload(http.MethodPut, blockOf(uri, id), data); w.Code != http.StatusCreated {
			s.t.Fatalf("stage: %d %s", w.Code, w.Body)
		}
	}
	text, err := xml.Marshal(list)
	s.must(err)
	if w := s.upload(http.MethodPut, uri+"&comp=blocklist", text); w.Code != http.StatusCreated {
		s.t.Fatalf("seal: %d %s", w.Code, w.Body)
	}
}

func blockOf(uri, id string) string { return uri + "&comp=block&blockid=" + url.QueryEscape(id) }

// state is all that a tenant has.
func (s *shared) state(tenant string) string {
	s.t.Helper()
	var text []byte
	s.must(s.records.Of(tenant).View(s.t.Context(), func(tx records.Tx) error {
		all, err := snapshotOf(tx)
		if err != nil {
			return err
		}
		text, err = json.Marshal([]any{all.stores, all.sessions, all.agents, all.requests})
		return err
	}))
	for _, one := range []string{s.have[tenant].open, s.have[tenant].sealed, s.have[tenant].live} {
		text = fmt.Appendf(text, "%v", s.blocks.List(one))
	}
	return string(text)
}
