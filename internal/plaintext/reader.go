// Package plaintext reads text that people bring: UTF-8, or UTF-16 with a byte order
// mark. What is neither is an error.
package plaintext

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// Mark is the byte order mark.
const Mark = '\ufeff'

// SaveAs is what to do about a file in another encoding.
const SaveAs = "save the file as UTF-8, or as UTF-16 with a byte order mark"

// NewReader reads the characters behind the byte order mark, if there is one, whose
// bytes it counts. It waits for no more bytes than the mark has. Sizes are those of
// the encoded characters.
func NewReader(in *bufio.Reader) (r io.RuneReader, mark int, err error) {
	for _, m := range []struct {
		bytes   string
		decoder io.RuneReader
	}{
		{"\xef\xbb\xbf", utf8Reader{in}},
		{"\xff\xfe", utf16Reader{in, binary.LittleEndian}},
		{"\xfe\xff", utf16Reader{in, binary.BigEndian}},
	} {
		start, err := in.Peek(1)
		if err == nil && start[0] == m.bytes[0] {
			start, err = in.Peek(len(m.bytes))
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		if bytes.Equal(start, []byte(m.bytes)) {
			_, err := in.Discard(len(m.bytes))
			return m.decoder, len(m.bytes), err
		}
	}
	return utf8Reader{in}, 0, nil
}

var (
	errUTF8  = errors.New("not valid UTF-8: " + SaveAs)
	errUTF16 = errors.New("not valid UTF-16: " + SaveAs)
)

// utf8Reader refuses what is not UTF-8.
type utf8Reader struct{ in *bufio.Reader }

// ReadRune implements io.RuneReader.
func (u utf8Reader) ReadRune() (rune, int, error) {
	r, size, err := u.in.ReadRune()
	if r == utf8.RuneError && size == 1 {
		err = errUTF8
	}
	return r, size, err
}

// utf16Reader refuses what is not UTF-16: half a unit and lone surrogates.
type utf16Reader struct {
	in    *bufio.Reader
	order binary.ByteOrder
}

// ReadRune implements io.RuneReader.
func (u utf16Reader) ReadRune() (rune, int, error) {
	first, err := u.unit()
	if err != nil || !utf16.IsSurrogate(first) {
		return first, 2, err
	}
	second, err := u.unit()
	if errors.Is(err, io.EOF) {
		err = errUTF16
	}
	r := utf16.DecodeRune(first, second)
	if r == utf8.RuneError && err == nil {
		err = errUTF16
	}
	return r, 4, err
}

func (u utf16Reader) unit() (rune, error) {
	var two [2]byte
	_, err := io.ReadFull(u.in, two[:])
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errUTF16
	}
	return rune(u.order.Uint16(two[:])), err
}
