package service_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// anID stands for the name that a path's parameter has.
var anID = regexp.MustCompile(`\{\w+\}`)

// routesOf are the calls that the service takes, such as "POST /exactMatchDataStores/{id}/match".
func routesOf(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("routes.go")
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, match := range regexp.MustCompile(`"([A-Z]+ /exactMatch[^"]*)"`).FindAllStringSubmatch(string(text), -1) {
		routes = append(routes, anID.ReplaceAllString(match[1], "{id}"))
	}
	if len(routes) < 21 {
		t.Fatalf("routes.go has %d routes", len(routes))
	}
	slices.Sort(routes)
	return routes
}

// TestEveryCallIsDocumented holds the table of calls in API.md against the routes.
func TestEveryCallIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../edm/API.md")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.NewReplacer("…/{id}/sessions", "/exactMatchDataStores/{id}/sessions", "…/sessions", "/exactMatchDataStores/{id}/sessions")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[A-Z]+[ `][^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		words := strings.Fields(strings.ReplaceAll(row[1], "`", " "))
		path := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "/") || strings.HasPrefix(w, "…") })
		if path < 0 {
			t.Fatalf("the row %s of API.md has no path", row[0])
		}
		for _, method := range words[:path] {
			documented = append(documented, method+" "+long.Replace(words[path]))
		}
	}
	slices.Sort(documented)
	documented = slices.DeleteFunc(documented, func(call string) bool { return !strings.Contains(call, "/exactMatch") })
	if routes := routesOf(t); !slices.Equal(documented, routes) {
		t.Errorf("API.md documents\n%s\nand the service takes\n%s", strings.Join(documented, "\n"), strings.Join(routes, "\n"))
	}
}

// calls keeps which routes were called.
type calls struct {
	mu     sync.Mutex
	routes map[string]bool
}

// recorded is a server whose calls are kept.
func (c *calls) recorded(t *testing.T, server *httptest.Server) *httptest.Server {
	t.Helper()
	inner := server.Config.Handler
	recorder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.routes[anID.ReplaceAllString(strings.Replace(r.Pattern, "/beta/dataClassification", "", 1), "{id}")] = true
	}))
	t.Cleanup(recorder.Close)
	return recorder
}

// checkWhole finds a call that an implementation of the contract may lack while it passes edmtest.
func (c *calls) checkWhole(t *testing.T) {
	t.Helper()
	// Graph's navigation property and the numbers of collections, of which the contract has
	// no call.
	const navigation = "GET /exactMatchDataStores/{id}/sessions/{id}/uploadAgent"
	for _, route := range routesOf(t) {
		if !c.routes[route] && route != navigation && !strings.HasSuffix(route, "/$count") {
			t.Errorf("no case of edmtest calls %s", route)
		}
	}
}
