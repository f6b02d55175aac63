// Package fingerprint turns a cell into a token: it normalises the text by
// rules that SPEC.md fixes and hashes it under a key of its store and column.
// SPEC.md and testdata/vectors.json are what a client in another language is
// written from; the code here is one such client.
package fingerprint

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"exactmatch.dev/operator/internal/simd"
)

const (
	// Rules names the version of normalisation and construction.
	Rules = "v1"
	// TokenSize is the length of a token in bytes.
	TokenSize = simd.TokenSize
	// MinKeySize is the least length of a store's key in bytes.
	MinKeySize = 32

	derivationSalt = "exactmatch.dev/fingerprint/v1"
)

// Token is what stands for a cell. The zero token is the empty cell: it matches
// nothing.
type Token [TokenSize]byte

// KeyID names a store's key without revealing it.
type KeyID [8]byte

// String is 16 lower-case hexadecimal digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// ParseKeyID reads what String prints.
func ParseKeyID(s string) (KeyID, error) {
	var id KeyID
	if len(s) != hex.EncodedLen(len(id)) {
		return id, fmt.Errorf("a key id has 16 hexadecimal digits, not %d characters", len(s))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return id, errors.New("a key id has hexadecimal digits only")
	}
	return id, nil
}

// ErrKeyTooShort says that a key has fewer than MinKeySize bytes.
var ErrKeyTooShort = fmt.Errorf("the key must have at least %d random bytes", MinKeySize)

// Key is a store's secret. It never prints itself.
type Key struct{ secret []byte }

// NewKey copies the secret. It fails with ErrKeyTooShort.
func NewKey(secret []byte) (Key, error) {
	if len(secret) < MinKeySize {
		return Key{}, fmt.Errorf("%w; it has %d", ErrKeyTooShort, len(secret))
	}
	return Key{secret: append([]byte(nil), secret...)}, nil
}

const redacted = "[redacted]"

// String hides the secret.
func (Key) String() string { return redacted }

// GoString hides the secret.
func (Key) GoString() string { return redacted }

// Format hides the secret under every verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON hides the secret.
func (Key) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// ID names the key as it is used for one store, by the store's displayName.
func (k Key) ID(store string) KeyID {
	var id KeyID
	copy(id[:], k.derive("key-id", len(id), store))
	return id
}

// derive is HKDF-SHA-256 with a purpose and length-prefixed names as its info.
func (k Key) derive(purpose string, size int, names ...string) []byte {
	info := []byte(purpose)
	for _, name := range names {
		info = binary.BigEndian.AppendUint16(info, uint16(len(name)))
		info = append(info, name...)
	}
	out, err := hkdf.Key(sha256.New, k.secret, []byte(derivationSalt), string(info), size)
	if err != nil {
		panic(err) // only an output over 8,160 bytes is refused
	}
	return out
}
