package lookup

import (
	"strings"
	"testing"
)

func TestValuesComeOneALine(t *testing.T) {
	for text, want := range map[string]int{"a\nb\n": 2, "a\r\nb": 2, "a": 1} {
		values, err := readValues(strings.NewReader(text), "-")
		if err != nil || len(values) != want || strings.ContainsAny(strings.Join(values, ""), "\r\n") {
			t.Errorf("%q is read as %q (%v)", text, values, err)
		}
	}
}
