package service_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
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
	"exactmatch.dev/operator/internal/testkit"
)

// earlierEdition names the table in testdata/folder-of-token-files.tar.gz, which has
// 700 rows and was live when the folder was left, with a session that takes blocks.
const earlierEdition = "37c4ae48-a3d9-46de-b110-ef96d54b8b51"

// earlier is a service, which does not run, over a folder of the version whose
// tables were files of tokens.
func earlier(t *testing.T) *lifecycle {
	t.Helper()
	dir := unpack(t, "folder-of-token-files.tar.gz")
	now := func() time.Time { return time.Date(2026, 11, 27, 4, 0, 0, 0, time.UTC) } // its open session has not expired
	l := &lifecycle{T: t, commits: 10, now: now, dir: dir, files: fsys.OS{}, faulty: newFaultyFiles(dir, "", none, 0)}
	t.Cleanup(l.stop)
	return l
}

// answersAsBefore starts the service and asks for rows of the table that it had.
func (l *lifecycle) answersAsBefore() {
	l.Helper()
	testkit.Must(l.T, l.start())
	var all struct{ Value []edm.DataStore }
	l.read("", &all)
	if len(all.Value) != 1 || all.Value[0].Live == nil || all.Value[0].Live.Rows != 700 {
		l.Fatalf("the stores are %s", toJSON(all.Value))
	}
	live := all.Value[0].Live
	l.store, l.names = all.Value[0].ID, map[string]string{all.Value[0].ID: people}
	for _, row := range []int{0, 255, 256, 349, 350, 699} {
		for _, column := range []string{"ID", "Mail"} {
			r := l.api(http.MethodPost, "/"+l.store+"/match", edm.MatchRequest{
				KeyID: modelKey.String(), Questions: []edm.MatchQuestion{{
					Column: column, Token: text64(modelToken(earlierEdition, column, row)),
					SameRow: map[string][]string{"City": {text64(modelToken(earlierEdition, "City", row))}},
				}},
			})
			want := edm.MatchResponse{Generation: live.Generation, SessionID: live.SessionID, Answers: []edm.MatchAnswer{
				{Total: 1, Rows: []edm.MatchRow{{Row: int64(row), Matched: map[string]int{"City": 0}}}},
			}}
			if string(r.body) != toJSON(want) {
				l.Fatalf("row %d by %s is answered %d %s; want %s", row, column, r.status, r.body, toJSON(want))
			}
		}
	}
}

// A folder with tables of token files is refused, untouched, with the command that
// changes it; after that the answers are as before.
func TestAFolderOfTokenFilesIsMigrated(t *testing.T) {
	l := earlier(t)
	l.refusesToStart("exactmatch service migrate --data-dir " + l.dir)
	if said, err := checked(t, l.dir); err == nil || !strings.Contains(err.Error(), "service migrate") {
		t.Errorf("check says %v, %s", err, said)
	}
	migrated(t, l.dir)
	said, err := checked(t, l.dir)
	testkit.Must(t, err)
	wantSaid(t, said, "is consistent, with 1 tables")
	l.answersAsBefore()
	old, err := filepath.Glob(filepath.Join(l.dir, "tables", "*", "*.tok"))
	testkit.Must(t, err)
	if len(old) > 0 {
		t.Errorf("%v are left", old)
	}
	l.searches("ID", "City")
	l.worked()
	l.wantsLive(2, &upload{id: l.liveNow().SessionID}, true, false, true)
	l.stop()
	migrated(t, l.dir) // once more changes nothing
	testkit.Must(t, l.start())
	next := l.bring()
	l.finds(next, "ID", 3)
}

func migrate(fs fsys.FS, dir string) error {
	m := &folder.Migrate{FS: fs, Dir: dir, Out: io.Discard, Log: slog.New(slog.DiscardHandler), Now: time.Now}
	return m.Run(context.Background())
}

// Whatever fails while a folder is migrated, and wherever it is cut off: the next
// run ends it, and nothing is lost.
func TestMigratingEndsAfterAnyFault(t *testing.T) {
	whole := newFaultyFiles(earlier(t).dir, "", none, 0)
	testkit.Must(t, migrate(whole, whole.root))
	if whole.count < 50 {
		t.Fatalf("migrating takes only %d operations", whole.count)
	}
	for i, kind := range []fault{failsBefore, failsAfter, fullFrom, tornWrite, powerLoss} {
		t.Run(faultNames[kind], func(t *testing.T) {
			for at := 1 + i; at <= whole.count; at += max(*faultStride/6, 1) {
				l := earlier(t)
				faulty := newFaultyFiles(l.dir, filepath.Join(t.TempDir(), "kept"), kind, at)
				faulty.unnamed = map[string]bool{} // the folder is an old one
				failed := migrate(faulty, l.dir)
				if faulty.crashed {
					l.dir = faulty.kept
				}
				if faulty.what == "" {
					break // the end of the folder's names: an operation less than another
				}
				if err := migrate(fsys.OS{}, l.dir); err != nil {
					t.Fatalf("%s: after %v it fails again: %v", faulty.what, failed, err)
				}
				l.T = t
				l.answersAsBefore()
				l.stop()
			}
		})
	}
}

// A damaged table of an earlier version goes to lost+found, and the service starts
// without it.
func TestADamagedTableOfTokenFilesIsMoved(t *testing.T) {
	for _, name := range []string{"col-0.tok", "col-2.tok", "table.json"} {
		t.Run(name, func(t *testing.T) {
			l := earlier(t)
			found, err := filepath.Glob(filepath.Join(l.dir, "tables", "*", name))
			testkit.Must(t, err)
			before, err := os.ReadFile(found[0])
			testkit.Must(t, err)
			before[len(before)/2] ^= 1
			testkit.Must(t, os.WriteFile(found[0], before, 0o600))
			if err := migrate(fsys.OS{}, l.dir); err == nil || !strings.Contains(err.Error(), "lost+found") {
				t.Fatalf("migrating says %v", err)
			}
			lost, err := filepath.Glob(filepath.Join(l.dir, "lost+found", "*", "tables", "*", name))
			testkit.Must(t, err)
			if len(lost) != 1 {
				t.Fatalf("lost+found has %v", lost)
			}
			if text, err := os.ReadFile(lost[0]); err != nil || !bytes.Equal(text, before) {
				t.Errorf("the file was changed (%v)", err)
			}
			testkit.Must(t, l.start())
			var all struct{ Value []edm.DataStore }
			l.read("", &all)
			l.store, l.names = all.Value[0].ID, map[string]string{all.Value[0].ID: people}
			if r := l.ask(); r.code != edm.CodeTableDamaged {
				t.Errorf("a lookup is answered %d %s", r.status, r.body)
			}
			l.finds(l.bring(), "ID", 2)
		})
	}
}

// A table that a later version wrote is refused with what to do, and stays.
func TestATableOfALaterVersionIsRefused(t *testing.T) {
	l := begun(t)
	u := l.bring()
	l.stop()
	path := filepath.Join(l.dir, "tables", u.id, "manifest.json")
	for what, change := range map[string][2]string{
		"version":   {`"version":1`, `"version":2`},
		"a file of": {`"kind":"pages"`, `"kind":"bloom"`},
	} {
		rewritten(t, path, change[0], change[1])
		l.refusesToStart(u.id, what, "start the version that wrote it")
		rewritten(t, path, change[1], change[0])
	}
	rewritten(t, path, `"files":[`, `"files":[{"kind":"bloom","name":"x","size":3,"sum":"0","optional":true},`)
	testkit.Must(t, l.start())
	l.finds(u, "ID", 1)
}

// rewritten changes a manifest, and gives it its sum.
func rewritten(t *testing.T, path, old, next string) {
	t.Helper()
	whole, err := os.ReadFile(path)
	testkit.Must(t, err)
	text, _, _ := strings.Cut(string(whole), "\n")
	if !strings.Contains(text, old) {
		t.Fatalf("the manifest has no %s: %s", old, text)
	}
	text = strings.Replace(text, old, next, 1)
	testkit.Must(t, os.WriteFile(path, withSum(text), 0o600))
}

// Damage of any file of a table is found offline.
func TestCheckReadsTheTables(t *testing.T) {
	l := begun(t)
	u := l.bring()
	l.stop()
	for _, path := range []string{l.blockFile(u, 1), filepath.Join(l.dir, "tables", u.id, "column-1.index"), filepath.Join(l.dir, "tables", u.id, "blocks.pages")} {
		flip(t, path)
		said, err := checked(t, l.dir)
		if err == nil {
			t.Errorf("a damaged %s is not noticed", filepath.Base(path))
		}
		wantSaid(t, said, u.id, "upload the table of the data store", people)
		flip(t, path)
	}
	_, err := checked(t, l.dir)
	testkit.Must(t, err)
}

func withSum(text string) []byte {
	return fmt.Appendf(nil, "%s\n%016x\n", text, block.Sum([]byte(text)))
}

// What the new table was made of stays until the new one is whole.
func TestAMigratedTableIsReadBeforeTheOldFilesGo(t *testing.T) {
	l := earlier(t)
	kept := copied(t, l.dir)
	migrated(t, l.dir)
	tables, err := filepath.Glob(filepath.Join(l.dir, "tables", "*"))
	testkit.Must(t, err)
	testkit.Must(t, os.CopyFS(filepath.Join(kept, "tables", filepath.Base(tables[0])), os.DirFS(tables[0])))
	blocks := filepath.Join("blocks", filepath.Base(tables[0]))
	testkit.Must(t, os.CopyFS(filepath.Join(kept, blocks), os.DirFS(filepath.Join(l.dir, blocks))))
	flip(t, filepath.Join(kept, "tables", filepath.Base(tables[0]), "column-0.index"))
	l.dir = kept
	migrated(t, l.dir)
	l.answersAsBefore()
}
