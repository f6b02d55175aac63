package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strconv"
)

// Digest is a SHA-256 over named fields, in the order in which they are added.
// Its encoding is a format that block/FORMAT.md describes: what a field is
// called in Go, in YAML or in JSON does not matter to it.
type Digest struct{ sum hash.Hash }

// NewDigest begins a digest of the named format, such as "content/v2".
func NewDigest(format string) *Digest {
	d := &Digest{sha256.New()}
	d.write(format + "\n")
	return d
}

// Add adds a field. Two digests are equal where the same fields with the same
// values were added in the same order.
func (d *Digest) Add(name, value string) {
	for _, text := range []string{name, value} {
		d.write(string(binary.BigEndian.AppendUint32(nil, uint32(len(text)))))
		d.write(text)
	}
}

// AddNumber adds a whole number in decimal digits.
func (d *Digest) AddNumber(name string, value int64) { d.Add(name, strconv.FormatInt(value, 10)) }

// AddUnless adds a field unless it has its default, so that a field that comes
// later leaves the digests of those who do not use it alone.
func (d *Digest) AddUnless(unset, name, value string) {
	if value != "" && value != unset {
		d.Add(name, value)
	}
}

// Bytes are the 32 bytes of the digest so far.
func (d *Digest) Bytes() []byte { return d.sum.Sum(nil) }

// Hex is the digest so far in 64 hexadecimal digits.
func (d *Digest) Hex() string { return hex.EncodeToString(d.Bytes()) }

func (d *Digest) write(text string) { _, _ = d.sum.Write([]byte(text)) } // a hash never fails
