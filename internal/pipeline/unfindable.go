package pipeline

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"
)

// UnfindableKind is why nobody finds a cell: no message has what it holds.
type UnfindableKind int

// The kinds, in the order in which they are looked for. A cell is of the first
// that fits, since that has to be mended before the others show.
const (
	// Mojibake is UTF-8 that was read as Windows-1252 or Latin-1 and written again.
	Mojibake UnfindableKind = iota
	// LostCharacters have become U+FFFD where they could not be decoded.
	LostCharacters
	// InvisibleCharacters are controls, soft hyphens, byte order marks, and
	// zero-width and direction marks where the cell's script needs none.
	InvisibleCharacters
	// SpreadsheetGuards are ="…" and an apostrophe before a digit, =, +, - or @.
	SpreadsheetGuards
	// ScientificNotation is an identifier that a spreadsheet took for a number.
	ScientificNotation
	unfindableKinds
)

// Unfindable counts cells by the kind that makes them unfindable. A cell counts
// once.
type Unfindable [unfindableKinds]int64

// Total is how many cells there are of all kinds.
func (u Unfindable) Total() int64 {
	var total int64
	for _, n := range u {
		total += n
	}
	return total
}

// look counts a cell that is not plain. It reports whether the cell has a value.
func (q *columnQuality) look(cell []byte) bool {
	if len(cell) == 0 || mayStart[cell[0]] == startsOther && len(bytes.TrimSpace(cell)) == 0 {
		q.empty++
		return false
	}
	if isShort(cell) {
		q.short++
	}
	var s signs
	if !isLatin(cell) {
		s = signsOf(cell)
	}
	if s&signLine != 0 {
		q.lineBreaks++
		q.mostLines = max(q.mostLines, linesOf(cell))
	}
	if kind, found := q.unfindable(cell, s); found {
		q.kinds[kind]++
	}
	return true
}

// unfindable says which kind a cell is of, if it is of one.
func (q *columnQuality) unfindable(cell []byte, s signs) (UnfindableKind, bool) {
	switch {
	case s&signMojibake != 0 && isMojibake(cell):
		return Mojibake, true
	case s&signLost != 0 && !q.ignores(utf8.RuneError):
		return LostCharacters, true
	case s&signInvisible != 0 && q.holdsInvisible(cell):
		return InvisibleCharacters, true
	case mayStart[cell[0]] == startsNothing:
		return 0, false
	}
	bare, guarded := q.unguard(cell)
	switch {
	case guarded:
		return SpreadsheetGuards, true
	case isScientific(bare):
		return ScientificNotation, true
	}
	return 0, false
}

// ignores reports whether a character is left out before hashing, so that it does
// no harm. All that it is asked about stand in a normal form as they are.
func (q *columnQuality) ignores(r rune) bool { return slices.Contains(q.ignored, r) }

// signs are what the bytes of a cell make possible.
type signs uint8

const (
	signLine signs = 1 << iota
	signInvisible
	signLost
	signMojibake
)

// What a byte of a cell makes worth a closer look. byteFollows is the bit after
// byteLatin.
const (
	byteShows   = 1 << iota // signAt has something to say of the character that begins with it
	byteLatin               // begins the letters of Latin-1
	byteFollows             // begins what Windows-1252 has from 0x80 to 0xbf
)

var byteClasses = func() (classes [256]uint8) {
	for b := range byte(' ') {
		classes[b] = byteShows
	}
	for _, b := range []byte{0x7f, 0xc2, 0xe2, 0xef} {
		classes[b] = byteShows
	}
	classes[0xc3] = byteLatin
	for _, b := range []byte{0xc2, 0xc5, 0xc6, 0xcb, 0xe2} {
		classes[b] |= byteFollows
	}
	return classes
}()

// isLatin reports of most cells beyond ASCII that they have no sign: they have
// printable ASCII and letters of Latin-1, none of which begins a mojibake.
func isLatin(cell []byte) bool {
	for i := 0; i < len(cell); i++ {
		if cell[i]-' ' < 0x7f-' ' {
			continue
		}
		if byteClasses[cell[i]] != byteLatin {
			return false
		}
		i++ // a letter has two bytes
		if i+1 < len(cell) && byteClasses[cell[i+1]]&byteFollows != 0 {
			return false
		}
	}
	return true
}

// signsOf gives the signs of all characters of a cell.
func signsOf(cell []byte) (s signs) {
	var found, second, third uint8
	for _, b := range cell { // without a branch for each byte
		first := byteClasses[b]
		found |= first&byteShows | first&byteFollows&(third<<1)
		second, third = first, second
	}
	switch {
	case found&byteFollows != 0: // directly behind a letter of Latin-1, which has two bytes
		s = signMojibake
	case found == 0:
		return 0
	}
	for i, b := range cell {
		if byteClasses[b]&byteShows != 0 {
			s |= signAt(cell[i:])
		}
	}
	return s
}

// signAt is the sign of the character that text begins with.
func signAt(text []byte) signs {
	switch r, _ := utf8.DecodeRune(text); {
	case r == '\n', r == '\r':
		return signLine
	case r == utf8.RuneError:
		return signLost
	case isInvisible(r):
		return signInvisible
	}
	return 0
}

// linesOf is how many lines a cell has.
func linesOf(cell []byte) int64 {
	breaks := bytes.Count(cell, []byte("\n")) + bytes.Count(cell, []byte("\r")) - bytes.Count(cell, []byte("\r\n"))
	return int64(breaks) + 1
}

// isInvisible reports whether a character shows nothing and moves nothing: nobody
// sees that it is there, and nobody types it. White space is another thing, as
// rules v1 make every kind of it the same. So are what text of everyday is made
// with: variation selectors, tags of flags, fillers.
func isInvisible(r rune) bool {
	switch {
	case r < ' ':
		return r < '\t' || r > '\r'
	case r >= 0x7f && r <= 0x9f: // DEL and C1 controls, which are Windows-1252 read as Latin-1
		return r != 0x85
	case r == 0xad, r == 0xfeff:
		return true
	}
	return r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x206f
}

// holdsInvisible reports whether a cell has an invisible character that is not
// ignored and that its script has no use for.
func (q *columnQuality) holdsInvisible(cell []byte) bool {
	for i, r := range string(cell) {
		if isInvisible(r) && !q.ignores(r) && !isUsed(r, cell, i) {
			return true
		}
	}
	return false
}

// isUsed reports whether the invisible character at text[i] belongs to how the
// text is written.
func isUsed(r rune, text []byte, i int) bool {
	switch {
	case r == 0x200b:
		return holds(text, unspaced)
	case r == 0x200c:
		return holds(text, joining)
	case r == 0x200d:
		return joinsSymbols(text[:i], text[i:]) || holds(text, joining)
	case r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return holds(text, rightToLeft)
	}
	return false
}

func holds(text []byte, scripts []*unicode.RangeTable) bool {
	return bytes.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf && unicode.In(r, scripts...) })
}

var (
	// unspaced scripts put no space between words: U+200B says where a line may end.
	unspaced = []*unicode.RangeTable{
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan, unicode.Tai_Le, unicode.New_Tai_Lue,
		unicode.Tai_Tham, unicode.Tai_Viet, unicode.Javanese, unicode.Balinese,
	}
	// joining scripts have letters that U+200C and U+200D part and join.
	joining = []*unicode.RangeTable{
		unicode.Arabic, unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya, unicode.Tamil,
		unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
		unicode.Syriac, unicode.Nko, unicode.Mandaic, unicode.Adlam, unicode.Hanifi_Rohingya, unicode.Mongolian, unicode.Phags_Pa,
		unicode.Tai_Tham, unicode.Javanese, unicode.Balinese, unicode.Sundanese, unicode.Meetei_Mayek, unicode.Ol_Chiki,
		unicode.Chakma, unicode.Newa, unicode.Tirhuta, unicode.Sharada, unicode.Grantha, unicode.Modi, unicode.Takri,
		unicode.Sogdian, unicode.Manichaean, unicode.Psalter_Pahlavi, unicode.Chorasmian,
	}
	rightToLeft = []*unicode.RangeTable{
		unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko, unicode.Samaritan, unicode.Mandaic,
		unicode.Adlam, unicode.Hanifi_Rohingya, unicode.Mende_Kikakui, unicode.Yezidi,
	}
)

// joinsSymbols reports whether U+200D, with which after begins, makes one emoji of
// two: it stands between symbols, of which the first may have a selector.
func joinsSymbols(before, after []byte) bool {
	first, _ := utf8.DecodeLastRune(before)
	_, size := utf8.DecodeRune(after)
	second, _ := utf8.DecodeRune(after[size:])
	return (first == 0xfe0f || isPictograph(first)) && isPictograph(second)
}

// isPictograph reports whether a character may be part of an emoji: a symbol from
// the arrows on. U+FFFD, which also stands for the end of a text, is none.
func isPictograph(r rune) bool { return r >= 0x2190 && r != utf8.RuneError && unicode.IsSymbol(r) }

// unguard takes the guards off a cell that are left out before hashing anyway,
// with the white space around them. guarded: there is another one.
func (q *columnQuality) unguard(cell []byte) (bare []byte, guarded bool) {
	for {
		cell = bytes.TrimSpace(cell)
		switch {
		case len(cell) > 2 && bytes.HasPrefix(cell, []byte(`="`)) && cell[len(cell)-1] == '"':
			if !q.ignores('=') || !q.ignores('"') {
				return cell, true
			}
			cell = cell[2 : len(cell)-1]
		case len(cell) > 1 && cell[0] == '\'' && bytes.IndexByte([]byte("0123456789=+-@"), cell[1]) >= 0:
			if !q.ignores('\'') {
				return cell, true
			}
			cell = cell[1:]
		default:
			return cell, false
		}
	}
}

// isScientific reports whether a cell is a number as spreadsheets and programs
// write large ones: 8.8E+08, 4,93e+10, and Java's 8.8E8, which has one digit
// before the point and at least one behind it. Most digits of the identifier are
// gone, so no delimiter helps.
func isScientific(cell []byte) bool {
	cell = bytes.TrimLeft(cell, "+-")
	whole := digits(cell)
	rest, fraction := cell[whole:], 0
	if len(rest) > 0 && (rest[0] == '.' || rest[0] == ',') {
		fraction = digits(rest[1:])
		rest = rest[1+fraction:]
	}
	if whole == 0 || len(rest) < 2 || rest[0] != 'E' && rest[0] != 'e' {
		return false
	}
	java := whole == 1 && fraction > 0 && rest[0] == 'E'
	if rest = rest[1:]; rest[0] == '+' {
		rest = rest[1:]
	} else if !java {
		return false
	}
	return len(rest) > 0 && len(rest) <= 3 && digits(rest) == len(rest)
}

// digits is how many ASCII digits a text begins with.
func digits(text []byte) int {
	n := 0
	for n < len(text) && text[n]-'0' <= 9 {
		n++
	}
	return n
}
