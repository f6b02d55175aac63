package service

import (
	"errors"
	"net/http"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// A session that ends between the first look at it and the seal takes no list.
func TestASealComesTooLate(t *testing.T) {
	h := newHarness(t)
	ids := []string{block.ID(0, block.Sum(h.data[0])), block.ID(1, block.Sum(h.data[1]))}
	if _, w := h.call(http.MethodPost, base+"/exactMatchDataStores/live/sessions/staged/cancel", "", nil); w.Code != http.StatusNoContent {
		t.Fatalf("cancel: %d", w.Code)
	}
	for session, state := range map[string]edm.State{"staged": edm.StateCancelled, "done": edm.StateCompleted, "processing": edm.StateProcessingInProgress} {
		before, err := records.Get(h.t.Context(), h.records.Of(""), records.Tx.Sessions, session)
		h.must(err)
		var refused *failure
		if _, err := h.seal(t.Context(), before, ids[:1], blobConditions{}); !errors.As(err, &refused) || refused.status != http.StatusConflict {
			t.Errorf("the seal of a session in state %s: %v", state, err)
		}
		after, err := records.Get(h.t.Context(), h.records.Of(""), records.Tx.Sessions, session)
		h.must(err)
		if after.State != state || len(after.Sealed) != len(before.Sealed) {
			t.Errorf("a session in state %s is %s with %d blocks", state, after.State, len(after.Sealed))
		}
	}
}

// A session is changed through its own data store only.
func TestNoSessionIsChangedThroughAnotherStore(t *testing.T) {
	h := newHarness(t)
	before := h.version()
	for call, method := range map[string]string{"": http.MethodPatch, "/cancel": http.MethodPost, "/renew": http.MethodPost, "/commit": http.MethodPost} {
		if _, w := h.call(method, base+"/exactMatchDataStores/live/sessions/other"+call, "", []byte(`{"fileName":"b"}`)); w.Code != http.StatusNotFound {
			t.Errorf("%s %s through another data store: %d %s", method, call, w.Code, w.Body)
		}
	}
	if _, w := h.call(http.MethodDelete, base+"/exactMatchDataStores/live/sessions/other", "", nil); w.Code != http.StatusNotFound || h.changed() && h.version() != before {
		t.Errorf("delete through another data store: %d", w.Code)
	}
}
