package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/fsys"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const damageRows = 300 // two pages

var damageColumns = edm.WithRules([]edm.Column{{Name: "ID", IsSearchable: true, IgnoredDelimiters: []string{"-"}}, {Name: "City"}})

func damageToken(column, row int) fingerprint.Token {
	return fingerprint.Token{0: byte(row * 7), 1: byte(column + 1), 2: byte(row), 3: byte(row >> 8), 15: 1}
}

// indexedTable writes a table of two columns, of which the first is searchable.
func indexedTable(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "table")
	check(t, os.MkdirAll(dir, 0o700))
	for c := range 2 {
		w, err := newPageWriter(fsys.OS{}, tokenPath(dir, c), fingerprint.TokenSize)
		check(t, err)
		for row := range damageRows {
			token := damageToken(c, row)
			check(t, w.add(token[:]))
		}
		check(t, w.close())
	}
	check(t, writeMeta(fsys.OS{}, dir, tableMeta{SessionID: "one", KeyID: "0102030405060708", Rows: damageRows, Columns: damageColumns}))
	check(t, indexColumn(t.Context(), fsys.OS{}, dir, 0))
	return dir
}

// ask looks rows up, each by its first column, and returns how many of them are
// refused. Any other answer is the right one.
func askTable(t *testing.T, what, dir string) (refused int) {
	t.Helper()
	table, err := openLive(fsys.OS{}, dir, 1)
	if err != nil {
		return damageRows
	}
	defer func() { check(t, table.close()) }()
	if table.SessionID != "one" || table.KeyID != "0102030405060708" || !reflect.DeepEqual(table.Columns, damageColumns) {
		t.Fatalf("%s: the table is %+v", what, table.tableMeta)
	}
	for row := range damageRows {
		if row%23 > 0 && row < damageRows-1 {
			continue
		}
		total, rows, err := table.indexes[0].rows(damageToken(0, row), 10)
		var city fingerprint.Token
		if err == nil && slices.Equal(rows, []int64{int64(row)}) {
			city, err = table.token(1, rows[0])
		}
		switch {
		case err != nil:
			refused++
		case total != 1 || len(rows) != 1 || rows[0] != int64(row) || city != damageToken(1, row):
			t.Fatalf("%s: row %d is answered by %d rows, %v, city %v", what, row, total, rows, city)
		}
	}
	if total, _, err := table.indexes[0].rows(fingerprint.Token{0: 9, 15: 9}, 1); err == nil && total != 0 {
		t.Fatalf("%s: a token that is nowhere is in %d rows", what, total)
	}
	return refused
}

// readAll reads every page of a table.
func readAll(dir string) error {
	table, err := openLive(fsys.OS{}, dir, 1)
	if err != nil {
		return err
	}
	return errors.Join(table.verify(context.Background()), table.close())
}

// However a table's file is damaged, each lookup is right or refused, and
// whoever reads all of it is told.
func TestNoDamagedTableIsAnAnswer(t *testing.T) {
	dir := indexedTable(t)
	if refused := askTable(t, "as it was written", dir); refused > 0 || readAll(dir) != nil {
		t.Fatalf("%d lookups of a whole table are refused: %v", refused, readAll(dir))
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	check(t, err)
	if len(files) != 5 {
		t.Fatalf("a table is %v", files)
	}
	tried := 0
	for _, path := range files {
		whole, err := os.ReadFile(path)
		check(t, err)
		try := func(what string, text []byte) {
			t.Helper()
			tried++
			what = filepath.Base(path) + " " + what
			check(t, os.WriteFile(path, text, 0o600))
			refused := askTable(t, what, dir)
			if readAll(dir) == nil {
				t.Fatalf("%s: nobody is told (%d lookups are refused)", what, refused)
			}
		}
		for at := range whole {
			if len(whole) > 500 && at%13 > 0 && at < len(whole)-footerSize {
				continue
			}
			damaged := slices.Clone(whole)
			damaged[at] ^= 1 << (at % 8)
			try(fmt.Sprintf("with a flipped bit in byte %d", at), damaged)
		}
		for cut := 0; cut < len(whole); cut += 1 + len(whole)/40 {
			try(fmt.Sprintf("cut to %d bytes", cut), whole[:cut])
		}
		try("with a byte more", append(slices.Clone(whole), 0))
		try("twice", append(slices.Clone(whole), whole...))
		for _, size := range []int{fingerprint.TokenSize, indexEntry} { // the first page is lost, the end is not
			if page := pageEntries*size + sumSize; len(whole) > page {
				try("without its first page", whole[page:])
			}
		}
		for _, other := range files {
			if text, err := os.ReadFile(other); err == nil && other != path {
				try("in place of "+filepath.Base(other), text)
			}
		}
		check(t, os.Remove(path))
		if openIt := readAll(dir); openIt == nil {
			t.Fatalf("%s is missing and nobody is told", path)
		}
		check(t, os.WriteFile(path, whole, 0o600))
	}
	t.Logf("%d kinds of damage", tried)
}

// contents are all records of a database, as text.
func contents(t *testing.T, r *records) string {
	t.Helper()
	var out bytes.Buffer
	check(t, r.db.View(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			check(t, tx.Bucket(name).ForEach(func(k, _ []byte) error {
				if string(k) == string(ledgerKey) {
					return nil
				}
				text, err := getText(tx, name, k)
				_, _ = fmt.Fprintf(&out, "%s/%s: %s\n", name, k, text)
				return err
			}))
		}
		return nil
	}))
	return out.String()
}

// twoStates makes a database and changes it once more. It returns the file and
// the contents before and after that.
func twoStates(t *testing.T) (before, after []byte, was, is string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "service.db")
	r, err := openRecords(path, slog.New(slog.DiscardHandler))
	check(t, err)
	check(t, r.prepare())
	for n := range 30 {
		id := fmt.Sprintf("session-%d", n)
		_, err := create(r, sessionsBucket, createRequest{"request-" + id, id, time.Now()}, func(*bbolt.Tx) (*sessionRecord, error) {
			return &sessionRecord{Session: edm.Session{ID: id, FileName: "before.csv", State: edm.StateCreated}}, nil
		})
		check(t, err)
	}
	check(t, r.update(func(tx *bbolt.Tx) error { return remove(tx, sessionsBucket, []byte("session-3")) }))
	check(t, r.update(func(tx *bbolt.Tx) error { return put(tx, storesBucket, "store", storeRecord{Generation: 1}) }))
	was = contents(t, r)
	before, err = os.ReadFile(path)
	check(t, err)
	_, err = change(r, sessionsBucket, "session-7", func(_ *bbolt.Tx, one *sessionRecord) error {
		one.FileName = "after.csv"
		return nil
	})
	check(t, err)
	is = contents(t, r)
	check(t, r.close())
	after, err = os.ReadFile(path)
	check(t, err)
	if was == is || len(before) == 0 {
		t.Fatal("the last change changes nothing")
	}
	return before, after, was, is
}

// reading opens a file as the database and returns its contents.
func reading(t *testing.T, n int, text []byte) (said string, got string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), fmt.Sprintf("service-%d.db", n)) // a refused file may stay locked
	check(t, os.WriteFile(path, text, 0o600))
	var log bytes.Buffer
	r, err := openRecords(path, slog.New(slog.NewTextHandler(&log, nil)))
	if err == nil {
		got = contents(t, r)
		check(t, r.close())
	}
	check(t, os.Remove(path))
	return log.String(), got, err
}

// wantAdvice wants an error that names the file and what to do.
func wantAdvice(t *testing.T, what string, err error) {
	t.Helper()
	if text := err.Error(); !bytes.Contains([]byte(text), []byte("service-")) || !bytes.Contains([]byte(text), []byte(restoreAdvice)) {
		t.Fatalf("%s: the service does not say what to do: %v", what, err)
	}
}

func TestNoDamagedDatabaseIsServed(t *testing.T) {
	_, whole, was, is := twoStates(t)
	page := os.Getpagesize()
	refused, tried := 0, 0
	for at := range whole {
		if in := at % page; in >= 96 && in%211 > 0 {
			continue
		}
		damaged := slices.Clone(whole)
		damaged[at] ^= 1 << (at % 8)
		tried++
		said, got, err := reading(t, at, damaged)
		what := fmt.Sprintf("a flipped bit in byte %d of page %d", at%page, at/page)
		switch {
		case err != nil:
			refused++
			wantAdvice(t, what, err)
		case got == is:
		case got == was && at < 2*page && bytes.Contains([]byte(said), []byte("cut off")):
		default:
			t.Fatalf("%s: %s\nis served as\n%s\nthe log: %s", what, is, got, said)
		}
	}
	for cut := 1; cut < len(whole); cut += len(whole)/16 + 1 {
		// bbolt makes its file longer than it needs, so the end may be of no use.
		if _, got, err := reading(t, len(whole)+cut, whole[:cut]); err == nil && got != is {
			t.Fatalf("a file that is cut to %d of %d bytes is served: %s", cut, len(whole), got)
		}
	}
	if refused == 0 {
		t.Fatal("no damage is found")
	}
	t.Logf("%d flipped bits, %d refused", tried, refused)
}

// A crash in the middle of the last transaction leaves the one state or the
// other: bbolt writes its pages, then the meta page that makes them count.
func TestATornLastWriteIsTheStateBeforeIt(t *testing.T) {
	before, after, was, is := twoStates(t)
	page := os.Getpagesize()
	before = append(before, make([]byte, max(len(after)-len(before), 0))...)
	var places []int // that the last transaction wrote, in its order
	for _, metas := range []func(int) bool{func(at int) bool { return at >= 2*page }, func(at int) bool { return at < 2*page }} {
		for at := range after {
			if metas(at) && before[at] != after[at] {
				places = append(places, at)
			}
		}
	}
	torn, states := slices.Clone(before), map[string]int{}
	for n, at := range places {
		torn[at] = after[at]
		if at >= 2*page && n%97 > 0 {
			continue
		}
		said, got, err := reading(t, n, torn)
		if err != nil {
			t.Fatalf("after %d of %d bytes the service does not start: %v", n+1, len(places), err)
		}
		if got != was && got != is {
			t.Fatalf("after %d of %d bytes it has\n%s", n+1, len(places), got)
		}
		if at < 2*page && n < len(places)-1 && !bytes.Contains([]byte(said), []byte("cut off")) {
			t.Fatalf("after %d of %d bytes the log says nothing of it: %s", n+1, len(places), said)
		}
		states[got]++
	}
	if states[was] == 0 || states[is] == 0 {
		t.Errorf("the states before and after were seen %d and %d times", states[was], states[is])
	}
}

// A replaced table that cannot be removed does not harm the one that replaced it.
func TestWhatCannotBeRemovedHarmsNothing(t *testing.T) {
	root := t.TempDir()
	for _, session := range []string{"one", "two"} {
		check(t, os.CopyFS(filepath.Join(root, session), os.DirFS(indexedTable(t))))
	}
	var log bytes.Buffer
	l := newLiveTables(stuckFiles{}, root, slog.New(slog.NewTextHandler(&log, nil)))
	for n, session := range []string{"one", "two"} {
		table, err := openLive(fsys.OS{}, l.dir(session), int64(n+1))
		check(t, err)
		check(t, l.replace("store", table, func() error { return nil }))
	}
	table, err := l.acquire("store")
	check(t, err)
	if total, _, err := table.indexes[0].rows(damageToken(0, 5), 1); total != 1 || err != nil || table.generation != 2 {
		t.Errorf("generation %d answers %d rows, %v", table.generation, total, err)
	}
	l.release(table)
	if !bytes.Contains(log.Bytes(), []byte("the next start removes it")) {
		t.Errorf("the log says %q", log.String())
	}
	check(t, l.close())
}

// stuckFiles removes nothing.
type stuckFiles struct{ fsys.OS }

func (stuckFiles) RemoveAll(string) error { return io.ErrClosedPipe }
