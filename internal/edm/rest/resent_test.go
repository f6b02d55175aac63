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
