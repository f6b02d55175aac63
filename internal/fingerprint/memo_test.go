package fingerprint

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/simd"
)

// textOf is cells one after another, with room behind them to be read in words.
func textOf(cells []string) (text []byte, spans []simd.Span) {
	for _, c := range cells {
		spans = append(spans, simd.Span{Start: uint32(len(text)), End: uint32(len(text) + len(c))})
		text = append(text, c...)
	}
	return append(text, make([]byte, keySize)...), spans
}

// tokensOf hashes cells in pieces, as chunks of a table come.
func tokensOf(h *Hasher, cells []string, piece int) []byte {
	out := make([]byte, len(cells)*TokenSize)
	for from := 0; from < len(cells); from += piece {
		to := min(from+piece, len(cells))
		text, spans := textOf(cells[from:to])
		h.Tokens(out[from*TokenSize:], text, spans)
	}
	return out
}

func TestMemoChangesNoToken(t *testing.T) {
	for name, of := range map[string]func(i int) string{
		"few":           func(i int) string { return fmt.Sprintf("Name %d", i*i%7) },
		"some":          func(i int) string { return fmt.Sprintf("19%02d-01-%02d", i%97, i%28) },
		"many":          func(i int) string { return fmt.Sprintf("919-76-%06d", i) },
		"every length":  func(i int) string { return strings.Repeat("x", i%40) },
		"zeros":         func(i int) string { return strings.Repeat("\x00", i%34) },
		"like prefixes": func(i int) string { return string([]rune("Müller")[:i%7]) + strings.Repeat(" ", i%3) },
	} {
		t.Run(name, func(t *testing.T) {
			cells := make([]string, 60_000)
			for i := range cells {
				cells[i] = of(i)
			}
			column := columnOf(true, "-")
			want := tokensOf(hasherOf(t, column), cells, 1000)
			h := hasherOf(t, column)
			h.Remember(1 << 20)
			if !bytes.Equal(tokensOf(h, cells, 777), want) {
				t.Error("tokens differ")
			}
		})
	}
}

func TestMemoGrowsAndSleeps(t *testing.T) {
	h := hasherOf(t, columnOf(false, ""))
	h.Remember(slotSize * firstSlots * slotGrowth)
	distinct := func(values, cells int) {
		all := make([]string, cells)
		for i := range all {
			all[i] = fmt.Sprintf("value %d", i%values)
		}
		tokensOf(h, all, 1024)
	}
	distinct(20, 3*memoWindow)
	if n := len(h.memo.slots); n != firstSlots || h.memo.hits == 0 {
		t.Errorf("20 values: %d slots, %d hits", n, h.memo.hits)
	}
	distinct(1500, 3*memoWindow)
	if n := len(h.memo.slots); n != firstSlots*slotGrowth || h.memo.nap > 0 {
		t.Errorf("1,500 values: %d slots, asleep for %d", n, h.memo.nap)
	}
	distinct(1_000_000, 2*memoWindow)
	if h.memo.slots != nil || h.memo.nap <= 0 {
		t.Errorf("a million values: %d slots, asleep for %d", len(h.memo.slots), h.memo.nap)
	}
	h.memo.nap = 1
	distinct(10, 2*memoWindow)
	if h.memo.slots == nil || h.memo.hits == 0 {
		t.Error("it does not wake up")
	}
	h.Remember(slotSize * (firstSlots - 1))
	distinct(10, 100)
	if h.memo.slots != nil {
		t.Error("it remembers without memory")
	}
}

func BenchmarkTokens(b *testing.B) {
	for _, values := range []int{30, 3_000, 1 << 30} {
		b.Run(fmt.Sprintf("%d values", values), func(b *testing.B) {
			cells := make([]string, 100_000)
			for i := range cells {
				cells[i] = fmt.Sprintf("19%d Smith", i*7919%values)
			}
			text, spans := textOf(cells)
			h, dst := hasherOf(b, columnOf(true, "-")), make([]byte, len(cells)*TokenSize)
			h.Remember(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				h.Tokens(dst, text, spans)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(cells)), "ns/cell")
		})
	}
}
