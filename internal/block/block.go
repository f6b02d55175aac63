// Package block turns columns of tokens into the bytes that are uploaded, and
// back. FORMAT.md is the format's specification.
package block

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/fingerprint"
)

const (
	// MaxSize is the most bytes of an encoded block.
	MaxSize = 64 << 20
	// MaxColumns is the most columns of a block.
	MaxColumns = 32
	// MaxRows is the most rows of a block.
	MaxRows = 1_000_000
	// TokenSize is the length of a token in bytes.
	TokenSize = fingerprint.TokenSize

	magic     = "XMB1"
	tokenSize = TokenSize
	maxName   = 256

	encodingRaw        = 0
	encodingDictionary = 1
)

// Header says what a block holds. Index counts blocks and FirstRow good rows,
// both from 0; Columns are names in the order of the tokens.
type Header struct {
	Rules    string
	KeyID    fingerprint.KeyID
	Store    string
	Index    int
	FirstRow int64
	Rows     int
	Columns  []string
}

// ErrTooLarge says that a block would exceed MaxSize.
var ErrTooLarge = fmt.Errorf("the block would exceed %d bytes; lower rowsPerBlock", MaxSize)

// LargestRowsPerBlock is the most rows whose block surely stays within MaxSize.
func LargestRowsPerBlock(columns int) int {
	return min(MaxRows, (MaxSize-headerBound(columns))/(tokenSize*max(columns, 1)))
}

// SizeBound is the most bytes that a block of so many rows and columns takes.
func SizeBound(rows, columns int) int { return headerBound(columns) + rows*columns*tokenSize }

// headerBound is the most bytes that everything but the tokens takes.
func headerBound(columns int) int {
	return len(magic) + 3*(2+maxName) + 8 + 4 + 8 + 4 + 2 + columns*(2+maxName+1+4)
}

// Append encodes a block behind dst. columns[c] holds Rows tokens of column c
// one after another. The result depends on nothing but the arguments. It fails
// where the arguments do not fit each other.
func Append(dst []byte, h Header, columns [][]byte) ([]byte, error) {
	var d Draft
	if err := d.Begin(h); err != nil {
		return dst, err
	}
	if len(columns) != len(h.Columns) {
		return dst, fmt.Errorf("%d columns of tokens for %d names", len(columns), len(h.Columns))
	}
	for c, tokens := range columns {
		if copy(d.Column(c), tokens) != len(tokens) || len(tokens) != h.Rows*tokenSize {
			return dst, fmt.Errorf("column %q has %d bytes of tokens, want %d", h.Columns[c], len(tokens), h.Rows*tokenSize)
		}
	}
	return append(dst, d.Encode()...), nil
}

func (h Header) check() error {
	switch {
	case len(h.Columns) == 0 || len(h.Columns) > MaxColumns:
		return fmt.Errorf("a block has 1 to %d columns, not %d", MaxColumns, len(h.Columns))
	case h.Rows <= 0 || h.Rows > MaxRows:
		return fmt.Errorf("a block has 1 to %d rows, not %d", MaxRows, h.Rows)
	case h.Index < 0 || h.Index > math.MaxInt32 || h.FirstRow < 0:
		return errors.New("the index or first row of a block is out of range")
	case SizeBound(h.Rows, len(h.Columns)) > MaxSize:
		return ErrTooLarge
	}
	for _, name := range append([]string{h.Rules, h.Store}, h.Columns...) {
		if name == "" || len(name) > maxName || !utf8.ValidString(name) {
			return fmt.Errorf("a name in a block has 1 to %d bytes of UTF-8", maxName)
		}
	}
	return nil
}

func appendHeader(dst []byte, h Header) []byte {
	dst = append(dst, magic...)
	dst = appendName(dst, h.Rules)
	dst = append(dst, h.KeyID[:]...)
	dst = appendName(dst, h.Store)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.Index))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.FirstRow))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.Rows))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(h.Columns)))
	for _, name := range h.Columns {
		dst = appendName(dst, name)
	}
	return dst
}

func appendName(dst []byte, name string) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(name)))
	return append(dst, name...)
}
