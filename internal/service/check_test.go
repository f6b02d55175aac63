package service_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/testkit"
)

// checked runs "exactmatch service check" over a folder.
func checked(t *testing.T, dir string, flags ...string) (string, error) {
	t.Helper()
	c := service.Command()
	var out bytes.Buffer
	c.SetArgs(append([]string{"check", "--data-dir", dir}, flags...))
	c.SetOut(&out)
	c.SetErr(&out)
	c.SilenceUsage = true
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

func wantSaid(t *testing.T, said string, all ...string) {
	t.Helper()
	for _, what := range all {
		if !strings.Contains(said, what) {
			t.Errorf("it does not say %q: %s", what, said)
		}
	}
}

func TestCheckChangesNothingByItself(t *testing.T) {
	l := used(t)
	said, err := checked(t, l.dir)
	testkit.Must(t, err)
	wantSaid(t, said, "is consistent")
	table := "tables/5f2b6c1e-0000-4000-8000-000000000000"
	testkit.Must(t, os.CopyFS(under(l, table), os.DirFS(under(l, "tables/"+l.uploads[0].id))))
	before := tree(t, l.dir)
	said, err = checked(t, l.dir)
	if err == nil {
		t.Error("a folder with an unknown table is said to fit")
	}
	wantSaid(t, said, table, "no record names it")
	if after := tree(t, l.dir); len(after) != len(before) {
		t.Error("the check changed the folder")
	}
}

func TestCheckNeedsAStoppedService(t *testing.T) {
	l := begun(t)
	if _, err := checked(t, l.dir); err == nil || !strings.Contains(err.Error(), "another service uses the folder") {
		t.Errorf("beside a running service: %v", err)
	}
}

// What is unknown goes to lost+found by an explicit command, whole, and the service
// starts then.
func TestWhatIsUnknownGoesToLostAndFound(t *testing.T) {
	l := used(t)
	table, blocks := "tables/5f2b6c1e-0000-4000-8000-000000000000", "blocks/5f2b6c1e-0000-4000-8000-000000000001"
	testkit.Must(t, os.CopyFS(under(l, table), os.DirFS(under(l, "tables/"+l.uploads[0].id))))
	testkit.Must(t, os.CopyFS(under(l, blocks), os.DirFS(under(l, "blocks/"+l.uploads[1].id))))
	want := map[string]map[string]string{table: tree(t, under(l, table)), blocks: tree(t, under(l, blocks))}
	l.refusesToStart()
	said, err := checked(t, l.dir, "--move-unknown")
	testkit.Must(t, err)
	wantSaid(t, said, "moved "+table, "moved "+blocks)
	for name, files := range want {
		found, err := filepath.Glob(under(l, "lost+found/*/"+name))
		testkit.Must(t, err)
		if len(found) != 1 {
			t.Fatalf("%s went to %v", name, found)
		}
		if got := tree(t, found[0]); len(got) != len(files) || len(got) < 3 {
			t.Errorf("%s has %d files in lost+found, want %d", name, len(got), len(files))
		}
		if _, err := os.Stat(under(l, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	testkit.Must(t, l.start())
	testkit.Must(t, l.lookups())
	l.stage(l.uploads[1], 2)
	l.commit(l.uploads[1])
	l.index(l.uploads[1])
}

// An older database is taken only on request; what is newer than it
// goes to lost+found.
func TestAnOlderDatabaseIsAdoptedByACommand(t *testing.T) {
	l := used(t)
	first := l.uploads[0]
	older(t, l, "service.db")
	before := tree(t, l.dir)
	if said, err := checked(t, l.dir, "--move-unknown"); err == nil || !strings.Contains(said, "older than the folder") {
		t.Errorf("an older database is taken without a word: %v, %s", err, said)
	}
	if after := tree(t, l.dir); len(after) != len(before) {
		t.Error("files were moved by the word of an older database")
	}
	_, err := checked(t, l.dir, "--move-unknown", "--adopt-database")
	testkit.Must(t, err)
	testkit.Must(t, l.start())
	if r := l.ask(); r.code != edm.CodeTableDamaged { // the table that was live then was replaced since
		t.Errorf("a lookup is answered by %d %s", r.status, r.body)
	}
	if l.shown() {
		t.Error("a table that is not there is shown as live")
	}
	got, err := l.get(first)
	testkit.Must(t, err)
	if got.State != edm.StateCompleted {
		t.Errorf("the session of then is %s", got.State)
	}
	l.uploads = l.uploads[:0]
	l.bring()
	l.again(func() {})
	testkit.Must(t, l.lookups())
}

// The steps that API.md gives for a restore.
func TestRestoringABackup(t *testing.T) {
	l := used(t)
	backup := copied(t, l.dir) // of the stopped service
	testkit.Must(t, l.start())
	kept := l.uploads
	l.bring()
	l.stop()
	testkit.Must(t, os.RemoveAll(under(l, "service.db"))) // the accident
	l.refusesToStart("service.db is missing")

	testkit.Must(t, os.Rename(l.dir, l.dir+".broken"))
	testkit.Must(t, os.CopyFS(l.dir, os.DirFS(backup)))
	said, err := checked(t, l.dir)
	testkit.Must(t, err)
	wantSaid(t, said, "is consistent")
	testkit.Must(t, l.start())
	l.uploads = kept
	testkit.Must(t, l.lookups())
	l.stage(l.uploads[1], 2)
	l.commit(l.uploads[1])
	l.index(l.uploads[1])
}

// stuck removes no folder of a session until it is told to.
type stuck struct {
	fsys.OS
	well *bool
}

func (s stuck) RemoveAll(path string) error {
	_, err := os.Stat(path)
	if kind := filepath.Base(filepath.Dir(path)); err == nil && !*s.well && (kind == "tables" || kind == "blocks") {
		return fails("remove", path, os.ErrPermission)
	}
	return s.OS.RemoveAll(path)
}

// Files that a crash leaves of sessions whose records are gone are the folder's own:
// the next start removes them.
func TestFilesWhoseRecordsWentFirstAreRemoved(t *testing.T) {
	now := newClock()
	l := begun(t)
	l.now = now.now
	well := false
	l.files = stuck{well: &well}
	l.again(func() {})
	old := l.bring()
	l.delete(old) // its table stays live
	next := l.bring()
	open := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
	l.open(open)
	l.delete(open)
	lost := l.anotherStore("another")
	here := l.store
	l.store = lost
	dead := &upload{edition: newEdition("another", 13, 5, modelKey)}
	l.open(dead)
	l.commit(dead)
	_ = l.service.Work(t.Context())
	l.delete(dead)
	testkit.Must(t, l.call(l.api(http.MethodDelete, "/"+lost, nil), http.StatusNoContent))
	l.store = here
	left := func() (names []string) {
		for _, kind := range []string{"tables", "blocks"} {
			entries, err := os.ReadDir(under(l, kind))
			testkit.Must(t, err)
			for _, e := range entries {
				names = append(names, kind+"/"+e.Name())
			}
		}
		return names
	}
	for _, name := range []string{"tables/" + old.id, "blocks/" + open.id, "tables/" + dead.id} {
		if !strings.Contains(strings.Join(left(), " "), name) {
			t.Fatalf("%s is not left: %v", name, left())
		}
	}
	now.pass(25 * time.Hour)
	_ = l.service.Work(t.Context()) // what is left is not forgotten
	well = true
	l.again(func() {})
	if got := left(); len(got) != 2 || got[0] != "tables/"+next.id || got[1] != "blocks/"+next.id {
		t.Errorf("after a start there are %v", got)
	}
	l.uploads = []*upload{next}
	testkit.Must(t, l.lookups())
	now.pass(25 * time.Hour)
	_ = l.service.Work(t.Context())
	if n := l.service.Dropped(); n != 0 {
		t.Errorf("%d sessions without files are remembered for good", n)
	}
}
