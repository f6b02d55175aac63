package table

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// windows1252Reader turns Windows-1252 into UTF-8. The five bytes that stand for nothing become notText. Text that ends as valid
// UTF-8 beyond ASCII ends with an *EncodingError: every letter beyond ASCII would be hashed as two or three others.
type windows1252Reader struct {
	r       *bufio.Reader
	seen    utf8Check
	pending []byte
	buf     [4 << 10]byte
}

// Read implements io.Reader.
func (w *windows1252Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(w.pending) == 0 {
		if err := w.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.pending)
	w.pending = w.pending[n:]
	return n, nil
}

func (w *windows1252Reader) fill() error {
	if _, err := w.r.Peek(1); err != nil {
		if errors.Is(err, io.EOF) && w.seen.isUTF8() {
			return errUTF8
		}
		return err
	}
	in, _ := w.r.Peek(min(w.r.Buffered(), len(w.buf)/utf8.UTFMax))
	w.seen.add(in)
	w.pending = appendUTF8(w.buf[:0], in)
	_, err := w.r.Discard(len(in))
	return err
}

var errUTF8 = &EncodingError{"the table is valid UTF-8 with letters beyond ASCII, but format.encoding says Windows-1252: set it to UTF-8 or Auto"}

// appendUTF8 appends Windows-1252 in UTF-8.
func appendUTF8(out, in []byte) []byte {
	for len(in) > 0 {
		n := asciiPrefix(in)
		out = append(out, in[:n]...)
		for in = in[n:]; len(in) > 0 && in[0] >= utf8.RuneSelf; in = in[1:] {
			if c := charmap.Windows1252.DecodeByte(in[0]); c == utf8.RuneError {
				out = append(out, notText)
			} else {
				out = utf8.AppendRune(out, c)
			}
		}
	}
	return out
}

// asciiPrefix is how many bytes come before the first one beyond ASCII.
func asciiPrefix(b []byte) int {
	const high = 0x8080808080808080
	n := 0
	for n+8 <= len(b) && binary.LittleEndian.Uint64(b[n:])&high == 0 {
		n += 8
	}
	for n < len(b) && b[n] < utf8.RuneSelf {
		n++
	}
	return n
}

// utf8Check tells whether a text that comes in pieces is UTF-8 that ASCII does not suffice for.
type utf8Check struct {
	beyond, invalid bool
	cut             [utf8.UTFMax]byte // a character whose end is in the next piece
	n               int
}

// isUTF8 speaks of all pieces so far, as if they were the whole text.
func (c *utf8Check) isUTF8() bool { return c.isUTF8SoFar() && c.n == 0 }

// isUTF8SoFar takes a character that is cut at the end for one that the next piece completes.
func (c *utf8Check) isUTF8SoFar() bool { return c.beyond && !c.invalid }

func (c *utf8Check) add(b []byte) {
	if c.n > 0 {
		b = c.complete(b)
	}
	if c.invalid || c.n > 0 {
		return
	}
	if b = b[asciiPrefix(b):]; len(b) == 0 {
		return
	}
	c.beyond = true
	whole := len(b) - cutRune(b)
	c.n = copy(c.cut[:], b[whole:])
	c.invalid = !utf8.Valid(b[:whole])
}

// complete adds bytes to the character that is cut, and returns the rest.
func (c *utf8Check) complete(b []byte) []byte {
	for i, next := range b {
		c.cut[c.n] = next
		c.n++
		if utf8.FullRune(c.cut[:c.n]) {
			c.invalid = c.invalid || !utf8.Valid(c.cut[:c.n])
			c.n = 0
			return b[i+1:]
		}
	}
	return nil
}

// cutRune is how many bytes at the end of b begin a character that b does not end.
func cutRune(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

var _ io.Reader = (*windows1252Reader)(nil)
