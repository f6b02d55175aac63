package edmtest

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// graphSession makes a session with Graph's properties alone. Fields may be none.
func (f *fixture) graphSession(t *testing.T, blocks int, fields []string) *edm.Session {
	t.Helper()
	wanted := f.wanted(blocks)
	wanted.KeyID, wanted.ContentKey, wanted.Fields = "", "", fields
	s, err := f.Service.Sessions().Create(f.ctx, f.store.ID, wanted, uuid.NewString())
	must(t, err)
	return s
}

// graphCreate wants the key and the rules of a session that Graph's client made to be
// learned at its seal.
func graphCreate(t *testing.T, f *fixture) {
	for name, fields := range map[string][]string{"without fields": nil, "with fields": peopleColumns} {
		f.open(t)
		blocks := f.blocks(t, people(10))
		s := f.graphSession(t, len(blocks), fields)
		if s.KeyID != "" || s.Columns != nil || !slices.Equal(s.Fields, fields) {
			t.Fatalf("%s: created %+v", name, s)
		}
		f.stageAll(t, s, blocks)
		s = f.get(t, s.ID)
		if s.State != edm.StateUploadCompleted || s.KeyID != f.key.ID(f.store.DisplayName).String() || !slices.Equal(s.Fields, peopleColumns) || !reflect.DeepEqual(s.Columns, f.store.Columns) {
			t.Fatalf("%s: sealed %+v", name, s)
		}
		must(t, f.Service.Sessions().Commit(f.ctx, f.store.ID, s.ID, nil))
		f.eventually(t, s.ID, edm.StateCompleted)
		if got := f.match(t, "Email", "P7@example.com", map[string]string{"ID": "P-7"}); got.Total != 1 || got.sessionID != s.ID {
			t.Fatalf("%s: match says %+v", name, got)
		}
	}
}

// other is a block of people as a client with another key, other columns or another
// store would make it.
func (f *fixture) other(t *testing.T, index int, change func(*block.Header)) []byte {
	t.Helper()
	h := block.Header{
		Rules: fingerprint.Rules, KeyID: f.key.ID(f.store.DisplayName), Store: f.store.DisplayName,
		Index: index, FirstRow: int64(index * rowsPerBlock), Rows: rowsPerBlock, Columns: peopleColumns,
	}
	change(&h)
	return encode(t, h)
}

// graphBlocksAgree wants a seal to be refused where the blocks do not agree on what is
// learned from them. The session goes on.
func graphBlocksAgree(t *testing.T, f *fixture) {
	f.open(t)
	for name, change := range map[string]func(*block.Header){
		"keyId":         func(h *block.Header) { h.KeyID[0]++ },
		"fewer columns": func(h *block.Header) { h.Columns = h.Columns[:2] },
		"another order": func(h *block.Header) { h.Columns = []string{"Email", "ID", "City"} },
	} {
		s := f.graphSession(t, 2, nil)
		blocks := [][]byte{f.other(t, 0, func(*block.Header) {}), f.other(t, 1, change)}
		for i, data := range blocks {
			must(t, f.stage(t, s.DataUploadURI, i, data))
		}
		wantStorage(t, f.seal(t, s.DataUploadURI, idsOf(blocks)), http.StatusBadRequest, "InvalidBlock")
		if got := f.get(t, s.ID); got.State != edm.StateUploadInProgress || got.KeyID != "" || got.Columns != nil {
			t.Fatalf("%s: after a refused seal the session is %+v", name, got)
		}
		blocks[1] = f.other(t, 1, func(*block.Header) {})
		must(t, f.stage(t, s.DataUploadURI, 1, blocks[1]))
		must(t, f.seal(t, s.DataUploadURI, idsOf(blocks)))
		if got := f.get(t, s.ID); got.State != edm.StateUploadCompleted || !slices.Equal(got.Fields, peopleColumns) {
			t.Fatalf("%s: sealed %+v", name, got)
		}
	}
	s := f.graphSession(t, 1, nil)
	for name, change := range map[string]func(*block.Header){
		"a column that the store has not": func(h *block.Header) { h.Columns = []string{"ID", "Phone"} },
		"a column twice":                  func(h *block.Header) { h.Columns = []string{"ID", "ID"} },
		"another store":                   func(h *block.Header) { h.Store += "2" },
		"other rules":                     func(h *block.Header) { h.Rules = "v2" },
	} {
		t.Log(name)
		wantStorage(t, f.stage(t, s.DataUploadURI, 0, f.other(t, 0, change)), http.StatusBadRequest, "InvalidBlock")
	}
}

// graphRulesStay wants a seal to be refused where the store's rules changed since the
// create: nobody can tell under which of them the tokens were made.
func graphRulesStay(t *testing.T, f *fixture) {
	f.open(t)
	blocks := f.blocks(t, people(3))
	s := f.graphSession(t, 1, nil)
	must(t, f.stage(t, s.DataUploadURI, 0, blocks[0]))
	changed := slices.Clone(f.store.Columns)
	changed[1] = edm.Column{Name: "Email", IsSearchable: true}
	f.changeRules(t, changed)
	err := f.seal(t, s.DataUploadURI, idsOf(blocks))
	if wantStorage(t, err, http.StatusConflict, edm.CodeRulesMismatch); !strings.Contains(err.Error(), "Email") {
		t.Errorf("the refusal does not name the column: %v", err)
	}
	if got := f.get(t, s.ID); got.State != edm.StateUploadInProgress {
		t.Fatalf("after a refused seal the session is %s", got.State)
	}
	changed[1], changed[2].IsSearchable = f.store.Columns[1], true // which decides no token
	f.changeRules(t, changed)
	must(t, f.seal(t, s.DataUploadURI, idsOf(blocks)))
	if got := f.get(t, s.ID); !reflect.DeepEqual(got.Columns, edm.WithRules(changed)) {
		t.Fatalf("sealed %+v", got)
	}
}

// agentsInUse wants a session to name an upload agent that exists, and that one to stay
// as long as a session needs it.
func agentsInUse(t *testing.T, f *fixture) {
	f.open(t)
	wanted := f.wanted(1)
	wanted.UploadAgentID = uuid.NewString()
	_, err := f.Service.Sessions().Create(f.ctx, f.store.ID, wanted, uuid.NewString())
	if e := wantError(t, err, http.StatusConflict, edm.CodeConflict); !strings.Contains(e.Message, "uploadAgentId") {
		t.Errorf("the message for an upload agent that does not exist is %q", e.Message)
	}
	wanted.UploadAgentID = ""
	none, err := f.Service.Sessions().Create(f.ctx, f.store.ID, wanted, uuid.NewString())
	must(t, err)
	first, second := f.session(t, 1), f.session(t, 1)
	refused := func(sessions string) {
		t.Helper()
		err := f.Service.Agents().Delete(f.ctx, f.agent.ID)
		if e := wantError(t, err, http.StatusConflict, edm.CodeConflict); !strings.Contains(e.Message, sessions) {
			t.Errorf("the message does not count %s: %q", sessions, e.Message)
		}
	}
	refused("2 sessions")
	must(t, f.Service.Sessions().Cancel(f.ctx, f.store.ID, first.ID))
	refused("1 session ")
	must(t, f.Service.Sessions().Delete(f.ctx, f.store.ID, second.ID))
	must(t, f.Service.Agents().Delete(f.ctx, f.agent.ID))
	if got := f.get(t, none.ID); got.State != edm.StateCreated || got.UploadAgentID != "" {
		t.Errorf("the session without an upload agent is %+v", got)
	}
}
