package fingerprint

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// longRun is how many characters that may depend on the one before make a run
// that golang.org/x/text is not trusted with: it breaks up runs of more than 30
// marks, as the Stream-Safe Text Format does, and no other language's NFKC has
// that. One such character makes at most two marks, and one before them three.
const longRun = 8

// hasLongRun tells text that composed has to normalise.
func hasLongRun(text []byte) bool {
	run := 0
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			run = 0
			i++
			continue
		}
		p := norm.NFKC.Properties(text[i:])
		if run++; p.BoundaryBefore() {
			run = 0
		}
		if run >= longRun {
			return true
		}
		i += max(p.Size(), 1)
	}
	return false
}

// part is a character of a decomposition. Marks have a class other than 0.
type part struct {
	char  rune
	class uint8
}

// appendComposed is NFKC as UAX #15 defines it, for marks without number.
func (n *normalizer) appendComposed(dst, text []byte) []byte {
	n.decompose(text)
	for i := 0; i < len(n.parts); {
		end := i
		for end < len(n.parts) && n.parts[end].class != 0 {
			end++
		}
		slices.SortStableFunc(n.parts[i:end], func(a, b part) int { return cmp.Compare(a.class, b.class) })
		i = end + 1
	}
	for _, p := range n.composed() {
		dst = utf8.AppendRune(dst, p.char)
	}
	return dst
}

// decompose fills parts with the compatibility decomposition, not yet in order.
func (n *normalizer) decompose(text []byte) {
	n.parts = n.parts[:0]
	for len(text) > 0 {
		_, size := utf8.DecodeRune(text)
		for n.iter.Init(norm.NFKD, text[:size]); !n.iter.Done(); {
			for rest := n.iter.Next(); len(rest) > 0; {
				r, size := utf8.DecodeRune(rest)
				n.parts = append(n.parts, part{r, norm.NFKD.Properties(rest).CCC()})
				rest = rest[size:]
			}
		}
		text = text[size:]
	}
}

// composed puts each part into the last starter before it that it composes
// with, unless a part between them is in the way.
func (n *normalizer) composed() []part {
	kept, starter := n.parts[:0], -1
	for _, p := range n.parts {
		if starter >= 0 {
			last := kept[len(kept)-1]
			adjacent := starter == len(kept)-1
			if adjacent || last.class != 0 && last.class < p.class {
				if one, ok := composite(kept[starter].char, p.char); ok {
					kept[starter].char = one
					continue
				}
			}
		}
		kept = append(kept, p)
		if p.class == 0 {
			starter = len(kept) - 1
		}
	}
	return kept
}

// composite is the one character that two compose to, if there is one.
func composite(a, b rune) (rune, bool) {
	var pair, out [4 * utf8.UTFMax]byte
	both := utf8.AppendRune(utf8.AppendRune(pair[:0], a), b)
	one := norm.NFC.Append(out[:0], both...)
	r, size := utf8.DecodeRune(one)
	return r, size == len(one)
}
