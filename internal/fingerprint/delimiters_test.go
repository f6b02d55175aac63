package fingerprint

import (
	"errors"
	"slices"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"exactmatch.dev/operator/internal/schema"
)

// everyCharacter yields every Unicode scalar value, a few thousand at a time; of
// the planes that Unicode 15.0 leaves empty or to private use, which no rule
// knows, one in 97.
func everyCharacter(yield func([]rune) bool) {
	var characters []rune
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if utf8.ValidRune(r) {
			characters = append(characters, r)
		}
		if plane := r >> 16; plane > 3 && plane != 0xe {
			r += 96
		}
		if len(characters) == 1<<12 || r >= unicode.MaxRune {
			if !yield(characters) {
				return
			}
			characters = characters[:0]
		}
	}
}

// apart joins characters so that none composes with another.
func apart(characters []rune) []byte {
	var text []byte
	for _, r := range characters {
		text = utf8.AppendRune(append(text, '\n'), r)
	}
	return text
}

// TestDelimitersThatMatch holds CheckDelimiters against the rules themselves: a
// delimiter can match if and only if some text has it after steps 1 to 3, and
// then it is left out.
func TestDelimitersThatMatch(t *testing.T) {
	for _, fold := range []bool{false, true} {
		n := (&rules{fold: fold}).normalizer()
		met, can, never := map[rune]bool{}, map[rune]bool{}, map[rune]bool{}
		for characters := range everyCharacter {
			text := apart(characters)
			kept := string(n.appendSlow(nil, text))
			for _, r := range kept {
				met[r] = true
			}
			for _, r := range characters {
				matches := n.standing(r) == string(r)
				can[r], never[r] = matches, !matches
			}
			n.ignored = can
			for _, r := range string(n.appendSlow(nil, text)) {
				if can[r] {
					t.Fatalf("folding %t: U+%04X can match and is ignored, and it is left", fold, r)
				}
			}
			n.ignored = never
			if left := string(n.appendSlow(nil, text)); left != kept {
				t.Fatalf("folding %t: what never matches changes %+q to %+q", fold, kept, left)
			}
			n.ignored = nil
		}
		for characters := range everyCharacter {
			for _, r := range characters {
				if can[r] != met[r] {
					t.Fatalf("folding %t: U+%04X can match: %t; it stands in a normal form: %t", fold, r, can[r], met[r])
				}
				if never[r] {
					checkForm(t, n, r, met)
				}
			}
		}
		if !can['\u00e9'] || !can['\u0301'] || !can[0] || can['\u2011'] || can['X'] == fold {
			t.Errorf("folding %t: the rules are not what was meant", fold)
		}
	}
}

// checkForm: what is proposed in place of a delimiter that never matches does
// match, and no text composes to it of parts that folding leaves alone.
func checkForm(t *testing.T, n *normalizer, r rune, met map[rune]bool) {
	t.Helper()
	form := n.standing(r)
	if one, size := utf8.DecodeRuneInString(form); size == len(form) && !met[one] {
		t.Errorf("folding %t: U+%04X is to be given as %+q, which no normal form has", n.fold, r, form)
	}
	if parts := norm.NFD.String(string(r)); n.fold && norm.NFKC.String(string(r)) == string(r) && !isWhiteSpace(r) {
		folded := n.appendFolded(nil, []byte(parts))
		if string(folded) == parts {
			t.Errorf("U+%04X folds, and %+q does not", r, parts)
		}
	}
}

func TestCheckDelimiters(t *testing.T) {
	for name, tc := range map[string]struct {
		fold    bool
		ignored []string
		want    string
	}{
		"none":                {false, nil, ""},
		"usual":               {true, []string{"-", " ", ".", "(", "'", "é", "\u200b", "\u0301", "x"}, ""},
		"a capital":           {false, []string{"X"}, ""},
		"no-break hyphen":     {false, []string{"-", "\u2011"}, `column "Account": ignoredDelimiters[1]: U+2011 never matches, since NFKC makes it U+2010: give U+2010`},
		"a folded capital":    {true, []string{"X"}, `column "Account": ignoredDelimiters[0]: U+0058 never matches, since isCaseInsensitive makes it U+0078: give U+0078`},
		"a wide capital":      {true, []string{"\uff38"}, `column "Account": ignoredDelimiters[0]: U+FF38 never matches, since NFKC and isCaseInsensitive make it U+0078: give U+0078`},
		"a tab":               {false, []string{"\t"}, `column "Account": ignoredDelimiters[0]: U+0009 never matches, since white space becomes U+0020: give U+0020`},
		"a line separator":    {false, []string{"\u2028"}, `column "Account": ignoredDelimiters[0]: U+2028 never matches, since white space becomes U+0020: give U+0020`},
		"a no-break space":    {false, []string{"\u00a0"}, `column "Account": ignoredDelimiters[0]: U+00A0 never matches, since NFKC makes it U+0020: give U+0020`},
		"a half":              {false, []string{"½"}, `column "Account": ignoredDelimiters[0]: U+00BD never matches, since NFKC makes it U+0031 U+2044 U+0032, and a delimiter is one character: remove it`},
		"sharp s":             {true, []string{"ß"}, `column "Account": ignoredDelimiters[0]: U+00DF never matches, since isCaseInsensitive makes it U+0073 U+0073, and a delimiter is one character: remove it`},
		"no character":        {false, []string{"-", ""}, `column "Account": ignoredDelimiters[1] must be exactly one character of valid UTF-8`},
		"two characters":      {false, []string{"--"}, `column "Account": ignoredDelimiters[0] must be exactly one character of valid UTF-8`},
		"the first is named":  {false, []string{"\t", "\u2011"}, `column "Account": ignoredDelimiters[0]: U+0009 never matches, since white space becomes U+0020: give U+0020`},
		"composes its letter": {true, []string{"\u0390"}, ""}, // folds to three characters, which compose to it again
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckDelimiters(schema.Column{Name: "Account", IsCaseInsensitive: tc.fold, IgnoredDelimiters: tc.ignored})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
	var never *NeverMatchesError
	err := CheckDelimiters(schema.Column{Name: "c", IgnoredDelimiters: []string{"-", "\u2011"}})
	if !errors.As(err, &never) || never.Index != 1 || never.Delimiter != '\u2011' || !slices.Equal([]rune(never.Form), []rune{'\u2010'}) {
		t.Errorf("got %#v", err)
	}
}
