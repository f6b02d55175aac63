package simd

import "encoding/binary"

const (
	// Lanes is how many messages a Batch has.
	Lanes = 32
	// MaxMessage is the longest message that fits one block.
	MaxMessage = 55

	keyBlock = 64
)

// Span is the bytes of a text from Start up to End.
type Span struct{ Start, End uint32 }

// Message is a short message as the last block that HMAC's inner hash sees: at
// most MaxMessage bytes, the padding, and the length in bits with the block of
// the key.
type Message [64]byte

// Batch is messages that are hashed in one go.
type Batch [Lanes]Message

// Put writes a message of at most MaxMessage bytes.
func (m *Message) Put(text []byte) {
	n := copy(m[:MaxMessage], text)
	m[n] = 0x80
	clear(m[n+1 : MaxMessage+1])
	binary.BigEndian.PutUint64(m[MaxMessage+1:], uint64(keyBlock+n)*8)
}

// Drop says that nobody wants this message's token.
func (m *Message) Drop() { clear(m[MaxMessage+1:]) }

// text is what Put was given; not ok where it was dropped.
func (m *Message) text() (text []byte, ok bool) {
	n := binary.BigEndian.Uint64(m[MaxMessage+1:]) / 8
	if n < keyBlock {
		return nil, false
	}
	return m[:n-keyBlock], true
}

// Alphabet is what becomes of single characters, of those for which that is
// enough to know.
type Alphabet struct {
	// ASCII is by the character, 0 where it is left out. NUL has no entry: cells
	// with it are not folded here.
	ASCII [128]byte
	// Latin is for the letters U+00C0 to U+017F, whose first bytes are C3, C4 and
	// C5: by the first byte less C3 and the lower six bits of the second, what the
	// second becomes, behind the same first. 's' makes both bytes s, as folding
	// does with sharp s. 0 is a letter that is not folded here.
	Latin [3][64]byte
}

// Fold writes cells of a text as messages: each character as the alphabet has
// it, then runs of spaces as one and none at the ends. Cells are valid UTF-8.
// At most Lanes spans. Bit i of rest is set where the message of span i was not
// written, because the cell has other characters or is too long, and of empty
// where nothing was left of it.
func Fold(dst *Batch, text []byte, spans []Span, a *Alphabet) (rest, empty uint32) {
	if len(spans) == 0 {
		return 0, 0
	}
	return active.fold(dst, text, spans, a)
}

// foldNothing leaves every cell to the caller, whose own way is the truth.
func foldNothing(_ *Batch, _ []byte, spans []Span, _ *Alphabet) (rest, empty uint32) {
	return uint32(1<<len(spans) - 1), 0
}
