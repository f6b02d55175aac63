package pipeline

import (
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// isMojibake reports whether a cell is UTF-8 that was read as Windows-1252 or
// Latin-1 and written again: all its characters are bytes of these, the bytes
// are valid UTF-8, and at least one sequence of them is evidence. The cells of
// many languages have no such sequence at all: it is a letter with an accent
// before the right number of characters that are no letters.
func isMojibake(cell []byte) bool {
	var room [128]byte
	text := room[:0]
	for _, r := range string(cell) {
		b, ok := singleByte(r)
		if !ok {
			return false
		}
		text = append(text, b)
	}
	found := false
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			return false
		}
		next := byte(0)
		if size < len(text) {
			next = text[size]
		}
		found = found || size > 1 && isEvidence(text[:size], next)
		text = text[size:]
	}
	return found
}

// singleByte is the byte of a character in Windows-1252, or in Latin-1 where only
// that has it.
func singleByte(r rune) (byte, bool) {
	if r < utf8.RuneSelf || r >= 0x80 && r <= 0x9f {
		return byte(r), true
	}
	return charmap.Windows1252.EncodeRune(r)
}

// What people put directly behind a capital letter with an accent, as bytes of
// Windows-1252: the letter and one of these are valid UTF-8 by accident.
const (
	// insideWords: ’ – — • · ´ and the no-break space, as in "CAFÉ’S" and "JYVÄSKYLÄ–HELSINKI".
	insideWords = "\x92\x96\x97\x95\xb7\xb4\xa0"
	// behindWords: … “ ” † ‡ ‹ › « » ™ © ® ° ª º ¹ ² ³, as in "NESCAFÉ®".
	behindWords = "\x85\x93\x94\x86\x87\x8b\x9b\xab\xbb\x99\xa9\xae\xb0\xaa\xba\xb9\xb2\xb3"
	// rarelyInside: ‘ Š š Œ œ Ž ž, as in "MÍŠA"; behind Ä and Å nobody writes them.
	rarelyInside = "\x91\x8a\x9a\x8c\x9c\x8e\x9e"
)

// isEvidence reports whether a sequence of UTF-8, as it stands in Windows-1252,
// can hardly be what somebody wrote. next is the byte behind it, 0 at the end.
func isEvidence(sequence []byte, next byte) bool {
	last := sequence[len(sequence)-1]
	switch sequence[0] {
	case 0xc2: // Â, which makes signs of Latin-1; below 0xa0 they would be controls
		return last >= 0xa0
	case 0xc3: // Ã, which makes letters of Latin-1; "IRMÃ" may have a no-break space behind it
		return last != 0xa0
	}
	if next >= utf8.RuneSelf { // another sequence follows, as in words of other scripts
		return true
	}
	for _, b := range sequence[1:] {
		switch {
		case has(insideWords, b):
		case has(behindWords, b) && !isLetter(next):
		case has(rarelyInside, b) && sequence[0] > 0xc5:
		default:
			return true
		}
	}
	return false
}

func has(set string, b byte) bool {
	for i := range len(set) {
		if set[i] == b {
			return true
		}
	}
	return false
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
