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

// folded are the letters without and with folding. Every column starts from them.
var folded = [2]func() *letterTable{
	sync.OnceValue(func() *letterTable { return newLetterTable(schema.Column{}) }),
	sync.OnceValue(func() *letterTable { return newLetterTable(schema.Column{IsCaseInsensitive: true}) }),
}

// letterTable is what the letters become where no delimiter is ignored.
type letterTable struct {
	// forms are the letters after rules 1 and 2, nil where one is dependent.
	forms   [][]byte
	letters [lastLetter + 1 - firstLetter]letter
	// with are the indices of the letters that a character stands in.
	with map[rune][]int
}

func newLetterTable(c schema.Column) *letterTable {
	t := &letterTable{forms: formsOf(c), with: map[rune][]int{}}
	for i, form := range t.forms {
		t.letters[i] = letterOf(form, nil)
		for _, r := range string(form) {
			if isWhiteSpace(r) {
				r = ' '
			}
			t.with[r] = append(t.with[r], i)
		}
	}
	return t
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
	table := folded[0]()
	if n.fold {
		table = folded[1]()
	}
	n.letters = table.letters
	for r := range n.ignored {
		for _, i := range table.with[r] {
			n.letters[i] = letterOf(table.forms[i], n.ignored)
		}
	}
}

// letterOf applies rules 3 and 4 to the form of a letter.
func letterOf(form []byte, ignored map[rune]bool) (l letter) {
	if form == nil {
		return letter{size: dependent}
	}
	text := l.text[:0]
	for _, r := range string(form) {
		if isWhiteSpace(r) {
			r = ' '
		}
		if !ignored[r] {
			text = utf8.AppendRune(text, r)
		}
	}
	if len(text) > len(l.text) {
		return letter{size: dependent}
	}
	l.size = uint8(len(text))
	return l
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
