package fingerprint

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"exactmatch.dev/operator/internal/schema"
)

// packed is a text that the file gives as itself or as runs.
type packed string

func (p *packed) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return json.Unmarshal(text, (*string)(p))
	}
	var runs []struct {
		Repeat string
		Times  int
	}
	if err := json.Unmarshal(text, &runs); err != nil {
		return err
	}
	for _, r := range runs {
		*p += packed(strings.Repeat(r.Repeat, r.Times))
	}
	return nil
}

// vectorColumn is a column of a store under one of the keys.
type vectorColumn struct {
	Key               int
	Store, Name       string
	IsCaseInsensitive bool
	IgnoredDelimiters []string
	ColumnKey         string
}

func (c vectorColumn) rules() schema.Column {
	return schema.Column{Name: c.Name, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters}
}

// vectorCase is one cell and its token.
type vectorCase struct {
	Group        string
	Column       int
	Token        string
	PackedCell   packed `json:"cell"`
	PackedNormal packed `json:"normal"`
	// These are filled in from the packed texts and the column.
	Cell, Normal      string `json:"-"`
	IsCaseInsensitive bool   `json:"-"`
}

// vectors is the file that the reference program writes; SPEC.md explains it.
type vectors struct {
	Rules, Unicode string
	Example        struct {
		Key, Store, Column string
		IsCaseInsensitive  bool
		IgnoredDelimiters  []string
		Cell               string
		Steps              []string
		PRK                string `json:"prk"`
		ColumnInfo         string
		ColumnKey          string
		HMAC               string `json:"hmac"`
		Token              string
		KeyIDInfo          string `json:"keyIDInfo"`
		KeyID              string `json:"keyID"`
	}
	Keys   []string
	KeyIDs []struct {
		Key          int
		Store, KeyID string
	} `json:"keyIDs"`
	Refused []struct{ What, Hex string }
	Columns []vectorColumn
	Cases   []vectorCase
	Tables  []struct {
		Group         string
		Column        int
		Before, After string
		Times         int
		First         rune
		Tokens        []string
	}
	Products []struct {
		Group  string
		Column int
		Parts  [][]string
		Sums   []string
	}
	Assigned [][2]rune
	Sweep    []struct {
		IsCaseInsensitive, OnlyAssigned bool
		Before, After                   string
		Sums                            []string
	}
}

var loadVectors = sync.OnceValues(func() (vectors, error) {
	var v vectors
	text, err := os.ReadFile("testdata/vectors.json")
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	for i := range v.Cases {
		c := &v.Cases[i]
		c.Cell, c.Normal, c.IsCaseInsensitive = string(c.PackedCell), string(c.PackedNormal), v.Columns[c.Column].IsCaseInsensitive
	}
	return v, err
})

func readVectors(t testing.TB) (vectors, []Key) {
	t.Helper()
	v, err := loadVectors()
	if err != nil {
		t.Fatal(err)
	}
	if v.Rules != Rules || len(v.Cases) < 6000 || len(v.Tables) < 30 || len(v.Products) < 6 || len(v.Sweep) < 10 || len(v.Refused) < 40 {
		t.Fatalf("%d cases, %d tables, %d products, %d sweeps and %d refusals of rules %q are not the whole file",
			len(v.Cases), len(v.Tables), len(v.Products), len(v.Sweep), len(v.Refused), v.Rules)
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

// readColumns makes the hasher and the normaliser of every column: they are
// used for one cell after the other, and must not remember. They are nil where
// the column was refused.
func readColumns(t *testing.T, v vectors, keys []Key) ([]*Hasher, []*normalizer) {
	t.Helper()
	hashers, normalizers := make([]*Hasher, len(v.Columns)), make([]*normalizer, len(v.Columns))
	for i, c := range v.Columns {
		h, err := keys[c.Key].Hasher(c.Store, c.rules())
		if err != nil {
			t.Errorf("column %d, %+q of store %+q with delimiters %+q: %v", i, c.Name, c.Store, c.IgnoredDelimiters, err)
			continue
		}
		n, err := newNormalizer(c.rules())
		if err != nil {
			t.Fatal(err)
		}
		hashers[i], normalizers[i] = h, n
	}
	return hashers, normalizers
}

// brief quotes a text that may be long.
func brief(text string) string {
	if len(text) <= 64 {
		return fmt.Sprintf("%+q", text)
	}
	return fmt.Sprintf("%+q and more, %d bytes", text[:64], len(text))
}

// unlike says where two texts part.
func unlike(got, want string) string {
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	return fmt.Sprintf("from byte %d on %s, want %s", at, brief(got[at:]), brief(want[at:]))
}

func unhex(t *testing.T, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectors(t *testing.T) {
	v, keys := readVectors(t)
	hashers, normalizers := readColumns(t, v, keys)
	for i, c := range v.Cases {
		h, n := hashers[c.Column], normalizers[c.Column]
		if h == nil {
			continue // reported with its column
		}
		// What lies beside a cell must neither be read nor written.
		start := i % 67
		around := []byte(strings.Repeat("Z", start) + c.Cell + strings.Repeat("\u00cb", 40))
		before, cell := string(around), around[start:start+len(c.Cell)]
		if normal, err := Normalize(v.Columns[c.Column].rules(), cell); err != nil || string(normal) != c.Normal {
			t.Errorf("case %d, %s: Normalize makes of %s %s (%v)", i, c.Group, brief(c.Cell), unlike(string(normal), c.Normal), err)
		}
		if normal := n.appendTo([]byte("kept"), cell); string(normal) != "kept"+c.Normal {
			t.Errorf("case %d, %s: appendTo makes of %s %s", i, c.Group, brief(c.Cell), unlike(string(normal), "kept"+c.Normal))
		}
		if token := hex.EncodeToString(h.AppendToken(nil, cell)); token != c.Token {
			t.Errorf("case %d, %s: token %s of %s, want %s", i, c.Group, token, brief(c.Cell), c.Token)
		}
		if string(around) != before {
			t.Errorf("case %d, %s: %s was changed", i, c.Group, brief(before))
		}
	}
	for i, c := range v.KeyIDs {
		if got := keys[c.Key].ID(c.Store).String(); got != c.KeyID {
			t.Errorf("key id %d: %s, want %s", i, got, c.KeyID)
		}
	}
}

// TestColumnKeys holds the columns' keys of the file against its tokens, which
// TestVectors holds against the code.
func TestColumnKeys(t *testing.T) {
	v, _ := readVectors(t)
	for i, c := range v.Cases {
		want := make([]byte, TokenSize)
		if c.Normal != "" {
			mac := hmac.New(sha256.New, unhex(t, v.Columns[c.Column].ColumnKey))
			mac.Write([]byte(c.Normal))
			want = mac.Sum(nil)[:TokenSize]
		}
		if c.Token != hex.EncodeToString(want) {
			t.Errorf("case %d, %s: columnKey of column %d makes the token %x, not %s", i, c.Group, c.Column, want, c.Token)
		}
	}
}

func TestVectorTables(t *testing.T) {
	v, keys := readVectors(t)
	hashers, _ := readColumns(t, v, keys)
	for i, table := range v.Tables {
		h := hashers[table.Column]
		if h == nil || len(table.Tokens) == 0 {
			t.Errorf("table %d, %s: no column or no tokens", i, table.Group)
			continue
		}
		for j, want := range table.Tokens {
			cell := table.Before + strings.Repeat(string(table.First+rune(j)), table.Times) + table.After
			if got := hex.EncodeToString(h.AppendToken(nil, []byte(cell))); got != want {
				t.Errorf("table %d, %s: token %d is %s of %s, want %s", i, table.Group, j, got, brief(cell), want)
			}
		}
	}
}

// combine visits every way to take one string of each part, the last part the
// fastest.
func combine(text string, parts [][]string, visit func(string)) {
	if len(parts) == 0 {
		visit(text)
		return
	}
	for _, s := range parts[0] {
		combine(text+s, parts[1:], visit)
	}
}

// shortSum is how the file sums normal forms up.
func shortSum(normals []byte) string {
	sum := sha256.Sum256(normals)
	return hex.EncodeToString(sum[:8])
}

func TestVectorProducts(t *testing.T) {
	v, _ := readVectors(t)
	for i, p := range v.Products {
		t.Run(fmt.Sprint(i, " ", p.Group), func(t *testing.T) {
			t.Parallel()
			if len(p.Sums) != len(p.Parts[0]) {
				t.Fatalf("%d sums of %d strings", len(p.Sums), len(p.Parts[0]))
			}
			n, err := newNormalizer(v.Columns[p.Column].rules())
			if err != nil {
				t.Fatal(err)
			}
			var normals []byte
			for j, first := range p.Parts[0] {
				normals = normals[:0]
				combine(first, p.Parts[1:], func(cell string) { normals = append(n.appendTo(normals, []byte(cell)), '\n') })
				if got := shortSum(normals); got != p.Sums[j] {
					t.Errorf("product %d, %s: the cells that start with string %d, %+q, sum to %s, want %s", i, p.Group, j, first, got, p.Sums[j])
				}
			}
		})
	}
}

func TestEveryAssignedCodePoint(t *testing.T) {
	v, _ := readVectors(t)
	assigned := make([]bool, utf8.MaxRune+1)
	for _, span := range v.Assigned {
		for r := span[0]; r <= span[1]; r++ {
			assigned[r] = true
		}
	}
	for i, s := range v.Sweep {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			n, err := newNormalizer(columnOf(s.IsCaseInsensitive, ""))
			if err != nil {
				t.Fatal(err)
			}
			var normals []byte
			for block, want := range s.Sums {
				normals = normals[:0]
				for r := rune(block) << 12; r < rune(block+1)<<12; r++ {
					if utf8.ValidRune(r) && (assigned[r] || !s.OnlyAssigned) {
						normals = append(n.appendTo(normals, []byte(s.Before+string(r)+s.After)), '\n')
					}
				}
				if got := shortSum(normals); got != want {
					t.Errorf("sweep %d, isCaseInsensitive %t, each code point from U+%04X to U+%04X between %+q and %+q: the sum is %s, want %s",
						i, s.IsCaseInsensitive, block<<12, block<<12|0xfff, s.Before, s.After, got, want)
				}
			}
			if len(s.Sums) != (utf8.MaxRune+1)>>12 {
				t.Errorf("sweep %d has %d sums", i, len(s.Sums))
			}
		})
	}
}

// TestRefused leaves cells to their reader: what comes here is valid UTF-8.
func TestRefused(t *testing.T) {
	v, keys := readVectors(t)
	for i, r := range v.Refused {
		var err error
		value := unhex(t, r.Hex)
		switch r.What {
		case "key":
			_, err = NewKey(value)
		case "store":
			_, err = keys[0].Hasher(string(value), schema.Column{Name: "c"})
		case "column":
			_, err = keys[0].Hasher("s", schema.Column{Name: string(value)})
		case "delimiter":
			_, err = keys[0].Hasher("s", schema.Column{Name: "c", IgnoredDelimiters: []string{string(value)}})
		case "cell":
			if !utf8.Valid(value) {
				continue
			}
		}
		if err == nil {
			t.Errorf("refusal %d: the %s %s was taken", i, r.What, brief(string(value)))
		}
	}
}

// TestUnicodeVersion fails where a newer compiler or module brings other
// tables: rules v1 stay with theirs.
func TestUnicodeVersion(t *testing.T) {
	v, _ := readVectors(t)
	for what, version := range map[string]string{"normalisation": norm.Version, "folding": cases.UnicodeVersion} {
		if version != v.Unicode {
			t.Errorf("%s has the tables of Unicode %s, the rules those of %s", what, version, v.Unicode)
		}
	}
}

func TestWorkedExample(t *testing.T) {
	v, _ := readVectors(t)
	e := v.Example
	key, err := NewKey(unhex(t, e.Key))
	if err != nil {
		t.Fatal(err)
	}
	column, cell := schema.Column{Name: e.Column, IsCaseInsensitive: e.IsCaseInsensitive, IgnoredDelimiters: e.IgnoredDelimiters}, unhex(t, e.Cell)
	normal, err := Normalize(column, cell)
	if err != nil || len(e.Steps) != 5 || hex.EncodeToString(normal) != e.Steps[4] || !bytes.Equal(norm.NFKC.Bytes(cell), unhex(t, e.Steps[0])) {
		t.Errorf("the normal form is %x, want the last of %v (%v)", normal, e.Steps, err)
	}
	h, err := key.Hasher(e.Store, column)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(h.AppendToken(nil, cell)); got != e.Token || e.HMAC[:32] != e.Token {
		t.Errorf("the token is %s, want %s", got, e.Token)
	}
	if got := key.ID(e.Store).String(); got != e.KeyID {
		t.Errorf("the key id is %s, want %s", got, e.KeyID)
	}
	mac := hmac.New(sha256.New, unhex(t, e.ColumnKey))
	mac.Write(normal)
	if got := hex.EncodeToString(mac.Sum(nil)); got != e.HMAC {
		t.Errorf("columnKey makes the sum %s, want %s", got, e.HMAC)
	}
	for _, pair := range [][2]string{{e.ColumnInfo, e.ColumnKey}, {e.KeyIDInfo, e.KeyID}} {
		mac := hmac.New(sha256.New, unhex(t, e.PRK))
		mac.Write(append(unhex(t, pair[0]), 1))
		if got := hex.EncodeToString(mac.Sum(nil)); !strings.HasPrefix(got, pair[1]) {
			t.Errorf("the info %s makes %s, want %s", pair[0], got, pair[1])
		}
	}
}

// TestSpecIsOfTheVectors holds the text against the file.
func TestSpecIsOfTheVectors(t *testing.T) {
	text, err := os.ReadFile("SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	v, _ := readVectors(t)
	e := v.Example
	shown := append([]string{e.Key, e.Cell, e.PRK, e.ColumnInfo, e.ColumnKey, e.HMAC, e.Token, e.KeyIDInfo, e.KeyID, v.Unicode}, e.Steps...)
	groups := map[string]bool{}
	for _, c := range v.Cases {
		groups["`"+c.Group+"`"] = true
	}
	for _, c := range v.Tables {
		groups["`"+c.Group+"`"] = true
	}
	for _, c := range v.Products {
		groups["`"+c.Group+"`"] = true
	}
	for g := range groups {
		if !strings.HasPrefix(g, "`unicode-") {
			shown = append(shown, g)
		}
	}
	for _, s := range shown {
		if !bytes.Contains(text, []byte(s)) {
			t.Errorf("SPEC.md does not show %s of vectors.json", s)
		}
	}
}
