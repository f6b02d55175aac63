package lookup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/plaintext"
)

// maxValue is the longest value of a file, in bytes of UTF-8.
const maxValue = 64 << 10

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
		if l.in, _, err = plaintext.NewReader(bufio.NewReader(in)); err != nil {
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
		return fmt.Errorf("character %d: NUL, as in UTF-16 without a byte order mark: %s", l.char, plaintext.SaveAs)
	case r == plaintext.Mark && l.char == 1:
		return errors.New("begins with a byte order mark, which only a file may: remove it, or ask with --value if it is part of the value")
	case len(l.text)+utf8.RuneLen(r) > maxValue:
		return fmt.Errorf("has more than %d bytes: put one value on each line", maxValue)
	}
	l.text = utf8.AppendRune(l.text, r)
	return nil
}
