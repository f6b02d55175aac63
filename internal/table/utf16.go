package table

import (
	"bufio"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// notText replaces what an encoding does not allow: a byte that UTF-8 does not allow, so that the row is reported instead
// of a replacement character being hashed.
const notText = 0xFF

// utf16Reader turns UTF-16 without its byte order mark into UTF-8.
type utf16Reader struct {
	r       *bufio.Reader
	hi, lo  int // where the high and the low byte of a unit lie
	pending []byte
	buf     [4 << 10]byte
}

func newUTF16Reader(r *bufio.Reader, bigEndian bool) io.Reader { //nolint:revive // what the byte order mark says
	u := &utf16Reader{r: r, hi: 1}
	if bigEndian {
		u.hi, u.lo = 0, 1
	}
	return u
}

// Read implements io.Reader.
func (u *utf16Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(u.pending) == 0 {
		if err := u.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, u.pending)
	u.pending = u.pending[n:]
	return n, nil
}

// fill decodes what lies in the buffer, at least one character.
func (u *utf16Reader) fill() error {
	out := u.buf[:0]
	for len(out) == 0 || len(out) <= len(u.buf)-utf8.UTFMax && u.r.Buffered() >= 4 {
		var err error
		if out, err = u.appendChar(out); err != nil {
			if len(out) == 0 {
				return err
			}
			break // reading again meets the same end
		}
	}
	u.pending = out
	return nil
}

func (u *utf16Reader) appendChar(out []byte) ([]byte, error) {
	b, err := u.r.Peek(2)
	if len(b) < 2 {
		if len(b) == 1 && errors.Is(err, io.EOF) {
			_, _ = u.r.Discard(1)
			return append(out, notText), nil
		}
		return out, err
	}
	c := u.unit(b)
	if !utf16.IsSurrogate(c) {
		_, _ = u.r.Discard(2)
		return utf8.AppendRune(out, c), nil
	}
	b, err = u.r.Peek(4)
	if len(b) < 4 && !errors.Is(err, io.EOF) {
		return out, err
	}
	if len(b) == 4 {
		if pair := utf16.DecodeRune(c, u.unit(b[2:])); pair != utf8.RuneError {
			_, _ = u.r.Discard(4)
			return utf8.AppendRune(out, pair), nil
		}
	}
	_, _ = u.r.Discard(2)
	return append(out, notText), nil
}

func (u *utf16Reader) unit(b []byte) rune { return rune(b[u.hi])<<8 | rune(b[u.lo]) }
