package service_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/testkit"
)

// used is a stopped service with a live table, and an open session of two blocks.
func used(t *testing.T) *lifecycle {
	t.Helper()
	l := begun(t)
	l.bring()
	u := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
	l.create(u)
	l.stage(u, 0)
	l.stage(u, 1)
	l.stop()
	return l
}

// tree is every name in a folder with what the file holds.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	testkit.Must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			out[strings.TrimPrefix(path, dir)] = "folder"
			return err
		}
		text, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, dir)] = string(text)
		return err
	}))
	return out
}

// copied is a copy of a folder as it is.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	testkit.Must(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

func put1(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	testkit.Must(t, err)
	testkit.Must(t, os.WriteFile(to, text, 0o600))
}

func under(l *lifecycle, name string) string { return filepath.Join(l.dir, name) }

// refusesToStart wants a start that says why it is refused, and leaves every byte
// of the folder as it is.
func (l *lifecycle) refusesToStart(says ...string) {
	l.Helper()
	before := tree(l.T, l.dir)
	err := l.start()
	if err == nil {
		l.Errorf("the service starts over an inconsistent folder: %s", l.log.String())
		l.stop()
	}
	after := tree(l.T, l.dir)
	for name := range before {
		if _, there := after[name]; !there {
			l.Errorf("%s is deleted", name)
		}
	}
	if !l.Failed() && !reflect.DeepEqual(before, after) {
		l.Error("the folder was changed")
	}
	for _, what := range says {
		if err != nil && !strings.Contains(err.Error(), what) {
			l.Errorf("the refusal does not say %q: %v", what, err)
		}
	}
}

// A database that is not of the tables and blocks beside it is refused, and
// nothing in the folder is deleted.
func TestAFolderThatDoesNotFitTogetherIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		damage func(*testing.T, *lifecycle)
		says   string
	}{
		"missing database": {func(t *testing.T, l *lifecycle) { testkit.Must(t, os.Remove(under(l, "service.db"))) }, "service.db is missing"},
		"missing database and identity": {func(t *testing.T, l *lifecycle) {
			testkit.Must(t, os.Remove(under(l, "service.db")))
			testkit.Must(t, os.Remove(under(l, "identity")))
		}, "service.db is missing"},
		"empty database":     {func(t *testing.T, l *lifecycle) { testkit.Must(t, os.Truncate(under(l, "service.db"), 0)) }, "service.db is empty"},
		"truncated database": {func(t *testing.T, l *lifecycle) { testkit.Must(t, os.Truncate(under(l, "service.db"), 8192)) }, "service.db"},
		"database of another folder": {func(t *testing.T, l *lifecycle) {
			put1(t, under(used(t), "service.db"), under(l, "service.db"))
		}, "service.db is of another data folder"},
		"database and identity of another folder": {func(t *testing.T, l *lifecycle) {
			other := used(t)
			put1(t, under(other, "service.db"), under(l, "service.db"))
			put1(t, under(other, "identity"), under(l, "identity"))
		}, "of another data folder"},
		"new database": {func(t *testing.T, l *lifecycle) {
			fresh := begun(t)
			fresh.stop()
			put1(t, under(fresh, "service.db"), under(l, "service.db"))
		}, "service.db is of another data folder"},
		"older database":                       {func(t *testing.T, l *lifecycle) { older(t, l, "service.db") }, "older than the folder"},
		"older database with its own identity": {func(t *testing.T, l *lifecycle) { older(t, l, "service.db", "identity") }, "older than tables/"},
		"missing identity":                     {func(t *testing.T, l *lifecycle) { testkit.Must(t, os.Remove(under(l, "identity"))) }, "identity is missing"},
		"damaged identity":                     {func(t *testing.T, l *lifecycle) { testkit.Must(t, os.Truncate(under(l, "identity"), 10)) }, "identity is damaged"},
		"missing tables":                       {func(t *testing.T, l *lifecycle) { testkit.Must(t, os.RemoveAll(under(l, "tables"))) }, "tables is missing"},
		"missing blocks":                       {func(t *testing.T, l *lifecycle) { testkit.Must(t, os.RemoveAll(under(l, "blocks"))) }, "blocks is missing"},
		"a table that no record names": {func(t *testing.T, l *lifecycle) {
			testkit.Must(t, os.CopyFS(under(l, "tables/5f2b6c1e-0000-4000-8000-000000000000"), os.DirFS(under(l, "tables/"+l.uploads[0].id))))
		}, "tables/5f2b6c1e-0000-4000-8000-000000000000"},
		"blocks that no record names": {func(t *testing.T, l *lifecycle) {
			testkit.Must(t, os.CopyFS(under(l, "blocks/5f2b6c1e-0000-4000-8000-000000000000"), os.DirFS(under(l, "blocks/"+l.uploads[1].id))))
		}, "blocks/5f2b6c1e-0000-4000-8000-000000000000"},
	} {
		t.Run(name, func(t *testing.T) {
			l := used(t)
			tc.damage(t, l)
			l.T = t
			l.refusesToStart(l.dir, tc.says)
		})
	}
}

// older puts files of the folder back to what they were before its last changes.
func older(t *testing.T, l *lifecycle, names ...string) {
	t.Helper()
	kept := copied(t, l.dir)
	testkit.Must(t, l.start())
	l.bring()
	l.stop()
	for _, name := range names {
		put1(t, filepath.Join(kept, name), under(l, name))
	}
}

// A start that a crash cut off at any place is no fault of the folder: the next
// one succeeds. (Every operation is tried by TestEveryFaultAtEveryFileOperation.)
func TestAnEmptyFolderStarts(t *testing.T) {
	for name, prepare := range map[string]func(string) error{
		"no folder":            func(string) error { return nil },
		"an empty folder":      func(dir string) error { return os.MkdirAll(dir, 0o700) },
		"an empty database":    func(dir string) error { return os.WriteFile(filepath.Join(dir, "service.db"), nil, 0o600) },
		"a file system's root": func(dir string) error { return os.MkdirAll(filepath.Join(dir, "lost+found"), 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "service")
			if name == "an empty database" {
				testkit.Must(t, os.MkdirAll(dir, 0o700))
			}
			testkit.Must(t, prepare(dir))
			l := &lifecycle{T: t, commits: 10, names: map[string]string{}, dir: dir, files: fsys.OS{}, faulty: newFaultyFiles(dir, "", none, 0)}
			t.Cleanup(l.stop)
			testkit.Must(t, l.start())
			l.store = l.anotherStore(people)
			l.bring()
			l.again(func() {})
			testkit.Must(t, l.lookups())
		})
	}
}
