package pipeline

import (
	"encoding/binary"

	"exactmatch.dev/operator/internal/simd"
)

// What a cell can begin with, by its first byte. White space is among the others,
// as a guard or a number may stand behind it.
const (
	startsNothing = iota
	startsNumber
	startsOther
)

var mayStart = func() (starts [256]uint8) {
	for _, b := range []byte("+-0123456789") {
		starts[b] = startsNumber
	}
	for _, b := range []byte("=' \t\n\v\f\r\xc2\xe1\xe2\xe3") {
		starts[b] = startsOther
	}
	return starts
}()

const (
	everyByte = 0x0101010101010101
	highBits  = everyByte << 7
)

// unusual has a high bit where one of eight bytes is not printable ASCII, and no
// high bit where all are: what carries from one byte to the next begins at one
// that is not.
func unusual(word uint64) uint64 { return word | (word + everyByte) | (word - everyByte*' ') }

// isPlain reports of most cells that there is nothing to look at: at least four
// characters, all printable ASCII, without a guard, and no number in scientific
// notation.
func isPlain(text []byte, s simd.Span) bool {
	n := int(s.End - s.Start)
	if n < shortLength {
		return false
	}
	var odd uint64
	if n <= wideCell && len(text)-int(s.Start) >= wideCell {
		odd = unusualOf((*[wideCell]byte)(text[s.Start:]), n)
	} else {
		odd = unusualIn(text[s.Start:s.End])
	}
	cell := text[s.Start:s.End]
	first := mayStart[cell[0]]
	return odd&highBits == 0 && (first == startsNothing || first == startsNumber && !endsNumber(cell))
}

// unusualIn is unusual for a cell of at least four bytes.
func unusualIn(cell []byte) (odd uint64) {
	if n := len(cell); n < 8 {
		first, last := binary.LittleEndian.Uint32(cell), binary.LittleEndian.Uint32(cell[n-4:])
		return unusual(uint64(first) | uint64(last)<<32)
	}
	odd = unusual(binary.LittleEndian.Uint64(cell[len(cell)-8:]))
	for rest := cell; len(rest) > 8; rest = rest[8:] {
		odd |= unusual(binary.LittleEndian.Uint64(rest))
	}
	return odd
}

// wideCell is how many bytes are looked at in one go. Most cells have fewer, of
// lengths that no processor foretells, so what stands behind them is looked at too
// and then left out: unusual carries from a byte to later ones only.
const wideCell = 32

// unusualOf is unusual for the first n bytes of a text.
func unusualOf(text *[wideCell]byte, n int) uint64 {
	k := &highBitsOf[n]
	odd := unusual(binary.LittleEndian.Uint64(text[:]))&k[0] | unusual(binary.LittleEndian.Uint64(text[8:]))&k[1]
	if n <= wideCell/2 {
		return odd
	}
	return odd | unusual(binary.LittleEndian.Uint64(text[16:]))&k[2] | unusual(binary.LittleEndian.Uint64(text[24:]))&k[3]
}

// highBitsOf has the high bits of the first bytes of a text.
var highBitsOf = func() (of [wideCell + 1][wideCell / 8]uint64) {
	for n := range of {
		for i := range n {
			of[n][i/8] |= 0x80 << (i % 8 * 8)
		}
	}
	return of
}()

// endsNumber reports whether a cell of at least four bytes can end with an exponent
// of up to three digits. White space behind that hides it.
func endsNumber(cell []byte) bool {
	last := cell[len(cell)-4:]
	return mayEnd[last[0]] || mayEnd[last[1]] || mayEnd[last[2]] || last[3] == ' '
}

var mayEnd = [256]bool{'+': true, 'E': true}

// shortLength is how many characters a cell has that is just not short.
const shortLength = 4
