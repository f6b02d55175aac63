package block

import (
	"encoding/binary"
	"math/bits"
)

// Draft is a block in the making. Its tokens are written where the block will
// have them, so that a column without a dictionary is never copied. It can be
// used for one block after another and keeps its memory; it is not safe for
// concurrent use, but for writing to different places of its columns.
type Draft struct {
	header Header
	buf    []byte
	first  int // place of the first column
	words  dictionary
}

// Begin starts a block. It fails with ErrTooLarge where the block might exceed
// MaxSize, or where the header is out of range.
func (d *Draft) Begin(h Header) error {
	if err := h.check(); err != nil {
		return err
	}
	if size := SizeBound(h.Rows, len(h.Columns)); cap(d.buf) < size {
		d.buf = make([]byte, 0, size)
	}
	d.header, d.buf = h, appendHeader(d.buf[:0], h)
	d.first = len(d.buf)
	return nil
}

// slot is what a column without a dictionary takes.
func (d *Draft) slot() int { return 1 + d.header.Rows*tokenSize }

// Column is where the tokens of a column go, Rows of them one after another.
// What is there before is of no meaning.
func (d *Draft) Column(c int) []byte {
	end := d.first + (c+1)*d.slot()
	return d.buf[end-d.header.Rows*tokenSize : end : end]
}

// Encode ends the block and returns its bytes, which are valid until Begin. The
// columns are gone then.
func (d *Draft) Encode() []byte {
	out := d.buf[:d.first]
	for c := range d.header.Columns {
		// An encoded column is never longer than its slot, so what is written here
		// lies before what is still to be read.
		out = d.appendColumn(out, d.Column(c))
	}
	return out
}

// appendColumn uses a dictionary where a column has fewer distinct tokens than
// a quarter of its rows: tokens do not compress otherwise.
func (d *Draft) appendColumn(dst, tokens []byte) []byte {
	if !d.words.fill(tokens) {
		return append(append(dst, encodingRaw), tokens...)
	}
	distinct := len(d.words.entries) / tokenSize
	dst = append(dst, encodingDictionary)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(distinct))
	dst = append(dst, d.words.entries...)
	return appendPlaces(dst, d.words.places, widthOf(distinct))
}

// dictionary finds the distinct tokens of a column.
type dictionary struct {
	entries []byte   // the distinct tokens, in the order of their first row
	places  []uint32 // for each row its entry
	seen    []uint64 // one bit a token, or several tokens
	slots   []uint32 // places plus one, by hash; 0 is free
}

// fill says whether a dictionary pays, and fills it then.
func (x *dictionary) fill(tokens []byte) bool {
	rows := len(tokens) / tokenSize
	most := (rows - 1) / 4 // distinct < rows/4, in whole numbers
	if most == 0 || x.surelyMore(tokens, most) {
		return false
	}
	x.slots = cleared(x.slots, powerOfTwo(2*most))
	x.entries, x.places = x.entries[:0], x.places[:0]
	mask := uint64(len(x.slots) - 1)
	for at := 0; at < len(tokens); at += tokenSize {
		token := tokens[at : at+tokenSize]
		place, ok := x.place(token, hashOf(token)&mask, most)
		if !ok {
			return false
		}
		x.places = append(x.places, place)
	}
	return true
}

// surelyMore tells, of most columns after their first rows, that they have more
// than most distinct tokens: those are at least as many as the bits they set.
func (x *dictionary) surelyMore(tokens []byte, most int) bool {
	x.seen = cleared(x.seen, powerOfTwo(8*most)/64+1)
	mask, found := uint64(powerOfTwo(8*most)-1), 0
	for at := 0; at < len(tokens); at += tokenSize {
		bit := hashOf(tokens[at:at+tokenSize]) & mask
		word := &x.seen[bit/64]
		if *word>>(bit%64)&1 == 0 {
			*word |= 1 << (bit % 64)
			if found++; found > most {
				return true
			}
		}
	}
	return false
}

// place finds a token or gives it a place; not ok where that would be one too many.
func (x *dictionary) place(token []byte, slot uint64, most int) (uint32, bool) {
	for {
		known := x.slots[slot]
		if known == 0 {
			place := uint32(len(x.entries) / tokenSize)
			if int(place) == most {
				return 0, false
			}
			x.slots[slot] = place + 1
			x.entries = append(x.entries, token...)
			return place, true
		}
		if [tokenSize]byte(x.entries[(known-1)*tokenSize:]) == [tokenSize]byte(token) {
			return known - 1, true
		}
		slot = (slot + 1) & uint64(len(x.slots)-1)
	}
}

// hashOf mixes a token's halves. Tokens are as good as random; this is for
// those that are not, in tests and attacks.
func hashOf(token []byte) uint64 {
	high, low := bits.Mul64(binary.LittleEndian.Uint64(token)^0x9e3779b97f4a7c15, binary.LittleEndian.Uint64(token[8:])^0xbf58476d1ce4e5b9)
	return high ^ low
}

// powerOfTwo is the least that is at least n.
func powerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }

// cleared is n zeros, in s where it is large enough.
func cleared[T uint32 | uint64](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// widthOf is the bytes that a place in a dictionary takes.
func widthOf(distinct int) int {
	switch {
	case distinct <= 1<<8:
		return 1
	case distinct <= 1<<16:
		return 2
	default:
		return 4
	}
}

func appendPlaces(dst []byte, places []uint32, width int) []byte {
	for _, place := range places {
		switch width {
		case 1:
			dst = append(dst, byte(place))
		case 2:
			dst = binary.LittleEndian.AppendUint16(dst, uint16(place))
		default:
			dst = binary.LittleEndian.AppendUint32(dst, place)
		}
	}
	return dst
}
