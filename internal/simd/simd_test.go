package simd

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// others are the paths that have to do as the portable one does.
func others(t testing.TB) []path {
	t.Helper()
	if len(paths()) == 0 {
		t.Skip("this machine has the portable path only")
	}
	return paths()
}

func TestEveryPathPassesItsSelfTest(t *testing.T) {
	for _, p := range append(paths(), portable) {
		if err := p.selfTest(); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
	if Err() != nil {
		t.Errorf("the path of this process: %v", Err())
	}
}

func TestSelfTestNotices(t *testing.T) {
	for name, spoil := range map[string]func(*path){
		"index": func(p *path) {
			p.index = func(ends []uint32, text []byte, d byte) (int, int, Flags) {
				n, scanned, f := indexPortable(ends, text, d)
				ends[n-1]++
				return n, scanned, f
			}
		},
		"UTF-8":  func(p *path) { p.validUTF8 = func([]byte) bool { return true } },
		"hashes": func(p *path) { p.tokens = func(_ *MAC, dst []byte, _ *Batch, _ int) { clear(dst) } },
	} {
		spoilt := portable
		spoil(&spoilt)
		if spoilt.selfTest() == nil {
			t.Errorf("a path with the wrong %s passes", name)
		}
		if got, err := choose("", []path{spoilt, portable}); err != nil || got.name != "portable" {
			t.Errorf("%s: it is chosen all the same", name)
		}
		if _, err := choose("portable", []path{spoilt}); err == nil {
			t.Errorf("%s: forcing it is no error", name)
		}
	}
}

func TestChoose(t *testing.T) {
	fast := portable
	fast.name = "fast"
	have := []path{fast, portable}
	for asked, want := range map[string]string{"": "fast", "portable": "portable", "fast": "fast"} {
		if got, err := choose(asked, have); err != nil || got.name != want {
			t.Errorf("%q gives %s, %v", asked, got.name, err)
		}
	}
	got, err := choose("warp", have)
	if err == nil || got.name != "portable" || !strings.Contains(err.Error(), "fast, portable") || !strings.Contains(err.Error(), "warp") {
		t.Errorf("an unknown path gives %s, %v", got.name, err)
	}
}

func TestEnvironmentForcesThePath(t *testing.T) {
	if os.Getenv("SIMD_TEST_CHILD") != "" {
		fmt.Printf("path=%s err=%v\n", Path(), Err())
		return
	}
	for _, name := range append(Paths(), "warp") {
		child := exec.Command(os.Args[0], "-test.run", "^TestEnvironmentForcesThePath$", "-test.v")
		child.Env = append(os.Environ(), "SIMD_TEST_CHILD=1", Environment+"="+name)
		out, err := child.CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		want := "path=" + name + " err=<nil>"
		if name == "warp" {
			want = "path=portable err=EXACTMATCH_CPU=\"warp\""
		}
		if !strings.Contains(string(out), want) {
			t.Errorf("%s: %s", name, out)
		}
	}
}

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
	within, quoted, closed, returned := false, false, false, false
	for i, c := range text {
		start := i == 0 || len(ends) > 0 && int(ends[len(ends)-1]) == i-1
		if start {
			quoted, closed, returned = false, false, false
		}
		switch {
		case returned && c != '\n':
			return ends, i
		case within:
			within = c != '"'
			closed = !within
			continue
		case c == '"' && (start || closed):
			within, quoted, closed = true, true, false
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
	_ = quoted
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

func checkUTF8(t *testing.T, p path, text []byte) {
	t.Helper()
	if got, want := p.validUTF8(text), utf8.Valid(text); got != want {
		t.Fatalf("%s: %t for %+q", p.name, got, text)
	}
}

func TestValidUTF8(t *testing.T) {
	var pieces [][]byte
	for _, first := range []int{0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff} {
		for _, second := range []int{-1, 0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xe0, 0xf0} {
			for tail := range 4 {
				piece := []byte{byte(first)}
				if second >= 0 {
					piece = append(append(piece, byte(second)), bytes.Repeat([]byte{0x80}, tail)...)
				}
				pieces = append(pieces, piece)
			}
		}
	}
	for _, p := range append(others(t), path{name: "active", validUTF8: ValidUTF8}) {
		for _, piece := range pieces {
			for _, at := range []int{0, 60, 61, 62, 63, 64, 65, 127, 190, 250, 254, 255, 256, 300, 318, 319, 320} {
				text := bytes.Repeat([]byte{'x'}, 320)
				checkUTF8(t, p, append(text[:min(at, 320)], append(bytes.Clone(piece), text[min(at, 320):]...)...))
			}
		}
	}
}

func FuzzValidUTF8(f *testing.F) {
	f.Add([]byte(strings.Repeat("Müßig 漢字 😀 ", 30)), uint16(7), byte(0x80))
	f.Add([]byte(strings.Repeat("x", 300)), uint16(256), byte(0xf0))
	f.Fuzz(func(t *testing.T, text []byte, at uint16, b byte) {
		// Long enough for the kernel, which leaves short texts alone.
		long := bytes.Repeat(append([]byte("é"), text...), 1+256/(1+len(text)))
		spoilt := bytes.Clone(long)
		spoilt[int(at)%len(spoilt)] = b
		for _, p := range paths() {
			checkUTF8(t, p, text)
			checkUTF8(t, p, long)
			checkUTF8(t, p, spoilt)
		}
	})
}

func FuzzTokens(f *testing.F) {
	f.Add([]byte("a key of thirty-two bytes, or so"), []byte("919766487|smith|1956-01-02|"), uint8(32), uint8(9))
	f.Add(make([]byte, 64), make([]byte, 600), uint8(1), uint8(55))
	f.Fuzz(func(t *testing.T, key, text []byte, n, step uint8) {
		key = key[:min(len(key), 64)]
		m, messages, count := NewMAC(key), new(Batch), 1+int(n)%Lanes
		var want []byte
		for i := range count {
			piece := text[min(i*3, len(text)):]
			piece = piece[:min(len(piece), (i*int(step))%(MaxMessage+1))]
			messages[i].Put(piece)
			truth := hmac.New(sha256.New, key)
			truth.Write(piece)
			want = append(want, truth.Sum(nil)[:TokenSize]...)
		}
		for _, p := range append(paths(), portable) {
			got := bytes.Repeat([]byte{0xaa}, count*TokenSize+8)
			p.tokens(m, got[:count*TokenSize], messages, count)
			if !bytes.Equal(got[:count*TokenSize], want) {
				t.Fatalf("%s: other tokens for %d messages", p.name, count)
			}
			if !bytes.Equal(got[count*TokenSize:], bytes.Repeat([]byte{0xaa}, 8)) {
				t.Fatalf("%s: wrote behind the tokens", p.name)
			}
		}
	})
}

func TestEveryLengthInEveryLane(t *testing.T) {
	m, messages := NewMAC([]byte("key")), new(Batch)
	for shift := range MaxMessage + 1 {
		for i := range messages {
			messages[i].Put(bytes.Repeat([]byte{byte(i + 1)}, (i+shift)%(MaxMessage+1)))
		}
		for _, p := range paths() {
			got := make([]byte, Lanes*TokenSize)
			p.tokens(m, got, messages, Lanes)
			for i := range messages {
				text, _ := messages[i].text()
				if !bytes.Equal(got[i*TokenSize:(i+1)*TokenSize], m.Sum(nil, text)) {
					t.Fatalf("%s: lane %d, %d bytes", p.name, i, len(text))
				}
			}
		}
	}
}

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

func TestMACPrintsNothing(t *testing.T) {
	m := NewMAC([]byte("s3cret"))
	if got := fmt.Sprintf("%v %+v %#v %s %x", m, m, m, m, m); got != strings.TrimSuffix(strings.Repeat("[redacted] ", 5), " ") {
		t.Errorf("it prints %s", got)
	}
}

func BenchmarkTokens(b *testing.B) {
	m, messages := NewMAC([]byte("key")), new(Batch)
	for i := range messages {
		messages[i].Put([]byte("919-76-6487 or alike"))
	}
	dst := make([]byte, Lanes*TokenSize)
	for _, p := range append(paths(), portable) {
		b.Run(p.name, func(b *testing.B) {
			for b.Loop() {
				p.tokens(m, dst, messages, Lanes)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/Lanes, "ns/token")
		})
	}
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

func BenchmarkValidUTF8(b *testing.B) {
	text := []byte(strings.Repeat("P000000001,919-76-6487,Oliver,Müller,1956-01-02,(555) 010-9999,oliver.smith@example.com,\"12 High Street, Leeds\"\n", 1000))
	for _, p := range append(paths(), portable) {
		b.Run(p.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				p.validUTF8(text)
			}
		})
	}
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
