package service

import (
	"errors"
	"net/http"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
)

// A session that ends between the first look at it and the seal takes no list.
func TestASealComesTooLate(t *testing.T) {
	h := newHouse(t)
	ids := []string{block.ID(0, block.Sum(h.data[0])), block.ID(1, block.Sum(h.data[1]))}
	if _, w := h.call(http.MethodPost, base+"/exactMatchDataStores/live/sessions/staged/cancel", "", nil); w.Code != http.StatusNoContent {
		t.Fatalf("cancel: %d", w.Code)
	}
	for session, state := range map[string]edm.State{"staged": edm.StateCancelled, "done": edm.StateCompleted, "processing": edm.StateProcessingInProgress} {
		before, err := read[sessionRecord](h.db.db, sessionsBucket, session)
		h.must(err)
		var refused *failure
		if err := h.seal(session, ids[:1]); !errors.As(err, &refused) || refused.status != http.StatusConflict {
			t.Errorf("the seal of a session in state %s: %v", state, err)
		}
		after, err := read[sessionRecord](h.db.db, sessionsBucket, session)
		h.must(err)
		if after.State != state || len(after.Sealed) != len(before.Sealed) {
			t.Errorf("a session in state %s is %s with %d blocks", state, after.State, len(after.Sealed))
		}
	}
}
