package service_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

var modelKey = fingerprint.KeyID{1, 2, 3, 4, 5, 6, 7, 8}

// fields are the columns of every table: the tokens of the first are the same in
// every edition, those of the others are the edition's own.
var fields = []string{"ID", "Mail", "City"}

func modelToken(edition, column string, row int) []byte {
	if column == "ID" {
		edition = ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", edition, column, row))
	return sum[:fingerprint.TokenSize]
}

func text64(token []byte) string { return base64.StdEncoding.EncodeToString(token) }

// edition is a table as it is uploaded. A bad one has a block whose end is found
// out by whoever reads all of it.
type edition struct {
	name           string
	rows, perBlock int
	blocks         [][]byte
	ids            []string
	bad            bool
}

func newEdition(store string, rows, perBlock int, key fingerprint.KeyID) *edition {
	e := &edition{name: uuid.NewString(), rows: rows, perBlock: perBlock}
	for first := 0; first < rows; first += perBlock {
		n := min(perBlock, rows-first)
		columns := make([][]byte, len(fields))
		for c, name := range fields {
			for row := first; row < first+n; row++ {
				columns[c] = append(columns[c], modelToken(e.name, name, row)...)
			}
		}
		data, err := block.Append(nil, block.Header{
			Rules: fingerprint.Rules, KeyID: key, Store: store, Index: len(e.blocks), FirstRow: int64(first), Rows: n, Columns: fields,
		}, columns)
		if err != nil {
			panic(err) // of the test's own making
		}
		e.blocks = append(e.blocks, data)
		e.ids = append(e.ids, block.ID(len(e.ids), block.Sum(data)))
	}
	return e
}

// spoil makes an edition a bad one.
func (e *edition) spoil() {
	last := len(e.blocks) - 1
	e.bad, e.blocks[last] = true, append(e.blocks[last], 0)
	e.ids[last] = block.ID(last, block.Sum(e.blocks[last]))
}

// mSession is what the model knows of a session. order counts a store's commits
// from 1; done says that its end was seen.
type mSession struct {
	id, name, requestID, uri string
	*edition
	staged    map[string]bool
	sealed    bool
	cancelled bool
	order     int
	done      bool
	deleted   bool

	own     bool         // the create carries columns
	columns []edm.Column // own ones, else the store's at the create
	judged  *judged      // the commit
}

func (m *mSession) unfinished() bool { return !m.cancelled && m.order == 0 }

// mStore is what the model knows of a data store. A table of an order below floor
// is live no more. Of unsure commits nobody knows whether they had succeeded when
// their sessions were deleted; kept are those that had.
type mStore struct {
	id, name, requestID string
	sessions            []*mSession
	commits, floor      int
	unsure, kept        int
	generations         map[int64]string

	columns  []edm.Column     // as they are
	patterns [][]edm.Column   // as they were, too
	indexed  map[int64]string // generation → which columns are searchable
	settled  bool             // nothing is indexed
}

// taken is how much of the quota is taken: at least and at most, as long as it is
// not known whether a bad table has failed.
func (s *mStore) taken() (least, most int) {
	least, most = s.kept, s.kept+s.unsure
	for _, m := range s.sessions {
		switch {
		case m.order == 0 || m.deleted && !m.done:
		case !m.bad:
			least, most = least+1, most+1
		case !m.done:
			most++
		}
	}
	return least, most
}

// full reports whether a commit is sure to be refused, and roomy whether it is
// sure not to be.
func (s *mStore) full() bool {
	least, _ := s.taken()
	return least >= childCommits
}

func (s *mStore) roomy() bool {
	_, most := s.taken()
	return most < childCommits
}

// raise notes that a session's table was live, or of a commit before the live one.
func (s *mStore) raise(order int) { s.floor = max(s.floor, order) }

// of returns the session that is not deleted under an id.
func (s *mStore) of(id string) *mSession {
	for _, m := range s.sessions {
		if m.id == id && !m.deleted {
			return m
		}
	}
	return nil
}

// world is a service and the model of it.
type world struct {
	*rapid.T
	*process
	stores []*mStore
}

// tally counts over all checks.
var tally struct{ calls, reads, kills, moment, held, indexing, unanswered, refused, judged int }

// op is one call. send touches nothing of the model: it may run beside others,
// and while the service is killed. take judges an answer, settle finds out what
// a call did that nobody answered.
type op struct {
	name   string
	store  *mStore
	target *mSession
	send   func() reply
	take   func(reply)
	settle func()
}

func (w *world) want(what string, r reply, status int, code string) {
	w.Helper()
	if r.err != nil || r.status != status || r.code != code {
		w.Fatalf("%s: %d %q %s (%v); want %d %q", what, r.status, r.code, r.body, r.err, status, code)
	}
}

// read gets what must be answered: nothing is killed meanwhile.
func (w *world) read(path string, into any) {
	w.Helper()
	tally.reads++
	r := w.api(http.MethodGet, path, "", nil)
	w.want("GET "+path, r, http.StatusOK, "")
	if err := json.Unmarshal(r.body, into); err != nil {
		w.Fatal(err)
	}
}

func sessionsPath(s *mStore, rest ...string) string {
	return "/" + s.id + "/sessions" + strings.Join(append([]string{""}, rest...), "/")
}

func (w *world) restart() {
	w.Helper()
	if err := w.kill(); err != nil {
		w.Fatal(err)
	}
	tally.kills++
	if err := w.start(); err != nil {
		w.Fatal(err)
	}
}

// do makes a call while nothing is killed.
func (w *world) do(o *op) {
	w.Helper()
	tally.calls++
	r := o.send()
	if r.err != nil {
		w.Fatalf("%s is not answered: %v\n%s", o.name, r.err, w.log.String())
	}
	o.take(r)
}

// killDuring makes calls at once, kills the service after a while, and looks.
func (w *world) killDuring(ops []*op, after time.Duration) {
	w.Helper()
	replies := make([]chan reply, len(ops))
	for i, o := range ops {
		replies[i] = make(chan reply, 1)
		go func() { replies[i] <- o.send() }()
	}
	tally.calls += len(ops)
	timer := time.NewTimer(after)
	defer timer.Stop()
	<-timer.C
	w.restart()
	tally.moment++
	for i, o := range ops {
		r := <-replies[i]
		if r.err == nil {
			o.take(r)
			continue
		}
		tally.unanswered++
		o.settle()
	}
	w.everything()
}

// killHeld makes a call that the service holds before or after it takes it, and
// kills it then: whatever the machine's speed, nobody has the answer.
func (w *world) killHeld(o *op, at string) {
	w.Helper()
	w.hold = at
	answered := make(chan reply, 1)
	go func() { answered <- o.send() }()
	if err := w.awaitHeld(); err != nil {
		w.Fatalf("%s: %v", o.name, err)
	}
	w.restart()
	r := <-answered
	w.hold = ""
	if r.err == nil {
		w.Fatalf("%s was held %s it was taken, and is answered: %d %s", o.name, at, r.status, r.body)
	}
	tally.calls++
	tally.held++
	tally.unanswered++
	o.settle()
	w.everything()
}

// everything compares all that the service has with the model.
func (w *world) everything() {
	w.Helper()
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

func (w *world) checkStore(s *mStore, got *edm.DataStore) {
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
func (w *world) checkLive(s *mStore, floor int, session string, generation int64) *mSession {
	w.Helper()
	at := slices.IndexFunc(s.sessions, func(m *mSession) bool { return m.id == session })
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

func (w *world) checkSession(s *mStore, m *mSession, got *edm.Session) {
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
func (w *world) blocksOf(m *mSession) map[string]bool {
	w.Helper()
	tally.reads++
	r := w.send(http.MethodGet, m.uri+"&comp=blocklist&blocklisttype=all", "", nil)
	out := map[string]bool{}
	if r.status == http.StatusNotFound && r.code == "BlobNotFound" {
		return out
	}
	w.want("list the blocks", r, http.StatusOK, "")
	type list struct{ Block []struct{ Name string } }
	var got struct{ CommittedBlocks, UncommittedBlocks list }
	if err := xml.Unmarshal(r.body, &got); err != nil {
		w.Fatal(err)
	}
	for _, b := range slices.Concat(got.CommittedBlocks.Block, got.UncommittedBlocks.Block) {
		out[b.Name] = true
	}
	return out
}

func (w *world) checkBlocks(m *mSession) {
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

// oneIn is a chance of one in 2 to the power of so many: rapid's integers tend to
// be small, its booleans are fair.
func (w *world) oneIn(halvings int, what string) bool {
	all := true
	for range halvings {
		all = rapid.Bool().Draw(w.T, what) && all
	}
	return all
}

// step makes one move.
func (w *world) step() {
	w.Helper()
	ops := w.possible()
	one := ops[rapid.IntRange(0, len(ops)-1).Draw(w.T, "call")]
	if !w.oneIn(4, "kill") {
		w.do(one)
		if one.name == "commit" && w.oneIn(1, "another behind it") {
			w.commitBeside(one)
		}
		if one.name == "commit" && one.target.order > 0 && w.oneIn(1, "while it is indexed") {
			tally.indexing++
			w.killDuring(nil, time.Duration(rapid.IntRange(0, 40_000).Draw(w.T, "µs"))*time.Microsecond)
		}
		return
	}
	switch rapid.IntRange(0, 4).Draw(w.T, "how") {
	case 0:
		w.killHeld(one, holdBefore)
	case 1:
		w.killHeld(one, holdAfter)
	case 2:
		w.killDuring([]*op{one}, time.Duration(rapid.IntRange(0, 5_000).Draw(w.T, "µs"))*time.Microsecond)
	case 3:
		w.killDuring(w.beside(one), time.Duration(rapid.IntRange(0, 15_000).Draw(w.T, "µs"))*time.Microsecond)
	default:
		w.restart()
		w.everything()
	}
}

// beside adds, to a call, the blocks of another session and a lookup, whose
// outcomes do not depend on it.
func (w *world) beside(one *op) []*op {
	ops := []*op{one}
	if one.name == "delete store" || one.name == changesStore {
		return ops
	}
	for _, s := range w.stores {
		ops = append(ops, w.match(s, 0))
		for _, m := range s.sessions {
			if m == one.target || !m.unfinished() || m.deleted || m.sealed || len(ops) > 8 {
				continue
			}
			for n := range m.blocks {
				ops = append(ops, w.stage(s, m, n))
			}
		}
	}
	return ops
}

// TestModel drives a service of its own process with random calls, kills it at
// random moments, and holds what it says against a model: what was acknowledged
// is there, and what was not answered happened whole or not at all.
// -rapid.checks sets how long it runs.
func TestModel(t *testing.T) {
	setUnlessGiven(t, "rapid.checks", "2")
	began := time.Now()
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			r.Fatal(err)
		}
		p, err := newProcess(dir)
		if err != nil {
			r.Fatal(err)
		}
		defer func() {
			p.close()
			_ = os.RemoveAll(dir) // TempDir tries again
		}()
		w := &world{T: r, process: p}
		w.do(w.createStore())
		for range rapid.IntRange(100, 240).Draw(r, "steps") {
			w.step()
		}
		w.settleAll()
	})
	t.Logf("%d operations (%d calls, %d reads), %d kills: %d at a random moment, %d of them while a table was indexed, and %d while a call was held; %d calls were not answered; %d questions were refused for their rules, %d tables seen that were judged before; %s",
		tally.calls+tally.reads, tally.calls, tally.reads, tally.kills, tally.moment, tally.indexing, tally.held, tally.unanswered, tally.refused, tally.judged, time.Since(began).Round(time.Second))
	if tally.kills < 5 || tally.unanswered == 0 {
		t.Errorf("the service was killed %d times, and %d calls went unanswered: the test tests nothing", tally.kills, tally.unanswered)
	}
}

// setUnlessGiven gives a flag another default until the test ends.
func setUnlessGiven(t *testing.T, name, value string) {
	t.Helper()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return
	}
	f := flag.Lookup(name)
	before := f.Value.String()
	must(t, f.Value.Set(value))
	t.Cleanup(func() { must(t, f.Value.Set(before)) })
}

// settleAll waits for the ends of all that was committed, has calls held in every
// run, whatever was drawn, and looks once more.
func (w *world) settleAll() {
	w.Helper()
	for _, s := range w.stores {
		for _, m := range s.sessions {
			if m.order > 0 && !m.deleted {
				w.await(s, m)
			}
		}
	}
	for _, s := range w.stores {
		w.awaitSearchable(s)
	}
	w.killHeld(w.createStore(), holdBefore)
	w.killHeld(w.createStore(), holdAfter)
	for _, s := range w.stores {
		w.do(w.match(s, 0))
		w.do(w.lookup(s, 0))
	}
}

// await reads a session until it has ended.
func (w *world) await(s *mStore, m *mSession) {
	w.Helper()
	w.eventually("the end of a session", func() bool {
		var got edm.Session
		w.read(sessionsPath(s, m.id), &got)
		w.checkSession(s, m, &got)
		return m.done
	})
}

// eventually asks again until something is so.
func (w *world) eventually(what string, is func() bool) {
	w.Helper()
	timeout := time.After(time.Minute)
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-timeout:
			w.Fatalf("%s does not come\n%s", what, w.log.String())
		}
	}
}

func blockURL(uri, id string) string { return uri + "&comp=block&blockid=" + url.QueryEscape(id) }
