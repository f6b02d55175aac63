package fingerprint_test

import (
	"testing"

	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/schema"
)

// TestStands asks for characters one by one, and makes normal forms with them.
func TestStands(t *testing.T) {
	key, err := fingerprint.NewKey([]byte("a key for tests that has 32 bytes or more"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := key.Hasher("s", schema.Column{Name: "c", IsCaseInsensitive: true, IgnoredDelimiters: []string{"-"}})
	if err != nil {
		t.Fatal(err)
	}
	for r, want := range map[rune]bool{'a': true, 'A': false, '-': false, ' ': true, '\t': false, 'é': true, 'É': false, 'ﬁ': false, '李': true, '5': true} {
		if got := h.Stands(r); got != want {
			t.Errorf("%q stands: %t", r, got)
		}
	}
	if got := string(h.AppendNormal([]byte("x"), []byte(" A-b  C "))); got != "xab c" {
		t.Errorf("the normal form is %q", got)
	}
}
