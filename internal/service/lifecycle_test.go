package service_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/testkit"
)

// upload is a session of a lifecycle. Its flags are what was acknowledged.
type upload struct {
	*edition
	id, uri   string
	staged    []bool
	committed bool
	completed bool
	ended     edm.State // Cancelled where that was acknowledged
	deleting  bool
	gone      bool
}

// lifecycle is everything that a service goes through, over a file system with one
// fault. It does each step until it is done, as the operator would.
type lifecycle struct {
	*testing.T
	dir     string
	files   fsys.FS
	faulty  *faultyFiles
	service *service.Service
	log     bytes.Buffer
	store   string
	names   map[string]string // of the stores that were made
	commits int               // a day
	keeps   time.Duration     // the table before the live one
	now     func() time.Time
	deleted bool
	uploads []*upload
	reborn  bool
}

// start starts the service over the folder as it is, unless a crash led to that.
func (l *lifecycle) start() error {
	if l.service != nil {
		return nil
	}
	s, err := service.NewOver(service.Config{
		Dir: l.dir, PublicURL: "http://service", Token: func() (string, error) { return bearer, nil },
		MinFreeDisk: 1, MaxCommits: l.commits, RollbackRetention: l.keeps, Now: l.now, Log: slog.New(slog.NewTextHandler(&l.log, nil)),
	}, l.files)
	if err == nil {
		s.Watch(l.T)
		l.service = s
	}
	return err
}

func (l *lifecycle) stop() {
	if l.service != nil {
		_ = l.service.Close() // its file system may be down
		l.service = nil
	}
}

func (l *lifecycle) send(method, path string, body []byte) reply {
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+bearer)
	w := httptest.NewRecorder()
	l.service.ServeHTTP(w, r)
	return replyOf(w.Code, w.Header(), w.Body.Bytes())
}

func (l *lifecycle) api(method, path string, body any) reply {
	text, err := json.Marshal(body)
	testkit.Must(l.T, err)
	return l.send(method, "/beta/dataClassification/exactMatchDataStores"+path, text)
}

// call wants a status; a fault may make it a 5xx.
func (l *lifecycle) call(r reply, want ...int) error {
	l.Helper()
	if slices.Contains(want, r.status) {
		return nil
	}
	if r.status < 500 {
		l.Fatalf("%s: answered %d %s %s; want %v", l.faulty.what, r.status, r.code, r.body, want)
	}
	if l.faulty.kind == fullFrom && (r.status != http.StatusInsufficientStorage || r.code != edm.CodeStorageFull) {
		l.Fatalf("%s: a full disk is answered with %d %s", l.faulty.what, r.status, r.code)
	}
	return fmt.Errorf("%d %s", r.status, r.code)
}

// step does one step until it is done. A crash begins again from what it left,
// after a look at it.
func (l *lifecycle) step(name string, do func() error) {
	l.Helper()
	for range 4 {
		err := do()
		if err == nil && !l.faulty.crashed {
			return
		}
		l.faulty.room = true
		if l.faulty.crashed && !l.reborn {
			l.rebirth()
			if err == nil {
				return // it was acknowledged just before
			}
		}
	}
	l.Fatalf("%s: %s is never done\n%s", l.faulty.what, name, l.log.String())
}

// rebirth starts over what the crash left, and wants to find there what was
// acknowledged.
func (l *lifecycle) rebirth() {
	l.Helper()
	l.stop()
	l.reborn, l.dir, l.files = true, l.faulty.kept, fsys.OS{}
	l.faulty.crashed = false
	l.log.Reset()
	half, err := filepath.Glob(filepath.Join(l.dir, "blocks", "*", "*.new"))
	testkit.Must(l.T, err)
	if err := l.start(); err != nil {
		l.Fatalf("%s: the service does not start again: %v", l.faulty.what, err)
	}
	l.service.Verify(l.Context())
	if said := l.log.String(); len(half) > 0 && !strings.Contains(said, "dropped") || strings.Contains(said, "level=ERROR") {
		l.Fatalf("%s: half-written files %v; the log says: %s", l.faulty.what, half, said)
	}
	if l.store == "" || l.deleted {
		return
	}
	for _, u := range l.uploads {
		if u.id != "" && !u.gone {
			l.isThere(u)
		}
	}
	testkit.Must(l.T, l.lookups())
}

// isThere wants what was acknowledged of a session.
func (l *lifecycle) isThere(u *upload) {
	l.Helper()
	got, err := l.get(u)
	if u.deleting && err != nil && err.Error() == "404" {
		return // its delete was on its way
	}
	testkit.Must(l.T, err)
	switch {
	case u.ended != "" && got.State != u.ended, u.completed && got.State != edm.StateCompleted, u.committed && !got.State.Committed():
		l.Fatalf("%s: the session is %s", l.faulty.what, got.State)
	}
	if got.State == edm.StateUploadInProgress || got.State == edm.StateUploadCompleted {
		there := l.blocks(u)
		for n, staged := range u.staged {
			if staged && !there[u.ids[n]] {
				l.Fatalf("%s: the acknowledged block %d is gone", l.faulty.what, n)
			}
		}
	}
}

func (l *lifecycle) get(u *upload) (*edm.Session, error) {
	r := l.api(http.MethodGet, "/"+l.store+"/sessions/"+u.id, nil)
	if r.status != http.StatusOK {
		return nil, fmt.Errorf("%d", r.status)
	}
	got := new(edm.Session)
	return got, json.Unmarshal(r.body, got)
}

func (l *lifecycle) blocks(u *upload) map[string]bool {
	l.Helper()
	r := l.send(http.MethodGet, u.uri+"&comp=blocklist&blocklisttype=all", nil)
	var list struct {
		CommittedBlocks, UncommittedBlocks struct{ Block []struct{ Name string } }
	}
	testkit.Must(l.T, xml.Unmarshal(r.body, &list))
	there := map[string]bool{}
	for _, b := range slices.Concat(list.CommittedBlocks.Block, list.UncommittedBlocks.Block) {
		there[b.Name] = true
	}
	return there
}

func (l *lifecycle) create(u *upload) {
	l.Helper()
	l.uploads = append(l.uploads, u)
	u.staged = make([]bool, len(u.blocks))
	rows, blocks := int32(u.perBlock), int32(len(u.blocks))
	l.step("create", func() error {
		r := l.api(http.MethodPost, "/"+l.store+"/sessions", edm.Session{
			Fields: fields, FileName: "a.csv", RowsPerBlock: &rows, TotalBlockCount: &blocks, KeyID: modelKey.String(),
		})
		var made edm.Session
		if err := l.call(r, http.StatusCreated); err != nil {
			return err
		}
		testkit.Must(l.T, json.Unmarshal(r.body, &made))
		u.id, u.uri = made.ID, made.DataUploadURI
		return nil
	})
}

func (l *lifecycle) stage(u *upload, n int) {
	l.Helper()
	l.step("stage", func() error {
		err := l.call(l.send(http.MethodPut, blockURL(u.uri, u.ids[n]), u.blocks[n]), http.StatusCreated)
		u.staged[n] = u.staged[n] || err == nil
		return err
	})
}

func (l *lifecycle) open(u *upload) {
	l.Helper()
	l.create(u)
	for n := range u.blocks {
		l.stage(u, n)
	}
}

func (l *lifecycle) seal(u *upload) {
	l.Helper()
	l.step("seal", func() error {
		list := "<BlockList><Latest>" + strings.Join(u.ids, "</Latest><Latest>") + "</Latest></BlockList>"
		return l.call(l.send(http.MethodPut, u.uri+"&comp=blocklist", []byte(list)), http.StatusCreated)
	})
}

func (l *lifecycle) commit(u *upload) {
	l.Helper()
	l.seal(u)
	l.step("commit", func() error {
		return l.call(l.api(http.MethodPost, "/"+l.store+"/sessions/"+u.id+"/commit", nil), http.StatusNoContent)
	})
	u.committed = true
}

// index works until the session is completed. Lookups are right all the while.
func (l *lifecycle) index(u *upload) {
	l.Helper()
	l.step("index", func() error {
		_ = l.service.Work(l.Context()) // what failed is done again
		got, err := l.get(u)
		testkit.Must(l.T, err)
		if got.State == edm.StateFailed {
			l.Fatalf("%s: the session failed: %s", l.faulty.what, toJSON(got.Error))
		}
		if got.State != edm.StateCompleted {
			if err := l.lookups(); err != nil && l.faulty.what == "" {
				l.Fatal(err)
			}
			return fmt.Errorf("it is %s", got.State)
		}
		u.completed = true
		return nil
	})
	l.step("look up", l.lookups)
}

// lookups asks for every row, of the present table and of the one before.
func (l *lifecycle) lookups() error {
	l.Helper()
	last := -1 // the upload that is live at least
	for i, u := range l.uploads {
		if u.completed {
			last = i
		}
	}
	for _, row := range []int{0, 7, 13} {
		question := questionOf("ID", modelToken("", "ID", row))
		question.Questions[0].SameRow = l.sameRow(row)
		r := l.api(http.MethodPost, "/"+l.store+"/match", question)
		if last < 0 && r.code == edm.CodeNoLiveTable {
			return nil
		}
		if err := l.call(r, http.StatusOK); err != nil {
			return err
		}
		var got edm.MatchResponse
		testkit.Must(l.T, json.Unmarshal(r.body, &got))
		at := slices.IndexFunc(l.uploads, func(u *upload) bool { return u.id == got.SessionID })
		if at < max(last, 0) || !l.uploads[at].committed {
			l.Fatalf("%s: %s is live, not that of upload %d", l.faulty.what, got.SessionID, last)
		}
		want := edm.MatchResponse{Generation: got.Generation, SessionID: got.SessionID, Answers: make([]edm.MatchAnswer, 1)}
		if row < l.uploads[at].rows {
			want.Answers[0] = edm.MatchAnswer{Total: 1, Rows: []edm.MatchRow{{Row: int64(row)}}}
			if at == len(l.uploads)-1 {
				want.Answers[0].Rows[0].Matched = map[string]int{"City": 0, "Mail": 0}
			}
		}
		if toJSON(got) != toJSON(want) {
			l.Fatalf("%s: row %d is answered by %s; want %s", l.faulty.what, row, toJSON(got), toJSON(want))
		}
	}
	return nil
}

// sameRow are the tokens of the last upload, none before the first.
func (l *lifecycle) sameRow(row int) map[string][]string {
	if len(l.uploads) == 0 {
		return nil
	}
	name := l.uploads[len(l.uploads)-1].name
	return map[string][]string{"Mail": {text64(modelToken(name, "Mail", row))}, "City": {text64(modelToken(name, "City", row))}}
}

// questionOf is a match of one question under the model's key.
func questionOf(column string, token []byte) edm.MatchRequest {
	return edm.MatchRequest{KeyID: modelKey.String(), Questions: []edm.MatchQuestion{{Column: column, Token: text64(token)}}}
}

func (l *lifecycle) restart(name string) {
	l.Helper()
	l.stop()
	l.step(name, l.start)
	l.step("verify", func() error {
		l.service.Verify(l.Context())
		return nil
	})
	l.step("look up", func() error {
		l.service.Work(l.Context()) // a live table that could not be opened is tried again
		return l.lookups()
	})
}

func (l *lifecycle) delete(u *upload) {
	l.Helper()
	u.deleting = true
	l.step("delete", func() error {
		return l.call(l.api(http.MethodDelete, "/"+l.store+"/sessions/"+u.id, nil), http.StatusNoContent, http.StatusNotFound)
	})
	u.gone = true
}
