package edmtest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
)

// owners wants a store to keep the owner that it was made with until another is
// named.
func owners(t *testing.T, f *fixture) {
	f.open(t)
	if f.store.Owner != nil {
		t.Fatalf("a store that nobody owns shows %+v", f.store.Owner)
	}
	first := edm.Owner{Cluster: "c-1", Namespace: "clinic", Name: strings.Repeat("n", 253)}
	wanted := edm.DataStore{DisplayName: "owned-" + uuid.NewString()[:8], Columns: f.store.Columns, Owner: &first}
	made, err := f.Service.Stores().Create(f.ctx, wanted, uuid.NewString())
	must(t, err)
	f.store = made
	if made.Owner == nil || *made.Owner != first {
		t.Fatalf("made %+v", made.Owner)
	}
	_, err = f.Service.Stores().Create(f.ctx, edm.DataStore{DisplayName: made.DisplayName, Columns: f.store.Columns}, uuid.NewString())
	wantError(t, err, http.StatusConflict, edm.CodeConflict)
	f.changeRules(t, f.store.Columns)
	if got := f.current(t).Owner; got == nil || *got != first {
		t.Fatalf("after an update without an owner it is %+v", got)
	}
	second := edm.Owner{Cluster: "c-2", Namespace: "clinic", Name: "patients"}
	_, err = f.Service.Stores().Update(f.ctx, edm.DataStore{ID: made.ID, Columns: made.Columns, Owner: &second})
	must(t, err)
	if got := f.current(t).Owner; got == nil || *got != second {
		t.Fatalf("after an update the owner is %+v", got)
	}
	for name, bad := range map[string]edm.Owner{
		"no cluster": {Namespace: "a", Name: "b"}, "no namespace": {Cluster: "a", Name: "b"}, "no name": {Cluster: "a", Namespace: "b"},
		"nothing": {}, "a long name": {Cluster: "a", Namespace: "b", Name: strings.Repeat("n", 254)},
	} {
		_, err := f.Service.Stores().Update(f.ctx, edm.DataStore{ID: made.ID, Columns: made.Columns, Owner: &bad})
		if e := wantError(t, err, http.StatusBadRequest, edm.CodeBadRequest); !strings.Contains(e.Message, "owner") {
			t.Errorf("the message for %s is %q", name, e.Message)
		}
		_, err = f.Service.Stores().Create(f.ctx, edm.DataStore{DisplayName: uuid.NewString(), Columns: made.Columns, Owner: &bad}, uuid.NewString())
		wantError(t, err, http.StatusBadRequest, edm.CodeBadRequest)
	}
	if got := f.current(t).Owner; *got != second {
		t.Fatalf("refused updates made the owner %+v", got)
	}
}
