package service

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
)

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
	"DELETE /exactMatchUploadAgents/{id}": {"", http.StatusConflict, agentOf}, // two sessions use it

	"GET /exactMatchDataStores/{store}":         {"", http.StatusOK, openOf},
	"PATCH /exactMatchDataStores/{store}":       {`{"description":"changed"}`, http.StatusOK, openOf},
	"DELETE /exactMatchDataStores/{store}":      {"", http.StatusNoContent, openOf},
	"POST /exactMatchDataStores/{store}/lookup": {lookup, http.StatusOK, openOf},
	"POST /exactMatchDataStores/{store}/match":  {match, http.StatusOK, openOf},

	"POST /exactMatchDataStores/{store}/rollback": {"", http.StatusUnprocessableEntity, openOf},
	"POST /exactMatchDataStores/{store}/purge":    {"", http.StatusNoContent, openOf},

	"GET /exactMatchDataStores/{store}/sessions":                  {"", http.StatusOK, openOf},
	"GET /exactMatchDataStores/{store}/sessions/$count":           {"", http.StatusOK, openOf},
	"POST /exactMatchDataStores/{store}/sessions":                 {agentlessBody, http.StatusCreated, openOf},
	"GET /exactMatchDataStores/{store}/sessions/{id}":             {"", http.StatusOK, openOf},
	"PATCH /exactMatchDataStores/{store}/sessions/{id}":           {`{"fileName":"other.csv"}`, http.StatusOK, openOf},
	"DELETE /exactMatchDataStores/{store}/sessions/{id}":          {"", http.StatusNoContent, openOf},
	"POST /exactMatchDataStores/{store}/sessions/{id}/commit":     {"", http.StatusNoContent, sealedOf},
	"POST /exactMatchDataStores/{store}/sessions/{id}/cancel":     {"", http.StatusNoContent, openOf},
	"POST /exactMatchDataStores/{store}/sessions/{id}/renew":      {"", http.StatusOK, openOf},
	"GET /exactMatchDataStores/{store}/sessions/{id}/uploadAgent": {"", http.StatusOK, openOf},
}

// collections name no object; what they answer is in tests of their own.
var collections = []string{"GET /exactMatchUploadAgents", "POST /exactMatchUploadAgents", "GET /exactMatchDataStores", "POST /exactMatchDataStores",
	"GET /exactMatchUploadAgents/$count", "GET /exactMatchDataStores/$count"}

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
	named := cmp.Or(header.Get("request-id"), "none")
	header.Del("request-id")
	header.Del("x-ms-request-id")
	header.Del("Date")
	text := fmt.Sprintf("%d\n%v\n%s", w.Code, header, w.Body)
	return strings.NewReplacer(a.store, "{store}", a.id, "{id}", named, "{request-id}").Replace(text)
}

// To a tenant, what is another's is what never existed: in status, headers and body,
// over every route and in both directions. Nothing changes by that.
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

// A session names an upload agent of its own tenant: another tenant's is as one that
// never existed.
func TestAnUploadAgentOfAnotherIsAbsent(t *testing.T) {
	s := newShared(t, Config{})
	for _, tenant := range sharers {
		sessions := "/exactMatchDataStores/" + s.have[tenant].store + "/sessions"
		answer := func(agent string) string {
			r := s.request(tenant, http.MethodPost, sessions, sessionBody(agent))
			r.Header.Set("client-request-id", "another")
			w := s.answer(r)
			if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "uploadAgentId") {
				t.Errorf("%q makes a session with the agent %q: %d %s", tenant, agent, w.Code, w.Body)
			}
			return answerOf(w, target{store: s.have[tenant].store, id: agent})
		}
		want := answer(uuid.NewString())
		for _, other := range sharers {
			if other == tenant {
				continue
			}
			if got := answer(s.have[other].agent); got != want {
				t.Errorf("with the agent of %q, %q is answered\n%s\nand with none\n%s", other, tenant, got, want)
			}
		}
	}
}
