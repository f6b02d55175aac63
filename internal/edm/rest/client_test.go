package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
)

const hush = "hush-token" // appears nowhere but in Authorization

// remote is a service that answers as a test says and keeps what it was asked.
type remote struct {
	*httptest.Server
	client *Client

	mu     sync.Mutex
	asked  []*http.Request
	bodies []string
	slept  []time.Duration
}

// serve answers request n (from 0) by answer.
func serve(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *remote {
	t.Helper()
	s := &remote{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		n := len(s.asked)
		s.asked, s.bodies = append(s.asked, r), append(s.bodies, string(body))
		s.mu.Unlock()
		answer(n, w, r)
	}))
	t.Cleanup(s.Close)
	c, err := New(Options{Endpoint: s.URL + "/beta", Token: StaticToken(" " + hush + "\n"), Pace: Unpaced()})
	if err != nil {
		t.Fatal(err)
	}
	c.sleep = func(_ context.Context, d time.Duration) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.slept = append(s.slept, d)
		return nil
	}
	s.client = c
	return s
}

func (s *remote) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("request-id", "of the service")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// fails wants an *edm.Error of a class and looks for leaks in its text.
func fails(t *testing.T, err error, class edm.Class) *edm.Error {
	t.Helper()
	var e *edm.Error
	if !errors.As(err, &e) {
		t.Fatalf("want an *edm.Error, got %v", err)
	}
	if e.Class != class {
		t.Fatalf("want class %d, got %d: %v", class, e.Class, err)
	}
	for _, secret := range []string{hush, "sig=", "cell-value"} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
			t.Fatalf("the error shows %q: %+v", secret, err)
		}
	}
	return e
}

func TestRequestsCarryWhatGraphAsks(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{"value":[]}`) })
	_, err := s.client.Sessions().List(t.Context(), "a/b c", edm.Query{
		Filter: "state eq 'Created' and creationDateTime ge 2026-01-02T03:04:05+01:00", OrderBy: "creationDateTime desc", Top: 5, Select: []string{"id", "state"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := s.asked[0]
	if r.URL.EscapedPath() != "/beta/dataClassification/exactMatchDataStores/a%2Fb%20c/sessions" {
		t.Errorf("the path is %s", r.URL.EscapedPath())
	}
	q := r.URL.Query()
	if q.Get("$filter") != "state eq 'Created' and creationDateTime ge 2026-01-02T03:04:05+01:00" || q.Get("$top") != "5" ||
		q.Get("$orderby") != "creationDateTime desc" || q.Get("$select") != "id,state" {
		t.Errorf("the query is %v", q)
	}
	if r.Header.Get("Authorization") != "Bearer "+hush {
		t.Error("the token is not sent as a bearer token without the white space around it")
	}
	if _, err := uuid.Parse(r.Header.Get("client-request-id")); err != nil {
		t.Errorf("client-request-id: %v", err)
	}
}

func TestPagesAreFollowedOnTheSameHost(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 0 {
			reply(w, 200, `{"value":[{"id":"1"}],"@odata.nextLink":"https://elsewhere.example.com/steal?$skiptoken=x"}`)
			return
		}
		reply(w, 200, `{"value":[{"id":"2"}]}`)
	})
	all, err := s.client.Agents().List(t.Context(), edm.Query{})
	if err != nil || len(all) != 2 {
		t.Fatalf("%d agents, %v", len(all), err)
	}
	if next := s.asked[1].URL; next.Path != "/beta/dataClassification/exactMatchUploadAgents" || next.Query().Get("$skiptoken") != "x" {
		t.Errorf("the next page is asked at %s", next)
	}
}

func TestBothShapesOfASession(t *testing.T) {
	for name, body := range map[string]string{
		"bare, dataStoreId":   `{"id":"s","dataStoreId":"d","state":"Created","remainingBlockCount":3}`,
		"bare, datastoreId":   `{"id":"s","datastoreId":"d","state":"Created","remainingBlockCount":3}`,
		"under value":         `{"@odata.context":"x","value":{"id":"s","dataStoreId":"d","state":"Created","remainingBlockCount":3}}`,
		"with unknown fields": `{"id":"s","dataStoreId":"d","state":"Created","remainingBlockCount":3,"new":{"a":[1]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { reply(w, 200, body) })
			got, err := s.client.Sessions().Renew(t.Context(), "d", "s")
			if err != nil {
				t.Fatal(err)
			}
			if got.ID != "s" || got.DataStoreID != "d" || got.State != edm.StateCreated || got.RemainingBlockCount == nil || *got.RemainingBlockCount != 3 {
				t.Errorf("read as %+v", got)
			}
		})
	}
}

func TestAnUnknownStateIsPassedOn(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{"id":"s","state":"Hibernating"}`) })
	got, err := s.client.Sessions().Get(t.Context(), "d", "s")
	if err != nil || got.State != "Hibernating" {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestOnlyWhatMayBeRepeatedIs(t *testing.T) {
	calls := map[string]struct {
		do     func(*Client) error
		repeat bool
	}{
		"get session":    {func(c *Client) error { _, err := c.Sessions().Get(t.Context(), "d", "s"); return err }, true},
		"list stores":    {func(c *Client) error { _, err := c.Stores().List(t.Context(), edm.Query{}); return err }, true},
		"renew session":  {func(c *Client) error { _, err := c.Sessions().Renew(t.Context(), "d", "s"); return err }, true},
		"update session": {func(c *Client) error { _, err := c.Sessions().Update(t.Context(), "d", "s", "f"); return err }, true},
		"delete session": {func(c *Client) error { return c.Sessions().Delete(t.Context(), "d", "s") }, true},
		"create session": {func(c *Client) error {
			_, err := c.Sessions().Create(t.Context(), "d", edm.Session{}, "r")
			return err
		}, false},
		"create store":   {func(c *Client) error { _, err := c.Stores().Create(t.Context(), edm.DataStore{}, "r"); return err }, false},
		"create agent":   {func(c *Client) error { _, err := c.Agents().Create(t.Context(), edm.UploadAgent{}, "r"); return err }, false},
		"commit session": {func(c *Client) error { return c.Sessions().Commit(t.Context(), "d", "s", nil) }, false},
		"cancel session": {func(c *Client) error { return c.Sessions().Cancel(t.Context(), "d", "s") }, false},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				reply(w, 503, `{"error":{"code":"ServiceUnavailable","message":"busy"}}`)
			})
			e := fails(t, call.do(s.client), edm.Transient)
			want := 1
			if call.repeat {
				want = 1 + retries
			}
			if s.count() != want {
				t.Errorf("it was sent %d times, want %d", s.count(), want)
			}
			if e.Op != name && name != "create store" && name != "create agent" && name != "list stores" {
				t.Errorf("the error names %q", e.Op)
			}
		})
	}
}

// A call that may have had its effect is ambiguous, one that never left is not.
func TestUnansweredCreates(t *testing.T) {
	t.Run("cut off after the request", func(t *testing.T) {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { hangUp(t, w) })
		_, err := s.client.Sessions().Create(t.Context(), "d", edm.Session{}, "r")
		_ = fails(t, err, edm.Ambiguous)
		if s.count() != 1 {
			t.Errorf("a create was sent %d times", s.count())
		}
	})
	t.Run("cut off in the answer", func(t *testing.T) {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { reply(w, 201, `{"id":"s","sta`) })
		_, err := s.client.Sessions().Create(t.Context(), "d", edm.Session{}, "r")
		_ = fails(t, err, edm.Ambiguous)
	})
	t.Run("nobody listens", func(t *testing.T) {
		s := serve(t, nil)
		s.Close()
		_, err := s.client.Sessions().Create(t.Context(), "d", edm.Session{}, "r")
		var e *edm.Error
		if !errors.As(err, &e) || e.Class != edm.Transient {
			t.Fatalf("nothing was sent, so nothing is ambiguous: %v", err)
		}
	})
}

func hangUp(t *testing.T, w http.ResponseWriter) {
	t.Helper()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func TestRetryAfterHoldsTheWholeEndpointBack(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		reply(w, 429, `{"error":{"code":"TooManyRequests","message":"slow"}}`)
	})
	_, err := s.client.Stores().Get(t.Context(), "d")
	e := fails(t, err, edm.Transient)
	if !edm.IsThrottled(err) || e.RetryAfter != time.Hour {
		t.Errorf("throttled %t, for %s", edm.IsThrottled(err), e.RetryAfter)
	}
	_, err = s.client.Agents().List(t.Context(), edm.Query{})
	if e = fails(t, err, edm.Transient); e.RetryAfter < 4*time.Minute || e.RetryAfter > 5*time.Minute {
		t.Errorf("another resource waits %s", e.RetryAfter)
	}
	if s.count() != 1 {
		t.Errorf("%d requests reached a service that asked to wait", s.count())
	}
}

func TestASpentQuotaHoldsNobodyElseBack(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n > 0 {
			reply(w, 200, `{"id":"d"}`)
			return
		}
		w.Header().Set("Retry-After", "3600")
		reply(w, 429, fmt.Sprintf(`{"error":{"code":"TooManyRequests","message":%q}}`, fmt.Sprintf(edm.ThrottledMessage, 5)))
	})
	_, err := s.client.Sessions().Create(t.Context(), "d", edm.Session{}, "")
	if e := fails(t, err, edm.Transient); e.RetryAfter != time.Hour {
		t.Errorf("the caller that spent it waits %s", e.RetryAfter)
	}
	if _, err := s.client.Stores().Get(t.Context(), "d"); err != nil {
		t.Errorf("another call: %v", err)
	}
}

func TestClientsOfOneEndpointShareItsPace(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		reply(w, 503, `{"error":{"code":"ServiceUnavailable","message":"later"}}`)
	})
	other, err := New(s.client.o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.Stores().Get(t.Context(), "d"); err == nil {
		t.Fatal("a refusal is no success")
	}
	if _, err := other.Stores().Get(t.Context(), "d"); edm.RetryAfter(err) < 4*time.Minute {
		t.Errorf("the other client's call ends with %v", err)
	}
	if s.count() != 1 {
		t.Errorf("%d requests reached a service that asked to wait", s.count())
	}
}

func TestAnotherSessionIsNotTakenForOurs(t *testing.T) {
	for _, body := range []string{`{}`, `{"state":"Created"}`, `{"id":"another","state":"Created"}`, `{"value":{"id":"another"}}`} {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { reply(w, 200, body) })
		_, err := s.client.Sessions().Get(t.Context(), "d", "ours")
		if e := fails(t, err, edm.Transient); e.Code != "MalformedAnswer" {
			t.Errorf("%s ends with %v", body, e)
		}
	}
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { reply(w, 201, `{}`) })
	_, err := s.client.Sessions().Create(t.Context(), "d", edm.Session{}, "r")
	if e := fails(t, err, edm.Ambiguous); e.Code != "MalformedAnswer" {
		t.Errorf("a create without an id ends with %v", e)
	}
}

// A proxy can mix up answers: each is well-formed and somebody else's.
func TestAnswersOfOthersAreNotTakenForOurs(t *testing.T) {
	const foreign = `{"id":"theirs","dataStoreId":"d","uploadAgentId":"their agent","contentKey":"c","displayName":"theirs"}`
	asked := edm.Session{UploadAgentID: "our agent", ContentKey: "c"}
	for name, one := range map[string]struct {
		body  string
		class edm.Class
		call  func(*Client) error
	}{
		"create session": {foreign, edm.Ambiguous, func(c *Client) error {
			_, err := c.Sessions().Create(t.Context(), "d", asked, "r")
			return err
		}},
		"get session of another store": {`{"id":"ours","dataStoreId":"another"}`, edm.Transient, func(c *Client) error {
			_, err := c.Sessions().Get(t.Context(), "d", "ours")
			return err
		}},
		"list sessions": {`{"value":[{"id":"theirs","dataStoreId":"another"}]}`, edm.Transient, func(c *Client) error {
			_, err := c.Sessions().List(t.Context(), "d", edm.Query{})
			return err
		}},
		"get store": {foreign, edm.Transient, func(c *Client) error {
			_, err := c.Stores().Get(t.Context(), "d")
			return err
		}},
		"update store": {foreign, edm.Transient, func(c *Client) error {
			_, err := c.Stores().Update(t.Context(), edm.DataStore{ID: "d"})
			return err
		}},
		"create store": {foreign, edm.Ambiguous, func(c *Client) error {
			_, err := c.Stores().Create(t.Context(), edm.DataStore{DisplayName: "ours"}, "r")
			return err
		}},
	} {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { reply(w, 200, one.body) })
		var e *edm.Error
		if err := one.call(s.client); !errors.As(err, &e) || e.Class != one.class {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStatusesAreClassified(t *testing.T) {
	for status, class := range map[int]edm.Class{
		400: edm.Terminal, 404: edm.Terminal, 413: edm.Terminal, 422: edm.Terminal, 405: edm.Terminal, 302: edm.Transient, 407: edm.Transient,
		401: edm.Credentials, 403: edm.Credentials,
		408: edm.Transient, 409: edm.Transient, 412: edm.Transient, 423: edm.Transient, 425: edm.Transient, 429: edm.Transient, 500: edm.Transient, 504: edm.Transient,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				reply(w, status, `{"error":{"code":"SomeCode","message":"some words"}}`)
			})
			e := fails(t, s.client.Sessions().Commit(t.Context(), "d", "s", nil), class)
			if e.Status != status || e.Code != "SomeCode" || e.Message != "some words" {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestForeignBodiesAreNotShown(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"a page": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<p>"+hush+" cell-value</p>")
		},
		"another JSON": func(w http.ResponseWriter) { reply(w, 500, `{"token":"`+hush+`"}`) },
		"a success of another kind": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<p>"+hush+"</p>")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { answer(w) })
			_, err := s.client.Sessions().Get(t.Context(), "d", "s")
			e := fails(t, err, edm.Transient)
			if !strings.Contains(e.Error(), "spec.endpoint") {
				t.Errorf("it does not say what to look at: %v", err)
			}
		})
	}
	t.Run("a long message", func(t *testing.T) {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			reply(w, 400, `{"error":{"code":"BadRequest","message":"`+strings.Repeat("x", 100_000)+`"}}`)
		})
		_, err := s.client.Sessions().Get(t.Context(), "d", "s")
		if e := fails(t, err, edm.Terminal); len(e.Message) > maxMessage {
			t.Errorf("the message has %d bytes", len(e.Message))
		}
	})
}

func TestDeleteOfWhatIsGone(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		reply(w, 404, `{"error":{"code":"ResourceNotFound","message":"gone"}}`)
	})
	if err := s.client.Sessions().Delete(t.Context(), "d", "s"); err != nil {
		t.Fatal(err)
	}
}

type noToken struct{}

func (noToken) Token(context.Context) (string, error) {
	return "", &RefusedError{"the identity has no secret"}
}

func TestNothingIsSentWithoutItsToken(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { reply(w, 200, "{}") })
	s.client.o.Token = noToken{}
	_, err := s.client.Sessions().Get(t.Context(), "d", "s")
	_ = fails(t, err, edm.Credentials)
	if s.count() != 0 {
		t.Error("a request was sent without its token")
	}
	if got := fmt.Sprintf("%v %+v %#v", StaticToken(hush), StaticToken(hush), StaticToken(hush)); strings.Contains(got, hush) {
		t.Errorf("a token prints itself: %s", got)
	}
}

func TestEndpointsThatCannotBe(t *testing.T) {
	for _, endpoint := range []string{"", "graph", "ftp://graph", "https://user:pw@graph", "https://graph?key=1", "https://"} {
		if _, err := New(Options{Endpoint: endpoint}); err == nil || !strings.Contains(err.Error(), "spec.endpoint") {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

func TestBlockFormatComesFromTheHeader(t *testing.T) {
	format := edm.BlockFormatV1
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 0 {
			w.Header().Set(FormatHeader, format)
		}
		reply(w, 200, `{"value":[]}`)
	})
	for _, want := range []string{format, ""} {
		if got, err := s.client.BlockFormat(t.Context()); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}
