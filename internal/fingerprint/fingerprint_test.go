package fingerprint

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/schema"
)

func TestKeyNeverPrintsItself(t *testing.T) {
	secret := bytes.Repeat([]byte("s3cr"), 8)
	key, err := NewKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(struct{ K Key }{key})
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{
		fmt.Sprint(key), fmt.Sprintf("%v %+v %#v %s %x %q", key, key, key, key, key, key), string(text),
	} {
		if bytes.Contains([]byte(printed), []byte("s3cr")) || bytes.Contains([]byte(printed), []byte(hex.EncodeToString(secret[:4]))) {
			t.Errorf("the key printed itself: %s", printed)
		}
	}
}

func TestBadInputs(t *testing.T) {
	if _, err := NewKey(make([]byte, 31)); !errors.Is(err, ErrKeyTooShort) {
		t.Errorf("31 bytes: %v", err)
	}
	key, err := NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"", "ab", "\xff"} {
		var bad *DelimiterError
		if _, err := key.Hasher("s", schema.Column{Name: "c", IgnoredDelimiters: []string{"-", d}}); !errors.As(err, &bad) || bad.Index != 1 {
			t.Errorf("delimiter %q: %v", d, err)
		}
	}
	for _, names := range [][2]string{{"", "c"}, {"s", ""}, {string(make([]byte, 257)), "c"}} {
		if _, err := key.Hasher(names[0], schema.Column{Name: names[1]}); err == nil {
			t.Errorf("names %q were taken", names)
		}
	}
	for _, id := range []string{"", "0123", "0123456789abcdeg"} {
		if _, err := ParseKeyID(id); err == nil {
			t.Errorf("ParseKeyID(%q) succeeded", id)
		}
	}
	id := key.ID("s")
	if back, err := ParseKeyID(id.String()); err != nil || back != id {
		t.Errorf("ParseKeyID of its own string: %v %v", back, err)
	}
}

func columnOf(fold bool, delimiters string) schema.Column {
	c := schema.Column{Name: "c", IsCaseInsensitive: fold}
	for _, r := range delimiters {
		if r != utf8.RuneError {
			c.IgnoredDelimiters = append(c.IgnoredDelimiters, string(r))
		}
	}
	return c
}

// FuzzFastPath holds the path with short cuts against the rules.
func FuzzFastPath(f *testing.F) {
	v, _ := readVectors(f)
	for _, c := range v.Cases {
		f.Add(c.Cell, c.IsCaseInsensitive, "-")
	}
	f.Fuzz(func(t *testing.T, cell string, fold bool, delimiters string) {
		if !utf8.ValidString(cell) || !utf8.ValidString(delimiters) {
			return
		}
		column := columnOf(fold, delimiters)
		n, err := newNormalizer(column)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Normalize(column, []byte(cell))
		if err != nil {
			t.Fatal(err)
		}
		if got := n.appendTo([]byte("kept"), []byte(cell)); string(got) != "kept"+string(want) {
			t.Errorf("%+q: %+q, want %+q", cell, got, want)
		}
	})
}

func TestNormalFormOfPlainTextIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		column := columnOf(rapid.Bool().Draw(t, "fold"), rapid.StringMatching(`[-(). ]{0,3}`).Draw(t, "delimiters"))
		cell := rapid.StringMatching(`[ -~À-ž\t]{0,80}`).Draw(t, "cell")
		once, err := Normalize(column, []byte(cell))
		if err != nil {
			t.Fatal(err)
		}
		twice, err := Normalize(column, once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%+q becomes %+q, then %+q (%v)", cell, once, twice, err)
		}
	})
}

func TestClonesAgree(t *testing.T) {
	key, err := NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	h, err := key.Hasher("s", schema.Column{Name: "c", IsCaseInsensitive: true})
	if err != nil {
		t.Fatal(err)
	}
	a, b := h.AppendToken(nil, []byte("Müller")), h.Clone().AppendToken(nil, []byte("MÜLLER"))
	if !bytes.Equal(a, b) || bytes.Equal(a, h.AppendToken(nil, []byte("Miller"))) {
		t.Error("a clone makes other tokens, or all tokens are the same")
	}
}

func BenchmarkAppendToken(b *testing.B) {
	key, err := NewKey(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct{ name, cell string }{{"ascii", "oliver.smith1234@example7.com"}, {"latin", "François Núñez"}} {
		h, err := key.Hasher("s", schema.Column{Name: "c", IsCaseInsensitive: true, IgnoredDelimiters: []string{"-"}})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			dst := make([]byte, 0, TokenSize)
			cell := []byte(c.cell)
			b.ReportAllocs()
			for b.Loop() {
				dst = h.AppendToken(dst[:0], cell)
			}
		})
	}
}
