package scan

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/plaintext"
)

// A word is a run of letters, digits and marks. In scripts that are written without
// spaces each character is one. Words carry where they are in the text: bytes of its
// UTF-8, and in the file, whatever its encoding, bytes, characters and lines.
type word struct {
	start, end int64 // in the text
	raw        int64 // of the file, before it
	char, last int64 // characters of the file, before it and up to its end
	line       int
}

// kind is what a character is to the words around it.
type kind uint8

const (
	space kind = iota
	mark       // punctuation, symbols, control and format characters
	letter
	ideograph // a word by itself
)

// spaceless are the scripts that are written without spaces between words.
var spaceless = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// asciiKinds are the kinds of ASCII characters.
var asciiKinds = func() (kinds [utf8.RuneSelf]kind) {
	for r := range kinds {
		kinds[r] = slowKind(rune(r))
	}
	return kinds
}()

func kindOf(r rune) kind {
	if r < utf8.RuneSelf {
		return asciiKinds[r]
	}
	return slowKind(r)
}

func slowKind(r rune) kind {
	switch {
	case unicode.IsSpace(r):
		return space
	case unicode.IsPunct(r), unicode.IsSymbol(r), unicode.IsControl(r), unicode.Is(unicode.Cf, r):
		return mark
	case r >= 0x0e00 && unicode.IsLetter(r) && unicode.In(r, spaceless...):
		return ideograph
	}
	return letter
}

// text is the part of a file that is in memory, with its words.
type text struct {
	in    io.RuneReader
	wide  bool // two bytes a unit
	bytes []byte
	base  int64 // where bytes begins, in the text
	words []word
	eof   bool

	raw, char int64 // of the file, behind bytes
	line      int
	crs       int  // CRs right before this place, at most 2
	last      kind // of the character before this place
	within    bool
	open      word // while within one
}

// TextError says where a file is not text.
type TextError struct {
	Line int
	Byte int64 // of the file, from 0
	Err  error
}

func (e *TextError) Error() string {
	return fmt.Sprintf("line %d, byte %d: %v", e.Line, e.Byte, e.Err)
}

// Unwrap returns the reason.
func (e *TextError) Unwrap() error { return e.Err }

var (
	errBinary = errors.New("NUL, which no text has: scan reads text; extract the text of other files first, and " + plaintext.SaveAs)
	errPDF    = errors.New("a PDF: scan reads text; extract the text of the file first")
)

// newText reads the start of a file.
func newText(in io.Reader) (*text, error) {
	t := &text{line: 1}
	buffered := bufio.NewReaderSize(in, 64<<10)
	start, err := buffered.Peek(len("%PDF-"))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, t.failed(err)
	}
	if string(start) == "%PDF-" {
		return nil, t.failed(errPDF)
	}
	marked := 0
	if t.in, marked, err = plaintext.NewReader(buffered); err != nil {
		return nil, t.failed(err)
	}
	t.raw, t.wide = int64(marked), marked == 2
	return t, nil
}

func (t *text) failed(err error) error { return &TextError{t.line, t.raw, err} }

// end is where the text in memory ends.
func (t *text) end() int64 { return t.base + int64(len(t.bytes)) }

// fill reads until size bytes are in memory, or the file ends.
func (t *text) fill(size int) error {
	for len(t.bytes) < size && !t.eof {
		r, n, err := t.in.ReadRune()
		switch {
		case errors.Is(err, io.EOF):
			t.eof = true
			t.closeWord()
			return nil
		case err != nil:
			return t.failed(err)
		case r == 0:
			return t.failed(errBinary)
		}
		t.add(r, n)
	}
	return nil
}

// add puts a character behind the text.
func (t *text) add(r rune, size int) {
	k := kindOf(r)
	if k < letter || k == ideograph || t.last == ideograph {
		t.closeWord()
	}
	t.last = k
	if k >= letter && !t.within {
		t.within, t.open = true, word{start: t.end(), raw: t.raw, char: t.char, line: t.line}
	}
	t.bytes = utf8.AppendRune(t.bytes, r)
	t.raw += int64(size)
	t.char++
	t.countLine(r)
}

// countLine counts line ends: LF, CR LF, CR CR LF and CR.
func (t *text) countLine(r rune) {
	switch {
	case r == '\r':
		t.crs = min(t.crs+1, 2)
		t.line++
	case r == '\n' && t.crs > 0:
		t.line -= t.crs - 1
		t.crs = 0
	case r == '\n':
		t.line++
	default:
		t.crs = 0
	}
}

// closeWord ends the word that is open. One that is longer than a value may be is
// part of none.
func (t *text) closeWord() {
	if !t.within {
		return
	}
	t.within = false
	t.open.end, t.open.last = t.end(), t.char
	if t.open.end-t.open.start <= maxValue {
		t.words = append(t.words, t.open)
	}
}

// forget drops what lies before a place of the text.
func (t *text) forget(before int64) {
	drop := int(min(max(before-t.base, 0), int64(len(t.bytes))))
	t.bytes = t.bytes[:copy(t.bytes, t.bytes[drop:])]
	t.base += int64(drop)
	gone := 0
	for gone < len(t.words) && t.words[gone].start < t.base {
		gone++
	}
	t.words = t.words[:copy(t.words, t.words[gone:])]
}
