package service_test

import (
	"encoding/json"
	"net/http"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/edm"
)

// rival is another tenant, which makes what the first has under the same names and
// request ids, and calls what is the first's by its ids. Nothing that it does changes
// an answer to the first, which the model knows.
type rival struct {
	stores map[string]string // its own, by the displayName that the first has too; no entry where it is not known
}

// asRival sends a call of the other tenant.
func (w *stateMachine) asRival(method, path, requestID string, body any) reply {
	return w.call(method, w.url+"/beta/dataClassification/exactMatchDataStores"+path, requestID, body, http.Header{"Authorization": {"Bearer tenant/rival"}})
}

// onRival adds what the other tenant may do now.
func (w *stateMachine) onRival(s *modelStore, add func(int, *op)) {
	add(1, w.rivalCreates(s))
	if id := w.rival.stores[s.name]; id != "" {
		add(1, w.rivalDeletes(s, id))
		if m := w.anySession(s); m != nil {
			add(1, w.rivalOpens(s, m, id))
		}
	}
	if m := w.anySession(s); m != nil {
		add(1, w.rivalMeddles(s, m))
	}
}

// anySession draws a session of a store, nil where there is none.
func (w *stateMachine) anySession(s *modelStore) *modelSession {
	if len(s.sessions) == 0 {
		return nil
	}
	return s.sessions[rapid.IntRange(0, len(s.sessions)-1).Draw(w.T, "another's session")]
}

// rivalCreates makes a data store of the same name by the same request id.
func (w *stateMachine) rivalCreates(s *modelStore) *op {
	body := edm.DataStore{DisplayName: s.name, Columns: []edm.Column{{Name: "ID", IsSearchable: true}, {Name: "Mail"}, {Name: "City"}}}
	o := &op{name: "another tenant creates", store: s, send: func() reply { return w.asRival(http.MethodPost, "", s.requestID, body) }}
	o.take = func(r reply) {
		w.want(o.name, r, http.StatusCreated, "")
		var made edm.DataStore
		known := w.rival.stores[s.name]
		if err := json.Unmarshal(r.body, &made); err != nil || made.ID == "" || made.ID == s.id || known != "" && made.ID != known || made.Live != nil {
			w.Fatalf("another tenant is given %s (%v); it has %q and the first %q", r.body, err, known, s.id)
		}
		w.rival.stores[s.name] = made.ID
		tally.rival++
	}
	o.settle = func() { o.take(o.send()) }
	return o
}

// rivalDeletes deletes the other tenant's own store.
func (w *stateMachine) rivalDeletes(s *modelStore, id string) *op {
	o := &op{name: "another tenant deletes", store: s, send: func() reply { return w.asRival(http.MethodDelete, "/"+id, "", nil) }}
	o.take = func(r reply) {
		w.want(o.name, r, http.StatusNoContent, "")
		delete(w.rival.stores, s.name)
		tally.rival++
	}
	o.settle = func() { delete(w.rival.stores, s.name) } // a create finds out which
	return o
}

// rivalOpens opens a session in the other tenant's store by the request id that made
// one of the first.
func (w *stateMachine) rivalOpens(s *modelStore, m *modelSession, id string) *op {
	rows, blocks := int32(m.perBlock), int32(len(m.blocks))
	body := edm.Session{Fields: fields, FileName: m.name, RowsPerBlock: &rows, TotalBlockCount: &blocks, KeyID: modelKey.String()}
	o := &op{name: "another tenant opens", store: s, settle: func() {}, send: func() reply {
		return w.asRival(http.MethodPost, "/"+id+"/sessions", m.requestID, body)
	}}
	o.take = func(r reply) {
		w.want(o.name, r, http.StatusCreated, "")
		var made edm.Session
		if err := json.Unmarshal(r.body, &made); err != nil || made.ID == m.id || made.DataStoreID != id || made.State != edm.StateCreated {
			w.Fatalf("another tenant opens %s (%v)", r.body, err)
		}
		tally.rival++
	}
	return o
}

// rivalMeddles calls what is the first's: it is answered as what never existed.
func (w *stateMachine) rivalMeddles(s *modelStore, m *modelSession) *op {
	call := rapid.SampledFrom([]struct {
		method, path string
		body         any
	}{
		{http.MethodGet, "/" + s.id, nil},
		{http.MethodPatch, "/" + s.id, map[string]string{"description": "another's"}},
		{http.MethodDelete, "/" + s.id, nil},
		{http.MethodGet, sessionsPath(s), nil},
		{http.MethodGet, sessionsPath(s, m.id), nil},
		{http.MethodPatch, sessionsPath(s, m.id), map[string]string{"fileName": "another.csv"}},
		{http.MethodDelete, sessionsPath(s, m.id), nil},
		{http.MethodPost, sessionsPath(s, m.id, "commit"), nil},
		{http.MethodPost, sessionsPath(s, m.id, "cancel"), nil},
		{http.MethodPost, sessionsPath(s, m.id, "renew"), nil},
		{http.MethodPost, "/" + s.id + "/lookup", edm.LookupRequest{Key: modelKey.String(), Values: []string{text64(modelToken("", "ID", 0))}}},
	}).Draw(w.T, "meddles")
	o := &op{name: "another tenant's " + call.method + " " + call.path, store: s, settle: func() {}, send: func() reply {
		return w.asRival(call.method, call.path, uuid.NewString(), call.body)
	}}
	o.take = func(r reply) {
		w.want(o.name, r, http.StatusNotFound, edm.CodeNotFound)
		tally.rival++
	}
	return o
}

// checkRival wants that the other tenant has its own, and that alone.
func (w *stateMachine) checkRival() {
	w.Helper()
	r := w.asRival(http.MethodGet, "?$top=1000", "", nil)
	var all struct{ Value []edm.DataStore }
	w.want("the stores of another tenant", r, http.StatusOK, "")
	if err := json.Unmarshal(r.body, &all); err != nil {
		w.Fatal(err)
	}
	there := map[string]bool{}
	for _, one := range all.Value {
		there[one.ID] = true
		if at := w.rival.stores[one.DisplayName]; at != "" && at != one.ID || one.Live != nil {
			w.Fatalf("another tenant has %s, want %q", toJSON(one), at)
		}
	}
	for name, id := range w.rival.stores {
		if !there[id] {
			w.Fatalf("the store %s of another tenant is gone, of the name %q", id, name)
		}
	}
}
