package index

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"exactmatch.dev/operator/internal/fingerprint"
)

// damageSheet has a raw column, one of a dictionary, and two tokens of one prefix.
func damageSheet() *sheet {
	s := randomSheet(700, 300, 0, 20, 0)
	s.columns[2].IsSearchable = false
	for row := 600; row < 640; row++ {
		s.tokens[0][row] = s.tokens[0][600]
		s.tokens[0][row][15] += byte(row % 2)
	}
	return s
}

// openAgain opens the table "one" of a place.
func openAgain(t testing.TB, p *place) (*Table, error) {
	l := p.tables(t)
	return l.openAs(context.Background(), l.files("one"), 1, nil)
}

// askDamaged asks a damaged table for some rows of each column, and returns how many
// questions are refused. Any other answer is the right one.
func askDamaged(t *testing.T, what string, p *place, s *sheet) (refused, asked int) {
	t.Helper()
	table, err := openAgain(t, p)
	if err != nil {
		return 1, 1
	}
	defer func() { require(t, table.Close()) }()
	for c := range 2 {
		for row := c; row < s.rows(); row += 17 {
			token, want := s.tokens[c][row], int64(0)
			var rows []int64
			for at, is := range s.tokens[c] {
				if is == token {
					want, rows = want+1, append(rows, int64(at))
				}
			}
			asked++
			got, err := answerOf(table, c, token, map[int][]fingerprint.Token{2: {s.tokens[2][row]}}, len(rows))
			if err != nil {
				refused++
				continue
			}
			var found []int64
			for _, r := range got.Rows {
				found = append(found, r.Row)
				if (len(r.Matched) == 1) != (r.Row == int64(row)) {
					t.Fatalf("%s: the same row of %d is %v", what, row, got.Rows)
				}
			}
			if got.Total != want || !slices.Equal(found, rows) {
				t.Fatalf("%s: row %d of column %d is answered by %d rows, %v; want %v", what, row, c, got.Total, found, rows)
			}
		}
		nowhere := fingerprint.Token{0: 9, 15: 9}
		if got, err := answerOf(table, c, nowhere, nil, 1); err == nil && got.Total != 0 {
			t.Fatalf("%s: a token that is nowhere is in %d rows", what, got.Total)
		}
	}
	return refused, asked
}

// verified reads all of a table.
func verified(t *testing.T, p *place) error {
	table, err := openAgain(t, p)
	if err != nil {
		return err
	}
	return errors.Join(table.Verify(context.Background()), table.Close())
}

// However a file of a table is damaged, its blocks too, each lookup is right or
// refused, and a reader of all of it is told.
func TestNoDamagedTableIsAnAnswer(t *testing.T) {
	p, s := newPlace(t.TempDir()), damageSheet()
	require(t, s.build(t, p.tables(t), "one").Close())
	if refused, _ := askDamaged(t, "as it was written", p, s); refused > 0 || verified(t, p) != nil {
		t.Fatalf("%d lookups of a whole table are refused: %v", refused, verified(t, p))
	}
	require(t, s.build(t, p.tables(t), "two").Close()) // files to be swapped with
	files, err := filepath.Glob(filepath.Join(p.dir, "*", "one", "*"))
	require(t, err)
	if len(files) != 3+5 { // blocks; manifest, pages, two indexes, collisions
		t.Fatalf("a table is %v", files)
	}
	tried, refusals := 0, 0
	for _, path := range files {
		whole, err := os.ReadFile(path)
		require(t, err)
		name := filepath.Base(path)
		try := func(what string, text []byte) {
			t.Helper()
			tried++
			require(t, os.WriteFile(path, text, 0o600))
			refused, _ := askDamaged(t, name+" "+what, p, s)
			if refused > 0 {
				refusals++
			}
			if verified(t, p) == nil {
				t.Fatalf("%s %s: nobody is told (%d lookups are refused)", name, what, refused)
			}
		}
		for at := 0; at < len(whole); at++ {
			if len(whole) > 500 && at%61 > 0 && at < len(whole)-footerSize {
				continue
			}
			damaged := slices.Clone(whole)
			damaged[at] ^= 1 << (at % 8)
			try(fmt.Sprintf("with a flipped bit in byte %d", at), damaged)
		}
		for cut := 0; cut < len(whole); cut += 1 + len(whole)/20 {
			try(fmt.Sprintf("cut to %d bytes", cut), whole[:cut])
		}
		try("with a byte more", append(slices.Clone(whole), 0))
		try("twice", append(slices.Clone(whole), whole...))
		if len(whole) > 2*pageSize {
			try("without its first page", whole[pageSize:])
			try("with two pages swapped", slices.Concat(whole[pageSize:2*pageSize], whole[:pageSize], whole[2*pageSize:]))
		}
		for _, other := range files {
			if text, err := os.ReadFile(other); err == nil && other != path && filepath.Dir(other) == filepath.Dir(path) {
				try("in place of "+filepath.Base(other), text)
			}
		}
		require(t, os.Remove(path))
		if verified(t, p) == nil {
			t.Fatalf("%s is missing and nobody is told", path)
		}
		require(t, os.WriteFile(path, whole, 0o600))
	}
	if refusals < tried/3 {
		t.Errorf("lookups met %d of %d kinds of damage", refusals, tried)
	}
	t.Logf("%d kinds of damage", tried)
}

// The pages of another session's table are not taken for one's own, although the
// tokens are the same.
func TestPagesAreOfTheirTable(t *testing.T) {
	p, s := newPlace(t.TempDir()), damageSheet()
	require(t, s.build(t, p.tables(t), "one").Close())
	require(t, s.build(t, p.tables(t), "two").Close())
	for _, name := range []string{indexName(0), collisionsName(0), pagesName} {
		own, foreign := filepath.Join(p.dir, "tables", "one", name), filepath.Join(p.dir, "tables", "two", name)
		whole, err := os.ReadFile(own)
		require(t, err)
		text, err := os.ReadFile(foreign)
		require(t, err)
		if len(whole) != len(text) {
			t.Fatalf("%s has %d and %d bytes", name, len(whole), len(text))
		}
		require(t, os.WriteFile(own, text, 0o600))
		if _, err := openAgain(t, p); !isDamage(err) {
			t.Errorf("%s of another table is taken: %v", name, err)
		}
		if name != pagesName { // its pages alone
			mixed := slices.Concat(text[:pageSize], whole[pageSize:])
			require(t, os.WriteFile(own, mixed, 0o600))
			if refused, _ := askDamaged(t, name, p, s); refused == 0 {
				t.Errorf("a page of another table's %s is taken", name)
			}
		}
		require(t, os.WriteFile(own, whole, 0o600))
	}
}

// A file that becomes shorter under an open table is damage, and not the end of the
// process.
func TestAFileThatIsCutWhileItIsOpen(t *testing.T) {
	p, s := newPlace(t.TempDir()), randomSheet(700, 300, 0, 0)
	for _, pattern := range []string{"tables/one/" + indexName(0), "blocks/one/00000000-*"} {
		table := s.build(t, p.tables(t), "one")
		files, err := filepath.Glob(filepath.Join(p.dir, pattern))
		require(t, err)
		require(t, os.Truncate(files[0], 0))
		refused := 0
		for row := range s.rows() {
			got, err := answerOf(table, 0, s.tokens[0][row], map[int][]fingerprint.Token{1: {s.tokens[1][row]}}, 1)
			switch {
			case isDamage(err):
				refused++
			case err != nil || got.Total != 1 || len(got.Rows[0].Matched) != 1:
				t.Fatalf("row %d is answered by %+v, %v", row, got, err)
			}
		}
		if refused == 0 {
			t.Errorf("nothing of the lost %s is asked", pattern)
		}
		require(t, table.Close())
		require(t, os.RemoveAll(filepath.Join(p.dir, "blocks", "one")))
	}
}

// What was compared once is compared again when that is wanted.
func TestDoubtComparesAgain(t *testing.T) {
	p, s := newPlace(t.TempDir()), randomSheet(300, 300, 0)
	table := s.build(t, p.tables(t), "one")
	ask := func() error {
		_, err := answerOf(table, 0, s.tokens[0][7], nil, 1)
		return err
	}
	require(t, ask())
	path := filepath.Join(p.dir, "tables", "one", indexName(0))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require(t, err)
	_, err = f.WriteAt([]byte{0xff}, 4000)
	require(t, errors.Join(err, f.Close()))
	require(t, ask()) // its sum was compared
	table.Doubt()
	if err := ask(); !isDamage(err) {
		t.Errorf("a page that was damaged since is not noticed: %v", err)
	}
	require(t, table.Close())
}
