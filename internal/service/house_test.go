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

	"go.etcd.io/bbolt"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

const (
	fuzzToken = "the-bearer-token-that-no-answer-repeats"
	fuzzKeyID = "6b65796b65796b65"
)

var (
	fuzzSecret  = []byte("the secret of the upload URIs....")
	fuzzNow     = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fuzzBuckets = [][]byte{storesBucket, sessionsBucket, agentsBucket, replaysBucket}
)

// house is a service with stores and sessions in every state, which is the same
// again after each request.
type house struct {
	*Service
	t       testing.TB
	records map[string]map[string][]byte // by bucket and id
	blocks  map[string][]string          // ids, by session
	data    [][]byte                     // of the two blocks of every session
	table   string                       // a copy of the live table
	kept    int                          // version of the database that holds the records
}

// newHouse makes the data store "live", whose table the session "done" brought,
// with a session in each state named after it, and the data store "bare".
func newHouse(t testing.TB) *house {
	s, err := New(Config{
		Dir: t.TempDir(), Token: func() (string, error) { return fuzzToken, nil }, PublicURL: "http://service", MinFreeDisk: 1, Now: func() time.Time { return fuzzNow },
	})
	h := &house{Service: s, t: t, records: map[string]map[string][]byte{}, blocks: map[string][]string{}}
	h.must(err)
	t.Cleanup(func() { h.must(s.Close()) })
	s.db.db.NoSync = true
	h.must(s.db.folder.close())
	s.db.folder = nil // whose stamp is synced
	h.data = fuzzBlocks(t)
	h.must(s.db.db.Update(func(tx *bbolt.Tx) error {
		columns := []edm.Column{{Name: "ID", IsSearchable: true}, {Name: "Mail", IsSearchable: true, IsCaseInsensitive: true}, {Name: "City"}}
		return errors.Join(tx.Bucket(metaBucket).Put(sasKey, fuzzSecret),
			put(tx, agentsBucket, "agent", &edm.UploadAgent{ID: "agent", Description: "it's ours", CreationDateTime: &fuzzNow}),
			put(tx, storesBucket, "live", &storeRecord{DataStore: edm.DataStore{ID: "live", DisplayName: "live", Columns: columns}}),
			put(tx, storesBucket, "bare", &storeRecord{DataStore: edm.DataStore{ID: "bare", DisplayName: "bare", Columns: columns[:1]}}))
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
	h.must(s.indexSession(t.Context(), "done"))
	delete(h.blocks, "done")
	h.commit("processing")
	h.table = filepath.Join(t.TempDir(), "done")
	h.must(os.CopyFS(h.table, os.DirFS(h.tableFolder())))
	h.keep()
	return h
}

// tableFolder is where the live table lies.
func (h *house) tableFolder() string { return filepath.Join(h.config.Dir, tablesName, "done") }

func (h *house) must(err error) {
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
func (h *house) open(store, id string) {
	h.must(h.db.db.Update(func(tx *bbolt.Tx) error {
		of, err := get[storeRecord](tx, storesBucket, store)
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
		return put(tx, sessionsBucket, id, one)
	}))
}

// stage puts the first n blocks of a session, and seals it with both.
func (h *house) stage(id string, n int) {
	var ids []string
	for i, data := range h.data[:n] {
		ids = append(ids, block.ID(i, block.Sum(data)))
		h.must(h.Service.blocks.Put(h.t.Context(), id, ids[i], data))
	}
	h.blocks[id] = ids
	if n == len(h.data) {
		h.must(h.seal(id, ids))
	}
}

func (h *house) commit(id string) {
	_, err := change(h.db, sessionsBucket, id, func(tx *bbolt.Tx, one *sessionRecord) error {
		store, err := get[storeRecord](tx, storesBucket, one.DataStoreID)
		if err != nil {
			return err
		}
		h.take(store, one)
		jobs := int32(jobsOf(one))
		one.State, one.TotalJobCount, one.RemainingJobCount = edm.StateProcessingInProgress, &jobs, &jobs
		return put(tx, storesBucket, store.ID, store)
	})
	h.must(err)
}

// keep notes every record.
func (h *house) keep() {
	h.must(h.db.db.View(func(tx *bbolt.Tx) error {
		for _, name := range fuzzBuckets {
			all := map[string][]byte{}
			h.records[string(name)] = all
			err := tx.Bucket(name).ForEach(func(k, _ []byte) error {
				text, err := getText(tx, name, k)
				all[string(k)] = bytes.Clone(text)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	h.kept = h.version()
}

// changed tells whether a record was written since the house was as it was made.
func (h *house) changed() bool { return h.version() != h.kept }

// version counts the transactions that were written.
func (h *house) version() (n int) {
	h.must(h.db.db.View(func(tx *bbolt.Tx) error {
		n = tx.ID()
		return nil
	}))
	return n
}

// restore brings the house back to what it was.
func (h *house) restore() {
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
	store, err := read[storeRecord](h.db.db, storesBucket, "live")
	h.must(err)
	if !h.tables.Serves("live", store.Live) {
		h.must(h.tables.Drop(h.t.Context(), "done"))
		h.must(os.CopyFS(h.tableFolder(), os.DirFS(h.table)))
		h.must(h.tables.Reopen(h.t.Context(), "live", store.Live, func() error { return nil }))
	}
}

func (h *house) restoreRecords() {
	h.must(h.db.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range fuzzBuckets {
			var there [][]byte
			err := tx.Bucket(name).ForEach(func(k, _ []byte) error {
				there = append(there, bytes.Clone(k))
				return nil
			})
			for _, id := range there {
				err = errors.Join(err, remove(tx, name, id))
			}
			for id, text := range h.records[string(name)] {
				err = errors.Join(err, putText(tx, name, []byte(id), text))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
	h.kept = h.version()
}

func (h *house) staged(session string) (ids []string) {
	for _, one := range h.Service.blocks.List(session) {
		ids = append(ids, one.ID)
	}
	return ids
}

// call sends a request as somebody who has the token, and indexes what it
// committed. Header has a field a line.
func (h *house) call(method, target, header string, body []byte) (*http.Request, *httptest.ResponseRecorder) {
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
