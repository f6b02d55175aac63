package service_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/testkit"
)

// sealAs seals a session with a list of ids.
func (l *lifecycle) sealAs(u *upload, ids ...string) reply {
	return l.send(http.MethodPut, u.uri+"&comp=blocklist", []byte("<BlockList><Latest>"+strings.Join(ids, "</Latest><Latest>")+"</Latest></BlockList>"))
}

// A list that does not have every index once, in order, and of blocks that are
// there seals nothing.
func TestListsThatDoNotFitSealNothing(t *testing.T) {
	l := begun(t)
	u := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
	l.create(u)
	for n := range 2 {
		l.stage(u, n)
	}
	other := newEdition(l.names[l.store], 13, 5, modelKey) // as if the source had changed
	for n := range 2 {
		l.wants("a second block of an index", l.send(http.MethodPut, blockURL(u.uri, other.ids[n]), other.blocks[n]), http.StatusCreated, "")
	}
	for name, ids := range map[string][]string{
		"two blocks of one index": {u.ids[0], other.ids[0], u.ids[1]},
		"one block twice":         {u.ids[0], u.ids[1], u.ids[1]},
		"the wrong order":         {u.ids[1], u.ids[0], other.ids[1]},
		"a missing block":         {u.ids[0], u.ids[1], u.ids[2]},
		"too short a list":        {u.ids[0], u.ids[1]},
		"no list":                 {},
	} {
		l.wants(name, l.sealAs(u, ids...), http.StatusBadRequest, "InvalidBlockList")
		got, err := l.get(u)
		testkit.Must(t, err)
		if got.State != edm.StateUploadInProgress {
			t.Fatalf("after %s the session is %s", name, got.State)
		}
	}
	l.stage(u, 2)
	l.wants("the list of the blocks that are there", l.sealAs(u, u.ids...), http.StatusCreated, "")
}

// The blocks of a session go when it ends, without another start.
func TestBlocksOfEndedSessionsGo(t *testing.T) {
	for name, end := range map[string]func(*lifecycle, *upload){
		"cancelled": func(l *lifecycle, u *upload) {
			l.wants("cancel", l.api(http.MethodPost, "/"+l.store+"/sessions/"+u.id+"/cancel", nil), http.StatusNoContent, "")
		},
		"deleted": func(l *lifecycle, u *upload) { l.delete(u) },
		"deleted with its store": func(l *lifecycle, _ *upload) {
			l.wants("delete", l.api(http.MethodDelete, "/"+l.store, nil), http.StatusNoContent, "")
		},
		"live": func(l *lifecycle, u *upload) {
			l.commit(u)
			l.index(u)
		},
		"live, then deleted": func(l *lifecycle, u *upload) {
			l.commit(u)
			l.index(u)
			l.delete(u)
		},
		"superseded": func(l *lifecycle, u *upload) {
			l.commit(u)
			later := l.committed(8)
			testkit.Must(l.T, l.service.Index(l.Context(), later.id))
			testkit.Must(l.T, l.service.Index(l.Context(), u.id))
		},
		"failed": func(l *lifecycle, u *upload) {
			l.seal(u)
			testkit.Must(l.T, os.Remove(l.blockFile(u, 1)))
			l.wants("commit", l.tryCommit(u), http.StatusNoContent, "")
			l.worked()
		},
		"failed before its commit": func(l *lifecycle, u *upload) {
			l.seal(u)
			flip(l.T, l.blockFile(u, 1))
			l.service.Verify(l.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := begun(t)
			l.T = t
			u := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
			l.open(u)
			end(l, u)
			var live []string
			if now := l.liveNow(); now != nil {
				live = append(live, now.SessionID) // a table keeps its blocks
			}
			if left := l.blocksLeft(); !slices.Equal(left, live) {
				t.Errorf("blocks are left of %v, want those of %v", left, live)
			}
		})
	}
}

// blocksLeft are the sessions that have blocks.
func (l *lifecycle) blocksLeft() (sessions []string) {
	l.Helper()
	left, err := os.ReadDir(filepath.Join(l.dir, "blocks"))
	testkit.Must(l.T, err)
	for _, e := range left {
		sessions = append(sessions, e.Name())
	}
	return sessions
}

// Once a lookup has met damage every other is refused, of whole pages too, until the
// table is uploaded again.
func TestADamagedTableAnswersNothingMore(t *testing.T) {
	l := begun(t)
	const rows = 700 // more than a page of each column
	u := &upload{edition: newEdition(l.names[l.store], rows, 350, modelKey)}
	l.open(u)
	l.commit(u)
	l.index(u)
	l.again(func() {
		path := filepath.Join(l.dir, "tables", u.id, "column-0.index")
		text, err := os.ReadFile(path)
		testkit.Must(t, err)
		text[0] ^= 1
		testkit.Must(t, os.WriteFile(path, text, 0o600))
	})
	ask := func(row int) reply {
		return l.api(http.MethodPost, "/"+l.store+"/match", questionOf("ID", modelToken("", "ID", row)))
	}
	answered, met := []int{}, false
	for row := 1; row < rows && !met; row++ { // the token of row 1 is not in the first page
		switch r := ask(row); {
		case r.status == http.StatusOK:
			answered = append(answered, row)
		case r.code == edm.CodeTableDamaged:
			met = true
		default:
			t.Fatalf("row %d is answered %d %s", row, r.status, r.body)
		}
	}
	if !met || len(answered) == 0 {
		t.Fatalf("damage was met: %v; %d rows were answered before", met, len(answered))
	}
	for _, row := range answered {
		l.wants("a row of a whole page", ask(row), http.StatusInternalServerError, edm.CodeTableDamaged)
	}
	l.bring()
	testkit.Must(t, l.lookups())
}

// changed is a block with another header.
func (e *edition) changed(n int, change func(*block.Header)) (id string, data []byte) {
	whole, err := block.Decode(e.blocks[n])
	if err != nil {
		panic(err) // of the test's own making
	}
	header := whole.Header
	change(&header)
	var columns [][]byte
	for c := range fields {
		columns = append(columns, whole.Column(c)[:header.Rows*fingerprint.TokenSize])
	}
	if data, err = block.Append(nil, header, columns); err != nil {
		panic(err) // of the test's own making
	}
	return block.ID(n, block.Sum(data)), data
}

// A block that is another table's, or another place's of its own table, is refused
// when it is staged. One that lies there all the same fails its session, and the
// live table stays.
func TestBlocksOfAnotherPlaceAreNotIndexed(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*block.Header)
		says   string
	}{
		"of another data store":        {func(h *block.Header) { h.Store = "another" }, "another data store"},
		"moved to another row":         {func(h *block.Header) { h.FirstRow = 10 }, "begins with row 10 in place of 5"},
		"of another index":             {func(h *block.Header) { h.Index = 2 }, "it says that it is block 2"},
		"of another key":               {func(h *block.Header) { h.KeyID[0]++ }, "keyId"},
		"of columns in another order":  {func(h *block.Header) { h.Columns = []string{"Mail", "ID", "City"} }, "columns"},
		"shorter than those before it": {func(h *block.Header) { h.Rows = 4 }, "4 rows in place of 5"},
	} {
		t.Run(name, func(t *testing.T) {
			l := begun(t)
			l.T = t
			live := l.bring()
			u := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
			l.create(u)
			l.stage(u, 0)
			l.stage(u, 2)
			id, data := u.changed(1, tc.change)
			r := l.send(http.MethodPut, blockURL(u.uri, id), data)
			if l.wants(name, r, http.StatusBadRequest, "InvalidBlock"); !strings.Contains(string(r.body), tc.says) {
				t.Errorf("the refusal does not say %q: %s", tc.says, r.body)
			}
			l.wants("its list", l.sealAs(u, u.ids[0], id, u.ids[2]), http.StatusBadRequest, "InvalidBlockList")

			testkit.Must(t, l.service.PutBlock(u.id, id, data))
			l.wants("the list", l.sealAs(u, u.ids[0], id, u.ids[2]), http.StatusCreated, "")
			l.wants("the commit", l.tryCommit(u), http.StatusNoContent, "")
			l.worked()
			got, err := l.get(u)
			testkit.Must(t, err)
			if got.State != edm.StateFailed || got.Error == nil || !strings.Contains(got.Error.Message, tc.says) {
				t.Errorf("the session is %s %s", got.State, toJSON(got.Error))
			}
			l.uploads = []*upload{live}
			testkit.Must(t, l.lookups())
		})
	}
}
