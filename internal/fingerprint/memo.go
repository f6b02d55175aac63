package fingerprint

import (
	"encoding/binary"
	"math/bits"

	"exactmatch.dev/operator/internal/simd"
)

// Most tables have columns whose values come again and again: names, places,
// dates. A memo keeps the tokens of cells that were met lately, so that they are
// looked up and not hashed. It makes no token of its own, and it goes to sleep
// where a column's values do not repeat.

const (
	// rememberedCell is the longest cell that is kept, in bytes; its length takes
	// the last byte of the key.
	rememberedCell = keySize - 1
	keySize        = 32

	// memoWindow is how many cells are looked up before the memo is judged.
	memoWindow = 1 << 14
	// memoNap is how many cells it sleeps.
	memoNap       = 1 << 22
	firstSlots    = 1 << 10
	slotGrowth    = 4
	slotSize      = keySize + TokenSize
	growBelowPart = 0.9 // of hits: a larger memo may have more
	sleepBelow    = 0.5 // of hits: looking up costs more than it saves
)

// memo is the tokens of a column's latest cells, each in the one slot that its
// hash gives it.
type memo struct {
	slots        []slot
	most         int // slots
	probes, hits int // in this window
	nap          int // cells that are not looked up
}

// slot is one cell as it stands in the table, and its token.
type slot struct {
	key   cellKey
	token Token
}

// cellKey is a cell of up to rememberedCell bytes, zeros, and its length plus
// one in the last byte. The zero key is no cell. Four words stay in registers,
// where an array would not.
type cellKey struct{ a, b, c, d uint64 }

// keyMasks keep the bytes of a cell, by its length.
var keyMasks = func() (masks [keySize]cellKey) {
	for n := range masks {
		var bytes [keySize]byte
		for i := range n {
			bytes[i] = 0xff
		}
		masks[n] = wordsOf(bytes[:])
	}
	return masks
}()

func wordsOf(b []byte) cellKey {
	_ = b[keySize-1]
	return cellKey{
		binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]),
		binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:]),
	}
}

// keyOf is the key of a cell; the zero one where it is too long, or too near
// the end of the text to be read in whole words.
func keyOf(text []byte, s simd.Span) cellKey {
	n := s.End - s.Start
	if n > rememberedCell || int(s.Start)+keySize > len(text) {
		return cellKey{}
	}
	k, mask := wordsOf(text[s.Start:int(s.Start)+keySize]), &keyMasks[n]
	return cellKey{k.a & mask.a, k.b & mask.b, k.c & mask.c, k.d&mask.d | uint64(n+1)<<56}
}

// hash spreads keys; whoever could choose cells that collide would only slow
// down the hashing of their own table.
func (k cellKey) hash() uint64 {
	high, low := bits.Mul64(k.a^0x9e3779b97f4a7c15, k.b^0xbf58476d1ce4e5b9)
	more, less := bits.Mul64(k.c^0x94d049bb133111eb, k.d^0xd6e8feb86659fd93)
	return high ^ low ^ bits.RotateLeft64(more^less, 32)
}

// slot is where a key is, if it is anywhere.
func (m *memo) slot(k cellKey) *slot { return &m.slots[k.hash()&uint64(len(m.slots)-1)] }

// Remember lets the hasher keep the tokens of cells that come again, in at most
// so many bytes. It changes no token.
func (h *Hasher) Remember(bytes int) {
	most := bytes / slotSize
	if most < firstSlots {
		h.memo = memo{}
		return
	}
	h.memo = memo{most: 1 << (bits.Len(uint(most)) - 1)}
}

// awake tells whether n cells are to be looked up.
func (m *memo) awake(n int) bool {
	switch {
	case m.most == 0:
		return false
	case m.nap > 0:
		m.nap -= n
		return false
	case m.slots == nil:
		m.slots = make([]slot, firstSlots)
	case m.probes >= memoWindow:
		m.judge()
	}
	return m.nap <= 0
}

// judge grows the memo where that may pay, and else puts it to sleep where
// too few cells were met again.
func (m *memo) judge() {
	part := float64(m.hits) / float64(m.probes)
	m.probes, m.hits = 0, 0
	switch {
	case part >= growBelowPart:
	case len(m.slots)*slotGrowth <= m.most:
		m.slots = make([]slot, len(m.slots)*slotGrowth)
	case part < sleepBelow:
		m.slots, m.nap = nil, memoNap
	}
}

// missed is cells that were not found, until there are enough to hash them
// together.
type missed struct {
	count  int
	spans  [simd.Lanes]simd.Span
	at     [simd.Lanes]int // where the token goes
	keys   [simd.Lanes]cellKey
	tokens [simd.Lanes * TokenSize]byte
}

// remembered writes the tokens of cells and looks up before it hashes.
func (h *Hasher) remembered(dst, text []byte, spans []simd.Span) {
	m, miss := &h.memo, &h.missed
	for i, span := range spans {
		key := keyOf(text, span)
		if s := m.slot(key); s.key == key && key != (cellKey{}) {
			*(*Token)(dst[i*TokenSize:]) = s.token
			m.hits++
			continue
		}
		n := miss.count
		miss.spans[n], miss.at[n], miss.keys[n] = span, i, key
		if miss.count++; miss.count == simd.Lanes {
			h.hashMissed(dst, text)
		}
	}
	h.hashMissed(dst, text)
	m.probes += len(spans)
}

// hashMissed hashes the cells that were not found, and remembers them.
func (h *Hasher) hashMissed(dst, text []byte) {
	miss := &h.missed
	n := miss.count
	miss.count = 0
	h.batch(miss.tokens[:n*TokenSize], text, miss.spans[:n])
	for i := range n {
		token := Token(miss.tokens[i*TokenSize:])
		*(*Token)(dst[miss.at[i]*TokenSize:]) = token
		if key := miss.keys[i]; key != (cellKey{}) {
			*h.memo.slot(key) = slot{key: key, token: token}
		}
	}
}
