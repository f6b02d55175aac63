package simd

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// foldByByte is Fold one character at a time. ok is false where it must leave
// the cell to its caller.
func foldByByte(cell []byte, a *Alphabet) (out []byte, ok bool) {
	if len(cell) > BlockSize {
		return nil, false
	}
	for i := 0; i < len(cell); i++ {
		c := cell[i]
		switch {
		case c == 0:
			return nil, false
		case c < 0x80:
			if a.ASCII[c] != 0 {
				out = append(out, a.ASCII[c])
			}
		case c >= 0xc3 && c <= 0xc5:
			second := a.Latin[c-0xc3][cell[i+1]&0x3f]
			i++
			switch second {
			case 0:
				return nil, false
			case 's':
				out = append(out, "ss"...)
			default:
				out = append(out, c, second)
			}
		default:
			return nil, false
		}
	}
	var trimmed []byte
	for _, c := range out {
		if c != ' ' || len(trimmed) > 0 && trimmed[len(trimmed)-1] != ' ' {
			trimmed = append(trimmed, c)
		}
	}
	trimmed = bytes.TrimSuffix(trimmed, []byte(" "))
	return trimmed, len(trimmed) <= MaxMessage
}

// lowerAlphabet folds ASCII and the letters of Latin-1, and leaves out a few.
func lowerAlphabet(left string) *Alphabet {
	a := &Alphabet{}
	for c := 1; c < 0x80; c++ {
		a.ASCII[c] = byte(c)
		switch {
		case c >= 'A' && c <= 'Z':
			a.ASCII[c] += 0x20
		case strings.IndexByte("\t\n\r\v\f", byte(c)) >= 0:
			a.ASCII[c] = ' '
		}
		if strings.IndexByte(left, byte(c)) >= 0 {
			a.ASCII[c] = 0
		}
	}
	for i := range 64 {
		second := byte(0x80 + i)
		a.Latin[0][i], a.Latin[1][i] = second, second|1
		if i < 0x1f && i != 0x17 {
			a.Latin[0][i] += 0x20
		}
	}
	a.Latin[0][0x1f] = 's'
	a.Latin[1][0x32], a.Latin[1][0x33] = 0, 0
	return a
}

func checkFold(t *testing.T, p path, cells []string, a *Alphabet) {
	t.Helper()
	text, spans := []byte{}, []Span{}
	for _, c := range cells {
		spans = append(spans, Span{uint32(len(text)), uint32(len(text) + len(c))})
		text = append(text, c...)
	}
	text = text[:len(text):len(text)]
	batch := new(Batch)
	for i := range batch {
		copy(batch[i][:], bytes.Repeat([]byte{0xcc}, 64))
	}
	rest, empty := p.fold(batch, text, spans, a)
	for i, c := range cells {
		want, ok := foldByByte([]byte(c), a)
		if ok == (rest>>i&1 == 1) {
			t.Fatalf("%s: %+q left to the caller: %t", p.name, c, ok)
		}
		if !ok {
			continue
		}
		if (len(want) == 0) != (empty>>i&1 == 1) {
			t.Fatalf("%s: %+q empty: %b", p.name, c, empty>>i&1)
		}
		var message Message
		message.Put(want)
		if batch[i] != message {
			t.Fatalf("%s: %+q becomes %+q, want %+q", p.name, c, batch[i], message)
		}
	}
	if used := bits.Len32(rest | empty); used > len(cells) {
		t.Fatalf("%s: bits beyond the %d cells", p.name, len(cells))
	}
}

// folding are the paths whose Fold does anything.
func folding(t testing.TB) []path {
	var some []path
	for _, p := range others(t) {
		if rest, _ := p.fold(new(Batch), []byte("a"), []Span{{0, 1}}, lowerAlphabet("")); rest == 0 {
			some = append(some, p)
		}
	}
	return some
}

func TestFoldOnRandomCells(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	pieces := []string{"a", "Z", " ", "  ", "-", "(", "9", "\t", "\r\n", "é", "É", "ß", "Ā", "ĳ", "ź", "Ż", "×", "漢", "😀", "\u00a0", "\x00", "\x7f", "abcdefgh", strings.Repeat("q", 20), "e\u0301"}
	for _, p := range folding(t) {
		for _, left := range []string{"", "- ", "()-. ", "abcdefghq"} {
			a := lowerAlphabet(left)
			for range 10_000 {
				cells := make([]string, 1+r.IntN(Lanes))
				for i := range cells {
					for range r.IntN(9) {
						cells[i] += pieces[r.IntN(len(pieces))]
					}
				}
				checkFold(t, p, cells, a)
			}
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add("Smith|O'Neill|Müller|Stra\u00dfe| a  b |---||"+strings.Repeat("x", 64)+"|"+strings.Repeat("x", 65), "-")
	f.Add(strings.Repeat(" ", 64)+"|"+strings.Repeat("é", 32)+"|"+strings.Repeat("-", 63)+"é", " ")
	f.Fuzz(func(t *testing.T, joined, left string) {
		if !utf8.ValidString(joined) {
			return
		}
		cells := strings.Split(joined, "|")
		for _, p := range folding(t) {
			checkFold(t, p, cells[:min(len(cells), Lanes)], lowerAlphabet(left))
		}
	})
}

func BenchmarkFold(b *testing.B) {
	a := lowerAlphabet("-")
	for name, cell := range map[string]string{"ascii": "919-76-6487", "spaces": "12 High Street", "latin": "Müller", "mixed": ""} {
		text, spans := []byte{}, make([]Span, Lanes)
		for i := range spans {
			c := cell
			if name == "mixed" {
				c = []string{"Smith", "Jones", "O'Neill", "Müller", "Fitzgerald-Hughes", "Van der Berg"}[i%6]
			}
			spans[i] = Span{uint32(len(text)), uint32(len(text) + len(c))}
			text = append(text, c...)
		}
		for _, p := range folding(b) {
			b.Run(name+"/"+p.name, func(b *testing.B) {
				batch := new(Batch)
				for b.Loop() {
					p.fold(batch, text, spans, a)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/Lanes, "ns/cell")
			})
		}
	}
}
