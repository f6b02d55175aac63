package rest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/edmtest"
)

// contractCall is one call of the contract. once: sent once, so that an answer
// which is not the service's leaves open whether it had its effect.
type contractCall struct {
	do   func(context.Context, edm.Service) error
	once bool
}

// contractCalls are all calls of edm.Service.
func contractCalls() map[string]contractCall {
	told := func(_ any, err error) error { return err }
	return map[string]contractCall{
		"create session": {func(c context.Context, s edm.Service) error {
			return told(s.Sessions().Create(c, "d", edm.Session{}, "r"))
		}, true},
		"get session":    {func(c context.Context, s edm.Service) error { return told(s.Sessions().Get(c, "d", "s")) }, false},
		"list sessions":  {func(c context.Context, s edm.Service) error { return told(s.Sessions().List(c, "d", edm.Query{})) }, false},
		"update session": {func(c context.Context, s edm.Service) error { return told(s.Sessions().Update(c, "d", "s", "f")) }, false},
		"commit session": {func(c context.Context, s edm.Service) error { return s.Sessions().Commit(c, "d", "s", new(int64(1))) }, true},
		"cancel session": {func(c context.Context, s edm.Service) error { return s.Sessions().Cancel(c, "d", "s") }, true},
		"renew session":  {func(c context.Context, s edm.Service) error { return told(s.Sessions().Renew(c, "d", "s")) }, false},
		"delete session": {func(c context.Context, s edm.Service) error { return s.Sessions().Delete(c, "d", "s") }, false},
		"create store": {func(c context.Context, s edm.Service) error {
			return told(s.Stores().Create(c, edm.DataStore{DisplayName: "n"}, "r"))
		}, true},
		"get store":   {func(c context.Context, s edm.Service) error { return told(s.Stores().Get(c, "d")) }, false},
		"list stores": {func(c context.Context, s edm.Service) error { return told(s.Stores().List(c, edm.Query{})) }, false},
		"update store": {func(c context.Context, s edm.Service) error {
			return told(s.Stores().Update(c, edm.DataStore{ID: "d"}))
		}, false},
		"delete store": {func(c context.Context, s edm.Service) error { return s.Stores().Delete(c, "d") }, false},
		"lookup": {func(c context.Context, s edm.Service) error {
			return told(s.Stores().Lookup(c, "d", edm.LookupRequest{}))
		}, false},
		"match": {func(c context.Context, s edm.Service) error {
			return told(s.Stores().Match(c, "d", edm.MatchRequest{}))
		}, false},
		"create agent": {func(c context.Context, s edm.Service) error {
			return told(s.Agents().Create(c, edm.UploadAgent{Description: "n"}, "r"))
		}, true},
		"get agent":   {func(c context.Context, s edm.Service) error { return told(s.Agents().Get(c, "a")) }, false},
		"list agents": {func(c context.Context, s edm.Service) error { return told(s.Agents().List(c, edm.Query{})) }, false},
		"update agent": {func(c context.Context, s edm.Service) error {
			return told(s.Agents().Update(c, edm.UploadAgent{ID: "a"}))
		}, false},
		"delete agent": {func(c context.Context, s edm.Service) error { return s.Agents().Delete(c, "a") }, false},
		"block format": {func(c context.Context, s edm.Service) error { return told(s.BlockFormat(c)) }, false},
	}
}

// outcome is what a caller takes an answer for.
func outcome(err error) string {
	var e *edm.Error
	switch {
	case err == nil:
		return "success"
	case edm.IsNotFound(err):
		return "not found"
	case !errors.As(err, &e):
		return "no *edm.Error"
	}
	return map[edm.Class]string{edm.Transient: "transient", edm.Terminal: "terminal", edm.Credentials: "credentials", edm.Ambiguous: "ambiguous"}[e.Class]
}

// TestStrangersAreNotBelieved takes the answers of strangers for every call of the
// contract: none is a success, a refusal, or the word that something is not there.
func TestStrangersAreNotBelieved(t *testing.T) {
	counts, wrong, n := map[string]int{}, map[string]int{}, 0
	calls, strangers := contractCalls(), edmtest.Strangers()
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		want := "transient"
		if calls[name].once {
			want = "ambiguous"
		}
		for _, stranger := range strangers {
			n++
			got := outcome(calls[name].do(t.Context(), toStranger(t, stranger)))
			counts[got]++
			if got != want {
				wrong[fmt.Sprintf("%s: %s", name, got)]++
				if wrong[fmt.Sprintf("%s: %s", name, got)] <= 3 {
					t.Errorf("%s answered by %q is %s, want %s", name, stranger.Name, got, want)
				}
			}
		}
	}
	t.Logf("%d calls × %d answers of strangers = %d: %v", len(calls), len(strangers), n, counts)
	for _, name := range slices.Sorted(maps.Keys(wrong)) {
		t.Logf("%s: %d", name, wrong[name])
	}
}

// toStranger is a client whose service a stranger stands for.
func toStranger(t *testing.T, stranger edmtest.Stranger) *Client {
	t.Helper()
	c, err := New(Options{Endpoint: "http://service/beta", Token: StaticToken(hush), HTTP: &http.Client{
		Transport: stranger, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, Pace: Unpaced()})
	if err != nil {
		t.Fatal(err)
	}
	c.sleep = func(context.Context, time.Duration) error { return nil }
	return c
}

// TestACollectionThatIsCutIsAnError: what is behind the cut is not known to be
// absent.
func TestACollectionThatIsCutIsAnError(t *testing.T) {
	page := `{"value":[` + strings.Repeat(`{"id":"a"},`, 999) + `{"id":"a"}]`
	for name, tc := range map[string]struct {
		pages int
		query edm.Query
		items int // 0: an error
	}{
		"10,000 and no more":             {10, edm.Query{}, 10_000},
		"10,000 and more":                {11, edm.Query{}, 0},
		"more, and 10,000 are asked for": {11, edm.Query{Top: 10_000}, 10_000},
		"without an end":                 {1 << 20, edm.Query{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				next := ""
				if n+1 < tc.pages {
					next = fmt.Sprintf(`,"@odata.nextLink":"https://service/beta?$skip=%d"`, 1000*(n+1))
				}
				reply(w, http.StatusOK, page+next+"}")
			})
			all, err := s.client.Agents().List(t.Context(), tc.query)
			if len(all) != tc.items {
				t.Errorf("%d items, want %d", len(all), tc.items)
			}
			if tc.items == 0 {
				_ = fails(t, err, edm.Transient)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAWrongPathIsNoMissingResource: the service says of a path, or of a method, that it
// does not have it, and knows the resource at another.
func TestAWrongPathIsNoMissingResource(t *testing.T) {
	for status, code := range map[int]string{http.StatusNotFound: "NoSuchCall", http.StatusMethodNotAllowed: "MethodNotAllowed"} {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			reply(w, status, `{"error":{"code":"`+code+`","message":"this service has no such call"}}`)
		})
		_, err := s.client.Sessions().Get(t.Context(), "d", "s")
		_ = fails(t, err, edm.Transient)
		if edm.IsNotFound(err) || edm.IsNoSuchPath(err) != (status == http.StatusNotFound) {
			t.Errorf("a wrong path is told as %v", err)
		}
		if err := s.client.Sessions().Delete(t.Context(), "d", "s"); err == nil {
			t.Error("a wrong path is taken for a deletion")
		}
	}
}
