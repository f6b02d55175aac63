package index

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

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/fsys"
)

const damageRows = 300 // two pages

var damageColumns = edm.WithRules([]edm.Column{{Name: "ID", IsSearchable: true, IgnoredDelimiters: []string{"-"}}, {Name: "City"}})

func damageToken(column, row int) fingerprint.Token {
	return fingerprint.Token{0: byte(row * 7), 1: byte(column + 1), 2: byte(row), 3: byte(row >> 8), 15: 1}
}

// indexedTable writes a table of two columns, of which the first is searchable.
func indexedTable(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "table")
	require(t, os.MkdirAll(dir, 0o700))
	for c := range 2 {
		w, err := newPageWriter(t.Context(), filesIn(dir), tokensName(c), fingerprint.TokenSize)
		require(t, err)
		for row := range damageRows {
			token := damageToken(c, row)
			require(t, w.add(token[:]))
		}
		require(t, w.commit())
	}
	require(t, filesIn(dir).writeMeta(t.Context(), Meta{SessionID: "one", KeyID: "0102030405060708", Rows: damageRows, Columns: damageColumns}))
	require(t, indexColumn(t.Context(), filesIn(dir), 0))
	return dir
}

// ask looks rows up, each by its first column, and returns how many of them are
// refused. Any other answer is the right one.
func askTable(t *testing.T, what, dir string) (refused int) {
	t.Helper()
	table, err := openAs(context.Background(), filesIn(dir), 1, nil)
	if err != nil {
		return damageRows
	}
	defer func() { require(t, table.Close()) }()
	if table.SessionID != "one" || table.KeyID != "0102030405060708" || !reflect.DeepEqual(table.Columns, damageColumns) {
		t.Fatalf("%s: the table is %+v", what, table.Meta)
	}
	for row := range damageRows {
		if row%23 > 0 && row < damageRows-1 {
			continue
		}
		total, rows, err := table.indexes[0].rows(damageToken(0, row), 10)
		var city fingerprint.Token
		if err == nil && slices.Equal(rows, []int64{int64(row)}) {
			city, err = table.Token(1, rows[0])
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
	table, err := openAs(context.Background(), filesIn(dir), 1, nil)
	if err != nil {
		return err
	}
	return errors.Join(table.Verify(context.Background()), table.Close())
}

// However a table's file is damaged, each lookup is right or refused, and
// a reader of all of it is told.
func TestNoDamagedTableIsAnAnswer(t *testing.T) {
	dir := indexedTable(t)
	if refused := askTable(t, "as it was written", dir); refused > 0 || readAll(dir) != nil {
		t.Fatalf("%d lookups of a whole table are refused: %v", refused, readAll(dir))
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require(t, err)
	if len(files) != 5 {
		t.Fatalf("a table is %v", files)
	}
	tried := 0
	for _, path := range files {
		whole, err := os.ReadFile(path)
		require(t, err)
		try := func(what string, text []byte) {
			t.Helper()
			tried++
			what = filepath.Base(path) + " " + what
			require(t, os.WriteFile(path, text, 0o600))
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
		require(t, os.Remove(path))
		if openIt := readAll(dir); openIt == nil {
			t.Fatalf("%s is missing and nobody is told", path)
		}
		require(t, os.WriteFile(path, whole, 0o600))
	}
	t.Logf("%d kinds of damage", tried)
}

// A replaced table that cannot be removed does not harm the one that replaced it.
func TestWhatCannotBeRemovedHarmsNothing(t *testing.T) {
	root := t.TempDir()
	for _, session := range []string{"one", "two"} {
		require(t, os.CopyFS(filepath.Join(root, session), os.DirFS(indexedTable(t))))
	}
	var log bytes.Buffer
	l := NewTables(blobs.NewFolder(stuckFiles{}, root), slog.New(slog.NewTextHandler(&log, nil)))
	for n, session := range []string{"one", "two"} {
		table, err := l.Open(t.Context(), session)
		require(t, err)
		table.Generation = int64(n + 1)
		require(t, l.Replace("store", table, func() error { return nil }))
	}
	table, err := l.Acquire("store")
	require(t, err)
	if total, _, err := table.indexes[0].rows(damageToken(0, 5), 1); total != 1 || err != nil || table.Generation != 2 {
		t.Errorf("generation %d answers %d rows, %v", table.Generation, total, err)
	}
	l.Release(table)
	if !bytes.Contains(log.Bytes(), []byte("the next start removes it")) {
		t.Errorf("the log says %q", log.String())
	}
	require(t, l.Close())
}

// stuckFiles removes nothing.
type stuckFiles struct{ fsys.OS }

func (stuckFiles) RemoveAll(string) error { return io.ErrClosedPipe }

func require(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
