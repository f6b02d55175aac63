package fingerprint

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"exactmatch.dev/operator/internal/schema"
)

// DelimiterError names an ignored delimiter that is not one character.
type DelimiterError struct {
	Column string
	Index  int
}

func (e *DelimiterError) Error() string {
	return fmt.Sprintf("column %q: ignoredDelimiters[%d] must be exactly one character of valid UTF-8", e.Column, e.Index)
}

// isWhiteSpace is Unicode's White_Space property.
func isWhiteSpace(r rune) bool {
	switch {
	case r >= 0x09 && r <= 0x0d, r == 0x20, r == 0x85, r == 0xa0, r == 0x1680, r >= 0x2000 && r <= 0x200a,
		r == 0x2028, r == 0x2029, r == 0x202f, r == 0x205f, r == 0x3000:
		return true
	}
	return false
}

// normalizer applies the rules of one column. It is not safe for concurrent
// use: it has room to work in.
type normalizer struct {
	*rules
	folder       transform.Transformer
	iter         norm.Iter // allocates nothing, where Form.Append does
	text, folded []byte
	parts        []part
}

// rules is what a column makes of single characters.
type rules struct {
	ascii   [utf8.RuneSelf]byte // what an ASCII byte becomes; 0 where it is left out
	letters [lastLetter + 1 - firstLetter]letter
	ignored map[rune]bool
	fold    bool
}

// newNormalizer fails with a *DelimiterError.
func newNormalizer(c schema.Column) (*normalizer, error) {
	r := &rules{ignored: map[rune]bool{}, fold: c.IsCaseInsensitive}
	for i, d := range c.IgnoredDelimiters {
		one, size := utf8.DecodeRuneInString(d)
		if size == 0 || size != len(d) || one == utf8.RuneError && size == 1 {
			return nil, &DelimiterError{Column: c.Name, Index: i}
		}
		r.ignored[one] = true
	}
	for b := range r.ascii {
		r.ascii[b] = r.asciiByte(byte(b))
	}
	n := r.normalizer()
	n.fillLetters()
	return n, nil
}

func (r *rules) normalizer() *normalizer { return &normalizer{rules: r, folder: cases.Fold()} }

// asciiByte is rules 2 to 4 for one ASCII byte. NUL maps to itself, which reads
// as left out: cells with it go the long way.
func (r *rules) asciiByte(b byte) byte {
	c := rune(b)
	if isWhiteSpace(c) {
		c = ' '
	}
	if r.fold && c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	if r.ignored[c] {
		return 0
	}
	return byte(c)
}

// appendTo appends the normal form of a cell: character by character while they
// do not depend on each other, else as the rules are written.
func (n *normalizer) appendTo(dst, cell []byte) []byte {
	from := len(dst)
	dst = slices.Grow(dst, 1+len(cell)*maxGrowth)
	out, at := dst[from:cap(dst)], 0
	for i := 0; i < len(cell); i++ {
		b := cell[i]
		if b >= utf8.RuneSelf {
			l := n.letter(cell[i:])
			if l == nil {
				return n.appendSlow(dst[:from], cell)
			}
			at = l.put(out, at)
			i++
			continue
		}
		switch v := n.ascii[b]; {
		case v > ' ':
			out[at] = v
			at++
		case b == 0:
			return n.appendSlow(dst[:from], cell)
		case v == 0, v == ' ' && (at == 0 || out[at-1] == ' '):
		default:
			out[at] = v
			at++
		}
	}
	if at > 0 && out[at-1] == ' ' {
		at--
	}
	return dst[:from+at]
}

// appendSlow is the rules as SPEC.md writes them, for any text.
func (n *normalizer) appendSlow(dst, cell []byte) []byte {
	return n.appendPlain(dst, n.unified(cell))
}

// unified is rules 1 and 2, in memory that the next call uses again.
func (n *normalizer) unified(cell []byte) []byte {
	n.text = n.appendNFKC(n.text[:0], cell)
	if n.fold {
		n.folded = n.appendFolded(n.folded[:0], n.text)
		n.text = n.appendNFKC(n.text[:0], n.folded)
	}
	return n.text
}

// appendNFKC is rule 1.
func (n *normalizer) appendNFKC(dst, text []byte) []byte {
	if hasLongRun(text) {
		return n.appendComposed(dst, text)
	}
	for n.iter.Init(norm.NFKC, text); !n.iter.Done(); {
		dst = append(dst, n.iter.Next()...)
	}
	return dst
}

func (n *normalizer) appendFolded(dst, text []byte) []byte {
	dst, _, err := transform.Append(n.folder, dst, text)
	if err != nil {
		panic(err) // folding takes any text
	}
	foldCherokee(dst)
	return dst
}

// appendPlain is rules 3 to 5, for text in the form that rules 1 and 2 gave it.
func (n *normalizer) appendPlain(dst, text []byte) []byte {
	from, space := len(dst), false
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		if isWhiteSpace(r) {
			r = ' '
		}
		switch {
		case n.ignored[r]:
		case r == ' ':
			space = len(dst) > from
		default:
			if space {
				dst, space = append(dst, ' '), false
			}
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

// Normalize returns the normal form of a cell of valid UTF-8. It fails with a
// *DelimiterError. It is the rules without any short cut.
func Normalize(c schema.Column, cell []byte) ([]byte, error) {
	n, err := newNormalizer(c)
	if err != nil {
		return nil, err
	}
	return n.appendSlow(nil, cell), nil
}

// foldCherokee turns small Cherokee letters into capital ones, in place: both
// have three bytes. Unicode folds that script upwards, for stability;
// golang.org/x/text folds it downwards.
func foldCherokee(text []byte) {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r >= 0xab70 && r <= 0xabbf:
			utf8.EncodeRune(text[i:], r-0xab70+0x13a0)
		case r >= 0x13f8 && r <= 0x13fd:
			utf8.EncodeRune(text[i:], r-8)
		}
		i += size
	}
}
