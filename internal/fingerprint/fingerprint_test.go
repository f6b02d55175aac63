package fingerprint

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// vectors is the file that the reference program writes.
type vectors struct {
	Rules string   `json:"rules"`
	Keys  []string `json:"keys"`
	// Assigned are ranges of code points, Sweep the sums of all their normal forms.
	Assigned [][2]rune
	Sweep    []struct {
		IsCaseInsensitive bool
		SHA256            string
	}
	KeyIDs []struct {
		Key          int
		Store, KeyID string
	} `json:"keyIDs"`
	Cases []struct {
		Key                 int
		Store, Column       string
		IsCaseInsensitive   bool
		IgnoredDelimiters   []string
		Cell, Normal, Token string
	} `json:"cases"`
}

func readVectors(t testing.TB) (vectors, []Key) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if v.Rules != Rules || len(v.Cases) < 400 {
		t.Fatalf("%d vectors of rules %q, want at least 400 of %q", len(v.Cases), v.Rules, Rules)
	}
	keys := make([]Key, len(v.Keys))
	for i, k := range v.Keys {
		secret, err := base64.StdEncoding.DecodeString(k)
		if err != nil {
			t.Fatal(err)
		}
		if keys[i], err = NewKey(secret); err != nil {
			t.Fatal(err)
		}
	}
	return v, keys
}

func TestVectors(t *testing.T) {
	v, keys := readVectors(t)
	for i, c := range v.Cases {
		column := Column{Name: c.Column, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters}
		normal, err := Normalize(column, []byte(c.Cell))
		if err != nil || string(normal) != c.Normal {
			t.Errorf("vector %d: normal form %+q of %+q, want %+q (%v)", i, normal, c.Cell, c.Normal, err)
		}
		h, err := keys[c.Key].Hasher(c.Store, column)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(h.AppendToken(nil, []byte(c.Cell))); got != c.Token {
			t.Errorf("vector %d (%+q): token %s, want %s", i, c.Cell, got, c.Token)
		}
	}
	for i, c := range v.KeyIDs {
		if got := keys[c.Key].ID(c.Store).String(); got != c.KeyID {
			t.Errorf("key id %d: %s, want %s", i, got, c.KeyID)
		}
	}
}

func TestEveryAssignedCodePoint(t *testing.T) {
	v, _ := readVectors(t)
	for _, sweep := range v.Sweep {
		h := sha256.New()
		n, err := newNormalizer(columnOf(sweep.IsCaseInsensitive, ""))
		if err != nil {
			t.Fatal(err)
		}
		for _, span := range v.Assigned {
			for r := span[0]; r <= span[1]; r++ {
				h.Write(append(n.appendTo(nil, []byte("x"+string(r)+"y")), '\n'))
			}
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != sweep.SHA256 {
			t.Errorf("isCaseInsensitive %t: the normal forms of %d ranges sum to %s, want %s", sweep.IsCaseInsensitive, len(v.Assigned), got, sweep.SHA256)
		}
	}
}

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
		if _, err := key.Hasher("s", Column{Name: "c", IgnoredDelimiters: []string{"-", d}}); !errors.As(err, &bad) || bad.Index != 1 {
			t.Errorf("delimiter %q: %v", d, err)
		}
	}
	for _, names := range [][2]string{{"", "c"}, {"s", ""}, {string(make([]byte, 257)), "c"}} {
		if _, err := key.Hasher(names[0], Column{Name: names[1]}); err == nil {
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

func columnOf(fold bool, delimiters string) Column {
	c := Column{Name: "c", IsCaseInsensitive: fold}
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
	h, err := key.Hasher("s", Column{Name: "c", IsCaseInsensitive: true})
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
		h, err := key.Hasher("s", Column{Name: "c", IsCaseInsensitive: true, IgnoredDelimiters: []string{"-"}})
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
