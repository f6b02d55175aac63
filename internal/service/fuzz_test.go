package service

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.etcd.io/bbolt"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/schema"
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
	h.must(os.CopyFS(h.table, os.DirFS(s.live.dir("done"))))
	h.keep()
	return h
}

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
		h.must(h.Service.blocks.put(id, ids[i], data))
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
	for _, session := range slices.Collect(maps.Keys(files.sessions)) {
		if !slices.Equal(h.staged(session), h.blocks[session]) {
			h.must(files.drop(session))
		}
	}
	for session, ids := range h.blocks {
		for i := range ids {
			h.must(files.put(session, ids[i], h.data[i]))
		}
	}
	store, err := read[storeRecord](h.db.db, storesBucket, "live")
	h.must(err)
	if !h.live.serves("live", store.Live) {
		h.must(h.live.drop("done"))
		h.must(os.CopyFS(h.live.dir("done"), os.DirFS(h.table)))
		h.must(h.live.reopen("live", store.Live, func() error { return nil }))
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
	for _, one := range h.Service.blocks.list(session) {
		ids = append(ids, one.id)
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

// FuzzRequests sends whole requests. None brings a panic, a 5xx or a word of a
// secret; what is refused says why in the API's form; and the records make sense
// afterwards.
func FuzzRequests(f *testing.F) {
	h := newHouse(f)
	for _, seed := range requestSeeds(h) {
		f.Add(seed.method, seed.target, seed.header, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, target, header string, body []byte) {
		h.t = t
		defer h.restore()
		r, w := h.call(method, target, header, body)
		if r == nil {
			return
		}
		checkAnswer(t, r, w)
		if h.changed() {
			h.checkRecords()
			h.sweep()
			h.checkRecords()
		}
	})
}

type requestSeed struct {
	method, target, header string
	body                   []byte
}

func requestSeeds(h *house) []requestSeed {
	const stores, agents = base + "/exactMatchDataStores", base + "/exactMatchUploadAgents"
	token := `"AQEBAQEBAQEBAQEBAQEBAQ=="`
	session := `{"fields":["ID"],"fileName":"a.csv","rowsPerBlock":2,"totalBlockCount":3,"keyId":"` + fuzzKeyID + `","uploadAgentId":"agent"}`
	seeds := []requestSeed{
		{"GET", "/healthz", "", nil}, {"GET", "/", "", nil}, {"GET", base + "/x", "", nil}, {"GET", agents + "?$top=1", "", nil},
		{"POST", agents, "client-request-id: 1", []byte(`{"description":"x"}`)}, {"PATCH", agents + "/agent", "", []byte(`{"description":"y"}`)},
		{"POST", agents, "client-request-id: " + strings.Repeat("x", 40_000), []byte(`{}`)},
		{"GET", agents + "/agent?$select=id", "", nil}, {"DELETE", agents + "/agent", "", nil},
		{"GET", stores + "?$filter=displayName%20eq%20'live'&$count=true", "", nil},
		{"POST", stores, "", []byte(`{"displayName":"new","columns":[{"name":"A","ignoredDelimiters":["-"]},{"name":"B","isSearchable":true}]}`)},
		{"GET", stores + "/live", "", nil}, {"PATCH", stores + "/live", "", []byte(`{"description":"d","columns":[{"name":"ID"}]}`)},
		{"DELETE", stores + "/live", "", nil}, {"POST", stores + "/live/lookup", "", []byte(`{"key":"` + fuzzKeyID + `","values":[` + token + `],"resultColumnNames":["City"]}`)},
		{"POST", stores + "/live/match", "", []byte(`{"keyId":"` + fuzzKeyID + `","column":"ID","token":` + token + `,"sameRow":{"Mail":` + token + `},"limit":5}`)},
		{"POST", stores + "/bare/lookup", "", []byte(`{"key":"","values":[""]}`)},
		{"GET", stores + "/live/sessions?$orderby=state%20desc&$skip=1", "", nil}, {"POST", stores + "/live/sessions", "client-request-id: 2", []byte(session)},
	}
	own := strings.Replace(session, `"fields":["ID"]`, `"columns":[{"name":"ID","isCaseInsensitive":true,"ignoredDelimiters":["-"],"rulesId":"v1:caseInsensitive:002D"}]`, 1)
	question := `{"keyId":"` + fuzzKeyID + `","column":"ID","token":` + token + `,"rulesId":{"ID":"v1:exact:"}}`
	seeds = append(seeds, requestSeed{"POST", stores + "/live/sessions", "client-request-id: 3", []byte(own)},
		requestSeed{"POST", stores + "/live/match", "", []byte(question)}, requestSeed{"POST", stores + "/live/match", "", []byte(strings.Replace(question, "exact", "other", 1))},
		requestSeed{"POST", stores, "", []byte(`{"displayName":"owned","columns":[{"name":"A"}],"owner":{"cluster":"c","namespace":"n","name":"o"}}`)},
		requestSeed{"PATCH", stores + "/live", "", []byte(`{"owner":{"cluster":"c","namespace":"n","name":"o"},"columns":[{"name":"City","isSearchable":true},{"name":"Mail"}]}`)})
	for _, id := range []string{"created", "staged", "sealed", "processing", "done", "other"} {
		at := stores + "/live/sessions/" + id
		seeds = append(seeds, requestSeed{"GET", at + "?$expand=uploadAgent", "", nil}, requestSeed{"PATCH", at, "", []byte(`{"fileName":"b.csv"}`)},
			requestSeed{"DELETE", at, "", nil}, requestSeed{"POST", at + "/commit", "", nil}, requestSeed{"POST", at + "/commit", `If-Match: "live-1"`, nil}, requestSeed{"POST", at + "/cancel", "", nil},
			requestSeed{"POST", at + "/renew", "", nil}, requestSeed{"GET", at + "/uploadAgent", "", nil})
		one, err := read[sessionRecord](h.db.db, sessionsBucket, id)
		h.must(err)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		signed := strings.TrimPrefix(h.uploadURI(r, one), "http://service")
		first, second := block.ID(0, block.Sum(h.data[0])), block.ID(1, block.Sum(h.data[1]))
		list := "<BlockList><Latest>" + first + "</Latest><Latest>" + second + "</Latest></BlockList>"
		seeds = append(seeds, requestSeed{"PUT", signed + "&comp=block&blockid=" + url.QueryEscape(second), "", h.data[1]},
			requestSeed{"GET", signed + "&comp=blocklist&blocklisttype=all", "", nil}, requestSeed{"PUT", signed + "&comp=blocklist", "", []byte(list)})
	}
	return seeds
}

// checkAnswer looks at an answer for itself.
func checkAnswer(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	text := w.Body.String()
	shown := fmt.Sprint(w.Header()) + text
	for _, secret := range []string{fuzzToken, string(fuzzSecret)} {
		if strings.Contains(shown, secret) {
			t.Fatalf("%s %s answers with a secret: %s", r.Method, r.URL, shown)
		}
	}
	if w.Code >= 500 {
		t.Fatalf("%s %s is answered %d: %s", r.Method, r.URL, w.Code, text)
	}
	if w.Code < 400 {
		return
	}
	var code, message string
	if strings.HasPrefix(r.URL.Path, "/upload/") && w.Header().Get("Content-Type") == "application/xml" {
		var said struct{ Code, Message string }
		if err := xml.Unmarshal(w.Body.Bytes(), &said); err != nil {
			t.Fatalf("%s %s is refused with %q: %v", r.Method, r.URL, text, err)
		}
		code, message = said.Code, said.Message
	} else {
		var said struct {
			Error struct {
				Code, Message string
				InnerError    edm.InnerError
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || said.Error.InnerError.ClientRequestID != w.Header().Get("client-request-id") {
			t.Fatalf("%s %s is refused with %q: %v", r.Method, r.URL, text, err)
		}
		code, message = said.Error.Code, said.Error.Message
	}
	if code == "" || message == "" || !utf8.ValidString(message) || len(message) > maxMessage {
		t.Fatalf("%s %s is refused with code %q and %d bytes of message: %q", r.Method, r.URL, code, len(message), message)
	}
}

// checkRecords looks at every record.
func (h *house) checkRecords() {
	h.t.Helper()
	stores, err := h.db.allStores()
	h.must(err)
	names := map[string]*storeRecord{}
	ids := map[string]*storeRecord{}
	for _, one := range stores {
		if names[one.DisplayName] != nil || one.DisplayName == "" || len(one.Description) > maxDescription || checkColumns(one.Columns) != nil {
			h.t.Fatalf("the data store %+v cannot be", one)
		}
		names[one.DisplayName], ids[one.ID] = one, one
		if (one.Live != nil) != (h.live.tables[one.ID] != nil) || one.Live != nil && one.Live.Generation != one.Generation {
			h.t.Fatalf("the data store %+v has another live table", one)
		}
		if checkOwner(one.Owner) != nil || wantedColumns(one) != nil && len(h.jobs) == 0 {
			h.t.Fatalf("the data store %+v has an owner or columns that cannot be", one)
		}
	}
	sessions, err := all[sessionRecord](h.db.db, sessionsBucket)
	h.must(err)
	for _, one := range sessions {
		if ids[one.DataStoreID] == nil {
			h.t.Fatalf("the session %+v has no data store", one)
		}
		if _, held := ids[one.DataStoreID].Processing[one.ID]; held != one.processing() {
			h.t.Fatalf("the session %+v has a place in the quota: %t", one, held)
		}
		if what := oddSession(one); what != "" {
			h.t.Fatalf("%s: %+v", what, one)
		}
		var was sessionRecord
		if text := h.records[string(sessionsBucket)][one.ID]; text != nil {
			h.must(json.Unmarshal(text, &was))
		}
		if was.State.Ended() && one.State != was.State || was.State.Committed() && one.State != edm.StateProcessingInProgress && one.State != edm.StateCompleted {
			h.t.Fatalf("a session in state %s is %s now", was.State, one.State)
		}
	}
	agents, err := h.db.allAgents()
	h.must(err)
	for _, one := range agents {
		if len(one.Description) > maxDescription {
			h.t.Fatalf("the upload agent %q has a description of %d bytes", one.ID, len(one.Description))
		}
	}
}

// oddSession says what contradicts itself in a session.
func oddSession(one *sessionRecord) string {
	known := []edm.State{edm.StateCreated, edm.StateUploadCompleted, edm.StateProcessingInProgress, edm.StateCompleted, edm.StateCancelled, edm.StateFailed, edm.StateExpired}
	var fields []string
	for _, c := range one.Columns {
		fields = append(fields, c.Name)
	}
	sealed := one.State == edm.StateUploadCompleted || one.processing()
	switch {
	case !slices.Contains(known, one.State):
		return "an unknown state"
	case checkSession(&one.Session) != nil:
		return "values that no create takes"
	case !slices.Equal(fields, one.Fields) || checkColumns(one.Columns) != nil || !reflect.DeepEqual(one.Columns, edm.WithRules(one.Columns)):
		return "columns that are not the fields"
	case sealed && len(one.Sealed) != int(*one.TotalBlockCount), !sealed && len(one.Sealed) > 0:
		return "a list that is not as long as the session"
	case (one.CompletionDateTime != nil) != one.State.Ended():
		return "an end that is none"
	case one.RemainingBlockCount == nil || *one.RemainingBlockCount < 0 || *one.RemainingBlockCount > *one.TotalBlockCount:
		return "blocks that do not add up"
	case one.State.Committed() && (one.RemainingJobCount == nil || *one.RemainingJobCount < 0 || *one.RemainingJobCount > *one.TotalJobCount):
		return "jobs that do not add up"
	case one.State == edm.StateCompleted && *one.RemainingJobCount != 0:
		return "completed with jobs left"
	}
	return ""
}

// FuzzSchema creates a data store and a session of it. What is taken is what a
// simple look allows, comes back as it was sent, and can be hashed.
func FuzzSchema(f *testing.F) {
	for _, seed := range [][3]string{
		{"patients", "ID:-\nMail", "ID"}, {"", "A", "A"}, {"x", "A\nA", "A"}, {"x", "A:--", ""}, {"x", "ß:é\nß ", "ß"}, {"x", strings.Repeat("c\n", 33), "c"},
		{"x", "A:\xff", "B"}, {strings.Repeat("x", 257), strings.Repeat("y", 257), ""}, {"live", "ID", "ID"}, {strings.Repeat("x", 256), strings.Repeat("y", 256), strings.Repeat("y", 256)}, {"x", "A\nB\nC", "C\nA"}, {"x", "A", "A\nA"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	h := newHouse(f)
	key, err := fingerprint.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name, columns, fields string) {
		h.t = t
		defer h.restore()
		sent := edm.DataStore{DisplayName: strings.ToValidUTF8(name, "?")}
		for line := range strings.SplitSeq(strings.ToValidUTF8(columns, "?"), "\n") {
			column, ignored, has := strings.Cut(line, ":")
			c := edm.Column{Name: column, IsSearchable: len(line)%2 == 0, IsCaseInsensitive: len(line)%3 == 0}
			if has {
				c.IgnoredDelimiters = strings.Split(ignored, " ")
			}
			sent.Columns = append(sent.Columns, c)
		}
		body, err := json.Marshal(sent)
		h.must(err)
		_, w := h.call(http.MethodPost, base+"/exactMatchDataStores", "", body)
		if want := allowedStore(sent) && sent.DisplayName != "live" && sent.DisplayName != "bare" && len(body) <= maxRequestBody; (w.Code == http.StatusCreated) != want {
			t.Fatalf("%s is answered %d: %s", body, w.Code, w.Body)
		}
		if w.Code != http.StatusCreated {
			return
		}
		var made, got edm.DataStore
		h.must(json.Unmarshal(w.Body.Bytes(), &made))
		_, w = h.call(http.MethodGet, base+"/exactMatchDataStores/"+made.ID, "", nil)
		h.must(json.Unmarshal(w.Body.Bytes(), &got))
		if got.DisplayName != sent.DisplayName || !slices.EqualFunc(got.Columns, sent.Columns, sameColumn) {
			t.Fatalf("%+v comes back as %+v", sent, got)
		}
		for _, c := range got.Columns {
			if _, err := key.Hasher(got.DisplayName, schema.Column{Name: c.Name, IgnoredDelimiters: c.IgnoredDelimiters}); err != nil {
				t.Fatalf("the column %+v cannot be hashed: %v", c, err)
			}
		}
		h.checkFields(got, strings.Split(strings.ToValidUTF8(fields, "?"), "\n"))
		h.checkRecords()
	})
}

// checkFields opens a session with fields, which is right where each is a
// column, once.
func (h *house) checkFields(store edm.DataStore, fields []string) {
	rows, blocks := int32(1), int32(1)
	body, err := json.Marshal(edm.Session{Fields: fields, FileName: "a", RowsPerBlock: &rows, TotalBlockCount: &blocks, KeyID: fuzzKeyID})
	h.must(err)
	_, w := h.call(http.MethodPost, base+"/exactMatchDataStores/"+store.ID+"/sessions", "", body)
	want := len(body) <= maxRequestBody
	for i, field := range fields {
		want = want && slices.ContainsFunc(store.Columns, func(c edm.Column) bool { return c.Name == field }) && !slices.Contains(fields[:i], field)
	}
	if (w.Code == http.StatusCreated) != want {
		h.t.Fatalf("the fields %q of %+v are answered %d: %s", fields, store.Columns, w.Code, w.Body)
	}
	var got edm.Session
	if want {
		h.must(json.Unmarshal(w.Body.Bytes(), &got))
		if !slices.Equal(got.Fields, fields) {
			h.t.Fatalf("the fields %q come back as %q", fields, got.Fields)
		}
		h.checkOwnColumns(store, got)
	}
}

// checkOwnColumns opens another session of the same fields, under rules that are
// not the store's.
func (h *house) checkOwnColumns(store edm.DataStore, one edm.Session) {
	sent := slices.Clone(one.Columns)
	for i := range sent {
		sent[i].IsCaseInsensitive, sent[i].RulesID = !sent[i].IsCaseInsensitive, ""
		slices.Reverse(sent[i].IgnoredDelimiters)
	}
	body, err := json.Marshal(edm.Session{Columns: sent, FileName: "a", RowsPerBlock: one.RowsPerBlock, TotalBlockCount: one.TotalBlockCount, KeyID: fuzzKeyID})
	h.must(err)
	_, w := h.call(http.MethodPost, base+"/exactMatchDataStores/"+store.ID+"/sessions", "", body)
	if want := len(body) <= maxRequestBody; (w.Code == http.StatusCreated) != want {
		h.t.Fatalf("the columns %+v are answered %d: %s", sent, w.Code, w.Body)
	}
	var got edm.Session
	if w.Code == http.StatusCreated {
		h.must(json.Unmarshal(w.Body.Bytes(), &got))
		if !slices.Equal(got.Fields, one.Fields) || !slices.EqualFunc(got.Columns, sent, sameColumn) {
			h.t.Fatalf("the columns %+v come back as %+v", sent, got.Columns)
		}
	}
}

func sameColumn(a, b edm.Column) bool {
	return a.Name == b.Name && a.IsSearchable == b.IsSearchable && a.IsCaseInsensitive == b.IsCaseInsensitive && slices.Equal(a.IgnoredDelimiters, b.IgnoredDelimiters)
}

// allowedStore is what API.md says of a data store.
func allowedStore(s edm.DataStore) bool {
	names := map[string]bool{}
	for _, c := range s.Columns {
		if len(c.Name) < 1 || len(c.Name) > 256 || len(c.IgnoredDelimiters) > maxDelimiters {
			return false
		}
		names[c.Name] = true
		for _, d := range c.IgnoredDelimiters {
			if len([]rune(d)) != 1 {
				return false
			}
		}
	}
	return len(s.DisplayName) >= 1 && len(s.DisplayName) <= 256 && len(s.Columns) <= 32 && len(names) == len(s.Columns)
}

// FuzzSignature changes a signed upload URI. No other session, time, version or
// permission is ever granted than those that were signed, nor after the end.
func FuzzSignature(f *testing.F) {
	h := newHouse(f)
	one, err := read[sessionRecord](h.db.db, sessionsBucket, "created")
	h.must(err)
	issued, err := url.Parse(h.uploadURI(httptest.NewRequest(http.MethodGet, "/", nil), one))
	h.must(err)
	granted := issued.Query()
	f.Add("created", issued.RawQuery, uint16(0), uint8(0))
	f.Add("created", issued.RawQuery+"&comp=block&sp=rcwd", uint16(3), uint8(1))
	f.Add("other", issued.RawQuery, uint16(0), uint8(0))
	f.Add("created\n2024-11-04", strings.Replace(issued.RawQuery, "sv=2024-11-04", "sv=", 1), uint16(0), uint8(0))
	f.Add("created", "sig=&se=9999-12-31T23%3A59%3A59Z&sp=rcw", uint16(0), uint8(0))
	f.Add("created", strings.Replace(issued.RawQuery, "se=2026", "se=2027", 1), uint16(0), uint8(0))
	for _, other := range []string{"sp=rcwd", "sp=rw", "sr=c", "sv=2024-11-05"} {
		name, _, _ := strings.Cut(other, "=")
		changed := issued.Query()
		changed.Set(name, strings.TrimPrefix(other, name+"="))
		f.Add("created", changed.Encode(), uint16(0), uint8(0))
	}
	f.Add("created", strings.ToLower(issued.RawQuery), uint16(0), uint8(0))
	f.Fuzz(func(t *testing.T, session, query string, at uint16, change uint8) {
		if query != "" {
			changed := []byte(query)
			changed[int(at)%len(changed)] ^= change
			query = string(changed)
		}
		r := &http.Request{Method: http.MethodPut, URL: &url.URL{Path: "/upload/x", RawQuery: query}}
		got := r.URL.Query()
		for _, permission := range []string{"r", "w", "d"} {
			same := session == "created" && permission != "d"
			for _, name := range []string{"sv", "sr", "sp", "se", "sig"} {
				same = same && got.Get(name) == granted.Get(name)
			}
			if (h.ours(r, session) && h.permitted(r, permission)) != same {
				t.Fatalf("%q of %q permits %q: want %t", query, session, permission, same)
			}
		}
		late := &Service{config: Config{Now: func() time.Time { return fuzzNow.Add(5 * time.Hour) }}, db: h.db}
		if late.ours(r, session) && late.permitted(r, "w") {
			t.Fatalf("%q of %q is taken after its end", query, session)
		}
	})
}
