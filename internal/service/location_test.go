package service

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// creates are the calls that make something, and bodies that they take.
var creates = map[string]string{
	"POST /exactMatchUploadAgents":                `{"description":"new"}`,
	"POST /exactMatchDataStores":                  `{"displayName":"new","columns":[{"name":"A"}]}`,
	"POST /exactMatchDataStores/{store}/sessions": sessionBody("agent"),
}

// What was made can be read where its create says, by the name under which the service was
// called; so it is where the create is repeated.
func TestWhatIsMadeHasALocation(t *testing.T) {
	for route, body := range creates {
		t.Run(route, func(t *testing.T) {
			h := newHarness(t)
			method, path := pathOf(route)
			for range 2 {
				_, w := h.call(method, base+path, "client-request-id: the same", []byte(body))
				var made struct{ ID string }
				h.must(json.Unmarshal(w.Body.Bytes(), &made))
				at := w.Header().Get("Location")
				if want := "http://service" + base + path + "/" + made.ID; w.Code != http.StatusCreated || at != want {
					t.Fatalf("%d: the location is %q, want %q", w.Code, at, want)
				}
				_, got := h.call(http.MethodGet, strings.TrimPrefix(at, "http://service"), "", nil)
				if got.Code != http.StatusOK || !strings.Contains(got.Body.String(), made.ID) {
					t.Errorf("it is answered %d %s there", got.Code, got.Body)
				}
			}
		})
	}
	h := newHarness(t)
	for _, route := range theRoutes(t) {
		if _, creates := creates[route]; creates {
			continue
		}
		method, path := pathOf(route)
		if _, w := h.call(method, base+path, "", nil); w.Header().Get("Location") != "" || w.Code == http.StatusCreated {
			t.Errorf("%s is answered %d with the location %q", route, w.Code, w.Header().Get("Location"))
		}
		h.restore()
	}
}

// Where a proxy ends TLS the service is told so by the base of its upload URIs, for the host
// that this names.
func TestLinksHaveTheSchemeOfTheirHost(t *testing.T) {
	h := newHarness(t)
	h.config.PublicURL = "https://outside.example.com"
	for host, want := range map[string]string{"outside.example.com": "https://outside.example.com/", "localhost:8080": "http://localhost:8080/"} {
		r := httptest.NewRequest(http.MethodPost, base+"/exactMatchUploadAgents", strings.NewReader(`{}`))
		r.Host = host
		r.Header.Set("Authorization", "Bearer "+fuzzToken)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); !strings.HasPrefix(w.Header().Get("Location"), want) {
			t.Errorf("asked by %s, the location is %q", host, w.Header().Get("Location"))
		}
		r.Method, r.URL.RawQuery = http.MethodGet, "$top=1"
		w = httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var page struct {
			Next string `json:"@odata.nextLink"`
		}
		h.must(json.Unmarshal(w.Body.Bytes(), &page))
		if !strings.HasPrefix(page.Next, want) {
			t.Errorf("asked by %s, the next page is at %q", host, page.Next)
		}
	}
}

// Every 401 says what is wanted.
func TestEveryRefusalOfACallerHasAChallenge(t *testing.T) {
	c := withCallers(t)
	routes := append(slices.Clone(theRoutes(t)), "GET /nothing", "PUT /exactMatchDataStores", "OPTIONS /exactMatchUploadAgents")
	for _, route := range routes {
		for header, want := range map[string]string{
			"": `Bearer realm="exactmatch"`, "Basic dTpw": `Bearer realm="exactmatch", error="invalid_request", `, "bearer stranger": `Bearer realm="exactmatch", error="invalid_token", `,
		} {
			method, path := pathOf(route)
			if w := c.ask(method, path, header, ""); w.Code != http.StatusUnauthorized || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), want) {
				t.Errorf("%s by %q: %d %q", route, header, w.Code, w.Header().Get("WWW-Authenticate"))
			}
		}
	}
}
