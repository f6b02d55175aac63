// Package leaks searches what a system shows for what it must not show: canaries, in the forms that programs write bytes in.
package leaks

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"index/suffixarray"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Canary is a secret whose finding is a leak.
type Canary struct {
	// Name is what a report calls it; the secret itself is not printed.
	Name string
	// Secret is at least 8 bytes long, so that nothing looks like it by chance.
	Secret []byte
}

// Forms are the ways in which a program may write the secret: as it is, in lower case, in hex, in base64 at each place of a
// longer text, escaped for a URL and for JSON.
func (c Canary) Forms() [][]byte {
	text := string(c.Secret)
	forms := []string{
		text, strings.ToLower(text), hex.EncodeToString(c.Secret), strings.ToUpper(hex.EncodeToString(c.Secret)),
		url.QueryEscape(text), url.PathEscape(text),
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			forms = append(forms, middleOf(encoding, c.Secret, shift))
		}
	}
	if quoted, err := json.Marshal(text); err == nil {
		forms = append(forms, strings.Trim(string(quoted), `"`))
	}
	slices.Sort(forms)
	out := [][]byte{}
	for _, form := range slices.Compact(forms) {
		out = append(out, []byte(form))
	}
	return out
}

// middleOf is the base64 of a secret that stands shift bytes after a multiple of three, without the characters that depend on
// what is beside it.
func middleOf(encoding *base64.Encoding, secret []byte, shift int) string {
	text := encoding.EncodeToString(append(make([]byte, shift), secret...))
	first := []int{0, 2, 3}[shift]
	last := (shift + len(secret)) / 3 * 4
	return text[first:last]
}

// Search counts what was looked at, by kind of place, and what was found. It is safe for concurrent use.
type Search struct {
	mu     sync.Mutex
	places map[string]Place
	found  []string
}

// Place is how much of one kind was searched.
type Place struct {
	Items, Bytes, Finds int
}

// Look searches one item of a kind of place, which name tells from others, and returns what was found there.
func (s *Search) Look(kind, name string, content []byte, canaries []Canary) (finds []string) {
	contains := containing(content)
	for _, c := range canaries {
		if slices.ContainsFunc(c.Forms(), contains) {
			finds = append(finds, fmt.Sprintf("%s in %s %s", c.Name, kind, name))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places == nil {
		s.places = map[string]Place{}
	}
	p := s.places[kind]
	s.places[kind] = Place{Items: p.Items + 1, Bytes: p.Bytes + len(content), Finds: p.Finds + len(finds)}
	s.found = append(s.found, finds...)
	return finds
}

// indexed is the length of a content, in bytes, from which an index of it is worth its making: what a whole run logged is
// searched for the signatures of all its cases.
const indexed = 1 << 20

// containing reports whether a form stands in content.
func containing(content []byte) func(form []byte) bool {
	if len(content) < indexed {
		return func(form []byte) bool { return bytes.Contains(content, form) }
	}
	index := suffixarray.New(content)
	return func(form []byte) bool { return len(index.Lookup(form, 1)) > 0 }
}

// String is a line for each kind of place, and one for each find.
func (s *Search) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	sum := Place{}
	for _, kind := range slices.Sorted(maps.Keys(s.places)) {
		p := s.places[kind]
		fmt.Fprintf(&out, "leaks: %-22s %7d searched %9d KiB %3d finds\n", kind, p.Items, p.Bytes>>10, p.Finds)
		sum = Place{Items: sum.Items + p.Items, Bytes: sum.Bytes + p.Bytes, Finds: sum.Finds + p.Finds}
	}
	fmt.Fprintf(&out, "leaks: %-22s %7d searched %9d KiB %3d finds\n", "all places", sum.Items, sum.Bytes>>10, sum.Finds)
	for _, find := range s.found {
		fmt.Fprintln(&out, "leaks: found", find)
	}
	return out.String()
}
