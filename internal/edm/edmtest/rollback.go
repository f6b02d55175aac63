package edmtest

import (
	"net/http"
	"testing"

	"exactmatch.dev/operator/internal/edm"
)

// rollback wants the table before the live one to be kept, shown, made live again as
// a generation of its own, and removed on request.
func rollback(t *testing.T, f *fixture) {
	f.open(t)
	stores, id := f.Service.Stores(), f.store.ID
	roll := func(judged *int64) (*edm.DataStore, error) { return stores.Rollback(f.ctx, id, judged) }
	none := func() {
		t.Helper()
		_, err := roll(nil)
		wantError(t, err, http.StatusUnprocessableEntity, edm.CodeNoPrevious)
	}
	none()
	first := f.publish(t, people(12))
	none()
	second := f.publish(t, people(5))
	if p := f.current(t).Previous; p == nil || p.SessionID != first.ID || p.Generation != 1 || p.Rows != 12 || p.Until.IsZero() {
		t.Fatalf("the previous table is %+v", p)
	}
	old := int64(1)
	_, err := roll(&old)
	wantError(t, err, http.StatusPreconditionFailed, edm.CodeLiveChanged)
	sealed := f.sealed(t, 3) // judged against generation 2
	present := int64(2)
	got, err := roll(&present)
	must(t, err)
	if got.Live == nil || got.Live.SessionID != first.ID || got.Live.Generation != 3 || got.Live.Rows != 12 || got.Previous == nil || got.Previous.SessionID != second.ID {
		t.Fatalf("the store that was rolled back is %+v, %+v", got.Live, got.Previous)
	}
	if got := f.match(t, "ID", "P-11", nil); got.Total != 1 || got.generation != 3 || got.sessionID != first.ID {
		t.Fatalf("a row of the table that is live again: %+v", got)
	}
	wantError(t, f.commit(sealed, 2), http.StatusPreconditionFailed, edm.CodeLiveChanged)
	must(t, stores.Purge(f.ctx, id))
	must(t, stores.Purge(f.ctx, id))
	none()
	if p := f.current(t).Previous; p != nil {
		t.Fatalf("the table that was removed is shown as %+v", p)
	}
}
