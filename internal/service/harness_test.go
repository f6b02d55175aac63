package service

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/folder"
	"exactmatch.dev/operator/internal/service/records"
	"exactmatch.dev/operator/internal/service/records/bolt"
)

const (
	fuzzToken = "the-bearer-token-that-no-answer-repeats"
	fuzzKeyID = "6b65796b65796b65"
)

var (
	fuzzSecret = []byte("the secret of the upload URIs....")
	fuzzNow    = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// harness is a service with stores and sessions in every state, which is the same
// again after each request.
type harness struct {
	*Service
	t      testing.TB
	was    snapshot
	blocks map[string][]string // ids, by session
	data   [][]byte            // of the two blocks of every session
	table  string              // a copy of the live table, and of its blocks
	kept   uint64              // version of the records that were kept
}

// newHouse makes the data store "live", whose table the session "done" brought,
// with a session in each state named after it, and the data store "bare".
func newHarness(t testing.TB) *harness {
	s, err := New(Config{
		Dir: t.TempDir(), Token: func() (string, error) { return fuzzToken, nil }, PublicURL: "http://service", MinFreeDisk: 1, Now: func() time.Time { return fuzzNow },
	})
	h := &harness{Service: s, t: t, blocks: map[string][]string{}}
	h.must(err)
	t.Cleanup(func() { h.must(s.Close()) })
	h.database().Unsynced()
	h.must(h.database().KeepStamp(nil)) // which is synced
	s.secret = fuzzSecret
	h.data = fuzzBlocks(t)
	h.must(s.records.Of("").Update(t.Context(), func(tx records.Tx) error {
		columns := []edm.Column{{Name: "ID", IsSearchable: true}, {Name: "Mail", IsSearchable: true, IsCaseInsensitive: true}, {Name: "City"}}
		return errors.Join(tx.Agents().Put(&edm.UploadAgent{ID: "agent", Description: "it's ours", CreationDateTime: &fuzzNow}),
			tx.DataStores().Put(&records.DataStore{DataStore: edm.DataStore{ID: "live", DisplayName: "live", Columns: columns}}),
			tx.DataStores().Put(&records.DataStore{DataStore: edm.DataStore{ID: "bare", DisplayName: "bare", Columns: columns[:1]}}))
	}))
	for _, id := range []string{"created", "staged", "sealed", "processing", "done"} {
		h.open("live", id)
	}
	h.open("bare", "other")
	for _, id := range []string{"sealed", "processing", "done"} {
		h.stage(id, 2)
	}
	h.stage("staged", 1)
	h.commit("done")
	h.must(s.indexSession(t.Context(), "", "done"))
	delete(h.blocks, "done")
	h.commit("processing")
	h.table = t.TempDir()
	for _, kind := range []string{folder.Tables, folder.Blocks} {
		h.must(os.CopyFS(filepath.Join(h.table, kind), os.DirFS(h.tableFolder(kind))))
	}
	h.keep()
	if watcher, is := t.(*testing.T); is { // a fuzz target looks at its answers itself
		h.Watch(watcher)
	}
	return h
}

// tableFolder is where the live table lies, or its blocks.
func (h *harness) tableFolder(kind string) string { return filepath.Join(h.config.Dir, kind, "done") }

func (h *harness) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// fuzzBlocks are two blocks of two rows under the fields ID, Mail and City.
func fuzzBlocks(t testing.TB) [][]byte {
	var out [][]byte
	for i := range 2 {
		header := block.Header{Rules: "v1", Store: "live", Index: i, FirstRow: int64(2 * i), Rows: 2, Columns: []string{"ID", "Mail", "City"}}
		copy(header.KeyID[:], "keykeyke")
		var columns [][]byte
		for c := range header.Columns {
			columns = append(columns, bytes.Repeat([]byte{byte(1 + c + i)}, 2*fingerprint.TokenSize))
		}
		data, err := block.Append(nil, header, columns)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, data)
	}
	return out
}

// open makes a session of two blocks.
func (h *harness) open(store, id string) {
	h.must(h.records.Of("").Update(h.t.Context(), func(tx records.Tx) error {
		of, err := tx.DataStores().Get(store)
		if err != nil {
			return err
		}
		rows, blocks := int32(2), int32(2)
		fields := []string{"ID", "Mail", "City"}[:len(of.Columns)]
		one, err := h.newSession(of, id, &edm.Session{
			UploadAgentID: "agent", Fields: fields, FileName: "people.csv", RowsPerBlock: &rows, TotalBlockCount: &blocks, KeyID: fuzzKeyID,
		})
		if err != nil {
			return err
		}
		return tx.Sessions().Put(one)
	}))
}

// stage puts the first n blocks of a session, and seals it with both.
func (h *harness) stage(id string, n int) {
	var ids []string
	for i, data := range h.data[:n] {
		ids = append(ids, block.ID(i, block.Sum(data)))
		h.must(h.Service.blocks.Put(h.t.Context(), id, ids[i], data))
	}
	h.blocks[id] = ids
	if n == len(h.data) {
		_, err := h.seal(h.t.Context(), &records.Session{Session: edm.Session{ID: id}}, ids, blobConditions{})
		h.must(err)
	}
}

func (h *harness) commit(id string) {
	_, err := records.Change(h.t.Context(), h.records.Of(""), records.Tx.Sessions, id, func(tx records.Tx, one *records.Session) error {
		store, err := tx.DataStores().Get(one.DataStoreID)
		if err != nil {
			return err
		}
		h.take(store, one)
		jobs := int32(jobsOf(one))
		one.State, one.TotalJobCount, one.RemainingJobCount = edm.StateProcessingInProgress, &jobs, &jobs
		return tx.DataStores().Put(store)
	})
	h.must(err)
}

// database is the embedded one of the service.
func (h *harness) database() *bolt.Store { return h.records.(*bolt.Store) }

// snapshot is every record but tombstones.
type snapshot struct {
	stores   []*records.DataStore
	sessions map[string]*records.Session
	agents   []*edm.UploadAgent
	requests []records.Request
}

// snapshotOf reads a session whole.
func snapshotOf(tx records.Tx) (s snapshot, err error) {
	if s.stores, err = tx.DataStores().List(); err != nil {
		return s, err
	}
	listed, err := tx.Sessions().List()
	if err != nil {
		return s, err
	}
	s.sessions = map[string]*records.Session{}
	for _, one := range listed {
		if s.sessions[one.ID], err = tx.Sessions().Get(one.ID); err != nil {
			return s, err
		}
	}
	if s.agents, err = tx.Agents().List(); err != nil {
		return s, err
	}
	s.requests, err = tx.Requests().Before(fuzzNow.Add(1000 * time.Hour))
	return s, err
}

// put writes all of it.
func (s snapshot) put(tx records.Tx) (err error) {
	for _, one := range s.stores {
		err = errors.Join(err, tx.DataStores().Put(one))
	}
	for _, one := range s.sessions {
		err = errors.Join(err, tx.Sessions().Put(one))
	}
	for _, one := range s.agents {
		err = errors.Join(err, tx.Agents().Put(one))
	}
	for _, one := range s.requests {
		err = errors.Join(err, tx.Requests().Put(one))
	}
	return err
}

// remove removes all of it.
func (s snapshot) remove(tx records.Tx) (err error) {
	for _, one := range s.stores {
		err = errors.Join(err, tx.DataStores().Delete(one.ID))
	}
	for id := range s.sessions {
		err = errors.Join(err, tx.Sessions().Delete(id))
	}
	for _, one := range s.agents {
		err = errors.Join(err, tx.Agents().Delete(one.ID))
	}
	for _, one := range s.requests {
		err = errors.Join(err, tx.Requests().Delete(one.Kind, one.Key))
	}
	return err
}

// keep notes every record.
func (h *harness) keep() {
	h.must(h.records.Of("").View(h.t.Context(), func(tx records.Tx) (err error) {
		h.was, err = snapshotOf(tx)
		return err
	}))
	h.kept = h.version()
}

// changed reports whether a record was written since the harness was made.
func (h *harness) changed() bool { return h.version() != h.kept }

// version counts the changes of records.
func (h *harness) version() uint64 {
	is, err := h.records.Identity(h.t.Context())
	h.must(err)
	return is.Stamp
}

// restore brings everything back to what it was.
func (h *harness) restore() {
	if h.changed() {
		h.restoreRecords()
	}
	files := h.Service.blocks
	sessions, err := files.Sessions(h.t.Context())
	h.must(err)
	for _, session := range sessions {
		if !slices.Equal(h.staged(session), h.blocks[session]) {
			h.must(files.Drop(h.t.Context(), session))
		}
	}
	for session, ids := range h.blocks {
		for i := range ids {
			h.must(files.Put(h.t.Context(), session, ids[i], h.data[i]))
		}
	}
	store, err := records.Get(h.t.Context(), h.records.Of(""), records.Tx.DataStores, "live")
	h.must(err)
	if !h.tables.Serves("live", store.Live) {
		for _, kind := range []string{folder.Tables, folder.Blocks} {
			h.must(os.RemoveAll(h.tableFolder(kind)))
			h.must(os.CopyFS(h.tableFolder(kind), os.DirFS(filepath.Join(h.table, kind))))
		}
		h.must(h.keepBlocks(h.t.Context(), "done"))
		h.must(h.tables.Reopen(h.t.Context(), "live", store.Live, func() error { return nil }))
	}
}

func (h *harness) restoreRecords() {
	h.must(h.records.Of("").Update(h.t.Context(), func(tx records.Tx) error {
		now, err := snapshotOf(tx)
		if err != nil {
			return err
		}
		return errors.Join(now.remove(tx), h.was.put(tx))
	}))
	h.kept = h.version()
}

func (h *harness) staged(session string) (ids []string) {
	for _, one := range h.Service.blocks.List(session) {
		ids = append(ids, one.ID)
	}
	return ids
}

// call sends a request of a caller with the token, and indexes what it
// committed. Header has a field a line.
func (h *harness) call(method, target, header string, body []byte) (*http.Request, *httptest.ResponseRecorder) {
	r, err := http.NewRequest(method, "http://service/", bytes.NewReader(body))
	if err != nil {
		return nil, nil
	}
	if r.URL, err = url.ParseRequestURI(target); err != nil || !strings.HasPrefix(target, "/") {
		return nil, nil
	}
	for line := range strings.SplitSeq(header, "\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			r.Header.Add(name, strings.TrimSpace(value))
		}
	}
	r.Header.Set("Authorization", "Bearer "+fuzzToken)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	for len(h.jobs) > 0 {
		h.must(h.do(h.t.Context(), <-h.jobs))
	}
	return r, w
}
