package block

import (
	"encoding/binary"
	"fmt"
	"math"

	"exactmatch.dev/operator/internal/fingerprint"
)

// Block is a decoded block.
type Block struct {
	Header
	columns [][]byte
}

// Column returns the Rows tokens of a column one after another. The caller must
// not change them.
func (b *Block) Column(c int) []byte { return b.columns[c] }

// Token returns one token.
func (b *Block) Token(column, row int) fingerprint.Token {
	return fingerprint.Token(b.columns[column][row*tokenSize:])
}

// FormatError says why bytes are no block.
type FormatError struct {
	Offset int
	What   string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("not a block of this format: %s at byte %d", e.What, e.Offset)
}

// Decode reads one block. It fails with a *FormatError, also where Append would
// have written other bytes for the same rows. It never keeps data; its memory is
// bounded by a small multiple of data, and its tokens by MaxSize.
func Decode(data []byte) (*Block, error) {
	l, err := LayoutOf(data)
	if err != nil {
		return nil, err
	}
	b := &Block{Header: l.Header}
	for _, p := range l.Columns {
		end := p.Offset + p.Size(l.Rows)
		if p.Entries == 0 {
			b.columns = append(b.columns, append([]byte(nil), data[p.Offset:end]...))
			continue
		}
		tokens, err := Expand(make([]byte, 0, l.Rows*tokenSize), data[p.Offset:p.Rows()], data[p.Rows():end])
		if err != nil {
			return nil, err
		}
		b.columns = append(b.columns, tokens)
	}
	return b, nil
}

// DecodeHeader reads the header of a block, and nothing behind it. It fails with a
// *FormatError.
func DecodeHeader(data []byte) (Header, error) {
	r := &reader{data: data}
	h := r.header()
	if r.err != nil {
		return Header{}, r.err
	}
	return h, nil
}

// reader takes fields off the front and remembers the first failure.
type reader struct {
	data  []byte
	at    int
	err   *FormatError
	words dictionary
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = &FormatError{Offset: r.at, What: what}
	}
}

// take returns the next n bytes, or n zero bytes after a failure. n is small
// wherever the data might not have it.
func (r *reader) take(n int, what string) []byte {
	if r.err != nil || len(r.data)-r.at < n {
		r.fail(what + " is cut off")
		return nil
	}
	out := r.data[r.at : r.at+n]
	r.at += n
	return out
}

func (r *reader) uint(width int, what string) uint64 {
	var wide [8]byte
	copy(wide[:], r.take(width, what))
	return binary.LittleEndian.Uint64(wide[:])
}

func (r *reader) name(what string) string {
	n := int(r.uint(2, what))
	if n == 0 || n > maxName {
		r.fail("the length of " + what)
		return ""
	}
	return string(r.take(n, what))
}

func (r *reader) header() Header {
	var h Header
	if string(r.take(len(magic), "the magic number")) != magic {
		r.fail("the magic number is not " + magic)
		return h
	}
	h.Rules = r.name("the rules' version")
	copy(h.KeyID[:], r.take(len(h.KeyID), "the key id"))
	h.Store = r.name("the store's name")
	index, first := r.uint(4, "the index"), r.uint(8, "the first row")
	rows, columns := r.uint(4, "the number of rows"), r.uint(2, "the number of columns")
	if index > math.MaxInt32 || first > math.MaxInt64 || rows == 0 || rows > MaxRows || columns == 0 || columns > MaxColumns {
		r.fail("a number in the header is out of range")
		return h
	}
	h.Index, h.FirstRow, h.Rows = int(index), int64(first), int(rows)
	for range columns {
		h.Columns = append(h.Columns, r.name("a column's name"))
	}
	if err := h.check(); r.err == nil && err != nil {
		r.fail("the header (" + err.Error() + ")")
	}
	return h
}
