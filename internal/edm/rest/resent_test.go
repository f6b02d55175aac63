package rest

import (
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
