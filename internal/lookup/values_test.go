package lookup

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"pgregory.net/rapid"
)

// collect reads everything until the first error.
func collect(in io.Reader) (values []Value, err error) {
	for v, err := range readLines(in) {
		if err != nil {
			return values, err
		}
		values = append(values, v)
	}
	return values, nil
}

// utf16Text is a text in UTF-16 without a mark.
func utf16Text(order binary.AppendByteOrder, text string) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

func TestLines(t *testing.T) {
	for text, want := range map[string][]Value{
		"":                      nil,
		"\n \n\t\u00a0\u3000":   nil,
		"a":                     {{1, "a"}},
		"a\nb\n":                {{1, "a"}, {2, "b"}},
		"a\r\nb":                {{1, "a"}, {2, "b"}},
		"a\rb\r":                {{1, "a"}, {2, "b"}},
		"a\r\r\nb\r\r\nc":       {{1, "a"}, {2, "b"}, {3, "c"}},
		"a\r\rb":                {{1, "a"}, {3, "b"}},
		"a\r\r\r\nb":            {{1, "a"}, {3, "b"}},
		"\n\r\na\n\n\nb":        {{3, "a"}, {6, "b"}},
		"\n\rb":                 {{3, "b"}},
		" a \n\"b, c\"\nd\te":   {{1, " a "}, {2, `"b, c"`}, {3, "d\te"}},
		"a\vb\u2028c\u0085d":    {{1, "a\vb\u2028c\u0085d"}},
		"a\ufeff\n\ufffd":       {{1, "a\ufeff"}, {2, "\ufffd"}},
		"Müller\n李\n\U0001f511": {{1, "Müller"}, {2, "李"}, {3, "\U0001f511"}},
	} {
		for encoding, bytes := range map[string]string{
			"UTF-8": text, "UTF-8 with a mark": "\xef\xbb\xbf" + text,
			"UTF-16LE": "\xff\xfe" + utf16Text(binary.LittleEndian, text), "UTF-16BE": "\xfe\xff" + utf16Text(binary.BigEndian, text),
		} {
			for pace, in := range map[string]io.Reader{"at once": strings.NewReader(bytes), "byte by byte": iotest.OneByteReader(strings.NewReader(bytes))} {
				got, err := collect(in)
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("%+q in %s, %s, is read as %+v (%v)", text, encoding, pace, got, err)
				}
			}
		}
	}
}

func TestInvalidTextIsAnError(t *testing.T) {
	long := strings.Repeat("ü", maxValue/2)
	for name, tc := range map[string]struct {
		text   string
		values int // before the error
		line   int
		words  string
	}{
		"a byte of Latin-1":        {"secret\nsec\xfcret", 1, 2, "character 4: not valid UTF-8: save the file as UTF-8"},
		"a sequence cut off":       {"secret\r\n\r\nsecret\xe6\x9d", 1, 3, "character 7: not valid UTF-8"},
		"a surrogate in UTF-8":     {"\xed\xa0\x80secret", 0, 1, "character 1: not valid UTF-8"},
		"beyond Unicode":           {"secret\r\xf4\x90\x80\x80", 1, 2, "character 1: not valid UTF-8"},
		"NUL":                      {"secret\nse\x00cret", 1, 2, "character 3: NUL"},
		"NUL in UTF-16":            {"\xff\xfe" + utf16Text(binary.LittleEndian, "se\x00cret"), 0, 1, "character 3: NUL"},
		"UTF-16LE, no mark":        {utf16Text(binary.LittleEndian, "secret\n"), 0, 1, "character 2: NUL"},
		"UTF-16BE, no mark":        {utf16Text(binary.BigEndian, "secret\n"), 0, 1, "character 1: NUL"},
		"UTF-32LE":                 {"\xff\xfe\x00\x00s\x00\x00\x00", 0, 1, "character 1: NUL"},
		"half a unit":              {"\xff\xfes\x00\n\x00e", 1, 2, "character 1: not valid UTF-16"},
		"half a unit, big endian":  {"\xfe\xff\x00s\x00\n\x00", 1, 2, "character 1: not valid UTF-16"},
		"a high surrogate alone":   {"\xff\xfes\x00\x00\xd8e\x00", 0, 1, "character 2: not valid UTF-16"},
		"a high surrogate at last": {"\xff\xfes\x00\x00\xd8", 0, 1, "character 2: not valid UTF-16"},
		"half a surrogate pair":    {"\xff\xfes\x00\x00\xd8\x00", 0, 1, "character 2: not valid UTF-16"},
		"a low surrogate alone":    {"\xfe\xff\x00s\xdc\x00\x00e", 0, 1, "character 2: not valid UTF-16"},
		"half of a mark":           {"\xff", 0, 1, "character 1: not valid UTF-8"},
		"a mark in the middle":     {"secret\n\ufeffsecret\n", 1, 2, "begins with a byte order mark"},
		"two marks":                {"\ufeff\ufeffsecret\n", 0, 1, "begins with a byte order mark"},
		"a long value":             {"a\n" + long + "\n" + long + "ü", 2, 3, "has more than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := collect(strings.NewReader(tc.text))
			var of *ValueError
			if !errors.As(err, &of) || of.Number != tc.line || len(got) != tc.values {
				t.Fatalf("%d values, then %v; want %d, then an error of line %d", len(got), err, tc.values, tc.line)
			}
			if !strings.Contains(of.Error(), tc.words) || strings.Contains(of.Error(), "secret") {
				t.Errorf("the error says %v", of)
			}
		})
	}
}

// endless counts the bytes that are read of a line without an end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	e.read += len(p)
	return len(p), nil
}

func TestALineWithoutAnEndIsNotKept(t *testing.T) {
	in := &endless{}
	_, err := collect(in)
	if err == nil || !strings.Contains(err.Error(), "one value on each line") {
		t.Errorf("it ends with %v", err)
	}
	if in.read > 2*maxValue {
		t.Errorf("%d bytes are read of a value that may have %d", in.read, maxValue)
	}
}

func TestAReadThatFailsIsAnError(t *testing.T) {
	for _, text := range []string{"", "a", "a\nb", "\xff\xfea\x00"} {
		failed := errors.New("the disk is gone")
		_, err := collect(io.MultiReader(strings.NewReader(text), iotest.ErrReader(failed)))
		if !errors.Is(err, failed) {
			t.Errorf("after %q it ends with %v", text, err)
		}
	}
}

// TestLinesOfAnyFile ends the lines of a file in one of all ways.
func TestLinesOfAnyFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.StringOf(rapid.RuneFrom([]rune("a,\" ü李\U0001f511\t")))).Draw(t, "values")
		end := rapid.SampledFrom([]string{"\n", "\r\n", "\r", "\r\r\n"}).Draw(t, "end")
		var text strings.Builder
		var want []Value
		for i, v := range values {
			text.WriteString(v + end)
			if strings.TrimSpace(v) != "" {
				want = append(want, Value{i + 1, v})
			}
		}
		got, err := collect(strings.NewReader(text.String()))
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%+q is read as %+v, want %+v (%v)", text.String(), got, want, err)
		}
	})
}

func FuzzLines(f *testing.F) {
	for _, text := range []string{"a\nb\r\nc\rd\r\r\n", "\xef\xbb\xbfa", "\xff\xfea\x00\n\x00", "\xfe\xff\xd8\x3d\xdd\x11", "a\x00", "\xff"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		last := 0
		for v, err := range readLines(strings.NewReader(string(text))) {
			var of *ValueError
			switch {
			case errors.As(err, &of) && of.Number > last:
			case err == nil && v.Number > last && strings.TrimSpace(v.Text) != "" && !strings.ContainsAny(v.Text, "\r\n\x00"):
			default:
				t.Fatalf("line %d comes after line %d: %v", v.Number, last, err)
			}
			last = v.Number
		}
	})
}
