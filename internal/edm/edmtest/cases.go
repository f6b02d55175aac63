package edmtest

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
)

func agents(t *testing.T, f *fixture) {
	all := f.Service.Agents()
	made, err := all.Create(f.ctx, edm.UploadAgent{Description: "first"}, uuid.NewString())
	must(t, err)
	if made.ID == "" || made.Description != "first" || made.CreationDateTime == nil {
		t.Fatalf("made %+v", made)
	}
	made.Description = "second"
	if _, err := all.Update(f.ctx, *made); err != nil {
		t.Fatal(err)
	}
	got, err := all.Get(f.ctx, made.ID)
	must(t, err)
	if got.Description != "second" {
		t.Fatalf("the description is %q", got.Description)
	}
	listed, err := all.List(f.ctx, edm.Query{OrderBy: "creationDateTime"})
	must(t, err)
	if i := slices.IndexFunc(listed, func(a edm.UploadAgent) bool { return a.ID == made.ID }); i < 0 || listed[i].Description != "second" {
		t.Fatalf("the list of agents is %+v", listed)
	}
	must(t, all.Delete(f.ctx, made.ID))
	must(t, all.Delete(f.ctx, made.ID))
	_, err = all.Get(f.ctx, made.ID)
	wantError(t, err, http.StatusNotFound, edm.CodeNotFound)
}

func stores(t *testing.T, f *fixture) {
	f.open(t)
	if f.store.Live != nil || f.store.Quota == nil || int(f.store.Quota.Remaining) != f.MaxCommits {
		t.Fatalf("a fresh store is %+v", f.store)
	}
	_, err := f.Service.Stores().Create(f.ctx, edm.DataStore{DisplayName: f.store.DisplayName, Columns: f.store.Columns}, uuid.NewString())
	wantError(t, err, http.StatusConflict, edm.CodeConflict)
	changed := *f.store
	changed.Description = "people of the town"
	changed.Columns = append(changed.Columns, edm.Column{Name: "Phone", IgnoredDelimiters: []string{"-"}})
	_, err = f.Service.Stores().Update(f.ctx, changed)
	must(t, err)
	got, err := f.Service.Stores().Get(f.ctx, f.store.ID)
	must(t, err)
	if got.Description != changed.Description || !reflect.DeepEqual(got.Columns, edm.WithRules(changed.Columns)) {
		t.Fatalf("after the update the store is %+v", got)
	}
	listed, err := f.Service.Stores().List(f.ctx, edm.Query{Filter: "displayName eq '" + f.store.DisplayName + "'"})
	must(t, err)
	if len(listed) != 1 || listed[0].ID != f.store.ID || listed[0].Description != changed.Description {
		t.Fatalf("the stores of that name are %+v", listed)
	}
	for name, bad := range map[string][]edm.Column{
		"none": {}, "a name twice": {{Name: "A"}, {Name: "A"}}, "no name": {{}}, "a delimiter of two": {{Name: "A", IgnoredDelimiters: []string{"ab"}}},
	} {
		_, err := f.Service.Stores().Create(f.ctx, edm.DataStore{DisplayName: uuid.NewString(), Columns: bad}, uuid.NewString())
		if edm.ClassOf(err) != edm.Terminal {
			t.Errorf("columns with %s: %v", name, err)
		}
	}
	must(t, f.Service.Stores().Delete(f.ctx, f.store.ID))
	must(t, f.Service.Stores().Delete(f.ctx, f.store.ID))
	_, err = f.Service.Stores().Get(f.ctx, f.store.ID)
	wantError(t, err, http.StatusNotFound, edm.CodeNotFound)
}

func wholeWay(t *testing.T, f *fixture) {
	f.open(t)
	rows := people(10)
	blocks := f.blocks(t, rows)
	s := f.session(t, len(blocks))
	if s.State != edm.StateCreated || *s.RemainingBlockCount != 3 || *s.TotalBlockCount != 3 || s.DataUploadURI == "" || s.DataStoreID != f.store.ID {
		t.Fatalf("created %+v", s)
	}
	must(t, f.stage(t, s.DataUploadURI, 2, blocks[2]))
	if s = f.get(t, s.ID); s.State != edm.StateUploadInProgress || *s.RemainingBlockCount != 2 {
		t.Fatalf("after one block %s, %d remaining", s.State, *s.RemainingBlockCount)
	}
	wantError(t, f.Service.Sessions().Commit(f.ctx, f.store.ID, s.ID, nil), http.StatusUnprocessableEntity, edm.CodeNotSealed)
	f.stageAll(t, s, blocks)
	if s = f.get(t, s.ID); s.State != edm.StateUploadCompleted || *s.RemainingBlockCount != 0 || s.UploadCompletionDateTime == nil {
		t.Fatalf("sealed %+v", s)
	}
	must(t, f.Service.Sessions().Commit(f.ctx, f.store.ID, s.ID, nil))
	s = f.eventually(t, s.ID, edm.StateCompleted)
	if *s.TotalJobCount < 1 || *s.RemainingJobCount != 0 || s.ProcessingCompletionDateTime == nil || s.CompletionDateTime == nil || s.DataUploadURI != "" {
		t.Fatalf("completed %+v", s)
	}
	store, err := f.Service.Stores().Get(f.ctx, f.store.ID)
	must(t, err)
	if store.Live == nil || store.Live.SessionID != s.ID || store.Live.Rows != 10 || store.Live.Generation != 1 || store.DataLastUpdatedDateTime == nil {
		t.Fatalf("the store shows %+v", store.Live)
	}
	got := f.match(t, "Email", "p7@EXAMPLE.com", map[string]string{"ID": "P-7", "City": "Oslo"})
	want := found{edm.MatchAnswer{Total: 1, Rows: []edm.MatchRow{{Row: 7, Matched: map[string]int{"ID": 0}}}}, 1, s.ID}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("match says %+v", got)
	}
	lines := f.lookupRows(t, []string{"City"}, f.token(t, "ID", "P-9"), f.token(t, "ID", "P-10"))
	if len(lines) != 1 || lines[0]["row"] != 9.0 || lines[0]["City"] != f.token(t, "City", "Oslo") {
		t.Fatalf("lookup says %v", lines)
	}
}

func resolved(t *testing.T, f *fixture) {
	f.open(t)
	s := f.publish(t, people(3))
	must(t, f.Service.Sessions().Commit(f.ctx, f.store.ID, s.ID, nil))
	wantError(t, f.Service.Sessions().Cancel(f.ctx, f.store.ID, s.ID), http.StatusUnprocessableEntity, edm.CodeTooLate)
	open := f.session(t, 1)
	must(t, f.Service.Sessions().Cancel(f.ctx, f.store.ID, open.ID))
	must(t, f.Service.Sessions().Cancel(f.ctx, f.store.ID, open.ID))
	wantError(t, f.Service.Sessions().Commit(f.ctx, f.store.ID, open.ID, nil), http.StatusUnprocessableEntity, edm.CodeNotSealed)
}

func cancelEnds(t *testing.T, f *fixture) {
	f.open(t)
	blocks := f.blocks(t, people(4))
	s := f.session(t, 1)
	must(t, f.Service.Sessions().Cancel(f.ctx, f.store.ID, s.ID))
	if got := f.get(t, s.ID); got.State != edm.StateCancelled || got.CompletionDateTime == nil || got.DataUploadURI != "" {
		t.Fatalf("cancelled %+v", got)
	}
	if err := f.stage(t, s.DataUploadURI, 0, blocks[0]); err == nil {
		t.Fatal("a cancelled session takes blocks")
	}
	_, err := f.Service.Sessions().Renew(f.ctx, f.store.ID, s.ID)
	wantError(t, err, http.StatusUnprocessableEntity, edm.CodeTooLate)
}

func renew(t *testing.T, f *fixture) {
	f.open(t)
	blocks := f.blocks(t, people(8))
	s := f.session(t, 2)
	must(t, f.stage(t, s.DataUploadURI, 0, blocks[0]))
	again, err := f.Service.Sessions().Renew(f.ctx, f.store.ID, s.ID)
	must(t, err)
	if again.ID != s.ID || again.DataUploadURI == "" {
		t.Fatalf("renewed %+v", again)
	}
	must(t, f.stage(t, again.DataUploadURI, 1, blocks[1]))
	must(t, f.seal(t, again.DataUploadURI, idsOf(blocks)))
}

func replay(t *testing.T, f *fixture) {
	f.open(t)
	id := uuid.NewString()
	first, err := f.Service.Sessions().Create(f.ctx, f.store.ID, f.wanted(2), id)
	must(t, err)
	second, err := f.Service.Sessions().Create(f.ctx, f.store.ID, f.wanted(2), id)
	must(t, err)
	if first.ID != second.ID {
		t.Fatal("the same client-request-id made two sessions")
	}
	all, err := f.Service.Sessions().List(f.ctx, f.store.ID, edm.Query{})
	must(t, err)
	if len(all) != 1 {
		t.Fatalf("%d sessions", len(all))
	}
}

func lists(t *testing.T, f *fixture) {
	f.open(t)
	const many = 105 // more than a page
	var ids []string
	for range many {
		ids = append(ids, f.session(t, 1).ID)
	}
	must(t, f.Service.Sessions().Cancel(f.ctx, f.store.ID, ids[1]))
	few, err := f.Service.Sessions().List(f.ctx, f.store.ID, edm.Query{Top: 2, Skip: 1, OrderBy: "creationDateTime desc"})
	must(t, err)
	if len(few) != 2 || few[0].CreationDateTime.Before(*few[1].CreationDateTime) {
		t.Fatalf("%d sessions in place of the second and third youngest", len(few))
	}
	paged, err := f.Service.Sessions().List(f.ctx, f.store.ID, edm.Query{OrderBy: "creationDateTime"})
	must(t, err)
	if len(paged) != many {
		t.Fatalf("%d sessions over all pages", len(paged))
	}
	seen := map[string]bool{}
	for _, s := range paged {
		seen[s.ID] = true
	}
	if len(seen) != many {
		t.Fatal("a session stands on two pages")
	}
	cancelled, err := f.Service.Sessions().List(f.ctx, f.store.ID, edm.Query{
		Filter: fmt.Sprintf("uploadAgentId eq '%s' and state eq 'Cancelled' and creationDateTime ge 2020-01-01T00:00:00Z", f.agent.ID),
	})
	must(t, err)
	if len(cancelled) != 1 || cancelled[0].ID != ids[1] {
		t.Fatalf("cancelled are %+v", cancelled)
	}
	for _, filter := range []string{"state ne 'Cancelled'", "state eq 'a' or id eq 'b'", "rowsPerBlock eq 4", "state eq 'open", "contains(state,'a')"} {
		_, err := f.Service.Sessions().List(f.ctx, f.store.ID, edm.Query{Filter: filter})
		wantError(t, err, http.StatusBadRequest, edm.CodeBadRequest)
	}
}

func update(t *testing.T, f *fixture) {
	f.open(t)
	s := f.session(t, 1)
	if _, err := f.Service.Sessions().Update(f.ctx, f.store.ID, s.ID, "march.csv"); err != nil {
		t.Fatal(err)
	}
	if got := f.get(t, s.ID); got.FileName != "march.csv" {
		t.Fatalf("the file name is %q", got.FileName)
	}
	_, err := f.Service.Sessions().Update(f.ctx, f.store.ID, s.ID, "../march.csv")
	wantError(t, err, http.StatusUnprocessableEntity, edm.CodeUnprocessable)
}

func deletion(t *testing.T, f *fixture) {
	f.open(t)
	s := f.publish(t, people(4))
	must(t, f.Service.Sessions().Delete(f.ctx, f.store.ID, s.ID))
	must(t, f.Service.Sessions().Delete(f.ctx, f.store.ID, s.ID))
	_, err := f.Service.Sessions().Get(f.ctx, f.store.ID, s.ID)
	wantError(t, err, http.StatusNotFound, edm.CodeNotFound)
	if got := f.match(t, "ID", "P-2", nil); got.Total != 1 {
		t.Fatalf("after the delete of its session the table answers %+v", got)
	}
}

func quota(t *testing.T, f *fixture) {
	f.open(t)
	early := f.session(t, 1)
	f.stageAll(t, early, f.blocks(t, people(1)))
	for n := range f.MaxCommits {
		f.publish(t, people(n+1))
	}
	e := wantError(t, f.Service.Sessions().Commit(f.ctx, f.store.ID, early.ID, nil), http.StatusTooManyRequests, edm.CodeThrottled)
	if e.RetryAfter <= 0 || e.Class != edm.Transient || e.Message != fmt.Sprintf(edm.ThrottledMessage, f.MaxCommits) {
		t.Fatalf("throttled with %+v", e)
	}
}

func damaged(t *testing.T, f *fixture) {
	f.open(t)
	blocks := f.blocks(t, people(8))
	blocks[1] = append(blocks[1][:len(blocks[1])-1:len(blocks[1])-1], []byte("more")...) // whole in transfer, no block
	s := f.session(t, 2)
	f.stageAll(t, s, blocks)
	must(t, f.Service.Sessions().Commit(f.ctx, f.store.ID, s.ID, nil))
	failed := f.eventually(t, s.ID, edm.StateFailed)
	if failed.Error == nil || failed.Error.Code == "" || !strings.Contains(failed.Error.Message, "block 1") {
		t.Fatalf("the error is %+v", failed.Error)
	}
	store, err := f.Service.Stores().Get(f.ctx, f.store.ID)
	must(t, err)
	if store.Live != nil {
		t.Fatal("a failed session went live")
	}
}

func replacement(t *testing.T, f *fixture) {
	f.open(t)
	f.publish(t, people(12))
	second := f.publish(t, people(5))
	if got := f.match(t, "ID", "P-11", nil); got.Total != 0 || got.generation != 2 || got.sessionID != second.ID {
		t.Fatalf("a row of the old table: %+v", got)
	}
	if got := f.match(t, "ID", "P-4", nil); got.Total != 1 {
		t.Fatalf("a row of the new table: %+v", got)
	}
}

func lookups(t *testing.T, f *fixture) {
	f.open(t)
	ask := func(change func(*edm.MatchRequest)) error {
		q := f.batch(f.question(t, "ID", "P-1", nil))
		change(&q)
		_, err := f.Service.Stores().Match(f.ctx, f.store.ID, q)
		return err
	}
	wantError(t, ask(func(*edm.MatchRequest) {}), http.StatusUnprocessableEntity, edm.CodeNoLiveTable)
	f.publish(t, people(9))
	must(t, ask(func(*edm.MatchRequest) {}))
	wantError(t, ask(func(q *edm.MatchRequest) { q.KeyID = "0123456789abcdef" }), http.StatusUnprocessableEntity, edm.CodeKeyMismatch)
	for name, change := range map[string]func(*edm.MatchRequest){
		"column":     func(q *edm.MatchRequest) { q.Questions[0].Column = "Nowhere" },
		"searchable": func(q *edm.MatchRequest) { q.Questions[0].Column = "City" },
		"token":      func(q *edm.MatchRequest) { q.Questions[0].Token = "AAAA" },
		"sameRow":    func(q *edm.MatchRequest) { q.Questions[0].SameRow = map[string][]string{"City": {"x"}} },
		"limit":      func(q *edm.MatchRequest) { q.Questions[0].Limit = 100_000 },
		"key id":     func(q *edm.MatchRequest) { q.KeyID = "secret" },
	} {
		e := wantError(t, ask(change), http.StatusUnprocessableEntity, edm.CodeUnprocessable)
		if !strings.Contains(e.Message, name) {
			t.Errorf("the message for %s is %q", name, e.Message)
		}
	}
	if got := f.match(t, "ID", "", nil); got.Total != 0 {
		t.Fatalf("the empty cell matches %d rows", got.Total)
	}
	if got := f.match(t, "ID", "P-2", map[string]string{"City": ""}); len(got.Rows) != 1 || len(got.Rows[0].Matched) != 0 {
		t.Fatalf("an empty cell matches an empty cell: %+v", got)
	}
}

func badSessions(t *testing.T, f *fixture) {
	f.open(t)
	zero, many := int32(0), int32(50_001)
	for name, change := range map[string]func(*edm.Session){
		"rowsPerBlock":    func(s *edm.Session) { s.RowsPerBlock = &zero },
		"totalBlockCount": func(s *edm.Session) { s.TotalBlockCount = &many },
		"fileName":        func(s *edm.Session) { s.FileName = "a/b" },
		"checksum":        func(s *edm.Session) { s.Checksum = "md5:1" },
		"fields":          func(s *edm.Session) { s.Fields = []string{"ID", "ID"} },
		"keyId":           func(s *edm.Session) { s.KeyID = "x" },
	} {
		s := f.wanted(1)
		change(&s)
		_, err := f.Service.Sessions().Create(f.ctx, f.store.ID, s, uuid.NewString())
		if e := wantError(t, err, http.StatusUnprocessableEntity, edm.CodeUnprocessable); !strings.Contains(e.Message, name) {
			t.Errorf("the message for %s is %q", name, e.Message)
		}
	}
	all, err := f.Service.Sessions().List(f.ctx, f.store.ID, edm.Query{})
	must(t, err)
	if len(all) != 0 {
		t.Fatalf("refused creates made %d sessions", len(all))
	}
}

func storage(t *testing.T, f *fixture) {
	f.open(t)
	blocks := f.blocks(t, people(8))
	s := f.session(t, 2)
	_, err := f.blob(t, s.DataUploadURI).GetBlockList(f.ctx, "all", nil)
	wantStorage(t, err, http.StatusNotFound, "BlobNotFound")
	must(t, f.stage(t, s.DataUploadURI, 0, blocks[0]))
	wantStorage(t, f.seal(t, s.DataUploadURI, idsOf(blocks)), http.StatusBadRequest, "InvalidBlockList")
	wantStorage(t, f.stage(t, s.DataUploadURI, 7, blocks[1]), http.StatusBadRequest, "InvalidQueryParameterValue")
	wantStorage(t, f.stage(t, strings.Replace(s.DataUploadURI, "sig=", "sig=A", 1), 1, blocks[1]), http.StatusForbidden, "AuthenticationFailed")
	wantStorage(t, f.stage(t, strings.Replace(s.DataUploadURI, s.ID, uuid.NewString(), 1), 1, blocks[1]), http.StatusForbidden, "AuthenticationFailed")
	must(t, f.stage(t, s.DataUploadURI, 0, blocks[0]))
	listed, err := f.blob(t, s.DataUploadURI).GetBlockList(f.ctx, "uncommitted", nil)
	must(t, err)
	if len(listed.UncommittedBlocks) != 1 || *listed.UncommittedBlocks[0].Name != idsOf(blocks)[0] || *listed.UncommittedBlocks[0].Size != int64(len(blocks[0])) {
		t.Fatalf("listed %+v", listed.UncommittedBlocks)
	}
	must(t, f.stage(t, s.DataUploadURI, 1, blocks[1]))
	must(t, f.seal(t, s.DataUploadURI, idsOf(blocks)))
	must(t, f.seal(t, s.DataUploadURI, idsOf(blocks)))
}

func notThere(t *testing.T, f *fixture) {
	f.open(t)
	sessions, nobody := f.Service.Sessions(), uuid.NewString()
	_, err := sessions.Get(f.ctx, f.store.ID, nobody)
	wantError(t, err, http.StatusNotFound, edm.CodeNotFound)
	wantError(t, sessions.Commit(f.ctx, f.store.ID, nobody, nil), http.StatusNotFound, edm.CodeNotFound)
	wantError(t, sessions.Cancel(f.ctx, f.store.ID, nobody), http.StatusNotFound, edm.CodeNotFound)
	_, err = sessions.Create(f.ctx, nobody, f.wanted(1), uuid.NewString())
	wantError(t, err, http.StatusNotFound, edm.CodeNotFound)
	s := f.session(t, 1)
	_, err = sessions.Get(f.ctx, nobody, s.ID)
	wantError(t, err, http.StatusNotFound, edm.CodeNotFound)
}
