package service_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/testkit"
)

var backupRounds = flag.Int("backup.rounds", 12, "rounds of backups and restores that are killed")

// history is what one caller does to a service, a call at a time, and what is there
// after each call. The description of a data store of its own counts the calls.
type history struct {
	*testing.T
	*process
	mu     sync.Mutex // held during a call
	clock  string
	agent  string
	stores map[string]*pastStore // by id
	states []string              // after each call
	staged []map[string]bool     // the blocks of open sessions then, by session/block
	tables map[string]*edition   // of all sessions, by id
	ended  bool
}

// pastStore is a data store of the history.
type pastStore struct {
	name     string
	live     string // the session that was committed last
	sessions map[string]*pastSession
}

type pastSession struct {
	*edition
	uri    string
	state  string // open, sealed, committed or cancelled
	staged map[string]bool
}

// describe is one text for each state. It does not say which blocks of an open session are
// staged: no record does.
func describe(stores map[string]*pastStore) string {
	var text strings.Builder
	for _, id := range slices.Sorted(maps.Keys(stores)) {
		s := stores[id]
		fmt.Fprintf(&text, "store %s live %s\n", id, s.live)
		for _, id := range slices.Sorted(maps.Keys(s.sessions)) {
			one := s.sessions[id]
			fmt.Fprintf(&text, "  session %s %s", id, one.state)
			if one.state == "sealed" {
				fmt.Fprint(&text, slices.Sorted(maps.Keys(one.staged)))
			}
			text.WriteByte('\n')
		}
	}
	return text.String()
}

func openBlocks(stores map[string]*pastStore) map[string]bool {
	all := map[string]bool{}
	for _, s := range stores {
		for session, one := range s.sessions {
			if one.state != "open" {
				continue
			}
			for id := range one.staged {
				all[session+"/"+id] = true
			}
		}
	}
	return all
}

// wants takes an answer.
func (h *history) wants(r reply, status int, into any) {
	if r.err != nil || r.status != status {
		h.Errorf("%d %s (%v), want %d\n%s", r.status, r.body, r.err, status, h.log.String())
		h.ended = true
		return
	}
	if into != nil {
		testkit.Must(h.T, json.Unmarshal(r.body, into))
	}
}

// did notes what is there, and says on the clock that it is.
func (h *history) did() {
	h.states = append(h.states, describe(h.stores))
	h.staged = append(h.staged, openBlocks(h.stores))
	h.wants(h.api(http.MethodPatch, "/"+h.clock, "", map[string]string{"description": fmt.Sprint(len(h.states) - 1)}), http.StatusOK, nil)
}

var historyColumns = []edm.Column{{Name: "ID", IsSearchable: true}, {Name: "Mail", IsSearchable: true}, {Name: "City"}}

func (h *history) makeStore(name string) string {
	var made edm.DataStore
	h.wants(h.api(http.MethodPost, "", uuid.NewString(), edm.DataStore{DisplayName: name, Columns: historyColumns}), http.StatusCreated, &made)
	return made.ID
}

// step makes the next call.
func (h *history) step(r *rand.Rand) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := slices.Sorted(maps.Keys(h.stores))
	if len(ids) < 3 {
		name := uuid.NewString()
		h.stores[h.makeStore(name)] = &pastStore{name: name, sessions: map[string]*pastSession{}}
		h.did()
		return
	}
	id := ids[r.IntN(len(ids))]
	s := h.stores[id]
	for _, session := range slices.Sorted(maps.Keys(s.sessions)) {
		if one := s.sessions[session]; one.state == "open" || one.state == "sealed" {
			h.drive(r, s, id, session, one)
			h.did()
			return
		}
	}
	if len(s.sessions) >= childCommits {
		h.wants(h.api(http.MethodDelete, "/"+id, "", nil), http.StatusNoContent, nil)
		delete(h.stores, id)
	} else {
		h.open(r, s, id)
	}
	h.did()
}

func (h *history) open(r *rand.Rand, s *pastStore, id string) {
	perBlock := []int{5, 500}[r.IntN(2)]
	one := &pastSession{edition: newEdition(s.name, perBlock*2+1+r.IntN(perBlock-1), perBlock, modelKey), state: "open", staged: map[string]bool{}}
	rows, blocks := int32(perBlock), int32(len(one.blocks))
	var made edm.Session
	h.wants(h.api(http.MethodPost, "/"+id+"/sessions", uuid.NewString(), edm.Session{
		UploadAgentID: h.agent, Fields: fields, FileName: "people.csv", RowsPerBlock: &rows, TotalBlockCount: &blocks, KeyID: modelKey.String(),
	}), http.StatusCreated, &made)
	one.uri = made.DataUploadURI
	s.sessions[made.ID], h.tables[made.ID] = one, one.edition
}

// drive takes a session one call on.
func (h *history) drive(r *rand.Rand, s *pastStore, store, id string, one *pastSession) {
	at := slices.IndexFunc(one.ids, func(id string) bool { return !one.staged[id] })
	switch {
	case r.IntN(12) == 0:
		h.wants(h.api(http.MethodPost, "/"+store+"/sessions/"+id+"/cancel", "", nil), http.StatusNoContent, nil)
		one.state = "cancelled"
	case at >= 0:
		h.wants(h.send(http.MethodPut, blockURL(one.uri, one.ids[at]), "", one.blocks[at]), http.StatusCreated, nil)
		one.staged[one.ids[at]] = true
	case one.state == "open":
		list := "<BlockList><Latest>" + strings.Join(one.ids, "</Latest><Latest>") + "</Latest></BlockList>"
		h.wants(h.send(http.MethodPut, one.uri+"&comp=blocklist", "", []byte(list)), http.StatusCreated, nil)
		one.state = "sealed"
	default:
		h.wants(h.api(http.MethodPost, "/"+store+"/sessions/"+id+"/commit", "", nil), http.StatusNoContent, nil)
		one.state, s.live = "committed", id
	}
}

// restart kills the service between two calls.
func (h *history) restart() {
	h.mu.Lock()
	defer h.mu.Unlock()
	testkit.Must(h.T, h.kill())
	testkit.Must(h.T, h.start())
}

// at is the state after n calls, and whether there was such a one.
func (h *history) at(n int) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n >= len(h.states) {
		return "", false
	}
	return h.states[n], true
}

// edition finds the table that a session of the history brought.
func (h *history) edition(session string) *edition {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tables[session]
}

// kills are processes of commands, killed at random.
type kills struct {
	*testing.T
	random *rand.Rand
	killed int
	usual  map[string]time.Duration // how long a command takes; the first of each is not killed
}

// run runs a command of the service, and kills it at a random moment. It reports how it
// ended: nil where it did its work.
func (k *kills) run(args ...string) error {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childCommand+"="+strings.Join(args, "\n"))
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	testkit.Must(k.T, c.Start())
	began := time.Now()
	after := time.Minute
	if k.usual[args[0]] > 0 {
		after = time.Duration(k.random.Int64N(int64(k.usual[args[0]] * 5 / 4)))
	}
	timer := time.AfterFunc(after, func() { _ = c.Process.Kill() }) // it may have ended
	err := c.Wait()
	timer.Stop()
	var exit *exec.ExitError
	switch {
	case err == nil:
		k.usual[args[0]] = max(k.usual[args[0]], time.Since(began))
	case errors.As(err, &exit) && !exit.Exited():
		k.killed++
	default:
		err = fmt.Errorf("%q: %w: %s", args, err, out.String())
		k.Error(err)
	}
	return err
}

// Killed at any moment, a backup is none and the ones before are as good as they were, and
// a restore is one that no service takes for a data folder. Each backup that is whole is
// one moment of a service that works all the time: no call before it is missing, and none
// after it is there.
func TestBackupsAndRestoresAreKilled(t *testing.T) {
	p, err := newProcess(filepath.Join(t.TempDir(), "data"))
	testkit.Must(t, err)
	defer p.close()
	h := &history{T: t, process: p, stores: map[string]*pastStore{}, tables: map[string]*edition{}}
	h.clock = h.makeStore("clock")
	var agent edm.UploadAgent
	h.wants(h.call(http.MethodPost, h.url+"/beta/dataClassification/exactMatchUploadAgents", uuid.NewString(), edm.UploadAgent{Description: "history"}, nil), http.StatusCreated, &agent)
	h.agent = agent.ID
	h.did()
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	k := &kills{T: t, random: rand.New(rand.NewPCG(uint64(seed), 1)), usual: map[string]time.Duration{}}
	over := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		r := rand.New(rand.NewPCG(uint64(seed), 2))
		for !h.ended {
			select {
			case <-over:
				return
			default:
				h.step(r)
			}
		}
	})
	restored, to := 0, filepath.Join(t.TempDir(), "backups")
	for n := range *backupRounds {
		if n%7 == 6 {
			h.restart()
		}
		_ = k.run("backup", "--data-dir", p.dir, "--to", to, "--keep", "3") // killed, or not
		if ids := wholeBackups(t, to); len(ids) > 0 {
			h.restores(k, to, ids[k.random.IntN(len(ids))])
			restored++
		}
		if t.Failed() {
			break
		}
	}
	close(over)
	work.Wait()
	t.Logf("%d calls; %d backups and restores were killed; %d restored folders were compared", len(h.states), k.killed, restored)
	if restored == 0 || k.killed < *backupRounds/4 {
		t.Error("the test tests nothing")
	}
}

func wholeBackups(t *testing.T, to string) (ids []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(to, "backups", "*", "manifest.json"))
	testkit.Must(t, err)
	for _, path := range all {
		ids = append(ids, filepath.Base(filepath.Dir(path)))
	}
	return ids
}

// restores restores a backup, however often that is killed, and compares what is there.
func (h *history) restores(k *kills, from, id string) {
	h.Helper()
	dir := filepath.Join(h.TempDir(), "restored")
	args := []string{"restore", "--from", from, "--data-dir", dir, "--backup", id}
	for k.run(args...) != nil {
		if h.Failed() {
			return
		}
		if _, err := os.Stat(filepath.Join(dir, "identity")); err == nil && !isRestoring(dir) {
			break // it was killed once all was done
		}
		if k.random.IntN(3) == 0 {
			h.doesNotStart(dir)
		}
	}
	p, err := newProcess(dir)
	testkit.Must(h.T, err)
	defer p.close()
	h.compare(id, p)
	testkit.Must(h.T, os.RemoveAll(dir))
}

// doesNotStart wants that no service starts in a folder whose restore was killed. Where it
// has made nothing yet, or all, one may.
func (h *history) doesNotStart(dir string) {
	h.Helper()
	if !isRestoring(dir) {
		return
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childCommand+"="+strings.Join([]string{"check", "--data-dir", dir}, "\n"))
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "a restore of") {
		h.Errorf("a folder whose restore was killed: %v %s", err, out)
	}
}

func isRestoring(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "restore.unfinished"))
	return err == nil
}

// compare wants that a service has the state of one moment.
func (h *history) compare(id string, p *process) {
	h.Helper()
	stores, clock := p.found(h)
	if h.Failed() {
		return
	}
	is := describe(stores)
	then, _ := h.at(clock)
	next, _ := h.at(clock + 1) // a call that is not counted yet
	if is != then && is != next {
		h.Errorf("the backup %s is of no moment. After %d calls there was\n%s\nthen\n%s\nand it has\n%s", id, clock, then, next, is)
	}
	has := openBlocks(stores)
	for one := range h.stagedAt(clock) {
		session, _, _ := strings.Cut(one, "/")
		if !has[one] && strings.Contains(is, session+" open") {
			h.Errorf("the backup %s has not the block %s, which was acknowledged", id, one)
		}
	}
}

// stagedAt are the blocks of open sessions after n calls.
func (h *history) stagedAt(n int) map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.staged[n]
}

// found is what a service has once nothing is indexed, as the history has it.
func (p *process) found(h *history) (stores map[string]*pastStore, clock int) {
	stores = map[string]*pastStore{}
	var all struct{ Value []edm.DataStore }
	h.wants(p.api(http.MethodGet, "?$top=1000", "", nil), http.StatusOK, &all)
	for _, one := range all.Value {
		if one.ID == h.clock {
			_, err := fmt.Sscan(one.Description, &clock)
			testkit.Must(h.T, err)
			continue
		}
		s := &pastStore{name: one.DisplayName, sessions: map[string]*pastSession{}}
		stores[one.ID] = s
		for _, got := range p.ended(h, one.ID) {
			s.sessions[got.ID] = p.session(h, got)
		}
		var now edm.DataStore
		h.wants(p.api(http.MethodGet, "/"+one.ID, "", nil), http.StatusOK, &now)
		if now.Live != nil {
			s.live = now.Live.SessionID
			p.answers(h, one.ID, s.live)
		}
	}
	return stores, clock
}

// ended lists the sessions of a store once none is indexed.
func (p *process) ended(h *history, store string) []edm.Session {
	for until := time.Now().Add(time.Minute); ; {
		var all struct{ Value []edm.Session }
		h.wants(p.api(http.MethodGet, "/"+store+"/sessions?$top=1000", "", nil), http.StatusOK, &all)
		if !slices.ContainsFunc(all.Value, func(one edm.Session) bool { return one.State == edm.StateProcessingInProgress }) || h.Failed() {
			return all.Value
		}
		if time.Now().After(until) {
			h.Errorf("indexing does not end\n%s", p.log.String())
			return nil
		}
	}
}

func (p *process) session(h *history, got edm.Session) *pastSession {
	one := &pastSession{state: string(got.State), staged: map[string]bool{}}
	switch got.State {
	case edm.StateCreated, edm.StateUploadInProgress, edm.StateUploadCompleted:
		one.state = map[bool]string{true: "sealed", false: "open"}[got.State == edm.StateUploadCompleted]
		r := p.send(http.MethodGet, got.DataUploadURI+"&comp=blocklist&blocklisttype=all", "", nil)
		if r.status != http.StatusNotFound {
			h.wants(r, http.StatusOK, nil)
		}
		for _, name := range blockNames(h.T, r) {
			one.staged[name] = true
		}
	case edm.StateCompleted:
		one.state = "committed"
	case edm.StateCancelled:
		one.state = "cancelled"
	}
	return one
}

// answers wants every row of a live table answered as its edition has it.
func (p *process) answers(h *history, store, session string) {
	e := h.edition(session)
	if e == nil {
		h.Errorf("the live table of session %s is of nobody", session)
		return
	}
	for first := 0; first < e.rows; first += 500 {
		question := edm.MatchRequest{KeyID: modelKey.String()}
		for row := first; row < min(first+500, e.rows); row++ {
			question.Questions = append(question.Questions, edm.MatchQuestion{Column: "ID", Token: text64(modelToken("", "ID", row)),
				SameRow: map[string][]string{"City": {text64(modelToken(e.name, "City", row))}}})
		}
		var got edm.MatchResponse
		h.wants(p.api(http.MethodPost, "/"+store+"/match", "", question), http.StatusOK, &got)
		for i, one := range got.Answers {
			if one.Total != 1 || len(one.Rows) != 1 || one.Rows[0].Row != int64(first+i) || len(one.Rows[0].Matched) != 1 {
				h.Errorf("row %d of session %s is answered by %+v", first+i, session, one)
				return
			}
		}
	}
}
