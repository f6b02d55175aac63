package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// crowd gives the store "bare" n sessions in a state, the first of them ended
// first.
func (h *harness) crowd(n int, state edm.State) {
	h.t.Helper()
	h.must(h.records.Of("").Update(h.t.Context(), func(tx records.Tx) error {
		for i := range n {
			one := &records.Session{Session: edm.Session{ID: fmt.Sprint("crowd-", i), DataStoreID: "bare", State: state}, Expiry: fuzzNow.Add(time.Hour)}
			if !one.Unfinished() {
				ended := fuzzNow.Add(time.Duration(i) * time.Second)
				one.CompletionDateTime = &ended
			}
			if err := tx.Sessions().Put(one); err != nil {
				return err
			}
		}
		return nil
	}))
}

const bareSession = `{"fields":["ID"],"fileName":"a","rowsPerBlock":1,"totalBlockCount":1,"keyId":"` + fuzzKeyID + `"}`

func TestUnfinishedSessionsAreBounded(t *testing.T) {
	h := newHarness(t) // it has one already
	h.crowd(maxUnfinished-2, edm.StateCreated)
	create := func() (int, string) {
		_, w := h.call(http.MethodPost, base+"/exactMatchDataStores/bare/sessions", "", []byte(bareSession))
		return w.Code, w.Body.String()
	}
	if code, text := create(); code != http.StatusCreated {
		t.Fatalf("the last one that there is room for: %d %s", code, text)
	}
	for range 2 {
		if code, text := create(); code != http.StatusConflict || !strings.Contains(text, "1000 unfinished sessions") || !strings.Contains(text, "cancel some") {
			t.Fatalf("one too many: %d %s", code, text)
		}
	}
	if _, w := h.call(http.MethodPost, base+"/exactMatchDataStores/live/sessions", "", []byte(bareSession)); w.Code != http.StatusCreated {
		t.Errorf("another store's: %d %s", w.Code, w.Body)
	}
	if _, w := h.call(http.MethodPost, base+"/exactMatchDataStores/bare/sessions/crowd-7/cancel", "", nil); w.Code != http.StatusNoContent {
		t.Fatalf("cancel: %d %s", w.Code, w.Body)
	}
	if code, text := create(); code != http.StatusCreated {
		t.Errorf("in the place of one that ended: %d %s", code, text)
	}
	if code, _ := create(); code != http.StatusConflict {
		t.Errorf("and one more: %d", code)
	}
}

func TestAStartCountsUnfinishedSessions(t *testing.T) {
	c := Config{Dir: t.TempDir(), Token: func() (string, error) { return fuzzToken, nil }, Now: func() time.Time { return fuzzNow }}
	for _, state := range []edm.State{edm.StateCreated, edm.StateCancelled} {
		s, err := New(c)
		h := &harness{Service: s, t: t}
		h.must(err)
		h.crowd(7, state)
		h.must(s.Close())
		s, err = New(c)
		h.must(err)
		n := 0
		h.must(s.records.Of("").Update(t.Context(), func(tx records.Tx) (err error) {
			n, err = tx.Sessions().Unfinished("bare")
			return err
		}))
		if want := map[edm.State]int{edm.StateCreated: 7}[state]; n != want {
			t.Errorf("a start counts %d sessions, want %d of seven in state %s", n, want, state)
		}
		h.must(s.Close())
	}
}

func TestRecordsOfEndedSessionsGoInTheirOrder(t *testing.T) {
	h := newHarness(t)
	h.crowd(maxEnded+5, edm.StateCancelled)
	h.must(h.records.Of("").Update(h.t.Context(), func(tx records.Tx) error {
		store, err := tx.DataStores().Get("bare")
		if err != nil {
			return err
		}
		store.Live = &edm.Live{SessionID: "crowd-0"}
		return tx.DataStores().Put(store)
	}))
	h.sweep(t.Context())
	there := func(id string) bool {
		_, err := records.Get(h.t.Context(), h.records.Of(""), records.Tx.Sessions, id)
		if err != nil && !records.IsNotFound(err) {
			t.Fatal(err)
		}
		return err == nil
	}
	for i := range maxEnded + 5 {
		id := fmt.Sprint("crowd-", i)
		if want := i == 0 || i >= 5; there(id) != want {
			t.Errorf("the record of %s is there: %v; the live table's and the %d that ended last are kept", id, !want, maxEnded)
		}
	}
	for _, id := range []string{"other", "created", "staged", "sealed", "processing", "done"} {
		if !there(id) {
			t.Errorf("%s has not ended, or is one of few, and is gone", id)
		}
	}
}

func TestRequestIDsAreForgottenAfterADay(t *testing.T) {
	h := newHarness(t)
	now := fuzzNow
	h.config.Now = func() time.Time { return now }
	create := func() string {
		t.Helper()
		_, w := h.call(http.MethodPost, base+"/exactMatchUploadAgents", "client-request-id: the same", []byte("{}"))
		var one struct{ ID string }
		if err := json.Unmarshal(w.Body.Bytes(), &one); err != nil || w.Code != http.StatusCreated {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return one.ID
	}
	first := create()
	now = now.Add(requestWindow - time.Minute)
	h.sweep(t.Context())
	if create() != first {
		t.Error("within a day a repetition made another one")
	}
	now = now.Add(2 * time.Minute)
	h.sweep(t.Context())
	if create() == first {
		t.Error("after a day the request is still known")
	}
	now = now.Add(2 * requestWindow)
	h.sweep(t.Context())
	h.must(h.records.Of("").View(h.t.Context(), func(tx records.Tx) error {
		left, err := tx.Requests().Before(now.Add(time.Hour))
		if len(left) != 0 {
			t.Errorf("%d requests are remembered for good", len(left))
		}
		return err
	}))
}
