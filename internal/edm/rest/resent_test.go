package rest

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
)

// A create is sent once, also by a client that follows redirects: neither the
// service nor anybody between may have its body sent on.
func TestACreateIsNotSentOn(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			reply(w, http.StatusCreated, `{"id":"theirs"}`)
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	creates := map[string]func() error{
		"session": func() error { _, err := s.client.Sessions().Create(t.Context(), "d", edm.Session{}, "r"); return err },
		"store":   func() error { _, err := s.client.Stores().Create(t.Context(), edm.DataStore{}, "r"); return err },
		"agent":   func() error { _, err := s.client.Agents().Create(t.Context(), edm.UploadAgent{}, "r"); return err },
	}
	for name, create := range creates {
		if err := create(); err == nil {
			t.Errorf("create %s: a redirect is no success", name)
		}
	}
	if s.count() != len(creates) {
		t.Errorf("%d requests for %d creates", s.count(), len(creates))
	}
}

// An answer that is cut where it became too large must not be taken for the whole.
func TestAnAnswerThatIsTooLargeIsRefused(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, `{"id":"ours"}`+strings.Repeat(" ", maxBody))
	})
	_, err := s.client.Sessions().Get(t.Context(), "d", "ours")
	if e := fails(t, err, edm.Transient); !strings.Contains(e.Message, "too large") {
		t.Errorf("it ends with %v", err)
	}
}

// What the service asks to wait is left to the caller, who can do something else:
// a call does not come again before.
func TestARetryAfterIsNotShortened(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		reply(w, http.StatusServiceUnavailable, `{"error":{"code":"ServiceUnavailable","message":"later"}}`)
	})
	_, err := s.client.Sessions().Get(t.Context(), "d", "s")
	if e := fails(t, err, edm.Transient); e.RetryAfter <= 0 {
		t.Errorf("the wait is %s", e.RetryAfter)
	}
	if s.count() != 1 {
		t.Errorf("%d requests reached a service that asked to wait", s.count())
	}
}

// A list whose pages do not end is no list.
func TestPagesThatDoNotEnd(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n > maxPages { // a test that fails must end
			reply(w, http.StatusOK, `{"value":[]}`)
			return
		}
		reply(w, http.StatusOK, `{"value":[],"@odata.nextLink":"https://host/beta?$skiptoken=again"}`)
	})
	if _, err := s.client.Agents().List(t.Context(), edm.Query{}); !errors.Is(err, errEndless) {
		t.Errorf("it ends with %v", err)
	}
}

// Each of these differs in one thing from the service's own answer.
func TestAnswersThatAreAlmostOurs(t *testing.T) {
	const ours = `{"id":"ours","state":"Created","dataStoreId":"d","uploadAgentId":"agent","contentKey":"content"}`
	get := func(c *Client) error { _, err := c.Sessions().Get(t.Context(), "d", "ours"); return err }
	create := func(c *Client) error {
		_, err := c.Sessions().Create(t.Context(), "d", edm.Session{UploadAgentID: "agent", ContentKey: "content"}, "r")
		return err
	}
	commit := func(c *Client) error { return c.Sessions().Commit(t.Context(), "d", "ours", nil) }
	for name, tc := range map[string]struct {
		do     func(*Client) error
		status int
		kind   string
		body   string
		taken  bool
	}{
		"a session":                  {get, 200, "application/json", ours, true},
		"of another store":           {get, 200, "application/json", strings.Replace(ours, `"d"`, `"another"`, 1), false},
		"of another status":          {get, 203, "application/json", ours, false},
		"of another type":            {get, 200, "text/plain", ours, false},
		"of no type":                 {get, 200, "", ours, false},
		"a made session":             {create, 201, "application/json", ours, true},
		"made, of another status":    {create, 200, "application/json", ours, false},
		"made for another agent":     {create, 201, "application/json", strings.Replace(ours, `"agent"`, `"another"`, 1), false},
		"made of other content":      {create, 201, "application/json", strings.Replace(ours, `"content"`, `"other"`, 1), false},
		"a commit":                   {commit, 204, "", "", true},
		"a commit of another status": {commit, 202, "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{tc.kind}
				w.Header().Set("request-id", "of the test")
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			})
			if err := tc.do(s.client); (err == nil) != tc.taken {
				t.Errorf("it ends with %v", err)
			}
		})
	}
}
