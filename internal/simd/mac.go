package simd

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

// TokenSize is how much of each HMAC-SHA-256 is kept, in bytes.
const TokenSize = 16

// MAC computes HMAC-SHA-256, cut to TokenSize bytes, under one key. It is not
// safe for concurrent use. It never prints its key.
type MAC struct {
	hash hash.Hash
	sum  []byte
	// states are those of SHA-256 behind the key's inner and outer block: words A
	// to H of each.
	states [16]uint32
	// swapped are the same in the order of the SHA instructions.
	swapped  [16]uint32
	schedule *[512]uint32 // room to work in, aligned as its size
}

// NewMAC prepares a key of at most 64 bytes.
func NewMAC(key []byte) *MAC {
	m := &MAC{hash: hmac.New(sha256.New, key), sum: make([]byte, 0, sha256.Size), schedule: new([512]uint32)}
	for i, pad := range []byte{0x36, 0x5c} {
		var block [sha256.BlockSize]byte
		copy(block[:], key)
		for j := range block {
			block[j] ^= pad
		}
		state := stateBehind(block[:])
		copy(m.states[8*i:], state[:])
		a, b, c, d, e, f, g, h := state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
		copy(m.swapped[8*i:], []uint32{f, e, b, a, h, g, d, c})
	}
	return m
}

// stateBehind is the state of SHA-256 behind one block. The standard library
// shows it in the form in which it saves a hash; the self-test would notice if
// that changed.
func stateBehind(block []byte) (state [8]uint32) {
	h := sha256.New()
	_, _ = h.Write(block) // a hash never fails
	saved, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil || len(saved) < 4+len(state)*4 {
		return state
	}
	for i := range state {
		state[i] = binary.BigEndian.Uint32(saved[4+4*i:])
	}
	return state
}

// Format keeps the key's states out of every print.
func (*MAC) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// Sum appends the token of a message of any length.
func (m *MAC) Sum(dst, message []byte) []byte {
	m.hash.Reset()
	_, _ = m.hash.Write(message) // a hash never fails
	m.sum = m.hash.Sum(m.sum[:0])
	return append(dst, m.sum[:TokenSize]...)
}

// Tokens writes the tokens of the first n messages to dst, one after another:
// anything for those that were dropped. What the other messages hold does not
// matter.
func (m *MAC) Tokens(dst []byte, messages *Batch, n int) {
	if n > 0 {
		active.tokens(m, dst[:n*TokenSize], messages, n)
	}
}

func (m *MAC) tokensPortable(dst []byte, messages *Batch, n int) {
	for i := range n {
		if text, ok := messages[i].text(); ok {
			m.Sum(dst[i*TokenSize:i*TokenSize], text)
		}
	}
}
