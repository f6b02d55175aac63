package fingerprint

import (
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/simd"
)

// The characters of two bytes: Latin with its accents, Greek, Cyrillic, Hebrew,
// Arabic and others.
const (
	firstLetter = 0x80
	lastLetter  = 0x7ff
	// maxGrowth is how many bytes of a normal form one byte of such characters
	// makes at most.
	maxGrowth = 4
)

// letter is the normal form of a character by itself. size is dependent where
// the characters around it have a say.
type letter struct {
	size uint8
	text [2*maxGrowth - 1]byte
}

const dependent = 0xff

// letter is the entry of the character at the start of text, nil where the cell
// has to go the long way. text is valid UTF-8 beyond ASCII.
func (r *rules) letter(text []byte) *letter {
	if text[0] >= 0xe0 {
		return nil
	}
	l := &r.letters[int(text[0]&0x1f)<<6|int(text[1]&0x3f)-firstLetter]
	if l.size == dependent {
		return nil
	}
	return l
}

// put writes the letter behind the first at bytes of out and returns how many there are then.
func (l *letter) put(out []byte, at int) int {
	for _, b := range l.text[:l.size] {
		if b == ' ' && (at == 0 || out[at-1] == ' ') {
			continue
		}
		out[at] = b
		at++
	}
	return at
}

// folded are the forms of each letter after rules 1 and 2, nil where it is
// dependent: without and with folding. Every column starts from them.
var folded = [2]func() [][]byte{
	sync.OnceValue(func() [][]byte { return formsOf(schema.Column{}) }),
	sync.OnceValue(func() [][]byte { return formsOf(schema.Column{IsCaseInsensitive: true}) }),
}

func formsOf(c schema.Column) [][]byte {
	n := (&rules{fold: c.IsCaseInsensitive}).normalizer()
	forms := make([][]byte, 0, lastLetter+1-firstLetter)
	for r := rune(firstLetter); r <= lastLetter; r++ {
		forms = append(forms, n.form(r))
	}
	return forms
}

// form is what rules 1 and 2 make of a character by itself. It is nil where
// they may make something else of it within a text: normalisation never looks
// across a boundary, and folding never looks at a neighbour, so it is enough
// that boundaries are before the character and before what it folds to.
func (n *normalizer) form(r rune) []byte {
	text := string(r)
	if !norm.NFKC.PropertiesString(text).BoundaryBefore() {
		return nil
	}
	form := n.appendNFKC(nil, []byte(text))
	if n.fold {
		form = n.appendFolded(nil, form)
		if !norm.NFKC.Properties(form).BoundaryBefore() {
			return nil
		}
		form = n.appendNFKC(nil, form)
	}
	return form
}

// fillLetters applies rules 3 and 4 to the letters. Rule 5 is for the text.
func (n *normalizer) fillLetters() {
	which := 0
	if n.fold {
		which = 1
	}
	for i, form := range folded[which]() {
		l := &n.letters[i]
		if form == nil {
			l.size = dependent
			continue
		}
		text := l.text[:0]
		for _, r := range string(form) {
			if isWhiteSpace(r) {
				r = ' '
			}
			if !n.ignored[r] {
				text = utf8.AppendRune(text, r)
			}
		}
		if len(text) > len(l.text) {
			l.size = dependent
			continue
		}
		l.size = uint8(len(text))
	}
}

// alphabet is the part of the rules that package simd folds by itself.
func (r *rules) alphabet() *simd.Alphabet {
	a := &simd.Alphabet{ASCII: r.ascii}
	for first := range a.Latin {
		for second := range a.Latin[first] {
			lead := byte(0xc3 + first)
			l := r.letter([]byte{lead, byte(0x80 + second)})
			switch {
			case l == nil || l.size != 2:
			case l.text[0] == lead:
				a.Latin[first][second] = l.text[1]
			case l.text[0] == 's' && l.text[1] == 's':
				a.Latin[first][second] = 's'
			}
		}
	}
	return a
}
