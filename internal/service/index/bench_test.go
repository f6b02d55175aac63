package index

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"exactmatch.dev/operator/internal/fingerprint"
)

// BenchmarkIndex makes a table of five columns out of its blocks, and writes and syncs
// as many bytes beside it.
func BenchmarkIndex(b *testing.B) {
	for _, rows := range []int{1_000_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			p := newPlace(b.TempDir())
			l := p.tables(b)
			s := randomSheet(rows, 100_000, 0, 0, rows/2, 1000, 50)
			ids := s.stage(b, l, "one")
			s.tokens = nil
			began := cpuTime(b)
			for b.Loop() {
				t, err := l.Build(b.Context(), Meta{SessionID: "one", KeyID: sheetKey.String(), Columns: s.columns})
				require(b, err)
				require(b, t.Read(b.Context(), ids, taken))
				require(b, t.Index(b.Context(), func(int) error { return nil }))
				table, err := t.Commit(b.Context())
				require(b, err)
				require(b, table.Close())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows*len(s.columns)), "ns/token")
			b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N*rows*len(s.columns)), "cpu-ns/token")
		})
	}
}

// BenchmarkWrite writes and syncs as many bytes as the indexes of BenchmarkIndex have.
func BenchmarkWrite(b *testing.B) {
	const rows = 1_000_000
	text, path := make([]byte, 1<<20), filepath.Join(b.TempDir(), "file")
	for b.Loop() {
		f, err := os.Create(path)
		require(b, err)
		for left := rows * 5 * (indexEntry*pageSize/pageBody + 1); left > 0; left -= len(text) {
			_, err := f.Write(text)
			require(b, err)
		}
		require(b, f.Sync())
		require(b, f.Close())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows*5), "ns/token")
}

// BenchmarkMatch asks for tokens at random, each with one of the same row, of a table
// whose pages were all read.
func BenchmarkMatch(b *testing.B) {
	for _, rows := range []int{1_000_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			l := newPlace(b.TempDir()).tables(b)
			s := randomSheet(rows, 100_000, 0, 0)
			table := s.build(b, l, "one")
			defer func() { require(b, table.Close()) }()
			same := []SameRow{{1, make([]fingerprint.Token, 1)}}
			matches := 0
			ask := func(row int) {
				same[0].Tokens[0] = s.tokens[1][row]
				total, err := table.Match(0, s.tokens[0][row], same, 100, func(_ int64, matched []int) { matches += matched[0] + 1 })
				if err != nil || total != 1 || matches != 1 {
					b.Fatal(total, matches, err)
				}
				matches = 0
			}
			for row := range rows {
				ask(row)
			}
			row, began := 0, cpuTime(b)
			for b.Loop() {
				ask(row)
				row = (row + 7_654_321) % rows
			}
			b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpuTime is what the process has used of the processors, in nanoseconds.
func cpuTime(b *testing.B) int64 {
	var used syscall.Rusage
	require(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return used.Utime.Nano() + used.Stime.Nano()
}
