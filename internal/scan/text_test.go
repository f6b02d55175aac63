package scan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
	"unicode/utf8"
)

// utf16Text is a text in UTF-16 behind its mark.
func utf16Text(order binary.AppendByteOrder, text string) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

// TestPlaces quotes a person behind other lines, in every encoding and with every
// line end.
func TestPlaces(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", "\r", "\r\r\n"} {
		before := "ü\U0001f511" + end + end + "x: ("
		quoted := "900-12-3456)," + end + "mr. Okafor," + end + "  Ngozi"
		text := before + quoted + " (" + end
		for encoding, encode := range map[string]func(string) string{
			"UTF-8": func(s string) string { return s }, "UTF-8 with a mark": func(s string) string { return "\ufeff" + s },
			"UTF-16LE": func(s string) string { return utf16Text(binary.LittleEndian, s) }, "UTF-16BE": func(s string) string { return utf16Text(binary.BigEndian, s) },
		} {
			var got []Find
			err := staff(t).open(t, nil).Scan(t.Context(), "letter", iotest.OneByteReader(strings.NewReader(encode(text))), func(f Find) error {
				got = append(got, f)
				return nil
			})
			want := Find{
				File: "letter", Store: storeName, Columns: []string{"SSN", "Name"}, Generation: 7, SessionID: "s", Lines: Range{3, 5},
				Bytes: Range{int64(len(encode(before))), int64(len(encode(before + quoted)))},
			}
			if err != nil || len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
				t.Errorf("%s with %q: %+v (%v), want %+v", encoding, end, got, err, want)
			}
		}
	}
}

// TestWhatIsNotTextIsAnError wants what stands before to be found all the same.
func TestWhatIsNotTextIsAnError(t *testing.T) {
	quoted := "900-12-3456 ngozi@example.com\n"
	for name, tc := range map[string]struct {
		text  string
		finds int
		words string
	}{
		"Latin-1":            {quoted + "M\xfcller", 1, "line 2, byte 31: not valid UTF-8: save the file as UTF-8"},
		"a word cut off":     {"ngozi@example.com 900-12-345\xff6", 0, "line 1, byte 28: not valid UTF-8"},
		"NUL":                {quoted + "\n\x00" + quoted, 1, "line 3, byte 31: NUL, which no text has"},
		"half of a unit":     {utf16Text(binary.LittleEndian, quoted) + "a", 1, "line 2, byte 62: not valid UTF-16"},
		"UTF-16, no mark":    {utf16Text(binary.LittleEndian, quoted)[2:], 0, "line 1, byte 1: NUL"},
		"a PDF":              {"%PDF-1.7\n" + quoted, 0, "line 1, byte 0: a PDF: scan reads text"},
		"a program":          {"\x7fELF\x02\x01\x01\x00" + quoted, 0, "line 1, byte 7: NUL"},
		"the disk is broken": {"", 0, "line 2, byte 30: the disk is broken"},
	} {
		t.Run(name, func(t *testing.T) {
			var in io.Reader = strings.NewReader(tc.text)
			if tc.text == "" {
				in, tc.finds = io.MultiReader(strings.NewReader(quoted), iotest.ErrReader(errors.New("the disk is broken"))), 1
			}
			finds := 0
			err := staff(t).open(t, nil).Scan(t.Context(), "-", in, func(Find) error { finds++; return nil })
			var of *TextError
			if !errors.As(err, &of) || !strings.Contains(err.Error(), tc.words) || finds != tc.finds {
				t.Errorf("%d finds, then %v; want %d, then %q", finds, err, tc.finds, tc.words)
			}
			if strings.Contains(fmt.Sprint(err), "900") {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}

// filling is a text of one byte again and again.
type filling struct {
	of   byte
	left int
}

func (f *filling) Read(p []byte) (int, error) {
	n := min(len(p), f.left)
	for i := range n {
		p[i] = f.of
	}
	f.left -= n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// TestLongTextsAreNotKept scans 16 MiB without a line end: one word, one gap, and
// punctuation, with a record at both ends.
func TestLongTextsAreNotKept(t *testing.T) {
	quoted := "900-12-3456 ngozi@example.com"
	for _, of := range []byte("a .\n") {
		var most uint64
		finds := 0
		in := io.MultiReader(strings.NewReader(quoted+" "), &filling{of, 6 << 20}, strings.NewReader(" "+quoted), readFunc(func() {
			var now runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = now.HeapAlloc
		}))
		var start runtime.MemStats
		s := staff(t).open(t, nil)
		runtime.GC()
		runtime.ReadMemStats(&start)
		if err := s.Scan(t.Context(), "-", in, func(Find) error { finds++; return nil }); err != nil {
			t.Fatal(err)
		}
		if finds != 2 {
			t.Errorf("%d finds around %q", finds, of)
		}
		if grown := int64(most) - int64(start.HeapAlloc); grown > 2<<20 {
			t.Errorf("%d bytes are kept of %q", grown, of)
		}
	}
}

// readFunc is called when a file is at its end.
type readFunc func()

func (f readFunc) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// TestSegmentsChangeNothing scans a long text with segments of many sizes.
func TestSegmentsChangeNothing(t *testing.T) {
	var text strings.Builder
	for i := range 200 {
		// Some primary values stand before what goes with them, and some behind it.
		row := []string{"Okafor, Ngozi", "900-12-3456", "(555) 0135", "900-12-3457", "Bauer, Anna-Maria"}
		fmt.Fprintf(&text, "%s%s%s", row[i%5], strings.Repeat(" wörd\n", 1+i*7%60), []string{"", ". ", "; "}[i%3])
	}
	scan := func(segment int) (out []Find) {
		s := staff(t).open(t, nil)
		s.segment = segment
		if err := s.Scan(t.Context(), "-", strings.NewReader(text.String()), func(f Find) error { out = append(out, f); return nil }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := scan(1 << 20)
	if len(want) < 20 {
		t.Fatalf("%d finds", len(want))
	}
	for _, segment := range []int{1, 17, 1000, 4096, 30_000} {
		if got := scan(segment); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("segments of %d bytes: %d finds\n%v\nwant %d\n%v", segment, len(got), got, len(want), want)
		}
	}
}

// FuzzText reads any bytes. Words are in order, of letters alone, apart from each
// other, and where they are in the file; candidates are whole characters.
func FuzzText(f *testing.F) {
	for _, text := range []string{"a, b\r\n(c)", "\ufeffü 李小明x", utf16Text(binary.LittleEndian, "a\U0001f511 b"), "\xff", "a\x00", strings.Repeat("a", 1100) + " b", "a\u0301-\u0301b..... "} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		text, err := newText(bytes.NewReader(file))
		for err == nil && !text.eof {
			err = text.fill(len(text.bytes) + 3)
		}
		var of *TextError
		if err != nil && (!errors.As(err, &of) || of.Byte > int64(len(file)) || of.Line < 1) {
			t.Fatalf("it ends with %v", err)
		}
		if text == nil {
			return
		}
		before := int64(0)
		for _, w := range text.words {
			if w.start < before || w.end <= w.start || w.end > text.end() || w.end-w.start > maxValue {
				t.Fatalf("the word %+v comes behind %d", w, before)
			}
			is := string(text.bytes[w.start:w.end])
			if strings.ContainsFunc(is, func(r rune) bool { return kindOf(r) < letter }) {
				t.Fatalf("%+q is a word", is)
			}
			if raw := file[w.raw:]; !text.wide && !bytes.HasPrefix(raw, []byte(is)) || text.wide && len(raw) < int(text.size([]byte(is))) {
				t.Fatalf("%+q is not at byte %d", is, w.raw)
			}
			if w.last-w.char != int64(utf8.RuneCountInString(is)) {
				t.Fatalf("%+q has characters %d to %d", is, w.char, w.last)
			}
			before = w.end
		}
		if len(text.words) > 200 {
			return
		}
		for _, c := range text.candidates(nil, 0, len(text.words), 3) {
			if !utf8.Valid(text.bytes[c.Start:c.End]) || c.End <= c.Start || c.last-c.first > 2 {
				t.Fatalf("%+v is a candidate", c)
			}
			if p := text.place(c); p.raw < 0 || p.rawEnd > int64(len(file)) || p.raw >= p.rawEnd || p.line < 1 || p.lastLine < p.line {
				t.Fatalf("%+v is at %+v", c, p)
			}
		}
	})
}
