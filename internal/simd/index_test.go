package simd

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// checkIndex holds a path against the portable one.
func checkIndex(t *testing.T, p path, text []byte, delimiter byte) {
	t.Helper()
	text = text[:len(text)/BlockSize*BlockSize]
	if len(text) == 0 {
		return
	}
	got, want := make([]uint32, len(text)+IndexSlack), make([]uint32, len(text)+IndexSlack)
	n, scanned, flags := p.index(got, text, delimiter)
	wantN, wantScanned, wantFlags := indexPortable(want, text, delimiter)
	if n != wantN || scanned != wantScanned || !slices.Equal(got[:n], want[:n]) {
		t.Fatalf("%s: %d ends in %d bytes, want %d in %d: %v, want %v", p.name, n, scanned, wantN, wantScanned, got[:n], want[:wantN])
	}
	if scanned == len(text) && flags != wantFlags {
		t.Fatalf("%s: flags %b, want %b", p.name, flags, wantFlags)
	}
}

// csvAlphabet makes every case of quotes likely.
func csvAlphabet(r *rand.Rand, n int) []byte {
	pieces := []string{"a", "bc", ",", ",", "\n", "\r\n", "\"", "\"\"", "\",\"", ",\"", "\",", "\"\n", "\"\r\n", "\n\"", "\r", "é", "\xff", strings.Repeat("x", 70)}
	var b []byte
	for len(b) < n {
		b = append(b, pieces[r.IntN(len(pieces))]...)
	}
	return b[:n]
}

func TestIndexOnRandomText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, p := range others(t) {
		for range 20_000 {
			checkIndex(t, p, csvAlphabet(r, BlockSize*(1+r.IntN(5))), ',')
		}
	}
}

// The truth is what a loop over single bytes says.
func TestIndexPortable(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	clean := 0
	for range 20_000 {
		text := csvAlphabet(r, BlockSize*(1+r.IntN(4)))
		ends := make([]uint32, len(text)+IndexSlack)
		n, scanned, _ := indexPortable(ends, text, ',')
		want, fault := endsByByte(text)
		if fault/BlockSize*BlockSize != scanned {
			t.Fatalf("%q: stops at %d, the first fault shows at %d", text, scanned, fault)
		}
		for len(want) > 0 && int(want[len(want)-1]) >= scanned {
			want = want[:len(want)-1]
		}
		if !slices.Equal(ends[:n], want) {
			t.Fatalf("%q: %v, want %v", text, ends[:n], want)
		}
		if scanned == len(text) {
			clean++
		}
	}
	if clean < 100 {
		t.Errorf("only %d texts had no fault", clean)
	}
}

// endsByByte reads a text byte after byte and returns the ends of its cells and
// where the first wrong quote shows.
func endsByByte(text []byte) (ends []uint32, fault int) {
	within, closed, returned := false, false, false
	for i, c := range text {
		start := i == 0 || len(ends) > 0 && int(ends[len(ends)-1]) == i-1
		if start {
			closed, returned = false, false
		}
		switch {
		case returned && c != '\n':
			return ends, i
		case within:
			within = c != '"'
			closed = !within
			continue
		case c == '"' && (start || closed):
			within, closed = true, false
			continue
		case c == '"', closed && c != ',' && c != '\n' && c != '\r':
			return ends, i
		case closed && c == '\r':
			returned, closed = true, false
			continue
		}
		closed = false
		if c == ',' || c == '\n' {
			ends = append(ends, uint32(i))
		}
	}
	return ends, len(text)
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(strings.Repeat("a,\"b\"\"c\",d\r\n", 30)), byte(','), uint8(0))
	f.Add([]byte(strings.Repeat("a\"\n", 60)), byte(';'), uint8(3))
	f.Add([]byte(strings.Repeat("x", 63)+"\""+strings.Repeat("\"\r\n,", 40)), byte('x'), uint8(63))
	f.Fuzz(func(t *testing.T, text []byte, delimiter byte, shift uint8) {
		if delimiter >= 0x80 || delimiter == '"' || delimiter == '\r' || delimiter == '\n' || delimiter == 0 {
			return
		}
		// A mark may lie anywhere in a block.
		text = append(bytes.Repeat([]byte{'z'}, int(shift)%BlockSize), text...)
		text = append(text, make([]byte, BlockSize)...)
		for _, p := range paths() {
			checkIndex(t, p, text, delimiter)
		}
	})
}

func BenchmarkIndex(b *testing.B) {
	text := []byte(strings.Repeat("P000000001,919-76-6487,Oliver,Müller,1956-01-02,(555) 010-9999,oliver.smith@example.com,\"12 High Street, Leeds\"\n", 1000))
	text = text[:len(text)/BlockSize*BlockSize]
	ends := make([]uint32, len(text)+IndexSlack)
	for _, p := range append(paths(), portable) {
		b.Run(p.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				p.index(ends, text, ',')
			}
		})
	}
}

func TestIndexLiteral(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, p := range append(others(t), portable) {
		for range 5_000 {
			text := csvAlphabet(r, BlockSize*(1+r.IntN(80)))
			var want []uint32
			beyond := false
			for i, c := range text {
				if c == ',' || c == '\n' {
					want = append(want, uint32(i))
				}
				beyond = beyond || c >= 0x80
			}
			got := make([]uint32, len(text)+IndexSlack)
			n, scanned, flags := p.indexLiteral(got, text, ',')
			if scanned != len(text) || !slices.Equal(got[:n], want) || (flags&BeyondASCII != 0) != beyond {
				t.Fatalf("%s: %v in %d bytes, flags %b; want %v", p.name, got[:n], scanned, flags, want)
			}
		}
	}
}
