package service

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/service/folder"
)

// backedUp is a shared service and a folder of its backups.
type backedUp struct {
	*shared
	to string
}

func newBackedUp(t *testing.T) *backedUp {
	t.Helper()
	s := newShared(t, Config{})
	for _, tenant := range sharers {
		if status, text := s.stageOne(tenant); status != http.StatusCreated {
			t.Fatalf("stage: %d %s", status, text)
		}
	}
	return &backedUp{s, filepath.Join(t.TempDir(), "backups")}
}

// answersCommands serves the socket in the data folder until stop is called.
func (b *backedUp) answersCommands() (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	var done sync.WaitGroup
	done.Go(func() { b.control.serve(ctx) })
	await(b.t, "the socket for commands", func() bool {
		_, err := newSocketSource(folder.Socket(b.config.Dir)).Unfinished(ctx)
		return err == nil
	})
	return func() { cancel(); done.Wait() }
}

// await asks again until something is so.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	timeout := time.After(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("%s does not come", what)
		}
	}
}

func (b *backedUp) backup(says string, more ...string) {
	b.t.Helper()
	b.says(says, append([]string{"backup", "--data-dir", b.config.Dir, "--to", b.to}, more...)...)
}

// restored makes a folder out of a backup and serves from it.
func (b *backedUp) restored(more ...string) {
	b.t.Helper()
	config := b.config
	config.Dir = filepath.Join(b.t.TempDir(), "restored")
	b.says("is the backup", append([]string{"restore", "--from", b.to, "--data-dir", config.Dir}, more...)...)
	b.says("consistent", "check", "--data-dir", config.Dir)
	b.stop()
	b.start(config)
}

// backups are those that are whole, the earliest first.
func (b *backedUp) backups() (ids []string) {
	b.t.Helper()
	all, err := filepath.Glob(filepath.Join(b.to, "backups", "*", "manifest.json"))
	b.must(err)
	for _, path := range all {
		ids = append(ids, filepath.Base(filepath.Dir(path)))
	}
	return ids
}

// copies are the files that the backups share, by name, with their bytes.
func (b *backedUp) files() map[string]string { return filesBelow(b.t, filepath.Join(b.to, "files")) }

func filesBelow(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, root+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// leapt is a state as a restore leaves it.
func leapt(state string) string {
	return strings.ReplaceAll(state, `"generation":1,"liveCommitted"`, `"generation":1000001,"liveCommitted"`)
}

// A backup of a service that runs, restored, has all that each tenant had: its records,
// its table, its blocks.
func TestABackupOfARunningServiceIsRestored(t *testing.T) {
	b := newBackedUp(t)
	was := map[string]string{}
	for _, tenant := range sharers {
		was[tenant] = b.state(tenant)
	}
	stop := b.answersCommands()
	b.backup("is whole")
	for _, tenant := range sharers { // what comes afterwards is not in it
		b.as(tenant, http.MethodDelete, "/exactMatchDataStores/"+b.have[tenant].store, "")
	}
	stop()
	b.restored()
	for _, tenant := range sharers {
		b.answers(tenant)
		if now := b.state(tenant); now != leapt(was[tenant]) {
			t.Errorf("%q has\n%s\nand had\n%s", tenant, now, leapt(was[tenant]))
		}
		if status, text := b.stageOne(tenant); status != http.StatusForbidden {
			t.Errorf("%q: an upload URI from before: %d %s", tenant, status, text)
		}
	}
}

// Of a service that is stopped the records are read by the command itself, and nothing in
// the folder changes.
func TestABackupOfAStoppedServiceIsRestored(t *testing.T) {
	b := newBackedUp(t)
	config := b.config
	b.stop()
	was := filesBelow(t, config.Dir)
	b.says("is whole", "backup", "--data-dir", config.Dir, "--to", b.to)
	for name, text := range filesBelow(t, config.Dir) {
		if was[name] != text {
			t.Errorf("%s changed", name)
		}
	}
	b.start(config)
	b.restored()
	for _, tenant := range sharers {
		b.answers(tenant)
	}
}

// Without its socket the database of a service that runs cannot be had, and nothing is
// made.
func TestABackupNeedsTheRecords(t *testing.T) {
	b := newBackedUp(t)
	b.refuses("another service uses the folder", "backup", "--data-dir", b.config.Dir, "--to", b.to)
	if len(b.backups()) > 0 {
		t.Errorf("there are backups: %q", b.backups())
	}
	b.refuses("no such file", "backup", "--data-dir", filepath.Join(t.TempDir(), "nothing"), "--to", b.to)
}

// What an earlier backup has is not copied again, and what none of those that are kept
// has is removed.
func TestBackupsShareFiles(t *testing.T) {
	b := newBackedUp(t)
	defer b.answersCommands()()
	b.backup("is whole")
	first := b.files()
	b.backup(" 0 of them new, with 0 bytes")
	if now := b.files(); len(now) != len(first) || len(b.backups()) != 2 {
		t.Errorf("%d files became %d, of the backups %q", len(first), len(now), b.backups())
	}
	h := b.have["prod/hr"]
	b.as("prod/hr", http.MethodDelete, "/exactMatchDataStores/"+h.store, "")
	b.backup("removed the backup", "--keep", "2")
	if now := b.files(); len(now) != len(first) {
		t.Errorf("files of a backup that is kept are gone: %d of %d are left", len(now), len(first))
	}
	b.backup("removed the backup", "--keep", "1")
	for name := range b.files() {
		if strings.Contains(name, h.live) || strings.Contains(name, h.sealed) {
			t.Errorf("%s is left", name)
		}
	}
	b.restored()
	b.answers("prod/hr2")
	b.lacksTheStore("prod/hr")
}

// lacksTheStore wants that a tenant's data store is deleted, and its files are gone.
func (b *backedUp) lacksTheStore(tenant string) {
	b.t.Helper()
	h := b.have[tenant]
	if w := b.as(tenant, http.MethodGet, "/exactMatchDataStores/"+h.store, ""); w.Code != http.StatusNotFound {
		b.t.Errorf("the data store of %q is there: %d", tenant, w.Code)
	}
	if n := b.filesOf(b.config.Dir, h); n > 0 {
		b.t.Errorf("%d folders of %q are left", n, tenant)
	}
}

// A backup whose manifest is not there is none; one whose manifest is damaged keeps
// earlier ones from being removed.
func TestABackupThatWasCutOffIsNone(t *testing.T) {
	b := newBackedUp(t)
	defer b.answersCommands()()
	b.backup("is whole")
	b.backup("is whole")
	last := filepath.Join(b.to, "backups", b.backups()[1], "manifest.json")
	whole, err := os.ReadFile(last)
	b.must(err)
	b.must(os.WriteFile(last, whole[:len(whole)/2], 0o600))
	restore := []string{"restore", "--from", b.to, "--data-dir", filepath.Join(t.TempDir(), "restored")}
	b.refuses("does not have its sum", restore...)
	b.refuses("earlier ones could not be removed", "backup", "--data-dir", b.config.Dir, "--to", b.to, "--keep", "2")
	if n := len(b.backups()); n != 3 {
		t.Errorf("%d backups are left of 3", n)
	}
	b.must(os.Remove(last))
	b.restored("--backup", b.backups()[0])
	b.answers("prod/hr")
}

// A data folder that has anything in it is left as it is.
func TestARestoreNeedsAnEmptyFolder(t *testing.T) {
	b := newBackedUp(t)
	stop := b.answersCommands()
	b.backup("is whole")
	stop()
	dir, start := b.stopped()
	was := filesBelow(t, dir)
	b.refuses("is not empty", "restore", "--from", b.to, "--data-dir", dir)
	for name, text := range filesBelow(t, dir) {
		if was[name] != text {
			t.Errorf("%s changed", name)
		}
	}
	start()
	b.answers("prod/hr")
	volume := t.TempDir() // a new file system has a folder
	b.must(os.Mkdir(filepath.Join(volume, "lost+found"), 0o700))
	b.says("is the backup", "restore", "--from", b.to, "--data-dir", volume)
	b.refuses(`has no backup "20000101T000000.000Z"`, "restore", "--from", b.to, "--data-dir", t.TempDir(), "--backup", "20000101T000000.000Z")
}

// A backup that is damaged itself is not restored, and the folder that was begun is not
// served from. Another backup then is.
func TestADamagedBackupIsNotRestored(t *testing.T) {
	b := newBackedUp(t)
	defer b.answersCommands()()
	b.backup("is whole")
	tried := map[string]bool{}
	for name, text := range b.files() {
		if kind := filepath.Ext(strings.TrimSuffix(name, filepath.Ext(name))); tried[kind] {
			continue // others of its kind are copied alike
		} else {
			tried[kind] = true
		}
		path := filepath.Join(b.to, "files", name)
		for what, bytes := range map[string]string{"changed": text[:len(text)-1] + string(text[len(text)-1]^1), "short": text[:len(text)-1], "gone": ""} {
			b.must(os.Remove(path))
			if what != "gone" {
				b.must(os.WriteFile(path, []byte(bytes), 0o600))
			}
			dir := t.TempDir()
			b.refuses("is damaged", "restore", "--from", b.to, "--data-dir", dir)
			config := b.config
			config.Dir = dir
			if s, err := New(config); err == nil || !strings.Contains(err.Error(), "a restore of") {
				t.Errorf("%s %s: a service starts: %v", name, what, err)
				b.must(s.Close())
			}
			b.must(os.WriteFile(path, []byte(text), 0o600))
			b.says("is the backup", "restore", "--from", b.to, "--data-dir", dir)
		}
	}
}

// What is damaged in the data folder is said and left out, and all else is there; where an
// earlier backup has the file, that is the copy.
func TestABackupOfADamagedFolder(t *testing.T) {
	b := newBackedUp(t)
	defer b.answersCommands()()
	b.backup("is whole")
	for _, h := range []*possessions{b.have["prod/hr"], b.have["prod/hr2"]} {
		path := filepath.Join(b.config.Dir, "tables", h.live, "column-0.index")
		text, err := os.ReadFile(path)
		b.must(err)
		text[0] ^= 1
		b.must(os.WriteFile(path, text, 0o600))
	}
	b.backup("is whole")
	_, err := commands(t, "backup", "--data-dir", b.config.Dir, "--to", b.to+"-other")
	var damaged *folder.DamagedFiles
	if !errors.As(err, &damaged) || len(damaged.Files) != 2 || damaged.Files[0].Name != "column-0.index" {
		t.Fatalf("the damage is %v", err)
	}
	b.restored()
	b.answers("prod/hr")
	b.to += "-other"
	config := b.config
	config.Dir = filepath.Join(t.TempDir(), "restored")
	b.says("was damaged or missing", "restore", "--from", b.to, "--data-dir", config.Dir)
	b.stop()
	b.start(config)
	b.answers("")
	if w := b.as("prod/hr", http.MethodPost, "/exactMatchDataStores/"+b.have["prod/hr"].store+"/match", match); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "TableDamaged") {
		t.Errorf("a table that is damaged: %d %s", w.Code, w.Body)
	}
}

// A folder of backups is one data folder's.
func TestBackupsAreOfOneFolder(t *testing.T) {
	b, other := newBackedUp(t), newBackedUp(t)
	defer b.answersCommands()()
	defer other.answersCommands()()
	b.backup("is whole")
	other.refuses("has backups of another data folder", "backup", "--data-dir", other.config.Dir, "--to", b.to)
}
