package table

import (
	"bufio"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// windows1252Reader turns Windows-1252 into UTF-8. The five bytes that stand for nothing become notText.
type windows1252Reader struct {
	r       *bufio.Reader
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
		return err
	}
	in, _ := w.r.Peek(min(w.r.Buffered(), len(w.buf)/utf8.UTFMax))
	out := w.buf[:0]
	for _, b := range in {
		switch c := charmap.Windows1252.DecodeByte(b); {
		case b < utf8.RuneSelf:
			out = append(out, b)
		case c == utf8.RuneError:
			out = append(out, notText)
		default:
			out = utf8.AppendRune(out, c)
		}
	}
	w.pending = out
	_, err := w.r.Discard(len(in))
	return err
}

var _ io.Reader = (*windows1252Reader)(nil)
