package service_test

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"reflect"
	"slices"

	"exactmatch.dev/operator/internal/edm"
)

// everything compares all that the service has with the model.
func (w *stateMachine) everything() {
	w.Helper()
	w.checkRival()
	var stores struct{ Value []edm.DataStore }
	w.read("?$top=1000", &stores)
	if len(stores.Value) != len(w.stores) {
		w.Fatalf("there are %d data stores, want %d", len(stores.Value), len(w.stores))
	}
	for _, s := range w.stores {
		at := slices.IndexFunc(stores.Value, func(d edm.DataStore) bool { return d.ID == s.id })
		if at < 0 {
			w.Fatalf("the data store %s is gone", s.id)
		}
		w.checkStore(s, &stores.Value[at])
		var sessions struct{ Value []edm.Session }
		w.read(sessionsPath(s)+"?$top=1000", &sessions)
		left := 0
		for _, m := range s.sessions {
			if m.deleted {
				continue
			}
			left++
			at := slices.IndexFunc(sessions.Value, func(v edm.Session) bool { return v.ID == m.id })
			if at < 0 {
				w.Fatalf("the session %s is gone", m.id)
			}
			w.checkSession(s, m, &sessions.Value[at])
			w.checkBlocks(m)
		}
		if len(sessions.Value) != left {
			w.Fatalf("there are %d sessions, want %d: %s", len(sessions.Value), left, toJSON(sessions.Value))
		}
	}
}

func toJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // of the test's own making
	}
	return string(text)
}

func (w *stateMachine) checkStore(s *modelStore, got *edm.DataStore) {
	w.Helper()
	least, most := s.taken()
	if got.DisplayName != s.name || got.Quota == nil || int(got.Quota.Remaining) < childCommits-most || int(got.Quota.Remaining) > childCommits-least {
		w.Fatalf("with %d to %d commits taken the data store is %s", least, most, toJSON(got))
	}
	if most-least == s.unsure {
		s.kept, s.unsure = s.kept+childCommits-int(got.Quota.Remaining)-least, 0
	}
	switch {
	case got.Live != nil:
		w.checkLive(s, s.floor, got.Live.SessionID, got.Live.Generation)
	case s.floor > 0:
		w.Fatalf("the live table is gone: %s", toJSON(got))
	}
	w.checkColumns(s, got)
}

// checkLive wants a table that may have been live since the floor was so.
func (w *stateMachine) checkLive(s *modelStore, floor int, session string, generation int64) *modelSession {
	w.Helper()
	at := slices.IndexFunc(s.sessions, func(m *modelSession) bool { return m.id == session })
	if at < 0 || s.sessions[at].order < max(floor, 1) || s.sessions[at].bad {
		w.Fatalf("session %s cannot be live; floor %d", session, floor)
	}
	if before := s.generations[generation]; before != "" && before != session {
		w.Fatalf("generation %d is session %s and was %s", generation, session, before)
	}
	s.generations[generation] = session
	w.checkReplaced(s, s.sessions[at], generation)
	m := s.sessions[at]
	m.done = m.done || !m.deleted // a deleted one is unsure already
	s.raise(m.order)
	return m
}

func (w *stateMachine) checkSession(s *modelStore, m *modelSession, got *edm.Session) {
	w.Helper()
	bad := func(want string) {
		w.Helper()
		w.Fatalf("session is %s; want %s, staged %d", toJSON(got), want, len(m.staged))
	}
	if got.FileName != m.name || got.DataStoreID != s.id || !slices.Equal(got.Fields, fields) || int(*got.TotalBlockCount) != len(m.blocks) {
		bad(m.name)
	}
	if !reflect.DeepEqual(got.Columns, m.columns) || (got.ExpirationDateTime != nil) != m.unfinished() {
		bad(toJSON(m.columns))
	}
	if m.unfinished() && got.DataUploadURI != m.uri || !m.unfinished() && got.DataUploadURI != "" {
		bad("the upload URI " + m.uri)
	}
	switch {
	case m.cancelled:
		if got.State != edm.StateCancelled {
			bad("Cancelled")
		}
	case m.order > 0:
		end := map[bool]edm.State{false: edm.StateCompleted, true: edm.StateFailed}[m.bad]
		if got.State != end && (m.done || got.State != edm.StateProcessingInProgress) {
			bad(string(end))
		}
		if got.State != end {
			return
		}
		m.done = true
		if m.bad && (got.Error == nil || got.Error.Code != "InvalidBlock") {
			bad("InvalidBlock")
		}
		if !m.bad {
			s.raise(m.order)
		}
	case m.sealed:
		if got.State != edm.StateUploadCompleted {
			bad("UploadCompleted")
		}
	default:
		want := map[bool]edm.State{true: edm.StateCreated, false: edm.StateUploadInProgress}[len(m.staged) == 0]
		if got.State != want || int(*got.RemainingBlockCount) != len(m.blocks)-len(m.staged) {
			bad(string(want))
		}
	}
}

// blocksOf lists what is staged.
func (w *stateMachine) blocksOf(m *modelSession) map[string]bool {
	w.Helper()
	tally.reads++
	r := w.send(http.MethodGet, m.uri+"&comp=blocklist&blocklisttype=all", "", nil)
	out := map[string]bool{}
	if r.status == http.StatusNotFound && r.code == "BlobNotFound" {
		return out
	}
	w.want("list the blocks", r, http.StatusOK, "")
	for _, name := range blockNames(w, r) {
		out[name] = true
	}
	return out
}

// blockNames are the blocks in an answer that lists them.
func blockNames(t interface{ Fatal(args ...any) }, r reply) (names []string) {
	if r.status != http.StatusOK {
		return nil
	}
	type list struct{ Block []struct{ Name string } }
	var got struct{ CommittedBlocks, UncommittedBlocks list }
	if err := xml.Unmarshal(r.body, &got); err != nil {
		t.Fatal(err)
	}
	for _, b := range slices.Concat(got.CommittedBlocks.Block, got.UncommittedBlocks.Block) {
		names = append(names, b.Name)
	}
	return names
}

func (w *stateMachine) checkBlocks(m *modelSession) {
	w.Helper()
	if !m.unfinished() {
		return
	}
	got := w.blocksOf(m)
	for id := range m.staged {
		if !got[id] {
			w.Fatalf("an acknowledged block is gone: %d of %d are there", len(got), len(m.staged))
		}
	}
	if len(got) != len(m.staged) {
		w.Fatalf("%d blocks are there, %d were staged", len(got), len(m.staged))
	}
}
