package fingerprint

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Column is what decides a cell's normalisation and its key.
type Column struct {
	Name              string
	IsCaseInsensitive bool
	// IgnoredDelimiters are one character each.
	IgnoredDelimiters []string
}

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

// normalizer applies the rules of one column.
type normalizer struct {
	ascii   [utf8.RuneSelf]byte // what an ASCII byte becomes; 0 where it is left out
	ignored map[rune]bool
	fold    bool
}

func newNormalizer(c Column) (*normalizer, error) {
	n := &normalizer{ignored: map[rune]bool{}, fold: c.IsCaseInsensitive}
	for i, d := range c.IgnoredDelimiters {
		r, size := utf8.DecodeRuneInString(d)
		if size == 0 || size != len(d) || r == utf8.RuneError {
			return nil, &DelimiterError{Column: c.Name, Index: i}
		}
		n.ignored[r] = true
	}
	for b := range n.ascii {
		n.ascii[b] = n.asciiByte(byte(b))
	}
	return n, nil
}

// asciiByte is rules 2 to 4 for one ASCII byte. NUL maps to itself, so it is
// not in the fast path (0 means left out there); see appendASCII.
func (n *normalizer) asciiByte(b byte) byte {
	r := rune(b)
	if isWhiteSpace(r) {
		r = ' '
	}
	if n.fold && r >= 'A' && r <= 'Z' {
		r += 'a' - 'A'
	}
	if n.ignored[r] {
		return 0
	}
	return byte(r)
}

// appendTo appends the normal form of a cell.
func (n *normalizer) appendTo(dst, cell []byte) []byte {
	from := len(dst)
	for _, b := range cell {
		if b >= utf8.RuneSelf || b == 0 {
			return n.appendSlow(dst[:from], cell)
		}
		v := n.ascii[b]
		if v == 0 || v == ' ' && (len(dst) == from || dst[len(dst)-1] == ' ') {
			continue
		}
		dst = append(dst, v)
	}
	if len(dst) > from && dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// appendSlow is the rules as SPEC.md writes them, for any text.
func (n *normalizer) appendSlow(dst, cell []byte) []byte {
	text := norm.NFKC.Bytes(cell)
	if n.fold {
		text = norm.NFKC.Bytes(bytes.Map(foldCherokee, cases.Fold().Bytes(text)))
	}
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
func Normalize(c Column, cell []byte) ([]byte, error) {
	n, err := newNormalizer(c)
	if err != nil {
		return nil, err
	}
	return n.appendSlow(nil, cell), nil
}

// foldCherokee turns small Cherokee letters into capital ones. Unicode folds
// that script upwards, for stability; golang.org/x/text folds it downwards.
func foldCherokee(r rune) rune {
	switch {
	case r >= 0xab70 && r <= 0xabbf:
		return r - 0xab70 + 0x13a0
	case r >= 0x13f8 && r <= 0x13fd:
		return r - 8
	}
	return r
}
