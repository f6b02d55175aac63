package service_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/testkit"
)

// begun is a service of one store, with nothing that fails.
func begun(t *testing.T) *lifecycle {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "service")
	l := &lifecycle{T: t, commits: 10, names: map[string]string{}, dir: dir, files: fsys.OS{}, faulty: newFaultyFiles(dir, "", none, 0)}
	t.Cleanup(l.stop)
	testkit.Must(t, l.start())
	l.store = l.anotherStore(people)
	return l
}

func (l *lifecycle) anotherStore(name string) string {
	l.Helper()
	r := l.api(http.MethodPost, "", edm.DataStore{DisplayName: name, Columns: []edm.Column{
		{Name: "ID", IsSearchable: true}, {Name: "Mail", IsSearchable: true}, {Name: "City"},
	}})
	testkit.Must(l.T, l.call(r, http.StatusCreated))
	var made edm.DataStore
	testkit.Must(l.T, json.Unmarshal(r.body, &made))
	l.names[made.ID] = name
	return made.ID
}

func (l *lifecycle) bring() *upload {
	l.Helper()
	u := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
	l.open(u)
	l.commit(u)
	l.index(u)
	return u
}

// again starts the service again after what was done to its folder.
func (l *lifecycle) again(damage func()) {
	l.Helper()
	l.stop()
	damage()
	l.log.Reset()
	if err := l.start(); err != nil {
		l.Fatalf("the service does not start: %v", err)
	}
	l.service.Verify(l.Context())
}

func (l *lifecycle) says(what string) {
	l.Helper()
	if !strings.Contains(l.log.String(), what) {
		l.Fatalf("the log does not say %q: %s", what, l.log.String())
	}
}

func (l *lifecycle) ask() reply {
	return l.api(http.MethodPost, "/"+l.store+"/match", questionOf("ID", modelToken("", "ID", 3)))
}

// shown is whether the store shows a live table.
func (l *lifecycle) shown() bool {
	l.Helper()
	r := l.api(http.MethodGet, "/"+l.store, nil)
	testkit.Must(l.T, l.call(r, http.StatusOK))
	var got edm.DataStore
	testkit.Must(l.T, json.Unmarshal(r.body, &got))
	return got.Live != nil
}

// A live table that is damaged refuses its own lookups, and nothing else.
func TestADamagedLiveTableHarmsNoOtherStore(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"gone":        os.RemoveAll,
		"no index":    func(dir string) error { return os.Remove(filepath.Join(dir, "column-0.index")) },
		"no manifest": func(dir string) error { return os.Remove(filepath.Join(dir, "manifest.json")) },
		"cut off":     func(dir string) error { return os.Truncate(filepath.Join(dir, "blocks.pages"), 100) },
		"empty":       func(dir string) error { return os.Truncate(filepath.Join(dir, "column-1.index"), 0) },
		"no blocks":   func(dir string) error { return os.RemoveAll(strings.Replace(dir, "/tables/", "/blocks/", 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			l := begun(t)
			u := l.bring()
			other, kept := l.anotherStore("another"), l.store
			uploads := l.uploads
			l.store, l.uploads = other, nil
			l.bring()
			l.again(func() { testkit.Must(t, damage(filepath.Join(l.dir, "tables", u.id))) })
			testkit.Must(t, l.lookups())
			others := l.uploads
			l.store, l.uploads = kept, uploads
			l.says("upload it again")
			if r := l.ask(); r.status != http.StatusInternalServerError || r.code != edm.CodeTableDamaged || !strings.Contains(string(r.body), "upload the table again") {
				t.Errorf("a lookup is answered by %d %s", r.status, r.body)
			}
			if l.shown() {
				t.Error("a table that cannot be looked up is shown as live")
			}
			l.bring()
			if !l.shown() {
				t.Error("the table that was uploaded again is not shown")
			}
			l.again(func() {})
			testkit.Must(t, l.lookups())
			l.store, l.uploads = other, others
			testkit.Must(t, l.lookups())
		})
	}
}

// A damaged page is found by the lookup that needs it.
func TestADamagedPageRefusesItsLookups(t *testing.T) {
	l := begun(t)
	u := l.bring()
	l.again(func() {
		path := filepath.Join(l.dir, "tables", u.id, "column-0.index")
		text, err := os.ReadFile(path)
		testkit.Must(t, err)
		text[0] ^= 1
		testkit.Must(t, os.WriteFile(path, text, 0o600))
	})
	if !l.shown() {
		t.Fatal("nobody has met the damage yet")
	}
	if r := l.ask(); r.status != http.StatusInternalServerError || r.code != edm.CodeTableDamaged {
		t.Errorf("a lookup is answered by %d %s", r.status, r.body)
	}
	l.says("upload it again")
	if l.shown() {
		t.Error("the damaged table is shown as live")
	}
	l.delete(u) // its record; the table stays, as the store's live one
	l.again(func() {})
	if r := l.ask(); r.code != edm.CodeTableDamaged {
		t.Errorf("after a restart a lookup is answered by %d %s", r.status, r.body)
	}
	l.bring()
	l.says("upload it again")
}

// unreadable opens nothing until it is well again.
type unreadable struct {
	fsys.OS
	well *bool
}

func (u unreadable) Open(path string) (fsys.File, error) {
	if !*u.well && strings.Contains(path, "tables") {
		return nil, fails("open", path, syscall.EIO)
	}
	return u.OS.Open(path)
}

// A live table that could not be read is tried again, and stays where it is.
func TestALiveTableIsTriedAgain(t *testing.T) {
	l := begun(t)
	u := l.bring()
	well := false
	l.files = unreadable{well: &well}
	l.again(func() {})
	if r := l.ask(); r.code != edm.CodeTableDamaged {
		t.Fatalf("a lookup is answered by %d %s", r.status, r.body)
	}
	l.delete(u)
	well = true
	if failed := l.service.Work(t.Context()); len(failed) > 0 {
		t.Fatal(errors.Join(failed...))
	}
	l.says("the live table is open")
	testkit.Must(t, l.lookups())
}

// blockFile is the file of a staged block.
func (l *lifecycle) blockFile(u *upload, n int) string {
	l.Helper()
	found, err := filepath.Glob(filepath.Join(l.dir, "blocks", u.id, "0000000"+string(rune('0'+n))+"-*"))
	testkit.Must(l.T, err)
	if len(found) != 1 {
		l.Fatalf("block %d is %v", n, found)
	}
	return found[0]
}

func flip(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	testkit.Must(t, err)
	text[len(text)/2] ^= 0x10
	testkit.Must(t, os.WriteFile(path, text, 0o600))
}

// A block that was acknowledged and is damaged is staged again while it may be,
// and fails its session once it may not.
func TestDamagedBlocksAreToldToTheUploader(t *testing.T) {
	for name, damage := range map[string]func(*testing.T, string){
		"flipped": flip,
		"gone":    func(t *testing.T, path string) { testkit.Must(t, os.Remove(path)) },
	} {
		t.Run("before the seal, "+name, func(t *testing.T) {
			l := begun(t)
			u := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
			l.open(u)
			l.again(func() { damage(t, l.blockFile(u, 1)) })
			there := l.blocks(u)
			if len(there) != 2 || there[u.ids[1]] {
				t.Fatalf("the list of blocks has %v", there)
			}
			if name == "flipped" {
				l.says("an acknowledged block is damaged")
			}
			l.stage(u, 1)
			l.commit(u)
			l.index(u)
		})
		for _, when := range []string{"sealed", "committed"} {
			t.Run(when+", "+name, func(t *testing.T) {
				l := begun(t)
				live := l.bring()
				u := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
				l.open(u)
				if when == "committed" {
					l.commit(u)
				} else {
					l.seal(u)
				}
				l.again(func() { damage(t, l.blockFile(u, 1)) })
				_ = l.service.Work(t.Context()) // the session says it
				got, err := l.get(u)
				testkit.Must(t, err)
				if got.State != edm.StateFailed || got.Error == nil || got.Error.Code != "InvalidBlock" || !strings.Contains(got.Error.Message, "block 1") {
					t.Errorf("the session is %s", toJSON(got))
				}
				l.says("failed: upload the table again")
				l.uploads = []*upload{live}
				testkit.Must(t, l.lookups())
			})
		}
	}
}

// What the jobs of an index wrote before a stop is made again, damaged or not: the
// blocks are there.
func TestDamagedIndexingBeginsAgain(t *testing.T) {
	for _, name := range []string{"blocks.pages", "column-0.index", "manifest.json"} {
		t.Run(name, func(t *testing.T) {
			l := begun(t)
			u := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
			l.open(u)
			l.commit(u)
			l.files = unpublished{}
			l.again(func() {})
			_ = l.service.Work(t.Context()) // all but the last job
			l.files = fsys.OS{}
			l.again(func() { flip(t, filepath.Join(l.dir, "tables", u.id, name)) })
			l.index(u)
		})
	}
}

// unpublished writes tables and opens none of them, so that none goes live.
type unpublished struct{ fsys.OS }

func (u unpublished) Open(path string) (fsys.File, error) {
	if strings.HasSuffix(path, "manifest.json") {
		return nil, fails("open", path, syscall.EIO)
	}
	return u.OS.Open(path)
}

// interrupted does something else before it makes a session's folder.
type interrupted struct {
	fsys.OS
	by *func()
}

func (i interrupted) MkdirAll(dir string) error {
	if by := *i.by; by != nil && filepath.Base(filepath.Dir(dir)) == "blocks" {
		*i.by = nil
		by()
	}
	return i.OS.MkdirAll(dir)
}

// A block that arrives while its session ends is of nobody, and does not stay.
func TestABlockThatComesTooLateIsNotKept(t *testing.T) {
	for name, call := range map[string]struct {
		method, path, code string
	}{
		"cancelled": {http.MethodPost, "/cancel", "BlobImmutableDueToPolicy"},
		"deleted":   {http.MethodDelete, "", "ContainerNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			l := begun(t)
			u := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
			l.create(u)
			var by func()
			l.files = interrupted{by: &by}
			l.again(func() {})
			by = func() {
				testkit.Must(t, l.call(l.api(call.method, "/"+l.store+"/sessions/"+u.id+call.path, nil), http.StatusNoContent))
			}
			if r := l.send(http.MethodPut, blockURL(u.uri, u.ids[0]), u.blocks[0]); r.code != call.code {
				t.Errorf("the block is answered by %d %s", r.status, r.code)
			}
			left, err := os.ReadDir(filepath.Join(l.dir, "blocks"))
			if err != nil || len(left) > 0 {
				t.Errorf("blocks of nobody are left: %v (%v)", left, err)
			}
		})
	}
}

// The clock may be put back between two commits: the later one is live.
func TestTheLaterCommitIsLiveWhateverTheClockSays(t *testing.T) {
	now := newClock()
	c, _ := serve(t, service.Config{Dir: t.TempDir(), Now: now.now})
	u := newUser(t, c)
	u.bring(tableOf(20, "a"), 10)
	now.pass(-time.Hour)
	u.bring(tableOf(20, "b"), 10)
	u.answers(7, "b")
}
