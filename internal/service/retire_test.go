package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/folder"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/records"
)

// commands runs "exactmatch service" with arguments.
func commands(t *testing.T, args ...string) (string, error) {
	t.Helper()
	c := Command()
	var out bytes.Buffer
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&out)
	c.SilenceUsage, c.SilenceErrors = true, true
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

// stopped stops the service and returns how it is started again.
func (s *shared) stopped() (dir string, start func()) {
	s.t.Helper()
	config := s.config
	s.stop()
	return config.Dir, func() { s.start(config) }
}

// says wants that a command does what it should and says so.
func (s *shared) says(says string, args ...string) {
	s.t.Helper()
	if out, err := commands(s.t, args...); err != nil || !strings.Contains(out, says) {
		s.t.Errorf("%q says %q (%v), want %q", args, out, err, says)
	}
}

// refuses wants that a command refuses, and says why.
func (s *shared) refuses(why string, args ...string) {
	s.t.Helper()
	if out, err := commands(s.t, args...); err == nil || !strings.Contains(err.Error(), why) {
		s.t.Errorf("%q says %q (%v), want a refusal with %q", args, out, err, why)
	}
}

// filesOf counts the folders of a tenant's sessions.
func (s *shared) filesOf(dir string, h *possessions) (n int) {
	s.t.Helper()
	for _, kind := range []string{folder.Blocks, folder.Tables} {
		for _, session := range []string{h.live, h.open, h.sealed} {
			if _, err := os.Stat(filepath.Join(dir, kind, session)); err == nil {
				n++
			}
		}
	}
	return n
}

// answers wants that a tenant has all that it had.
func (s *shared) answers(tenant string) {
	s.t.Helper()
	h := s.have[tenant]
	store := "/exactMatchDataStores/" + h.store
	for _, path := range []string{"/exactMatchUploadAgents/" + h.agent, store, store + "/sessions/" + h.open, store + "/sessions/" + h.sealed + "/uploadAgent"} {
		if w := s.as(tenant, http.MethodGet, path, ""); w.Code != http.StatusOK {
			s.t.Errorf("%q GET %s: %d %s", tenant, path, w.Code, w.Body)
		}
	}
	if w := s.as(tenant, http.MethodPost, store+"/match", match); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"total":2`) {
		s.t.Errorf("%q match: %d %s", tenant, w.Code, w.Body)
	}
}

// hasNothing wants that nothing of what a tenant had is there.
func (s *shared) hasNothing(tenant string) {
	s.t.Helper()
	h := s.have[tenant]
	for _, path := range []string{"/exactMatchUploadAgents/" + h.agent, "/exactMatchDataStores/" + h.store, "/exactMatchDataStores/" + h.store + "/sessions/" + h.open} {
		if w := s.as(tenant, http.MethodGet, path, ""); w.Code != http.StatusNotFound {
			s.t.Errorf("%q GET %s: %d %s", tenant, path, w.Code, w.Body)
		}
	}
	if status, text := s.stageOne(tenant); status != http.StatusForbidden && status != http.StatusNotFound {
		s.t.Errorf("an upload URI of %q: %d %s", tenant, status, text)
	}
	if n := s.filesOf(s.config.Dir, h); n > 0 {
		s.t.Errorf("%d folders of %q are left", n, tenant)
	}
}

func TestATenantIsRetired(t *testing.T) {
	s := newShared(t, Config{})
	const tenant = "prod/hr"
	s.refuses("another service uses the folder", "tenant", "retire", tenant, "--data-dir", s.config.Dir)
	was := s.state("prod/hr2")
	dir, start := s.stopped()
	s.says(`tenant "prod/hr": 1 data stores, 3 sessions, 1 upload agents, 3 request ids`, "tenant", "list", "--data-dir", dir)
	s.says(`without a tenant: 1 data stores`, "tenant", "list", "--data-dir", dir)
	s.says(`tenant "prod/hr2": 1 data stores`, "check", "--data-dir", dir)
	before := s.filesOf(dir, s.have[tenant])
	s.refuses("repeat the command with --yes", "tenant", "retire", tenant, "--data-dir", dir)
	s.refuses("a tenant must be named", "tenant", "retire", "", "--yes", "--data-dir", dir)
	s.refuses("cannot be the name of a tenant", "tenant", "retire", "a\nb", "--yes", "--data-dir", dir)
	s.says("has nothing", "tenant", "retire", "prod", "--yes", "--data-dir", dir)
	if after := s.filesOf(dir, s.have[tenant]); after != before || before == 0 {
		t.Errorf("%d folders are left of %d before anything is removed", after, before)
	}
	s.says("removed 1 data stores, 3 sessions, 1 upload agents, 3 request ids", "tenant", "retire", tenant, "--yes", "--data-dir", dir)
	s.says("has nothing", "tenant", "retire", tenant, "--yes", "--data-dir", dir)
	if out, err := commands(t, "tenant", "list", "--data-dir", dir); err != nil || strings.Contains(out, `"prod/hr"`) {
		t.Errorf("the tenants are %s (%v)", out, err)
	}
	start()
	s.hasNothing(tenant)
	for _, other := range []string{"", "prod/hr2"} {
		s.answers(other)
	}
	if s.state("prod/hr2") != was {
		t.Error("what another tenant has is changed")
	}
	// The namespace is made again: it finds nothing, and its requests make what is new.
	old := *s.have[tenant]
	s.have[tenant] = s.fill(tenant)
	if now := s.have[tenant]; now.store == old.store || now.agent == old.agent || now.open == old.open {
		t.Errorf("the tenant that was made again has %+v, and the first had %+v", now, old)
	}
	s.answers(tenant)
	if w := s.upload(http.MethodPut, blockOf(old.uri, block.ID(0, block.Sum(s.data[0]))), s.data[0]); w.Code != http.StatusForbidden {
		t.Errorf("an upload URI of the first: %d %s", w.Code, w.Body)
	}
}

// interruptedFiles fails each removal from the nth on, as a kill there does.
type interruptedFiles struct {
	fsys.OS
	left *int
}

var errKilled = errors.New("killed")

func (f interruptedFiles) RemoveAll(path string) error {
	if *f.left--; *f.left < 0 {
		return errKilled
	}
	return f.OS.RemoveAll(path)
}

// Wherever a retirement is stopped, its records are gone, and its files go with the
// next one or with a start.
func TestARetirementThatIsStoppedGoesOn(t *testing.T) {
	for _, at := range []struct {
		removals int // that are done before, of three sessions with a folder of each kind
		next     string
	}{{0, "command"}, {0, "service"}, {3, "command"}, {3, "service"}, {5, "service"}, {6, "command"}} {
		s := newShared(t, Config{})
		const tenant = "prod/hr"
		dir, start := s.stopped()
		left := at.removals
		stopped := &folder.Tenants{FS: interruptedFiles{left: &left}, Dir: dir, Out: new(bytes.Buffer), Log: slog.New(slog.DiscardHandler), Now: time.Now}
		if err := stopped.RetireNow(t.Context(), tenant); errors.Is(err, errKilled) != (at.removals < 6) {
			t.Fatalf("stopped after %d removals: %v", at.removals, err)
		}
		retire := func() { s.says("", "tenant", "retire", tenant, "--yes", "--data-dir", dir) }
		if at.next == "command" {
			retire()
			s.says("consistent", "check", "--data-dir", dir)
		}
		start()
		s.hasNothing(tenant)
		s.answers("prod/hr2")
		s.stop()
		retire()
		if out, err := commands(t, "tenant", "list", "--data-dir", dir); err != nil || strings.Contains(out, `"prod/hr"`) {
			t.Errorf("stopped after %d removals, the tenants are %s (%v)", at.removals, out, err)
		}
	}
}

func TestAStoreIsAssigned(t *testing.T) {
	s := newShared(t, Config{MaxCommits: 5})
	const tenant = "prod/new"
	was := s.have[""]
	s.refuses("another service uses the folder", "assign", "--store", "live", "--tenant", tenant, "--data-dir", s.config.Dir)
	dir, start := s.stopped()
	s.refuses(`has a data store with the displayName "live" already`, "assign", "--store", "live", "--tenant", "prod/hr", "--data-dir", dir)
	s.refuses(`there is no data store "none" without a tenant`, "assign", "--store", "none", "--tenant", tenant, "--data-dir", dir)
	s.refuses("must name a data store and a tenant", "assign", "--store", "live", "--tenant", "", "--data-dir", dir)
	s.refuses("is empty", "assign", "--store", "live", "--tenant", tenant, "--data-dir", t.TempDir())
	s.says(`is now of the tenant "prod/new": with it 3 sessions and 2 request ids, and copies of 1 upload agents`, "assign", "--store", "live", "--tenant", tenant, "--data-dir", dir)
	for _, store := range []string{"live", was.store} {
		s.says("already", "assign", "--store", store, "--tenant", tenant, "--data-dir", dir)
	}
	s.says("consistent", "check", "--data-dir", dir)
	start()
	s.have[tenant] = was
	s.answers(tenant)
	if w := s.as("", http.MethodGet, "/exactMatchDataStores/"+was.store, ""); w.Code != http.StatusNotFound {
		t.Errorf("without a tenant it is still there: %d %s", w.Code, w.Body)
	}
	if id, _ := s.makes(tenant, "/exactMatchDataStores", storeBody); id != was.store {
		t.Errorf("a repetition makes %q, and had made %q", id, was.store)
	}
	if status, text := s.stageOne(tenant); status != http.StatusForbidden { // so that an upload renews it
		t.Errorf("an upload URI from before: %d %s", status, text)
	}
	var one edm.Session
	s.get(tenant, "/exactMatchDataStores/"+was.store+"/sessions/"+was.open, &one)
	was.uri = one.DataUploadURI
	if status, text := s.stageOne(tenant); status != http.StatusCreated {
		t.Errorf("its upload URI: %d %s", status, text)
	}
	// What was sealed is whole: it goes live.
	if w := s.as(tenant, http.MethodPost, "/exactMatchDataStores/"+was.store+"/sessions/"+was.sealed+"/commit", ""); w.Code != http.StatusNoContent {
		t.Fatalf("commit: %d %s", w.Code, w.Body)
	}
	for len(s.jobs) > 0 {
		s.must(s.do(t.Context(), <-s.jobs))
	}
	var store edm.DataStore
	s.get(tenant, "/exactMatchDataStores/"+was.store, &store)
	if store.Live == nil || store.Live.SessionID != was.sealed || store.Live.Rows != 4 || store.Quota.Remaining != store.Quota.Max-2 {
		t.Errorf("the store is %+v, its quota %+v", store.Live, store.Quota)
	}
	n := 0
	s.must(s.records.Of(tenant).Update(t.Context(), func(tx records.Tx) (err error) {
		n, err = tx.Sessions().Unfinished(was.store)
		return err
	}))
	if n != 1 {
		t.Errorf("%d sessions are unfinished, want 1", n)
	}
}

// A refused assignment changes nothing.
func TestARefusedAssignmentChangesNothing(t *testing.T) {
	s := newShared(t, Config{})
	const tenant = "prod/new"
	dir, start := s.stopped()
	before, err := os.ReadFile(filepath.Join(dir, folder.Database))
	s.must(err)
	a := &folder.Tenants{FS: fsys.OS{}, Dir: dir, Out: new(bytes.Buffer), Log: slog.New(slog.DiscardHandler), Now: time.Now}
	if err := a.Assign(t.Context(), "live", "prod/hr"); err == nil {
		t.Error("a tenant has two stores of one name")
	}
	after, err := os.ReadFile(filepath.Join(dir, folder.Database))
	s.must(err)
	if !bytes.Equal(before, after) {
		t.Error("a refused assignment changes the database")
	}
	s.must(a.Assign(t.Context(), "live", tenant))
	start()
	s.have[tenant] = s.have[""]
	s.answers(tenant)
}

// get reads what is there.
func (s *shared) get(tenant, path string, into any) {
	s.t.Helper()
	w := s.as(tenant, http.MethodGet, path, "")
	if w.Code != http.StatusOK {
		s.t.Fatalf("%q GET %s: %d %s", tenant, path, w.Code, w.Body)
	}
	s.must(json.Unmarshal(w.Body.Bytes(), into))
}
