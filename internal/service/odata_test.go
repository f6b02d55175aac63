package service

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// What the parser takes can be written down again and is read the same; what it
// refuses it refuses as the caller's fault.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		"state eq 'Created'", "displayName eq 'it''s'", "creationDateTime ge 2026-01-02T03:04:05Z and state eq ''",
		"state ne 'x'", "state eq 'x", "state eq 'x' or id eq 'y'", "", " ", "id eq 'a'and state eq 'b'", "state  eq   'x'  and  id eq 'y' ",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		terms, err := parseFilter(text)
		if err != nil {
			var bad *failure
			if !errors.As(err, &bad) || bad.status != http.StatusBadRequest {
				t.Fatalf("%q fails with %v", text, err)
			}
			return
		}
		var again []string
		for _, c := range terms {
			value := "'" + strings.ReplaceAll(c.value, "'", "''") + "'"
			if !c.quoted {
				value = c.value
			}
			again = append(again, c.property+" "+c.operator+" "+value)
		}
		back, err := parseFilter(strings.Join(again, " and "))
		if err != nil {
			t.Fatalf("%q was read as %q, which is not read: %v", text, again, err)
		}
		if len(back) != len(terms) {
			t.Fatalf("%q has %d terms, then %d", text, len(terms), len(back))
		}
		for i := range terms {
			if terms[i] != back[i] {
				t.Fatalf("%q: term %d is %+v, then %+v", text, i, terms[i], back[i])
			}
		}
	})
}
