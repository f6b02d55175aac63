package index

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/fsys"
)

func require(t interface {
	Helper()
	Fatal(...any)
}, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place is where tables and blocks lie.
type place struct {
	dir    string
	files  fsys.FS
	limits Limits
}

func newPlace(dir string) *place { return &place{dir: dir, files: fsys.OS{}} }

func (p *place) store(kind string) blobs.Store {
	return blobs.NewFolder(p.files, filepath.Join(p.dir, kind))
}

// tables are the tables of the place, as a start finds them.
func (p *place) tables(t testing.TB) *Tables {
	for _, kind := range []string{"blocks", "tables"} {
		require(t, fsys.OS{}.MkdirAll(filepath.Join(p.dir, kind)))
	}
	log := slog.New(slog.DiscardHandler)
	return NewTables(p.store("tables"), blobs.NewBlocks(p.store("blocks"), log), p.limits, log)
}

// sheet is the tokens of a table, column by column.
type sheet struct {
	rowsPerBlock int
	columns      []edm.Column
	tokens       [][]fingerprint.Token
}

func (s *sheet) rows() int { return len(s.tokens[0]) }

var sheetKey = fingerprint.KeyID{1, 2, 3, 4, 5, 6, 7, 8}

// stage stages the blocks of a sheet and returns their ids.
func (s *sheet) stage(t testing.TB, l *Tables, session string) (ids []string) {
	t.Helper()
	for first := 0; first < s.rows(); first += s.rowsPerBlock {
		h := block.Header{Rules: fingerprint.Rules, KeyID: sheetKey, Store: "people", Index: len(ids), FirstRow: int64(first), Rows: min(s.rowsPerBlock, s.rows()-first)}
		var columns [][]byte
		for c := range s.columns {
			h.Columns = append(h.Columns, s.columns[c].Name)
			var text []byte
			for _, token := range s.tokens[c][first : first+h.Rows] {
				text = append(text, token[:]...)
			}
			columns = append(columns, text)
		}
		data, err := block.Append(nil, h, columns)
		require(t, err)
		ids = append(ids, block.ID(h.Index, block.Sum(data)))
		require(t, l.blocks.Put(context.Background(), session, ids[len(ids)-1], data))
	}
	return ids
}

func taken(int, *block.Header) error { return nil }

// build makes the table of a session out of a sheet.
func (s *sheet) build(t testing.TB, l *Tables, session string) *Table {
	t.Helper()
	ctx, ids := context.Background(), s.stage(t, l, session)
	b, err := l.Build(ctx, Meta{SessionID: session, KeyID: sheetKey.String(), Columns: s.columns})
	require(t, err)
	require(t, b.Read(ctx, ids, taken))
	require(t, b.Index(ctx, func(int) error { return nil }))
	table, err := b.Commit(ctx)
	require(t, err)
	require(t, l.blocks.Keep(ctx, session, ids))
	return table
}

// randomSheet has columns of random tokens, each out of a number of kinds, and no token
// twice where that is 0.
func randomSheet(rows, rowsPerBlock int, kinds ...int) *sheet {
	random := rand.New(rand.NewPCG(1, uint64(rows)))
	s := &sheet{rowsPerBlock: rowsPerBlock}
	for c, n := range kinds {
		s.columns = append(s.columns, edm.Column{Name: string(rune('A' + c)), IsSearchable: true})
		tokens := make([]fingerprint.Token, rows)
		for row := range tokens {
			kind := row
			if n > 0 {
				kind = random.IntN(n)
			}
			tokens[row] = randomToken(c, kind)
		}
		s.tokens = append(s.tokens, tokens)
	}
	s.columns = edm.WithRules(s.columns)
	return s
}

func randomToken(column, kind int) (token fingerprint.Token) {
	random := rand.New(rand.NewPCG(uint64(column), uint64(kind)))
	binary.LittleEndian.PutUint64(token[:], random.Uint64())
	binary.LittleEndian.PutUint64(token[8:], random.Uint64())
	return token
}

func isDamage(err error) bool {
	var bad *Damaged
	return errors.As(err, &bad)
}

// answerOf is what a table answers, as the contract has it.
func answerOf(t *Table, column int, token fingerprint.Token, wanted map[int][]fingerprint.Token, limit int) (out edm.MatchAnswer, err error) {
	var same []SameRow
	for c, tokens := range wanted {
		same = append(same, SameRow{c, tokens})
	}
	out.Total, err = t.Match(column, token, same, limit, func(row int64, matched []int) {
		one := edm.MatchRow{Row: row, Matched: map[string]int{}}
		for i, at := range matched {
			if at >= 0 {
				one.Matched[t.Columns[same[i].Column].Name] = at
			}
		}
		out.Rows = append(out.Rows, one)
	})
	return out, err
}
