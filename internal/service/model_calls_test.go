package service_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// possible are the calls that may be made now, the likelier ones more than once.
func (w *stateMachine) possible() []*op {
	var ops []*op
	add := func(times int, o *op) {
		for range times {
			ops = append(ops, o)
		}
	}
	if len(w.stores) < 3 {
		add(2, w.createStore())
	}
	for _, s := range w.stores {
		row := rapid.IntRange(0, 30).Draw(w.T, "row")
		add(1, w.getStore(s))
		add(2, w.changeStore(s))
		add(2, w.match(s, row))
		add(2, w.lookup(s, row))
		w.onRival(s, add)
		open := 0
		for _, m := range s.sessions {
			if m.deleted {
				continue
			}
			if m.unfinished() {
				open++
			}
			w.onSession(s, m, add)
		}
		switch {
		case s.full():
			add(3, w.deleteStore(s))
			add(1, w.createSession(s))
		case open < 3:
			add(4, w.createSession(s))
		}
	}
	return ops
}

func (w *stateMachine) onSession(s *modelStore, m *modelSession, add func(int, *op)) {
	add(1, w.get(s, m))
	add(1, w.repeat(s, m))
	if m.unfinished() || rapid.IntRange(0, 3).Draw(w.T, "refused calls too") == 0 {
		add(1, w.cancel(s, m))
		add(1, w.rename(s, m))
		add(1, w.renew(s, m))
		add(1, w.stage(s, m, rapid.IntRange(0, len(m.blocks)-1).Draw(w.T, "block")))
		add(1, w.stageAnother(s, m))
		add(1, w.seal(s, m))
		add(1, w.commit(s, m))
	}
	switch missing := slices.IndexFunc(m.ids, func(id string) bool { return !m.staged[id] }); {
	case !m.unfinished():
		add(1, w.deleteSession(s, m))
		add(1, w.wait(s, m))
	case missing >= 0:
		add(8, w.stage(s, m, missing))
	case !m.sealed:
		add(8, w.seal(s, m))
	default:
		add(8, w.commit(s, m))
	}
}

func (w *stateMachine) createStore() *op {
	s := &modelStore{name: uuid.NewString(), requestID: uuid.NewString(), generations: map[int64]string{}, indexed: map[int64]string{}, settled: true}
	body := edm.DataStore{DisplayName: s.name, Columns: []edm.Column{{Name: "ID", IsSearchable: true}, {Name: "Mail", IsSearchable: true}, {Name: "City"}}}
	s.setColumns(body.Columns)
	o := &op{name: "create store", store: s, send: func() reply { return w.api(http.MethodPost, "", s.requestID, body) }}
	o.take = func(r reply) {
		w.want(o.name, r, http.StatusCreated, "")
		var made edm.DataStore
		if err := json.Unmarshal(r.body, &made); err != nil || made.ID == "" || s.id != "" && made.ID != s.id {
			w.Fatalf("a data store is made: %s (%v); want %q", r.body, err, s.id)
		}
		s.id = made.ID
		w.stores = append(w.stores, s)
	}
	o.settle = func() { // what is there now is what the same request makes
		var all struct{ Value []edm.DataStore }
		w.read("?$top=1000", &all)
		for _, one := range all.Value {
			if one.DisplayName == s.name {
				s.id = one.ID
			}
		}
		o.take(o.send())
	}
	return o
}

func (w *stateMachine) deleteStore(s *modelStore) *op {
	o := &op{name: "delete store", store: s, send: func() reply { return w.api(http.MethodDelete, "/"+s.id, "", nil) }}
	gone := func() {
		w.stores = slices.DeleteFunc(w.stores, func(one *modelStore) bool { return one == s })
	}
	o.take = func(r reply) {
		w.want(o.name, r, http.StatusNoContent, "")
		gone()
	}
	o.settle = func() {
		if r := w.api(http.MethodGet, "/"+s.id, "", nil); r.status == http.StatusNotFound {
			gone()
		}
	}
	return o
}

// newSession draws a table: small ones, and some whose indexing takes a while.
func (w *stateMachine) newSession(s *modelStore) *modelSession {
	perBlock := rapid.SampledFrom([]int{5, 5, 5, 2_000}).Draw(w.T, "rows per block")
	rows := perBlock*rapid.IntRange(0, 2).Draw(w.T, "blocks") + rapid.IntRange(1, perBlock).Draw(w.T, "rows of the last block")
	m := &modelSession{name: uuid.NewString() + ".csv", requestID: uuid.NewString(), edition: newEdition(s.name, rows, perBlock, modelKey), staged: map[string]bool{}}
	if rapid.IntRange(0, 5).Draw(w.T, "bad") == 5 {
		m.spoil()
	}
	if m.own = w.oneIn(1, "own columns"); m.own {
		m.columns = edm.WithRules(w.drawColumns())
	}
	return m
}

func (w *stateMachine) createSession(s *modelStore) *op { return w.create(s, w.newSession(s)) }

func (w *stateMachine) create(s *modelStore, m *modelSession) *op {
	rows, blocks := int32(m.perBlock), int32(len(m.blocks))
	body := edm.Session{
		Fields: fields, FileName: m.name, RowsPerBlock: &rows, TotalBlockCount: &blocks, KeyID: modelKey.String(),
	}
	if m.own {
		body.Fields, body.Columns = nil, m.columns
	}
	o := &op{name: "create session", store: s, send: func() reply { return w.api(http.MethodPost, sessionsPath(s), m.requestID, body) }}
	o.take = func(r reply) {
		if m.id == "" && (s.full() || !s.roomy() && r.status == http.StatusTooManyRequests) {
			w.want(o.name, r, http.StatusTooManyRequests, edm.CodeThrottled)
			return
		}
		w.want(o.name, r, http.StatusCreated, "")
		var made edm.Session
		if err := json.Unmarshal(r.body, &made); err != nil || made.ID == "" || m.id != "" && made.ID != m.id {
			w.Fatalf("a session is made: %s (%v); want %q", r.body, err, m.id)
		}
		if m.id = made.ID; s.of(m.id) == nil {
			m.uri = made.DataUploadURI
			if !m.own {
				m.columns = s.columns
			}
			s.sessions = append(s.sessions, m)
		}
		w.checkSession(s, m, &made)
	}
	o.settle = func() {
		var all struct{ Value []edm.Session }
		w.read(sessionsPath(s)+"?$top=1000", &all)
		for _, one := range all.Value {
			if s.of(one.ID) == nil {
				if one.FileName != m.name || m.id != "" {
					w.Fatalf("nobody made the session %s", toJSON(one))
				}
				m.id = one.ID
			}
		}
		o.take(o.send())
	}
	return o
}

// repeat sends a session's create again: it makes nothing.
func (w *stateMachine) repeat(s *modelStore, m *modelSession) *op {
	o := w.create(s, m)
	o.name, o.target = "repeat a create", m
	o.settle = func() {} // everything is compared afterwards
	return o
}

// change is a call that the service takes while a session is unfinished. learn
// finds out, from what a GET shows, whether it was.
func (w *stateMachine) change(s *modelStore, m *modelSession, o *op, status int, done func(reply), learn func(*edm.Session)) *op {
	o.store, o.target = s, m
	o.take = func(r reply) {
		if !m.unfinished() {
			w.want(o.name, r, http.StatusUnprocessableEntity, edm.CodeTooLate)
			return
		}
		w.want(o.name, r, status, "")
		done(r)
	}
	o.settle = func() { w.learn(s, m, learn) }
	return o
}

func (w *stateMachine) learn(s *modelStore, m *modelSession, learn func(*edm.Session)) {
	var got edm.Session
	w.read(sessionsPath(s, m.id), &got)
	learn(&got)
	w.checkSession(s, m, &got)
}

func (w *stateMachine) rename(s *modelStore, m *modelSession) *op {
	name := uuid.NewString()
	o := &op{name: "rename", send: func() reply {
		return w.api(http.MethodPatch, sessionsPath(s, m.id), "", map[string]string{"fileName": name})
	}}
	return w.change(s, m, o, http.StatusOK, func(reply) { m.name = name }, func(got *edm.Session) {
		if got.FileName == name {
			m.name = name
		}
	})
}

func (w *stateMachine) renew(s *modelStore, m *modelSession) *op {
	o := &op{name: "renew", send: func() reply { return w.api(http.MethodPost, sessionsPath(s, m.id, "renew"), "", nil) }}
	return w.change(s, m, o, http.StatusOK, func(r reply) {
		var got edm.Session
		if err := json.Unmarshal(r.body, &got); err != nil {
			w.Fatal(err)
		}
		m.uri = got.DataUploadURI
		w.checkSession(s, m, &got)
	}, func(got *edm.Session) {
		if m.unfinished() {
			m.uri = got.DataUploadURI // before the renewal or after it
		}
	})
}

func (w *stateMachine) cancel(s *modelStore, m *modelSession) *op {
	o := &op{name: "cancel", send: func() reply { return w.api(http.MethodPost, sessionsPath(s, m.id, "cancel"), "", nil) }}
	w.change(s, m, o, http.StatusNoContent, func(reply) { m.cancelled = true }, func(got *edm.Session) {
		m.cancelled = m.cancelled || got.State == edm.StateCancelled && m.unfinished()
	})
	refused := o.take
	o.take = func(r reply) {
		if m.cancelled {
			w.want("cancel again", r, http.StatusNoContent, "")
			return
		}
		refused(r)
	}
	return o
}

func (w *stateMachine) commit(s *modelStore, m *modelSession) *op {
	j := w.drawJudged(s)
	o := &op{name: "commit", store: s, target: m, send: func() reply { return w.commitAs(s, m, j) }}
	done := func() {
		if j.how == judgedWrongly {
			w.Fatalf("a commit that was judged against another table is taken")
		}
		w.checkAhead(s, j)
		s.commits++
		m.order, m.judged, s.settled = s.commits, j, false
	}
	o.take = func(r reply) {
		switch {
		case m.order > 0 && (!m.bad || !m.done): // a repetition
			if m.bad && r.status == http.StatusUnprocessableEntity {
				return // it has just failed
			}
			w.want("commit again", r, http.StatusNoContent, "")
		case !m.sealed || !m.unfinished():
			w.want(o.name, r, http.StatusUnprocessableEntity, edm.CodeNotSealed)
		case s.full() || !s.roomy() && r.status == http.StatusTooManyRequests:
			w.want(o.name, r, http.StatusTooManyRequests, edm.CodeThrottled)
		case j.how == judgedWrongly || j.how == judgedAsShown && !j.quiet && r.status == http.StatusPreconditionFailed:
			w.want(o.name, r, http.StatusPreconditionFailed, edm.CodeLiveChanged)
		default:
			w.want(o.name, r, http.StatusNoContent, "")
			done()
		}
	}
	o.settle = func() {
		w.learn(s, m, func(got *edm.Session) {
			if m.order == 0 && (got.State.Committed() || got.State == edm.StateFailed) {
				done()
			}
		})
	}
	return o
}

func (w *stateMachine) deleteSession(s *modelStore, m *modelSession) *op {
	o := &op{name: "delete session", store: s, target: m, send: func() reply { return w.api(http.MethodDelete, sessionsPath(s, m.id), "", nil) }}
	deleted := func() {
		if m.order > 0 && !m.bad && !m.done {
			s.unsure++
		}
		m.deleted = true
	}
	o.take = func(r reply) {
		w.want(o.name, r, http.StatusNoContent, "")
		deleted()
		w.want("GET of a deleted session", w.api(http.MethodGet, sessionsPath(s, m.id), "", nil), http.StatusNotFound, edm.CodeNotFound)
	}
	o.settle = func() {
		if w.api(http.MethodGet, sessionsPath(s, m.id), "", nil).status == http.StatusNotFound {
			deleted()
		}
	}
	return o
}

// blobCall is a call of the upload URI: it is refused where a session has ended.
func (w *stateMachine) blobCall(o *op, what func(reply), settle func()) *op {
	o.settle = settle
	o.take = func(r reply) {
		if !o.target.unfinished() {
			w.want(o.name, r, http.StatusConflict, "BlobImmutableDueToPolicy")
			return
		}
		what(r)
	}
	return o
}

func (w *stateMachine) stage(s *modelStore, m *modelSession, n int) *op {
	id, data, to := m.ids[n], m.blocks[n], blockURL(m.uri, m.ids[n])
	o := &op{name: "stage", store: s, target: m, send: func() reply { return w.send(http.MethodPut, to, "", data) }}
	return w.blobCall(o, func(r reply) {
		w.want(o.name, r, http.StatusCreated, "")
		m.staged[id] = true
	}, func() {
		if m.unfinished() && w.blocksOf(m)[id] {
			m.staged[id] = true
		}
	})
}

// stageAnother stages a block of another key, of which nothing is kept.
func (w *stateMachine) stageAnother(s *modelStore, m *modelSession) *op {
	other := newEdition(s.name, m.rows, m.perBlock, fingerprint.KeyID{9})
	to := blockURL(m.uri, other.ids[0])
	o := &op{name: "stage another", store: s, target: m, send: func() reply { return w.send(http.MethodPut, to, "", other.blocks[0]) }}
	return w.blobCall(o, func(r reply) { w.want(o.name, r, http.StatusBadRequest, "InvalidBlock") }, func() {})
}

func (w *stateMachine) seal(s *modelStore, m *modelSession) *op {
	list := "<BlockList><Latest>" + strings.Join(m.ids, "</Latest><Latest>") + "</Latest></BlockList>"
	uri := m.uri + "&comp=blocklist"
	o := &op{name: "seal", store: s, target: m, send: func() reply { return w.send(http.MethodPut, uri, "", []byte(list)) }}
	return w.blobCall(o, func(r reply) {
		if len(m.staged) < len(m.ids) {
			w.want(o.name, r, http.StatusBadRequest, "InvalidBlockList")
			return
		}
		w.want(o.name, r, http.StatusCreated, "")
		m.sealed = true
	}, func() {
		w.learn(s, m, func(got *edm.Session) { m.sealed = m.sealed || got.State == edm.StateUploadCompleted })
	})
}

func (w *stateMachine) get(s *modelStore, m *modelSession) *op {
	return &op{name: "get", store: s, target: m, send: func() reply { return w.api(http.MethodGet, sessionsPath(s, m.id), "", nil) },
		take: func(r reply) {
			w.want("get", r, http.StatusOK, "")
			var got edm.Session
			if err := json.Unmarshal(r.body, &got); err != nil {
				w.Fatal(err)
			}
			w.checkSession(s, m, &got)
		}, settle: func() {}}
}

// wait is a get and, where nothing is killed, the wait for the session's end.
func (w *stateMachine) wait(s *modelStore, m *modelSession) *op {
	o := w.get(s, m)
	once := o.take
	o.take = func(r reply) {
		once(r)
		if m.order > 0 {
			w.await(s, m)
		}
	}
	return o
}
