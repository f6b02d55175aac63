package fingerprint

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/bits"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/simd"
)

// maxName is the longest displayName or column name in bytes.
const maxName = 256

// Hasher makes the tokens of one column. It is not safe for concurrent use;
// Clone it. It never prints its key.
type Hasher struct {
	key        []byte
	normalizer *normalizer
	alphabet   *simd.Alphabet
	mac        *simd.MAC
	text       []byte
	messages   *simd.Batch
	memo       memo
	missed     missed
}

// Hasher returns the hasher of a column of a store. It fails with a
// *DelimiterError, or where a name is empty, has over 256 bytes or is not UTF-8.
func (k Key) Hasher(store string, c schema.Column) (*Hasher, error) {
	for _, name := range [][2]string{{"the store's displayName", store}, {"a column's name", c.Name}} {
		if name[1] == "" || len(name[1]) > maxName || !utf8.ValidString(name[1]) {
			return nil, fmt.Errorf("%s must have 1 to %d bytes of UTF-8", name[0], maxName)
		}
	}
	n, err := newNormalizer(c)
	if err != nil {
		return nil, err
	}
	return newHasher(k.derive("column", sha256.Size, store, c.Name), n.rules, n.alphabet()), nil
}

func newHasher(key []byte, r *rules, a *simd.Alphabet) *Hasher {
	return &Hasher{key: key, normalizer: r.normalizer(), alphabet: a, mac: simd.NewMAC(key), messages: new(simd.Batch)}
}

// Clone returns a hasher of the same column for another goroutine.
func (h *Hasher) Clone() *Hasher { return newHasher(h.key, h.normalizer.rules, h.alphabet) }

// Format hides the key under every verb.
func (*Hasher) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// AppendToken appends the 16 bytes of the cell's token. The cell is valid
// UTF-8 and is not kept.
func (h *Hasher) AppendToken(dst, cell []byte) []byte {
	h.text = h.normalizer.appendTo(h.text[:0], cell)
	if len(h.text) == 0 {
		return append(dst, make([]byte, TokenSize)...)
	}
	return h.mac.Sum(dst, h.text)
}

// AppendNormal appends the normal form of a cell, which is what is hashed. The cell is
// valid UTF-8 and is not kept.
func (h *Hasher) AppendNormal(dst, cell []byte) []byte { return h.normalizer.appendTo(dst, cell) }

// Stands reports whether a normal form of the column can have a character.
func (h *Hasher) Stands(r rune) bool {
	return !h.normalizer.ignored[r] && h.normalizer.standing(r) == string(r)
}

// Tokens writes the tokens of cells, given as spans of a text of valid UTF-8:
// span i's 16 bytes start at dst[16*i].
func (h *Hasher) Tokens(dst, text []byte, spans []simd.Span) {
	if h.memo.awake(len(spans)) {
		h.remembered(dst, text, spans)
		return
	}
	for len(spans) > 0 {
		n := min(len(spans), simd.Lanes)
		h.batch(dst[:n*TokenSize], text, spans[:n])
		dst, spans = dst[n*TokenSize:], spans[n:]
	}
}

// batch hashes up to simd.Lanes cells together. Cells that need more than one
// table per character are normalised one by one, and long ones hashed so too.
func (h *Hasher) batch(dst, text []byte, spans []simd.Span) {
	rest, empty := simd.Fold(h.messages, text, spans, h.alphabet)
	var long uint32
	for left := rest; left != 0; left &= left - 1 {
		i := bits.TrailingZeros32(left)
		h.text = h.normalizer.appendTo(h.text[:0], text[spans[i].Start:spans[i].End])
		switch {
		case len(h.text) == 0:
			empty |= 1 << i
			h.messages[i].Drop()
		case len(h.text) > simd.MaxMessage:
			long |= 1 << i
			h.messages[i].Drop()
		default:
			h.messages[i].Put(h.text)
		}
	}
	h.mac.Tokens(dst, h.messages, len(spans))
	for ; long != 0; long &= long - 1 {
		i := bits.TrailingZeros32(long)
		h.AppendToken(dst[i*TokenSize:i*TokenSize], text[spans[i].Start:spans[i].End])
	}
	for ; empty != 0; empty &= empty - 1 {
		i := bits.TrailingZeros32(empty)
		clear(dst[i*TokenSize : (i+1)*TokenSize])
	}
}
