package index

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// drawToken draws a token out of few: some with one prefix and different ends, some
// that differ by little, the least and the greatest, and none.
func drawToken(t *rapid.T, kinds int) (token fingerprint.Token) {
	n := rapid.IntRange(0, kinds).Draw(t, "kind")
	switch rapid.IntRange(0, 9).Draw(t, "shape") {
	case 0:
		return emptyToken
	case 1, 2: // one prefix, other ends
		binary.BigEndian.PutUint64(token[:], 0x0102030405060708)
		token[8+n%8] = byte(n + 1)
	case 3: // two bytes in common
		token[0], token[1], token[2+n%6] = 0x77, 0x88, byte(n+1)
	case 4:
		for i := range token {
			token[i] = 0xff
		}
		token[15] -= byte(n % 3)
	case 5:
		token[7+n%9] = 1
	default:
		return randomToken(0, n)
	}
	return token
}

// A table answers what a look at every row answers: totals, rows in their order, and
// what stands in the same row.
func TestATableAnswersAsItsRows(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		require(t, err)
		rows := rapid.OneOf(rapid.IntRange(1, 40), rapid.IntRange(195, 215), rapid.IntRange(330, 350), rapid.IntRange(670, 690), rapid.IntRange(1, 3_000)).Draw(r, "rows")
		s := &sheet{rowsPerBlock: rapid.SampledFrom([]int{1 + rows/7, rows, rows + 5, 170, 340}).Draw(r, "rowsPerBlock")}
		s.rowsPerBlock = min(s.rowsPerBlock, rows)
		for c := range 2 {
			s.columns = append(s.columns, edm.Column{Name: fmt.Sprint(c), IsSearchable: true})
			kinds := rapid.SampledFrom([]int{0, 1, 5, 400}).Draw(r, "kinds")
			few := rapid.Custom(func(t *rapid.T) fingerprint.Token { return drawToken(t, kinds) })
			s.tokens = append(s.tokens, rapid.SliceOfN(few, rows, rows).Draw(r, "tokens"))
		}
		s.columns = edm.WithRules(s.columns)
		p := newPlace(dir)
		p.limits = Limits{Workers: 2, room: rapid.SampledFrom([]int{1 + rows/60, 1 + rows/7, rows, 1 << 20}).Draw(r, "room")}
		l := p.tables(t)
		table := s.build(t, l, "one")
		s.answers(t, table, rapid.IntRange(0, 7).Draw(r, "limit"))
		require(t, table.Verify(t.Context()))
		require(t, table.Close())
		require(t, os.RemoveAll(dir))
	})
}

// answers asks a table for each of its tokens, and for some that are nowhere.
func (s *sheet) answers(t *testing.T, table *Table, limit int) {
	t.Helper()
	for c := range s.columns {
		where := map[fingerprint.Token][]int64{}
		for row, token := range s.tokens[c] {
			where[token] = append(where[token], int64(row))
		}
		for token := range where {
			for _, change := range []int{0, 7, 8, 15} { // neighbours, which may be nowhere
				other := token
				other[change]++
				if _, known := where[other]; !known {
					where[other] = nil
				}
			}
		}
		delete(where, emptyToken)
		for token, rows := range where {
			same := map[int][]fingerprint.Token{0: {{1}, s.tokens[0][0]}, 1: {s.tokens[len(s.tokens)-1][0]}}
			got, err := answerOf(table, c, token, same, limit)
			require(t, err)
			var want []edm.MatchRow
			for _, row := range rows[:min(limit, len(rows))] {
				matched := map[string]int{}
				for at, wanted := range same {
					if n := slices.Index(wanted, s.tokens[at][row]); n >= 0 && wanted[n] != emptyToken {
						matched[s.columns[at].Name] = n
					}
				}
				want = append(want, edm.MatchRow{Row: row, Matched: matched})
			}
			if got.Total != int64(len(rows)) || fmt.Sprint(got.Rows) != fmt.Sprint(want) {
				t.Fatalf("%x of column %d is in %d rows, %v; want %d, %v", token, c, got.Total, got.Rows, len(rows), want)
			}
		}
		if got, err := answerOf(table, c, emptyToken, nil, 1); err != nil || got.Total != 0 {
			t.Fatalf("an empty cell is found in %d rows (%v)", got.Total, err)
		}
	}
}

// One token in all rows, few tokens, and as many as rows, of more rows than a column
// collects at once.
func TestColumnsOfAnyKindAreIndexedInLittleMemory(t *testing.T) {
	const rows = 12_000
	for _, room := range []int{200, 5_000, rows} {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			p := newPlace(t.TempDir())
			p.limits = Limits{Workers: 2, room: room}
			s := randomSheet(rows, 1_700, 1, 3, 300, 4_000, 0)
			one := s.tokens[0][0]
			for row := range rows { // and two tokens with one prefix in all rows
				if row%3 == 0 {
					s.tokens[1][row] = one
				} else {
					s.tokens[1][row] = one
					s.tokens[1][row][15]++
				}
			}
			table := s.build(t, p.tables(t), "one")
			s.answers(t, table, 3)
			require(t, table.Close())
		})
	}
}

// What is sorted by way of keys is in the same order as what is compared.
func TestBothSortsAgree(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		kinds := rapid.SampledFrom([]int{1, 4, 100, 1 << 20}).Draw(r, "kinds")
		few := rapid.Custom(func(t *rapid.T) fingerprint.Token { return drawToken(t, kinds) })
		tokens := rapid.SliceOfN(few, 0, 2_000).Draw(r, "tokens")
		entries := make([]entry, len(tokens))
		for row, token := range tokens {
			copy(entries[row][:], token[:])
			binary.BigEndian.PutUint32(entries[row][16:], uint32(row))
		}
		want := slices.Clone(entries)
		slices.SortFunc(want, compareEntries)
		var s spreader
		for range 2 {
			if got := s.sort(entries); !slices.Equal(got, want) {
				t.Fatal("the entries are not in order")
			}
		}
	})
}
