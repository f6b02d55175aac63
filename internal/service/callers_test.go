package service

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/authn/authntest"
)

// permitted says a second time which roles a call takes: one of them is enough.
var permitted = map[string]string{
	"GET /exactMatchUploadAgents":                                 "uploader",
	"POST /exactMatchUploadAgents":                                "uploader",
	"GET /exactMatchUploadAgents/$count":                          "uploader",
	"GET /exactMatchDataStores/$count":                            "uploader reader admin",
	"GET /exactMatchDataStores/{store}/sessions/$count":           "uploader admin",
	"GET /exactMatchUploadAgents/{id}":                            "uploader",
	"PATCH /exactMatchUploadAgents/{id}":                          "uploader",
	"DELETE /exactMatchUploadAgents/{id}":                         "uploader",
	"GET /exactMatchDataStores":                                   "uploader reader admin",
	"POST /exactMatchDataStores":                                  "uploader",
	"GET /exactMatchDataStores/{store}":                           "uploader reader admin",
	"PATCH /exactMatchDataStores/{store}":                         "uploader",
	"DELETE /exactMatchDataStores/{store}":                        "uploader",
	"POST /exactMatchDataStores/{store}/lookup":                   "reader",
	"POST /exactMatchDataStores/{store}/match":                    "reader",
	"POST /exactMatchDataStores/{store}/rollback":                 "admin",
	"POST /exactMatchDataStores/{store}/purge":                    "admin",
	"GET /exactMatchDataStores/{store}/sessions":                  "uploader admin",
	"POST /exactMatchDataStores/{store}/sessions":                 "uploader",
	"GET /exactMatchDataStores/{store}/sessions/{id}":             "uploader admin",
	"PATCH /exactMatchDataStores/{store}/sessions/{id}":           "uploader",
	"DELETE /exactMatchDataStores/{store}/sessions/{id}":          "uploader",
	"POST /exactMatchDataStores/{store}/sessions/{id}/commit":     "uploader",
	"POST /exactMatchDataStores/{store}/sessions/{id}/cancel":     "uploader",
	"POST /exactMatchDataStores/{store}/sessions/{id}/renew":      "uploader",
	"GET /exactMatchDataStores/{store}/sessions/{id}/uploadAgent": "uploader admin",
}

const (
	callersHead = "apiVersion: service.exactmatch.dev/v1alpha1\nkind: "
	audience    = "exactmatch"
)

// callers is a harness whose callers show tokens of issuers and static ones.
type callers struct {
	*harness
	dir        string
	prod, corp *authntest.Issuer
	log        authntest.Log
}

func (c *callers) write(name, text string) string {
	path := filepath.Join(c.dir, name)
	c.must(os.WriteFile(path, []byte(text), 0o600))
	return path
}

// roleSets are what callers may have; each has a static token and a ServiceAccount, named so.
var roleSets = map[string][]authn.Role{
	"u": {authn.Uploader}, "r": {authn.Reader}, "a": {authn.Admin}, "ur": {authn.Uploader, authn.Reader}, "all": everything,
}

func tokenOf(name string) string { return "the-static-token-of-a-caller-called-" + name }

func withCallers(t *testing.T) *callers {
	c := &callers{harness: newHarness(t), dir: t.TempDir(), prod: authntest.New(t), corp: authntest.New(t)}
	c.config.Log = slog.New(slog.NewJSONHandler(&c.log, nil))
	tokens, policy := callersHead+"StaticTokens\ntokens:\n", callersHead+"CallerPolicy\nrules:\n"
	for _, name := range slices.Sorted(maps.Keys(roleSets)) {
		roles := strings.Trim(strings.ReplaceAll(fmt.Sprint(roleSets[name]), " ", ","), "[]")
		tokens += fmt.Sprintf("- {name: %s, token: %s}\n", name, tokenOf(name))
		policy += fmt.Sprintf("- {entry: static-tokens, subject: %s, tenant: team, roles: [%s]}\n", name, roles)
		policy += fmt.Sprintf("- {entry: prod, serviceAccount: {name: %s}, roles: [%s]}\n", name, roles)
	}
	tokens += fmt.Sprintf("- {name: nobody, token: %s}\n- {name: root, token: %s}\n", tokenOf("nobody"), tokenOf("root"))
	policy += "- {entry: static-tokens, subject: root, tenant: \"\", roles: [admin, reader]}\n"
	opened, err := authn.Open(authn.Files{
		Configuration: c.write("config", callersHead+fmt.Sprintf("AuthenticationConfiguration\nissuers:\n"+
			"- {name: prod, kind: Kubernetes, issuer: %q, audiences: [exactmatch], caFile: %q}\n- {name: corp, kind: OIDC, issuer: %q, audiences: [edm], caFile: %q}\n",
			c.prod.URL, c.prod.CAFile, c.corp.URL, c.corp.CAFile)),
		StaticTokens: c.write("tokens", tokens), Policy: c.write("policy", policy), Log: c.config.Log, Now: func() time.Time { return c.config.Now() },
	})
	c.must(err)
	c.config.Callers = opened
	return c
}

// account is the token of a ServiceAccount that has these roles.
func (c *callers) account(name string) string {
	return c.prod.Sign(c.prod.ServiceAccount("hr", name, audience, c.config.Now()))
}

// ask sends a call as a caller would; "" is no header.
func (c *callers) ask(method, path, authorization string, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, base+path, strings.NewReader(body))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	for len(c.jobs) > 0 {
		c.must(c.do(c.t.Context(), <-c.jobs))
	}
	return w
}

// refusal is an error in OData's form.
func refusal(t *testing.T, w *httptest.ResponseRecorder) (code, message string) {
	t.Helper()
	var said struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Header().Get("Content-Type") != "application/json;odata.metadata=minimal;charset=utf-8" {
		t.Errorf("%d is answered with %q", w.Code, w.Body)
	}
	return said.Error.Code, said.Error.Message
}

// pathOf names a thing of the harness in a route.
func pathOf(route string) (method, path string) {
	method, path, _ = strings.Cut(route, " ")
	id := "agent"
	if strings.Contains(path, "sessions") {
		id = "created"
	}
	return method, strings.NewReplacer("{store}", "live", "{id}", id).Replace(path)
}

// Nobody comes to a handler without a role that its call takes, and so to no record.
func TestTheAuthorizationMatrix(t *testing.T) {
	c := withCallers(t)
	calls := c.calls()
	if !slices.Equal(slices.Sorted(maps.Keys(calls)), slices.Sorted(maps.Keys(permitted))) {
		t.Fatalf("the service has %v, and the test knows the roles of %v", slices.Sorted(maps.Keys(calls)), slices.Sorted(maps.Keys(permitted)))
	}
	asked, admitted, handled := 0, 0, 0
	spied := http.NewServeMux()
	for pattern, to := range calls {
		if len(to.roles) == 0 {
			t.Errorf("%s takes no role", pattern)
		}
		method, path, _ := strings.Cut(pattern, " ")
		spied.Handle(method+" "+base+path, c.api(route{func(*http.Request) (*answer, error) {
			handled++
			return noContent()
		}, to.roles}))
	}
	try := func(call, token string, roles []authn.Role, refused int) {
		t.Helper()
		method, path := pathOf(call)
		may := slices.ContainsFunc(roles, func(r authn.Role) bool { return slices.Contains(strings.Fields(permitted[call]), string(r)) })
		before := handled
		spied.ServeHTTP(httptest.NewRecorder(), func() *http.Request {
			r := httptest.NewRequest(method, base+path, strings.NewReader("{}"))
			r.Header.Set("Authorization", "Bearer "+token)
			return r
		}())
		w := c.ask(method, path, "Bearer "+token, "{}")
		asked++
		if came := handled > before; came != may {
			t.Errorf("%s with %v comes to its handler: %t", call, roles, came)
		}
		if is := w.Code != http.StatusUnauthorized && w.Code != http.StatusForbidden; is != may {
			t.Errorf("%s with %v: %d %s", call, roles, w.Code, w.Body)
		}
		if may {
			admitted++
			c.restore()
			return
		}
		if c.changed() {
			t.Errorf("%s with %v changes a record", call, roles)
		}
		code, message := refusal(t, w)
		if w.Code != refused || refused == http.StatusForbidden && code != edm.CodeForbidden || refused == http.StatusUnauthorized && code != edm.CodeUnauthorized {
			t.Errorf("%s with %v: %d %s, want %d", call, roles, w.Code, code, refused)
		}
		if len(roles) > 0 && !strings.Contains(message, strings.Join(strings.Fields(permitted[call]), ", ")) {
			t.Errorf("%s with %v does not say which role is missing: %s", call, roles, message)
		}
	}
	foreign := c.prod.Sign(c.prod.ServiceAccount("hr", "all", "another", c.config.Now()))
	for call := range calls {
		for name, roles := range roleSets {
			try(call, tokenOf(name), roles, http.StatusForbidden)
			try(call, c.account(name), roles, http.StatusForbidden)
		}
		try(call, fuzzToken, everything, 0)
		try(call, tokenOf("root"), []authn.Role{authn.Admin, authn.Reader}, http.StatusForbidden)
		try(call, tokenOf("nobody"), nil, http.StatusForbidden)
		try(call, c.account("default"), nil, http.StatusForbidden)
		try(call, tokenOf("stranger"), nil, http.StatusUnauthorized)
		try(call, foreign, nil, http.StatusUnauthorized)
	}
	if want := len(calls) * 16; asked != want {
		t.Errorf("%d calls were tried, want %d", asked, want)
	}
	t.Logf("%d calls × 16 callers: %d tried, %d admitted, %d refused", len(calls), asked, admitted, asked-admitted)
}

// What is served beside the contract's calls is listed here, so that nothing is served unseen.
func TestWhatNeedsNoRole(t *testing.T) {
	text, err := os.ReadFile("routes.go")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range regexp.MustCompile(`mux\.Handle(?:Func)?\(("[^"]*")`).FindAllStringSubmatch(string(text), -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	if want := []string{`"/"`, `"/upload/{session}"`, `"/upload/{tenant}/{session}"`, `"GET /healthz"`, `"GET /openapi.json"`, `"GET /readyz"`}; !slices.Equal(found, want) {
		t.Errorf("routes.go serves %v beside its calls, want %v", found, want)
	}
	c := withCallers(t)
	for token, want := range map[string]int{"": http.StatusUnauthorized, "Bearer " + tokenOf("r"): http.StatusNotFound, "Bearer " + tokenOf("nobody"): http.StatusForbidden} {
		if w := c.ask(http.MethodGet, "/nothing", token, ""); w.Code != want {
			t.Errorf("an unknown call with %q: %d, want %d", token, w.Code, want)
		}
	}
	if err := (route{}).admits(authn.Caller{Roles: everything}); err == nil {
		t.Error("a call without roles takes everybody")
	}
}

// Refused tokens change nothing, and the answer says how to do better without a word of them.
func TestTokensThatBringNoCaller(t *testing.T) {
	c := withCallers(t)
	now := c.config.Now()
	valid := c.prod.ServiceAccount("hr", "all", audience, now)
	tokens := c.prod.Forged(valid)
	tokens["expired"] = c.prod.Sign(valid.With(authntest.Claims{"exp": now.Unix() - 60}))
	tokens["not valid yet"] = c.prod.Sign(valid.With(authntest.Claims{"nbf": now.Unix() + 60}))
	tokens["another audience"] = c.prod.Sign(valid.With(authntest.Claims{"aud": "edm"}))
	tokens["another issuer"] = c.prod.Sign(valid.With(authntest.Claims{"iss": "https://example.com"}))
	tokens["another entry"] = c.corp.Sign(valid)
	tokens["unlike claims"] = c.prod.Sign(valid.With(authntest.Claims{"sub": "system:serviceaccount:pay:all"}))
	tokens["a word"] = "token"
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) {
			for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
				w := c.ask(http.MethodPost, "/exactMatchUploadAgents", scheme+token, "{}")
				challenge := w.Header().Get("WWW-Authenticate")
				if code, _ := refusal(t, w); w.Code != http.StatusUnauthorized || code != edm.CodeUnauthorized || !strings.HasPrefix(challenge, `Bearer realm="exactmatch", error="invalid_token"`) {
					t.Errorf("it is answered %d %s %q", w.Code, code, challenge)
				}
				if w.Header().Get("Connection") != "close" {
					t.Error("the connection is kept")
				}
			}
		})
	}
	for name, header := range map[string]string{"another scheme": "Basic dTpw", "no token": "Bearer ", "a scheme alone": "Bearer"} {
		if w := c.ask(http.MethodGet, "/exactMatchDataStores", header, ""); w.Code != http.StatusUnauthorized || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_request"`) {
			t.Errorf("%s: %d %q", name, w.Code, w.Header().Get("WWW-Authenticate"))
		}
	}
	if w := c.ask(http.MethodGet, "/exactMatchDataStores", "", ""); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") != `Bearer realm="exactmatch"` {
		t.Errorf("no header: %d %q", w.Code, w.Header().Get("WWW-Authenticate"))
	}
	if c.changed() {
		t.Error("a record was changed")
	}
	for cause, least := range map[authn.Cause]int{authn.Expired: 3, authn.NotYetValid: 3, authn.Unknown: 6, authn.Signature: 12, authn.Malformed: 12, authn.Claims: 3} {
		if n := strings.Count(c.log.String(), fmt.Sprintf(`"cause":%q`, cause)); n < least {
			t.Errorf("the log names the cause %s %d times, want %d", cause, n, least)
		}
	}
	for name, token := range tokens {
		for _, part := range strings.Split(token, ".") {
			if len(part) > 20 && strings.Contains(c.log.String(), part) {
				t.Errorf("the log shows a part of the token %q", name)
			}
		}
	}
}

func TestTheSchemeMayHaveAnyCase(t *testing.T) {
	c := withCallers(t)
	for _, header := range []string{"Bearer " + fuzzToken, "bearer " + fuzzToken, "BEARER " + tokenOf("r"), "bEARER " + c.account("u")} {
		if w := c.ask(http.MethodGet, "/exactMatchDataStores", header, ""); w.Code != http.StatusOK {
			t.Errorf("%.8s…: %d %s", header, w.Code, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, base+"/exactMatchDataStores", nil)
	r.Header["Authorization"] = []string{"Bearer " + fuzzToken, "Bearer " + tokenOf("r")}
	w := httptest.NewRecorder()
	if c.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
		t.Errorf("two headers: %d", w.Code)
	}
}

// Where a token cannot be judged it is not refused for good.
func TestCallersOfAnIssuerThatIsAway(t *testing.T) {
	c := withCallers(t)
	c.prod.Away(true)
	w := c.ask(http.MethodGet, "/exactMatchDataStores", "Bearer "+c.account("u"), "")
	if code, _ := refusal(t, w); w.Code != http.StatusServiceUnavailable || code != edm.CodeUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s, Retry-After %q", w.Code, code, w.Header().Get("Retry-After"))
	}
	if w := c.ask(http.MethodGet, "/exactMatchDataStores", "Bearer "+tokenOf("u"), ""); w.Code != http.StatusOK {
		t.Errorf("a static token: %d", w.Code)
	}
	if w := c.ask(http.MethodGet, "/exactMatchDataStores", "Bearer "+c.corp.Sign(c.prod.ServiceAccount("hr", "u", audience, c.config.Now())), ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a token that cannot be judged: %d", w.Code)
	}
}

// A policy that is bad does not end the service: the last good one applies.
func TestReadyWhileThePolicyIsBad(t *testing.T) {
	c := withCallers(t)
	now := fuzzNow
	c.config.Now = func() time.Time { return now }
	c.config.Token = nil
	c.write("policy", "{}")
	now = now.Add(time.Minute)
	if w := c.ask(http.MethodGet, "/exactMatchDataStores", "Bearer "+tokenOf("r"), ""); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(c.log.String(), "the last good one applies") {
		t.Errorf("the log does not say so: %s", c.log.String())
	}
	c.wantReady()
	if w := c.ask(http.MethodGet, "/exactMatchDataStores", "Bearer "+fuzzToken, ""); w.Code != http.StatusUnauthorized {
		t.Errorf("the token of a flag that is not given: %d", w.Code)
	}
}
