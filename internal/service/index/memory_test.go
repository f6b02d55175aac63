package index

import (
	"context"
	"runtime"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// heapPeak is the most that the heap has in use while f runs, beyond what it has
// before.
func heapPeak(f func()) uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := m.HeapInuse
	ctx, stop := context.WithCancel(context.Background())
	seen := make(chan uint64)
	go func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		var most uint64
		for {
			select {
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapInuse)
			case <-ctx.Done():
				seen <- most
				return
			}
		}
	}()
	f()
	stop()
	most := <-seen
	return most - min(before, most)
}

// Indexing stays within its memory, which is a fraction of the table's.
func TestIndexingStaysWithinItsMemory(t *testing.T) {
	const rows, columns, memory = 5_000_000, 2, 128 << 20
	p := newPlace(t.TempDir())
	p.limits = Limits{Memory: memory}
	l := p.tables(t)
	var of []edm.Column
	h := block.Header{Rules: fingerprint.Rules, KeyID: sheetKey, Store: "people", Rows: 100_000}
	for c := range columns {
		h.Columns = append(h.Columns, string(rune('A'+c)))
		of = append(of, edm.Column{Name: h.Columns[c], IsSearchable: true})
	}
	var ids []string
	for ; h.FirstRow < rows; h.FirstRow += int64(h.Rows) {
		h.Index = len(ids)
		var d block.Draft
		require(t, d.Begin(h))
		for c := range columns {
			tokens := d.Column(c)
			for at := 0; at < len(tokens); at += fingerprint.TokenSize {
				kind := int(h.FirstRow) + at/fingerprint.TokenSize
				if c == 1 {
					kind = 0 // one token in all rows
				}
				token := mixed(c, kind)
				copy(tokens[at:], token[:])
			}
		}
		data := d.Encode()
		ids = append(ids, block.ID(h.Index, block.Sum(data)))
		require(t, l.blocks.Put(t.Context(), "one", ids[len(ids)-1], data))
	}
	peak := heapPeak(func() {
		b, err := l.Build(t.Context(), Meta{SessionID: "one", KeyID: sheetKey.String(), Columns: of})
		require(t, err)
		require(t, b.Read(t.Context(), ids, taken))
		require(t, b.Index(t.Context(), func(int) error { return nil }))
		table, err := b.Commit(t.Context())
		require(t, err)
		require(t, table.Close())
	})
	t.Logf("%d MiB for %d MiB of entries", peak>>20, rows*columns*len(entry{})>>20)
	if least := uint64(rows * len(entry{})); least < memory-processMemory || peak > memory-processMemory {
		t.Errorf("indexing took %d MiB, and has %d; a column has %d", peak>>20, (memory-processMemory)>>20, least>>20)
	}
}

// mixed is a token that is made quickly.
func mixed(column, kind int) (token fingerprint.Token) {
	x := uint64(column+1)<<40 + uint64(kind)
	for i := range token {
		x ^= x >> 31
		x *= 0x9e3779b97f4a7c15
		token[i] = byte(x >> 56)
	}
	return token
}
