package service

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
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
	storeBody = `{"displayName":"live","columns":[{"name":"ID","isSearchable":true},{"name":"Mail","isSearchable":true},{"name":"City"}]}`
)

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

// matrixCall is how a route is called: which ids it names, with what body, and what
// its owner is answered.
type matrixCall struct {
	body  string
	own   int
	state func(*possessions) string // the session whose state the call needs
}

func openOf(h *possessions) string   { return h.open }
func sealedOf(h *possessions) string { return h.sealed }
func agentOf(h *possessions) string  { return h.agent }

var (
	aToken = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, fingerprint.TokenSize))
	lookup = fmt.Sprintf(`{"key":%q,"values":[%q]}`, fuzzKeyID, aToken)
	match  = fmt.Sprintf(`{"keyId":%q,"questions":[{"column":"ID","token":%q}]}`, fuzzKeyID, aToken)
)

// matrix has every route that names an object.
var matrix = map[string]matrixCall{
	"GET /exactMatchUploadAgents/{id}":    {"", http.StatusOK, agentOf},
	"PATCH /exactMatchUploadAgents/{id}":  {tenantsAgent, http.StatusOK, agentOf},
	"DELETE /exactMatchUploadAgents/{id}": {"", http.StatusNoContent, agentOf},

	"GET /exactMatchDataStores/{store}":         {"", http.StatusOK, openOf},
	"PATCH /exactMatchDataStores/{store}":       {`{"description":"changed"}`, http.StatusOK, openOf},
	"DELETE /exactMatchDataStores/{store}":      {"", http.StatusNoContent, openOf},
	"POST /exactMatchDataStores/{store}/lookup": {lookup, http.StatusOK, openOf},
	"POST /exactMatchDataStores/{store}/match":  {match, http.StatusOK, openOf},

	"POST /exactMatchDataStores/{store}/rollback": {"", http.StatusUnprocessableEntity, openOf},
	"POST /exactMatchDataStores/{store}/purge":    {"", http.StatusNoContent, openOf},

	"GET /exactMatchDataStores/{store}/sessions":                  {"", http.StatusOK, openOf},
	"POST /exactMatchDataStores/{store}/sessions":                 {sessionBody("agent"), http.StatusCreated, openOf},
	"GET /exactMatchDataStores/{store}/sessions/{id}":             {"", http.StatusOK, openOf},
	"PATCH /exactMatchDataStores/{store}/sessions/{id}":           {`{"fileName":"other.csv"}`, http.StatusOK, openOf},
	"DELETE /exactMatchDataStores/{store}/sessions/{id}":          {"", http.StatusNoContent, openOf},
	"POST /exactMatchDataStores/{store}/sessions/{id}/commit":     {"", http.StatusNoContent, sealedOf},
	"POST /exactMatchDataStores/{store}/sessions/{id}/cancel":     {"", http.StatusNoContent, openOf},
	"POST /exactMatchDataStores/{store}/sessions/{id}/renew":      {"", http.StatusOK, openOf},
	"GET /exactMatchDataStores/{store}/sessions/{id}/uploadAgent": {"", http.StatusOK, openOf},
}

// collections name no object; what they answer is in tests of their own.
var collections = []string{"GET /exactMatchUploadAgents", "POST /exactMatchUploadAgents", "GET /exactMatchDataStores", "POST /exactMatchDataStores"}

// theRoutes are the routes of routes.go.
func theRoutes(t *testing.T) (routes []string) {
	t.Helper()
	text, err := os.ReadFile("routes.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range regexp.MustCompile(`"([A-Z]+ /exactMatch[^"]*)"`).FindAllStringSubmatch(string(text), -1) {
		routes = append(routes, one[1])
	}
	if len(routes) < 21 {
		t.Fatalf("routes.go has %d routes", len(routes))
	}
	return routes
}

// target is a call with the ids that it names.
type target struct{ store, id string }

func (a target) path(route string) string {
	_, path, _ := strings.Cut(route, " ")
	return strings.NewReplacer("{store}", a.store, "{id}", a.id).Replace(path)
}

// pairs are calls that name something of another tenant, each with one that names in
// its place what never existed.
func pairs(route string, own, foreign target) (out [][2]target) {
	absent := target{uuid.NewString(), uuid.NewString()}
	out = append(out, [2]target{foreign, absent})
	if strings.Contains(route, "{store}") && strings.Contains(route, "{id}") {
		out = append(out, [2]target{{own.store, foreign.id}, {own.store, absent.id}}, [2]target{{foreign.store, own.id}, {absent.store, own.id}})
	}
	return out
}

// answerOf is an answer without what names the request, and with the ids that were
// asked for replaced.
func answerOf(w *httptest.ResponseRecorder, a target) string {
	header := w.Header().Clone()
	header.Del("request-id")
	header.Del("x-ms-request-id")
	header.Del("Date")
	text := fmt.Sprintf("%d\n%v\n%s", w.Code, header, w.Body)
	return strings.NewReplacer(a.store, "{store}", a.id, "{id}", "request-id", "").Replace(text)
}

// To a tenant, what is another's is what never existed: in status, headers and body,
// over every route, whoever of them asks. Nothing changes by that.
func TestWhatIsAnothersIsAbsent(t *testing.T) {
	asks, own := 0, 0
	for _, route := range theRoutes(t) {
		if slices.Contains(collections, route) {
			continue
		}
		call, known := matrix[route]
		if !known {
			t.Errorf("%s is not in the matrix", route)
			continue
		}
		s := newShared(t, Config{})
		method, _, _ := strings.Cut(route, " ")
		at := func(tenant string) target { return target{s.have[tenant].store, call.state(s.have[tenant])} }
		for _, tenant := range sharers {
			for _, other := range sharers {
				if other == tenant {
					continue
				}
				before := s.state(other)
				for _, pair := range pairs(route, at(tenant), at(other)) {
					asks++
					foreign, absent := s.as(tenant, method, pair[0].path(route), call.body), s.as(tenant, method, pair[1].path(route), call.body)
					if got, want := answerOf(foreign, pair[0]), answerOf(absent, pair[1]); got != want || foreign.Code != http.StatusNotFound {
						t.Errorf("%s of %q, asked by %q, is\n%s\nand what never existed is\n%s", route, other, tenant, got, want)
					}
				}
				if s.state(other) != before {
					t.Errorf("%s, asked by %q, changes what %q has", route, tenant, other)
				}
			}
		}
		for _, tenant := range sharers {
			own++
			if w := s.as(tenant, method, at(tenant).path(route), call.body); w.Code != call.own {
				t.Errorf("%s of %q, asked by itself: %d %s", route, tenant, w.Code, w.Body)
			}
		}
	}
	t.Logf("%d routes, %d calls of what is another's, each equal to one of what never existed; %d of what is one's own", len(matrix), asks, own)
}

// idsIn are the ids of a collection.
func (s *shared) idsIn(tenant, path string) (ids []string, next string) {
	s.t.Helper()
	w := s.as(tenant, http.MethodGet, path, "")
	var all struct {
		Value []struct{ ID string }
		Next  string `json:"@odata.nextLink"`
		Count *int   `json:"@odata.count"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || w.Code != http.StatusOK {
		s.t.Fatalf("%q GET %s: %d %s", tenant, path, w.Code, w.Body)
	}
	for _, one := range all.Value {
		ids = append(ids, one.ID)
	}
	if all.Count != nil && *all.Count != len(ids) {
		s.t.Errorf("%q GET %s counts %d of %d", tenant, path, *all.Count, len(ids))
	}
	return ids, all.Next
}

// Collections, names and request ids are a tenant's own.
func TestCollectionsAreATenantsOwn(t *testing.T) {
	s := newShared(t, Config{})
	for _, tenant := range sharers {
		h := s.have[tenant]
		for path, want := range map[string][]string{
			"/exactMatchUploadAgents?$count=true":                                    {h.agent},
			"/exactMatchDataStores?$count=true":                                      {h.store},
			"/exactMatchDataStores/" + h.store + "/sessions?$count=true&$orderby=id": slices.Sorted(slices.Values([]string{h.live, h.open, h.sealed})),
		} {
			if got, _ := s.idsIn(tenant, path); !slices.Equal(got, want) {
				t.Errorf("%q GET %s: %q, want %q", tenant, path, got, want)
			}
		}
		for _, other := range sharers {
			if other == tenant {
				continue
			}
			of := s.have[other]
			if of.store == h.store || of.agent == h.agent || of.open == h.open {
				t.Errorf("%q and %q were given the same by one request id", tenant, other)
			}
			filter := "?$filter=" + url.QueryEscape(fmt.Sprintf("id eq '%s'", of.store))
			if got, _ := s.idsIn(tenant, "/exactMatchDataStores"+filter); len(got) > 0 {
				t.Errorf("%q finds %q of %q", tenant, got, other)
			}
		}
		if id, _ := s.makes(tenant, "/exactMatchDataStores", storeBody); id != h.store {
			t.Errorf("%q is given %q by a repetition, and had made %q", tenant, id, h.store)
		}
	}
}

// A nextLink of another tenant is a page of one's own.
func TestANextLinkIsOfWhoeverAsks(t *testing.T) {
	s := newShared(t, Config{})
	for _, tenant := range sharers[1:] {
		for n := range 3 {
			s.must(s.records.Of(tenant).Update(t.Context(), func(tx records.Tx) error {
				return tx.Agents().Put(&edm.UploadAgent{ID: fmt.Sprintf("%s-%d", tenant, n), CreationDateTime: &fuzzNow})
			}))
		}
	}
	_, next := s.idsIn("prod/hr", "/exactMatchUploadAgents?$top=1&$orderby=id")
	_, path, found := strings.Cut(next, base)
	if !found {
		t.Fatalf("the link is %q", next)
	}
	for _, tenant := range sharers {
		got, _ := s.idsIn(tenant, path)
		for _, id := range got {
			one, err := records.Get(t.Context(), s.records.Of(tenant), records.Tx.Agents, id)
			if err != nil || one.ID != id {
				t.Errorf("%q is given %q, which is not its own", tenant, id)
			}
		}
		if want := map[string]int{"prod/hr": 1, "prod/hr2": 1}[tenant]; len(got) != want { // the other has no second page
			t.Errorf("%q is given %q, want %d", tenant, got, want)
		}
	}
}

// An upload URI opens its own session: below another tenant's handle, or none, it is
// as one that nobody signed.
func TestAnUploadURIIsOfItsTenant(t *testing.T) {
	s := newShared(t, Config{})
	id := block.ID(0, block.Sum(s.data[0]))
	paths := map[string]string{} // by tenant, up to the session
	for tenant, h := range s.have {
		path, _, _ := strings.Cut(h.uri, h.open)
		paths[tenant] = path
		if name := strings.TrimPrefix(tenant, "prod/"); name != "" && strings.Contains(h.uri, name) {
			t.Errorf("the URI %s names the tenant", path)
		}
	}
	paths["nobody"] = "http://service/upload/AAAAAAAAAAAAAAAAAAAAAA/"
	for tenant, h := range s.have {
		_, signed, _ := strings.Cut(h.uri, "?")
		for at, path := range paths {
			for of, session := range map[string]string{"own": h.open, "absent": uuid.NewString()} {
				w := s.upload(http.MethodPut, blockOf(path+session+"?"+signed, id), s.data[0])
				want := http.StatusForbidden
				if at == tenant && of == "own" {
					want = http.StatusCreated
				}
				if w.Code != want {
					t.Errorf("the signature of %q, for the %s session below %q: %d %s", tenant, of, at, w.Code, w.Body)
				}
			}
			for other, theirs := range s.have {
				if other == tenant {
					continue
				}
				if w := s.upload(http.MethodPut, blockOf(path+theirs.open+"?"+signed, id), s.data[0]); w.Code != http.StatusForbidden {
					t.Errorf("the signature of %q, for the session of %q below %q: %d %s", tenant, other, at, w.Code, w.Body)
				}
			}
		}
	}
}
