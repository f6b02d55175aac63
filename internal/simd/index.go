package simd

import (
	"encoding/binary"
	"math/bits"
)

// BlockSize is how many bytes Index and its like look at in one go.
const BlockSize = 64

// IndexSlack is how many positions more than it counts Index may write.
const IndexSlack = 64

// Flags tell what occurs in a text.
type Flags uint8

// The flags.
const (
	// BeyondASCII: a byte of 0x80 or more.
	BeyondASCII Flags = 1 << iota
	// DoubledQuotes: a quote that stands for itself within a quoted cell.
	DoubledQuotes
)

// Index finds the ends of cells in a text that starts where a row does: the
// positions of each delimiter and line feed that is not within quotes, in
// order. It looks at whole blocks of BlockSize bytes and stops before the first
// one with a quote where RFC 4180 allows none: within a cell that did not start
// with one, or before anything but the end of a cell. It returns how many
// positions it wrote to ends, how many bytes it has looked at, and what occurs
// in them (it may report more than that, never less).
//
// A text that is cut off between a closing quote and the byte behind it is not
// at fault for that. ends must have len(text) + IndexSlack places. The
// delimiter is ASCII, and no quote, line feed or carriage return.
func Index(ends []uint32, text []byte, delimiter byte) (n, scanned int, f Flags) {
	blocks := len(text) / BlockSize
	if blocks == 0 {
		return 0, 0, 0
	}
	_ = ends[blocks*BlockSize+IndexSlack-1]
	return active.index(ends, text[:blocks*BlockSize], delimiter)
}

// IndexLiteral is Index for a text in which a quote is a character like others:
// it finds the positions of every delimiter and line feed. All whole blocks are
// looked at.
func IndexLiteral(ends []uint32, text []byte, delimiter byte) (n, scanned int, f Flags) {
	return active.indexLiteral(ends, text[:len(text)/BlockSize*BlockSize], delimiter)
}

// masksAtOnce is how many blocks are sorted before they are looked at.
const masksAtOnce = 32

func (p *path) indexLiteral(ends []uint32, text []byte, delimiter byte) (n, scanned int, f Flags) {
	var sorted [masksAtOnce]masks
	for scanned < len(text) {
		blocks := sorted[:min((len(text)-scanned)/BlockSize, masksAtOnce)]
		p.classify(blocks, text[scanned:], delimiter)
		for _, m := range blocks {
			if m.beyondASCII != 0 {
				f |= BeyondASCII
			}
			n = appendEnds(ends, n, m.end, scanned)
			scanned += BlockSize
		}
	}
	return n, scanned, f
}

// masks sorts the bytes of a block: bit i is byte i.
type masks struct{ end, quote, beyondASCII uint64 }

// indexer carries what one block leaves for the first byte of the next.
type indexer struct {
	within                               uint64 // all ones within quotes
	behindEnd, behindClose, behindReturn uint64 // bit 0
	flags                                Flags
}

// newIndexer stands where a row starts, as if behind the end of a cell.
func newIndexer() indexer { return indexer{behindEnd: 1} }

// ends returns the ends of cells in a block, of which m are the masks; not ok
// where a quote is wrong.
func (x *indexer) ends(m masks, block *[BlockSize]byte) (ends uint64, ok bool) {
	if m.beyondASCII != 0 {
		x.flags |= BeyondASCII
	}
	if m.quote|x.within|x.behindClose|x.behindReturn == 0 {
		x.behindEnd = m.end >> 63
		return m.end, true
	}
	inside := prefixXOR(m.quote) ^ x.within
	x.within = uint64(int64(inside) >> 63)
	ends = m.end &^ inside
	opening, closing := m.quote&inside, m.quote&^inside
	afterEnd := shiftIn(ends, &x.behindEnd)
	afterClose := shiftIn(closing, &x.behindClose)
	if opening&afterClose != 0 {
		x.flags |= DoubledQuotes
	}
	bad := opening &^ (afterEnd | afterClose)
	if left := afterClose &^ (ends | opening); left|x.behindReturn != 0 {
		returned := left & places(block, '\r')
		bad |= left&^returned | shiftIn(returned, &x.behindReturn)&^places(block, '\n')
	}
	return ends, bad == 0
}

// prefixXOR sets each bit to the parity of the bits up to and with it.
func prefixXOR(v uint64) uint64 {
	for shift := 1; shift < 64; shift *= 2 {
		v ^= v << shift
	}
	return v
}

// shiftIn moves a mask one byte on.
func shiftIn(mask uint64, carry *uint64) uint64 {
	out := mask<<1 | *carry
	*carry = mask >> 63
	return out
}

// appendEnds writes the positions of the bits of a mask behind n others.
func appendEnds(to []uint32, n int, mask uint64, base int) int {
	for ; mask != 0; mask &= mask - 1 {
		to[n] = uint32(base + bits.TrailingZeros64(mask))
		n++
	}
	return n
}

func indexPortable(ends []uint32, text []byte, delimiter byte) (n, scanned int, f Flags) {
	x := newIndexer()
	for scanned < len(text) {
		block := (*[BlockSize]byte)(text[scanned:])
		found, ok := x.ends(classify(block, delimiter), block)
		if !ok {
			break
		}
		n = appendEnds(ends, n, found, scanned)
		scanned += BlockSize
	}
	return n, scanned, x.flags
}

// Eight bytes are looked at in one go: a byte of ones in each place, and all but
// the highest bit of each place.
const (
	ones    = 0x0101010101010101
	lowBits = 0x7f7f7f7f7f7f7f7f
)

func classifyPortable(sorted []masks, text []byte, delimiter byte) {
	for i := range sorted {
		sorted[i] = classify((*[BlockSize]byte)(text[i*BlockSize:]), delimiter)
	}
}

// classify sorts the bytes of one block.
func classify(block *[BlockSize]byte, delimiter byte) (m masks) {
	d := uint64(delimiter) * ones
	for i := 0; i < BlockSize; i += 8 {
		w := binary.LittleEndian.Uint64(block[i:])
		m.end |= gather(notZero(w^d)&notZero(w^'\n'*ones)) << (i & 63)
		m.quote |= gather(notZero(w^'"'*ones)) << (i & 63)
		m.beyondASCII |= w &^ lowBits
	}
	return m
}

// places has a bit for each byte of a block that equals.
func places(block *[BlockSize]byte, b byte) (mask uint64) {
	for i := 0; i < BlockSize; i += 8 {
		mask |= gather(notZero(binary.LittleEndian.Uint64(block[i:])^uint64(b)*ones)) << (i & 63)
	}
	return mask
}

// notZero has the highest bit of each byte clear exactly where the byte is zero.
func notZero(w uint64) uint64 { return w&lowBits + lowBits | w }

// gather brings the highest bits of the eight bytes together, turned round.
func gather(w uint64) uint64 { return ^w >> 7 & ones * 0x0102040810204080 >> 56 }
