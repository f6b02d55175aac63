package index

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/fsys"
)

// filesIn are the files of a folder, as those of a table.
func filesIn(dir string) group {
	return group{blobs.NewFolder(fsys.OS{}, filepath.Dir(dir)), filepath.Base(dir)}
}

// indexOf writes a column's tokens and sorts them by runs of at most most entries.
func indexOf(t interface{ Fatal(...any) }, dir string, tokens []fingerprint.Token, most int) *columnIndex {
	w, err := newPageWriter(context.Background(), filesIn(dir), tokensName(0), fingerprint.TokenSize)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if err := w.add(token[:]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.commit(); err != nil {
		t.Fatal(err)
	}
	file, err := openPages(context.Background(), filesIn(dir), tokensName(0), fingerprint.TokenSize)
	if err != nil {
		t.Fatal(err)
	}
	runs := &sortedRuns{files: filesIn(dir), most: most}
	if err := errors.Join(runs.index(context.Background(), file), file.close()); err != nil {
		t.Fatal(err)
	}
	x, err := openIndex(context.Background(), filesIn(dir), indexName(0))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// An index finds exactly the rows that a look at every row finds, in order.
func TestIndexFindsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.IntRange(1, 40).Draw(t, "kinds") // few tokens stand in many rows
		kind := rapid.Custom(func(t *rapid.T) fingerprint.Token {
			return fingerprint.Token{0: 1, 15: byte(rapid.IntRange(0, kinds).Draw(t, "kind"))}
		})
		token := rapid.OneOf(kind, kind, kind, rapid.Just(emptyToken))
		tokens := rapid.SliceOfN(token, 0, 2_000).Draw(t, "tokens")
		x := indexOf(t, dir, tokens, rapid.SampledFrom([]int{pageEntries, 2 * pageEntries, runEntries}).Draw(t, "run"))
		defer func() {
			if err := x.file.close(); err != nil {
				t.Fatal(err)
			}
		}()
		limit := rapid.IntRange(0, 30).Draw(t, "limit")
		for k := range kinds + 2 { // the last one is nowhere
			wanted := fingerprint.Token{0: 1, 15: byte(k)}
			var rows []int64
			for row, token := range tokens {
				if token == wanted {
					rows = append(rows, int64(row))
				}
			}
			total, first, err := x.rows(wanted, limit)
			if err != nil {
				t.Fatal(err)
			}
			if total != int64(len(rows)) || !slices.Equal(first, rows[:min(limit, len(rows))]) {
				t.Fatalf("token %d: %d rows, first %v; want %d, %v", k, total, first, len(rows), rows)
			}
		}
		if total, _, err := x.rows(emptyToken, 1); err != nil || total != 0 {
			t.Fatalf("an empty cell is found in %d rows (%v)", total, err)
		}
	})
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 {
		t.Fatalf("sorting leaves %v (%v); want the tokens, the index and its tops", left, err)
	}
}

func TestDamagedPagesAreNoAnswer(t *testing.T) {
	tokens := make([]fingerprint.Token, 1_000)
	for n := range tokens {
		tokens[n] = fingerprint.Token{0: 1, 1: byte(n >> 8), 2: byte(n)}
	}
	dir := t.TempDir()
	x := indexOf(t, dir, tokens, runEntries)
	text, err := os.ReadFile(filepath.Join(dir, indexName(0)))
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(filepath.Join(dir, indexName(0)), text, 0o600); err != nil {
		t.Fatal(err)
	}
	var bad *Damaged
	failures := 0
	for _, token := range tokens {
		total, _, err := x.rows(token, 10)
		switch {
		case errors.As(err, &bad):
			failures++
		case err != nil || total != 1:
			t.Fatalf("%d rows, %v", total, err)
		}
	}
	if failures == 0 || failures == len(tokens) {
		t.Errorf("%d of %d lookups fail; want those of the damaged page", failures, len(tokens))
	}
	if err := x.file.close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, indexName(0)), text[:len(text)-3], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openIndex(context.Background(), filesIn(dir), indexName(0)); !errors.As(err, &bad) {
		t.Errorf("a file that is cut off opens: %v", err)
	}
}

// Large runs are sorted another way than small ones: by their first bytes first.
func TestLargeRunsAreInOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, kinds := range []int{1, 3, 300, 1 << 30} {
		s := &sortedRuns{}
		for row := range 150_000 {
			var e entry
			kind := sha256.Sum256(binary.BigEndian.AppendUint32(nil, uint32(random.IntN(kinds))))
			copy(e[:], kind[:fingerprint.TokenSize])
			binary.BigEndian.PutUint32(e[fingerprint.TokenSize:], uint32(row))
			s.last = append(s.last, e)
		}
		want := slices.Clone(s.last)
		slices.SortFunc(want, func(a, b entry) int { return bytes.Compare(a[:], b[:]) })
		if s.sort(); !slices.Equal(s.last, want) {
			t.Errorf("%d kinds of tokens are not in order", kinds)
		}
	}
}

func BenchmarkIndexColumn(b *testing.B) {
	dir, rows := b.TempDir(), 1_000_000
	w, err := newPageWriter(context.Background(), filesIn(dir), tokensName(0), fingerprint.TokenSize)
	if err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range rows {
		var token fingerprint.Token
		binary.LittleEndian.PutUint64(token[:], random.Uint64())
		binary.LittleEndian.PutUint64(token[8:], random.Uint64())
		if err := w.add(token[:]); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.commit(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := indexColumn(b.Context(), filesIn(dir), 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
}
