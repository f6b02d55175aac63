package fingerprint

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/schema"
)

// NeverMatchesError names an ignored delimiter that no text has by the time
// delimiters are left out. Form is what rules 1 to 3 make of it: one character,
// which can be given in its place, or more.
type NeverMatchesError struct {
	Column    string
	Index     int
	Delimiter rune
	Form      string

	steps string // that make Form of it, in words
}

func (e *NeverMatchesError) Error() string {
	why := fmt.Sprintf("column %q: ignoredDelimiters[%d]: %s never matches, since %s %s",
		e.Column, e.Index, codePoints(string(e.Delimiter)), e.steps, codePoints(e.Form))
	if utf8.RuneCountInString(e.Form) > 1 {
		return why + ", and a delimiter is one character: remove it"
	}
	return why + ": give " + codePoints(e.Form)
}

// codePoints writes characters as "U+0041 U+0042": many delimiters are invisible.
func codePoints(text string) string {
	var names []string
	for _, r := range text {
		names = append(names, fmt.Sprintf("U+%04X", r))
	}
	return strings.Join(names, " ")
}

// CheckDelimiters finds the first ignored delimiter that can never match, which is
// most likely a mistake. A Hasher takes it all the same. It fails with a
// *NeverMatchesError, or a *DelimiterError.
func CheckDelimiters(c schema.Column) error {
	n, err := newNormalizer(c)
	if err != nil {
		return err
	}
	for i, d := range c.IgnoredDelimiters {
		r, _ := utf8.DecodeRuneInString(d)
		if form := n.standing(r); form != d {
			return &NeverMatchesError{Column: c.Name, Index: i, Delimiter: r, Form: form, steps: n.stepsOf(r)}
		}
	}
	return nil
}

// standing is what rules 1 to 3 make of a character by itself. A text can have
// the character after them if and only if that is the character: what they made
// stays as it is when they are applied again.
func (n *normalizer) standing(r rune) string {
	form := string(n.unified([]byte(string(r))))
	if one, size := utf8.DecodeRuneInString(form); size == len(form) && isWhiteSpace(one) {
		return " "
	}
	return form
}

// stepsOf names the rules that change a character, with the verb that they take.
func (n *normalizer) stepsOf(r rune) string {
	compatible := n.appendNFKC(nil, []byte(string(r)))
	composed, folded := string(compatible) != string(r), string(n.unified([]byte(string(r)))) != string(compatible)
	switch {
	case composed && folded:
		return "NFKC and isCaseInsensitive make it"
	case composed:
		return "NFKC makes it"
	case folded:
		return "isCaseInsensitive makes it"
	}
	return "white space becomes"
}
