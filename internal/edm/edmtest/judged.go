package edmtest

import (
	"net/http"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
)

// sealed is a session that may be committed.
func (f *fixture) sealed(t *testing.T, rows int) *edm.Session {
	t.Helper()
	blocks := f.blocks(t, people(rows))
	s := f.session(t, len(blocks))
	f.stageAll(t, s, blocks)
	return s
}

func (f *fixture) commit(s *edm.Session, judged int64) error {
	return f.Service.Sessions().Commit(f.ctx, f.store.ID, s.ID, &judged)
}

// judgedCommits wants a commit that was judged against one live table to replace
// no other.
func judgedCommits(t *testing.T, f *fixture) {
	f.open(t)
	unsealed := f.session(t, 1)
	first, second, third := f.sealed(t, 3), f.sealed(t, 4), f.sealed(t, 5)
	wantError(t, f.commit(first, 1), http.StatusPreconditionFailed, edm.CodeLiveChanged)
	must(t, f.commit(first, 0))
	f.eventually(t, first.ID, edm.StateCompleted)
	must(t, f.commit(first, 7)) // it is committed already
	e := wantError(t, f.commit(second, 0), http.StatusPreconditionFailed, edm.CodeLiveChanged)
	if !strings.Contains(e.Message, edm.LiveTag(1)) || e.Class != edm.Transient {
		t.Fatalf("refused with %+v", e)
	}
	if got := f.get(t, second.ID); got.State != edm.StateUploadCompleted {
		t.Fatalf("the session that was refused is %s", got.State)
	}
	must(t, f.commit(second, 1))
	f.eventually(t, second.ID, edm.StateCompleted)
	if live := f.current(t).Live; live.Generation != 2 || live.SessionID != second.ID {
		t.Fatalf("live is %+v", live)
	}
	must(t, f.Service.Sessions().Commit(f.ctx, f.store.ID, third.ID, nil)) // judged by nobody
	f.eventually(t, third.ID, edm.StateCompleted)
	wantError(t, f.commit(unsealed, 1), http.StatusUnprocessableEntity, edm.CodeNotSealed)
}
