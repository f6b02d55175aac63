package fingerprint

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/simd"
)

// printed is what a value prints under each verb.
func printed(v any) []string {
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		out = append(out, fmt.Sprintf(verb, v))
	}
	return out
}

func hasherOf(t testing.TB, c schema.Column) *Hasher {
	t.Helper()
	key, err := NewKey(bytes.Repeat([]byte("k"), MinKeySize))
	if err != nil {
		t.Fatal(err)
	}
	h, err := key.Hasher("store", c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// checkTokens holds Tokens, on the path of this process, against the rules
// without a short cut and crypto/hmac.
func checkTokens(t *testing.T, c schema.Column, cells []string) {
	t.Helper()
	h := hasherOf(t, c)
	var text []byte
	spans := make([]simd.Span, 0, len(cells))
	for _, cell := range cells {
		text = append(text, '|')
		spans = append(spans, simd.Span{Start: uint32(len(text)), End: uint32(len(text) + len(cell))})
		text = append(text, cell...)
	}
	got := bytes.Repeat([]byte{0xaa}, len(cells)*TokenSize+1)
	h.Tokens(got, text, spans)
	for i, cell := range cells {
		normal := h.normalizer.appendSlow(nil, []byte(cell))
		want := make([]byte, TokenSize)
		if len(normal) > 0 {
			mac := hmac.New(sha256.New, h.key)
			mac.Write(normal)
			copy(want, mac.Sum(nil))
		}
		token := got[i*TokenSize : (i+1)*TokenSize]
		if !bytes.Equal(token, want) {
			t.Fatalf("%s: token of cell %d, %+q with normal form %+q, is %x, want %x", simd.Path(), i, cell, normal, token, want)
		}
		if one := h.AppendToken(nil, []byte(cell)); !bytes.Equal(one, want) {
			t.Fatalf("%s: the single token of %+q is %x, want %x", simd.Path(), cell, one, want)
		}
	}
	if got[len(cells)*TokenSize] != 0xaa {
		t.Fatal("a byte behind the tokens was written")
	}
	// What is remembered changes no token: not when it is new, nor when it is met again.
	h.Remember(slotSize * firstSlots)
	for round := range 3 {
		again := bytes.Repeat([]byte{byte(round)}, len(cells)*TokenSize+1)
		h.Tokens(again, text, spans)
		if !bytes.Equal(again[:len(cells)*TokenSize], got[:len(cells)*TokenSize]) || again[len(cells)*TokenSize] != byte(round) {
			t.Fatalf("%s: the memo changes tokens in round %d", simd.Path(), round)
		}
	}
}

func columns() []schema.Column {
	return []schema.Column{
		columnOf(false, ""), columnOf(true, ""), columnOf(false, "- "), columnOf(true, " -'."), columnOf(true, "éßsÀ\u0301"), columnOf(false, "()- +.µ"),
	}
}

// Letters of two bytes next to each other, to marks, and to spaces, in every place of a cell.
func TestTokensOfEveryLetter(t *testing.T) {
	for _, c := range columns() {
		var cells []string
		for r := rune(1); r <= lastLetter; r++ {
			next := string(firstLetter + (r*37)%(lastLetter-firstLetter))
			s := string(r)
			cells = append(cells, s, "a"+s+"B", s+s, s+next, next+s, s+"\u0301", " "+s+" ", s+" "+s, strings.Repeat("x", int(r)%64)+s, s+strings.Repeat("y", 50))
		}
		checkTokens(t, c, cells)
	}
}

func TestTokensOfEveryLength(t *testing.T) {
	for _, c := range columns() {
		var cells []string
		for n := range 140 {
			cells = append(cells, strings.Repeat("x", n), strings.Repeat("é", n), strings.Repeat(" ", n), strings.Repeat("-", n)+"z", "\x00"+strings.Repeat("q", n),
				strings.Repeat("a ", n), strings.Repeat("a  ", n)+"b", strings.Repeat("漢", n), strings.Repeat("Q", n)+"\u00a0", strings.Repeat("Ç", n)+"\ufb03")
		}
		checkTokens(t, c, cells)
	}
}

func TestNoCellAllocates(t *testing.T) {
	for _, cell := range []string{"919-76-6487", "François Núñez", "漢字 Καλημέρα ﬃ", strings.Repeat("long ", 40), "e\u0301\u0327", "\x00", ""} {
		h := hasherOf(t, columnOf(true, "-"))
		text := []byte(strings.Repeat(cell, 40))
		spans := make([]simd.Span, 40)
		for i := range spans {
			spans[i] = simd.Span{Start: uint32(i * len(cell)), End: uint32((i + 1) * len(cell))}
		}
		dst := make([]byte, len(spans)*TokenSize)
		h.Tokens(dst, text, spans) // makes room once
		if n := testing.AllocsPerRun(20, func() { h.Tokens(dst, text, spans) }); n > 0 {
			t.Errorf("%+q: %g allocations for %d cells", cell, n, len(spans))
		}
	}
}

func TestHasherPrintsNothing(t *testing.T) {
	h := hasherOf(t, columnOf(true, ""))
	h.AppendToken(nil, []byte("hush"))
	for _, text := range printed(h) {
		if text != redacted {
			t.Errorf("it prints %q", text)
		}
	}
}

// The long way for runs of marks agrees with the short one where both can go.
func TestLongRunsOfMarks(t *testing.T) {
	n := hasherOf(t, columnOf(false, "")).normalizer
	marks := []rune("\u0301\u0323\u0345\u0344\u1100\u1161\u11a8aé漢\u0f73\ufdfa\u09c7\u09be")
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.StringOfN(rapid.SampledFrom(marks), 0, 12, -1).Draw(t, "text"))
		if got, want := n.appendComposed(nil, text), norm.NFKC.Bytes(text); !bytes.Equal(got, want) {
			t.Fatalf("%+q becomes %+q, want %+q", text, got, want)
		}
	})
}

// TestVectorsOnThisPath holds Tokens against every vector.
func TestVectorsOnThisPath(t *testing.T) {
	v, keys := readVectors(t)
	hashers, _ := readColumns(t, v, keys)
	for column, h := range hashers {
		var text, want []byte
		var spans []simd.Span
		for _, c := range v.Cases {
			if c.Column == column {
				spans = append(spans, simd.Span{Start: uint32(len(text)), End: uint32(len(text) + len(c.Cell))})
				text, want = append(append(text, c.Cell...), '|'), append(want, unhex(t, c.Token)...)
			}
		}
		got := make([]byte, len(want))
		h.Tokens(got, text, spans)
		for i, span := range spans {
			if !bytes.Equal(got[i*TokenSize:(i+1)*TokenSize], want[i*TokenSize:(i+1)*TokenSize]) {
				t.Errorf("%s, column %d: other token of %s", simd.Path(), column, brief(string(text[span.Start:span.End])))
			}
		}
	}
}

func TestSelfTest(t *testing.T) {
	if err := SelfTest(); err != nil {
		t.Fatal(err)
	}
	v, _ := readVectors(t)
	for _, known := range knownAnswers {
		if !slices.ContainsFunc(v.Cases, func(c vectorCase) bool {
			return c.Cell == known.cell && c.Token == known.token
		}) {
			t.Errorf("the answer for %+q is not from the vectors", known.cell)
		}
	}
	known := knownAnswers[1]
	defer func() { knownAnswers[1] = known }()
	knownAnswers[1].token = strings.Repeat("0", 2*TokenSize)
	if err := SelfTest(); err == nil || !strings.Contains(err.Error(), simd.Path()) {
		t.Errorf("a wrong token passes: %v", err)
	}
}

// FuzzTokens holds the path of this process against the truth.
func FuzzTokens(f *testing.F) {
	f.Add("Smith|O'Neill|Müller|Straße| a  b |---||1½", true, "-")
	f.Add(strings.Repeat("x", 55)+"|"+strings.Repeat("x", 56)+"|"+strings.Repeat("é", 32)+"|"+strings.Repeat(" ", 70), false, " é")
	f.Add("a\x00b|\u00a0\u3000|İstanbul|ŉ|ǅ|Ꭰ|e\u0301", true, "\u0301")
	f.Fuzz(func(t *testing.T, joined string, fold bool, delimiters string) {
		if !utf8.ValidString(joined) || !utf8.ValidString(delimiters) {
			return
		}
		checkTokens(t, columnOf(fold, delimiters), strings.Split(joined, "|"))
	})
}
