// Package operator has the parts of the operator that measurements run: blocks
// that the service takes.
package operator

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
)

// Block is a block of random tokens that serves as any block of a session: blocks
// that are sent differ in their number alone. It is not safe for concurrent use.
type Block struct {
	bytes  []byte
	number int // place of the index, which the first row follows
	rows   int
}

// NewBlock fills a block. Its seed tells it from other blocks.
func NewBlock(store string, keyID fingerprint.KeyID, columns []string, rows int, seed byte) (*Block, error) {
	draft := &block.Draft{}
	err := draft.Begin(block.Header{Rules: fingerprint.Rules, KeyID: keyID, Store: store, Rows: rows, Columns: columns})
	if err != nil {
		return nil, err
	}
	random := rand.NewChaCha8([32]byte{seed})
	for c := range columns {
		_, _ = random.Read(draft.Column(c)) // it never fails
	}
	// FORMAT.md: the magic, the rules, the key's id and the store go before.
	number := 4 + 2 + len(fingerprint.Rules) + len(keyID) + 2 + len(store)
	return &Block{bytes: draft.Encode(), number: number, rows: rows}, nil
}

// Size is the block's, in bytes.
func (b *Block) Size() int { return len(b.bytes) }

// At makes it the session's block of that index. The bytes are valid until the
// next call.
func (b *Block) At(index int) []byte {
	b.renumber(b.bytes, index)
	return b.bytes
}

// Halves are the bytes of the session's block of that index in two: a head of its
// own, and what is the same in all of them.
func (b *Block) Halves(index int) (head, tail []byte) {
	end := b.number + 4 + 8
	head = slices.Clone(b.bytes[:end])
	b.renumber(head, index)
	return head, b.bytes[end:]
}

func (b *Block) renumber(data []byte, index int) {
	binary.LittleEndian.PutUint32(data[b.number:], uint32(index))
	binary.LittleEndian.PutUint64(data[b.number+4:], uint64(index)*uint64(b.rows))
}
