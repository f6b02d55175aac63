package lookup

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxValue is the longest value of a file, in bytes of UTF-8.
const maxValue = 64 << 10

const mark = '\ufeff' // the byte order mark

// saveAs is what to do about a file in another encoding.
const saveAs = "save the file as UTF-8, or as UTF-16 with a byte order mark"

// Value is a plain value. Number names it in answers and errors.
type Value struct {
	Number int
	Text   string
}

// ValueError says why there is no answer for the value with this number. It
// never shows the value.
type ValueError struct {
	Number int
	Err    error
}

func (e *ValueError) Error() string { return fmt.Sprintf("value %d: %v", e.Number, e.Err) }

// Unwrap returns the reason.
func (e *ValueError) Unwrap() error { return e.Err }

// readLines reads one value a line from UTF-8 or, by its byte order mark, UTF-16.
// A line ends with LF, CR LF, CR CR LF or CR. Each value is numbered by its line,
// from 1, and is everything in it; lines of white space alone are skipped.
// It ends after the first error, a *ValueError that names the line. A value is
// there as soon as its line end is read.
func readLines(in io.Reader) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		l := lines{line: 1}
		var err error
		if l.in, err = decoder(bufio.NewReader(in)); err != nil {
			yield(Value{}, &ValueError{l.line, err})
			return
		}
		for {
			v, err := l.next()
			if err != nil && !errors.Is(err, io.EOF) {
				yield(Value{}, &ValueError{l.line, err})
				return
			}
			if strings.TrimSpace(v.Text) != "" && !yield(v, nil) || err != nil {
				return
			}
		}
	}
}

// decoder reads the characters behind the byte order mark. It waits for no more
// bytes than the mark has.
func decoder(in *bufio.Reader) (io.RuneReader, error) {
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
			return nil, err
		}
		if bytes.Equal(start, []byte(m.bytes)) {
			_, err := in.Discard(len(m.bytes))
			return m.decoder, err
		}
	}
	return utf8Reader{in}, nil
}

// lines splits characters into lines.
type lines struct {
	in   io.RuneReader
	line int // the number of the line that is being read
	char int // characters of it
	crs  int // CRs right before this place, at most 2
	text []byte
}

// next returns the next line. io.EOF comes with the last one, which may be empty.
func (l *lines) next() (Value, error) {
	for {
		r, _, err := l.in.ReadRune()
		if err != nil && !errors.Is(err, io.EOF) {
			return Value{}, fmt.Errorf("character %d: %w", l.char+1, err)
		}
		if err != nil {
			return l.end(), err
		}
		if r == '\n' && l.crs > 0 {
			l.line -= l.crs - 1 // CR CR LF is one line end
			l.crs = 0
			continue
		}
		if r == '\r' {
			l.crs = min(l.crs+1, 2)
			return l.end(), nil
		}
		l.crs = 0
		if r == '\n' {
			return l.end(), nil
		}
		if err := l.add(r); err != nil {
			return Value{}, err
		}
	}
}

// end returns the line that was read, and begins the next one.
func (l *lines) end() Value {
	v := Value{l.line, string(l.text)}
	l.line, l.char, l.text = l.line+1, 0, l.text[:0]
	return v
}

// add refuses characters that editors do not show and that would turn the answer
// for a value that is there into a "no".
func (l *lines) add(r rune) error {
	l.char++
	switch {
	case r == 0:
		return fmt.Errorf("character %d: NUL, as in UTF-16 without a byte order mark: %s", l.char, saveAs)
	case r == mark && l.char == 1:
		return errors.New("begins with a byte order mark, which only a file may: remove it, or ask with --value if it is part of the value")
	case len(l.text)+utf8.RuneLen(r) > maxValue:
		return fmt.Errorf("has more than %d bytes: put one value on each line", maxValue)
	}
	l.text = utf8.AppendRune(l.text, r)
	return nil
}

var (
	errUTF8  = errors.New("not valid UTF-8: " + saveAs)
	errUTF16 = errors.New("not valid UTF-16: " + saveAs)
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
