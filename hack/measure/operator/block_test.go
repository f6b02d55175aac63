package operator

import (
	"bytes"
	"slices"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
)

// A block with another number is what the format says of that number.
func TestBlocksAreThoseOfTheFormat(t *testing.T) {
	b, err := NewBlock("patients", fingerprint.KeyID{1, 2, 3}, []string{"ID", "Mail"}, 100, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range []int{0, 7, 49_999} {
		whole := b.At(index)
		decoded, err := block.Decode(whole)
		if err != nil {
			t.Fatal(err)
		}
		if h := decoded.Header; h.Index != index || h.FirstRow != int64(index)*100 || h.Rows != 100 || h.Store != "patients" || h.KeyID != (fingerprint.KeyID{1, 2, 3}) {
			t.Errorf("%+v", h)
		}
		head, tail := b.Halves(index)
		if !bytes.Equal(slices.Concat(head, tail), whole) || b.Size() != len(whole) {
			t.Errorf("the halves of block %d are not the block", index)
		}
	}
	other, err := NewBlock("patients", fingerprint.KeyID{1, 2, 3}, []string{"ID", "Mail"}, 100, 2)
	if err != nil || bytes.Equal(other.At(0), b.At(0)) {
		t.Errorf("another seed makes the same block, %v", err)
	}
}
