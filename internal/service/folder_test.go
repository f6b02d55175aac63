package service_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/testkit"
)

// unpack writes a folder that an earlier version left.
func unpack(t *testing.T, archive string) string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", archive))
	testkit.Must(t, err)
	defer func() { testkit.Must(t, f.Close()) }()
	packed, err := gzip.NewReader(f)
	testkit.Must(t, err)
	dir := t.TempDir()
	for entries := tar.NewReader(packed); ; {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		testkit.Must(t, err)
		path := filepath.Join(dir, filepath.Clean("/"+entry.Name))
		if entry.Typeflag == tar.TypeDir {
			testkit.Must(t, os.MkdirAll(path, 0o700))
			continue
		}
		text, err := io.ReadAll(entries)
		testkit.Must(t, err)
		testkit.Must(t, os.WriteFile(path, text, 0o600))
	}
}

// theStore is the one store of a service.
func theStore(t *testing.T, c *rest.Client) *edm.DataStore {
	t.Helper()
	all, err := c.Stores().List(t.Context(), edm.Query{})
	testkit.Must(t, err)
	if len(all) != 1 {
		t.Fatalf("there are %d stores", len(all))
	}
	return &all[0]
}

// A folder of the version whose tables did not keep their rules: one table is
// live, the next one is committed and its blocks are read, one session is open.
func TestAFolderWithoutRulesOpens(t *testing.T) {
	dir := unpack(t, "folder-without-rules.tar.gz")
	migrated(t, dir)
	now := func() time.Time { return time.Date(2026, 11, 26, 17, 12, 0, 0, time.UTC) } // its open session has not expired
	s, err := service.New(service.Config{Dir: dir, Now: now, MaxCommits: 5, Token: func() (string, error) { return bearer, nil }})
	testkit.Must(t, err)
	l := &lifecycle{T: t, dir: dir, service: s, faulty: newFaultyFiles(dir, "", none, 0)}
	var all struct{ Value []edm.DataStore }
	testkit.Must(t, l.call(l.read("", &all), http.StatusOK))
	store := all.Value[0]
	live := store.Live
	if live == nil || live.Rows != 50 || live.Columns != nil || live.Generation != 1 {
		t.Fatalf("live is %+v", live)
	}
	l.store = store.ID
	if store.Quota.Remaining != 3 {
		t.Errorf("%d commits remain after one that is done and one that is processed", store.Quota.Remaining)
	}
	question := edm.MatchRequest{KeyID: live.KeyID, Questions: []edm.MatchQuestion{{Column: "ID", Token: tokenOf(t, 0, "P-3")}}}
	ruled := question
	ruled.RulesIDs = map[string]string{"ID": "v1:exact:"}
	for name, r := range map[string]reply{
		"match":  l.api(http.MethodPost, "/"+l.store+"/match", question),
		"rules":  l.api(http.MethodPost, "/"+l.store+"/match", ruled),
		"lookup": l.api(http.MethodPost, "/"+l.store+"/lookup", edm.LookupRequest{Key: live.KeyID, Values: []string{tokenOf(t, 0, "P-3")}}),
	} {
		if r.status != http.StatusUnprocessableEntity || r.code != edm.CodeRulesMismatch || !strings.Contains(string(r.body), "earlier version") {
			t.Errorf("%s is answered %d %s", name, r.status, r.body)
		}
	}
	l.stop()

	c, _ := serve(t, service.Config{Dir: dir, Now: now, MaxCommits: 5})
	u := &user{t: t, client: c, store: theStore(t, c), lanes: 4}
	sessions, err := c.Sessions().List(t.Context(), u.store.ID, edm.Query{OrderBy: "creationDateTime"})
	testkit.Must(t, err)
	if len(sessions) != 3 || sessions[1].State != edm.StateCreated || len(sessions[1].Columns) != 3 || sessions[1].Columns[1].RulesID != "v1:caseInsensitive:" {
		t.Fatalf("the sessions are %+v", sessions)
	}
	u.reaches(sessions[2].ID, edm.StateCompleted)
	store = *theStore(t, c)
	if live := store.Live; live == nil || live.Rows != 60 || live.Generation != 2 || len(live.Columns) != 3 || live.Columns[1].RulesID != "v1:caseInsensitive:" || !live.Columns[0].IsSearchable {
		t.Fatalf("the table that was committed before is live as %+v", live)
	}
	u.answers(59, "new")
	if store.Quota.Remaining != 3 {
		t.Errorf("%d commits remain after two that are done", store.Quota.Remaining)
	}
}

// migrated runs "exactmatch service migrate" over a folder.
func migrated(t *testing.T, dir string) {
	t.Helper()
	c := service.Command()
	c.SetArgs([]string{"migrate", "--data-dir", dir})
	c.SetOut(io.Discard)
	c.SilenceUsage = true
	testkit.Must(t, c.ExecuteContext(t.Context()))
}

// read gets what is there.
func (l *lifecycle) read(path string, into any) reply {
	l.Helper()
	r := l.api(http.MethodGet, path, nil)
	testkit.Must(l.T, json.Unmarshal(r.body, into))
	return r
}
