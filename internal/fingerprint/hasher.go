package fingerprint

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
)

// maxName is the longest displayName or column name in bytes.
const maxName = 256

// Hasher makes the tokens of one column. It is not safe for concurrent use;
// Clone it.
type Hasher struct {
	key        []byte
	normalizer *normalizer
	mac        hash.Hash
	text, sum  []byte
}

// Hasher returns the hasher of a column of a store. It fails with a
// *DelimiterError, or where a name is empty or has over 256 bytes.
func (k Key) Hasher(store string, c Column) (*Hasher, error) {
	if store == "" || len(store) > maxName {
		return nil, fmt.Errorf("the store's displayName must have 1 to %d bytes", maxName)
	}
	if c.Name == "" || len(c.Name) > maxName {
		return nil, fmt.Errorf("a column's name must have 1 to %d bytes", maxName)
	}
	n, err := newNormalizer(c)
	if err != nil {
		return nil, err
	}
	return newHasher(k.derive("column", sha256.Size, store, c.Name), n), nil
}

func newHasher(key []byte, n *normalizer) *Hasher {
	return &Hasher{key: key, normalizer: n, mac: hmac.New(sha256.New, key)}
}

// Clone returns a hasher of the same column for another goroutine.
func (h *Hasher) Clone() *Hasher { return newHasher(h.key, h.normalizer) }

// AppendToken appends the 16 bytes of the cell's token. The cell is valid
// UTF-8 and is not kept.
func (h *Hasher) AppendToken(dst, cell []byte) []byte {
	h.text = h.normalizer.appendTo(h.text[:0], cell)
	if len(h.text) == 0 {
		return append(dst, make([]byte, TokenSize)...)
	}
	h.mac.Reset()
	_, _ = h.mac.Write(h.text) // a hash never fails
	h.sum = h.mac.Sum(h.sum[:0])
	return append(dst, h.sum[:TokenSize]...)
}
