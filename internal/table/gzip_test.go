package table_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/table"
)

// drawnReader gives what it reads in pieces of the lengths drawn.
type drawnReader struct {
	r    io.Reader
	next func() int
}

func (p drawnReader) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.next())]) }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// decoded reads all of the text.
func decoded(r io.Reader, f table.Format, l table.Limits) (text string, trailing int64, err error) {
	d, err := table.Decode(r, f, l)
	if err != nil {
		return "", 0, err
	}
	all, err := io.ReadAll(d)
	return string(all), d.TrailingBytes(), err
}

func TestBytesBehindAGzipMember(t *testing.T) {
	const text = "a,b\n1,2\n"
	member := string(gzipped(t, text))
	flipped := []byte(member)
	flipped[len(flipped)-6] ^= 1
	for _, tc := range []struct {
		name, behind string
		text         string // behind the first member's
		trailing     int64
		says         string // of the error
	}{
		{"nothing", "", "", 0, ""},
		{"a zero", "\x00", "", 0, ""},
		{"zeros to the end of a block", strings.Repeat("\x00", 512-len(member)), "", 0, ""},
		{"zeros beyond every buffer", strings.Repeat("\x00", 300<<10), "", 0, ""},
		{"a member", member, text, 0, ""},
		{"a member behind zeros", "\x00\x00\x00" + member + "\x00", text, 0, ""},
		{"something else", "something else", "", 14, ""},
		{"something else with zeros around", "\x00\x00x\x00", "", 2, ""},
		{"something else that is long", strings.Repeat("x", 300<<10), "", 300 << 10, ""},
		{"the first byte of a member", "\x1f", "", 1, ""},
		{"a member behind something else", "x" + member, "", int64(1 + len(member)), ""},
		{"the magic number of a member", "\x1f\x8b", "", 0, "too early"},
		{"a member cut short in its header", member[:9], "", 0, "too early"},
		{"a member cut short in its text", member[:15], "", 0, "too early"},
		{"a member cut short in its sum", member[:len(member)-1], "", 0, "too early"},
		{"a member with a wrong sum", string(flipped), text, 0, "damaged"},
		{"a member of another method", "\x1f\x8b\x07" + member[3:], "", 0, "damaged"},
		{"a damaged member behind zeros", "\x00\x1f\x8b\x07" + member[3:], "", 0, "damaged"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, trailing, err := decoded(strings.NewReader(member+tc.behind), table.Format{}, table.DefaultLimits())
			var encoding *table.EncodingError
			switch {
			case tc.says != "" && (!errors.As(err, &encoding) || !strings.Contains(err.Error(), tc.says)):
				t.Errorf("want an error that says %q, got %v", tc.says, err)
			case tc.says == "" && (err != nil || got != text+tc.text || trailing != tc.trailing):
				t.Errorf("got %q and %d trailing bytes, %v; want %d behind %q", got, trailing, err, tc.trailing, text+tc.text)
			}
		})
	}
}

func TestGzipNameCutShort(t *testing.T) {
	var stored bytes.Buffer
	w := gzip.NewWriter(&stored)
	w.Name = "table.csv"
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var e *table.EncodingError
	_, _, err := decoded(bytes.NewReader(stored.Bytes()[:14]), table.Format{}, table.DefaultLimits())
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "too early") {
		t.Errorf("got %v", err)
	}
}

// Whatever the pieces that the source gives: the members' text, in order, and a count of the rest.
func TestGzipInAnyPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stored bytes.Buffer
		var want strings.Builder
		for range rapid.IntRange(1, 4).Draw(t, "members") {
			text := strings.Repeat(rapid.StringN(0, 20, 40).Draw(t, "text"), rapid.SampledFrom([]int{1, 100, 5000}).Draw(t, "times"))
			w := gzip.NewWriter(&stored)
			_, err := w.Write([]byte("x" + text)) // a byte order mark would decide the encoding
			if err = errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
			want.WriteString("x" + text)
			stored.Write(make([]byte, rapid.SampledFrom([]int{0, 0, 1, 511, 70_000}).Draw(t, "zeros")))
		}
		tail := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "tail")
		if len(tail) > 0 && tail[0] == 0 || bytes.HasPrefix(tail, []byte{0x1F, 0x8B}) {
			tail = nil
		}
		stored.Write(tail)
		left := bytes.NewReader(stored.Bytes())
		r := drawnReader{left, func() int { return rapid.SampledFrom([]int{1, 2, 3, 100, 1 << 20}).Draw(t, "piece") }}
		got, trailing, err := decoded(r, table.Format{}, table.Limits{})
		if err != nil || got != want.String() || trailing != int64(len(tail)) || left.Len() != 0 {
			t.Fatalf("%d bytes of text, %d trailing, %d not read, %v; want %d and %d", len(got), trailing, left.Len(), err, want.Len(), len(tail))
		}
	})
}

func TestPaddingIsBounded(t *testing.T) {
	member := gzipped(t, "a,b\n")
	behind := func(start string, n int64) io.Reader {
		return io.MultiReader(bytes.NewReader(member), strings.NewReader(start), io.LimitReader(zeros{}, n))
	}
	limits := table.Limits{Bytes: 8 << 20, DecompressionRatio: 200}
	for start, want := range map[string]int64{"": 0, "x": 8 << 20} {
		if _, trailing, err := decoded(behind(start, 8<<20-1), table.Format{}, limits); err != nil || trailing != want {
			t.Errorf("%q: %d trailing bytes, %v", start, trailing, err)
		}
		_, _, err := decoded(behind(start, 1<<60), table.Format{}, limits)
		var e *table.LimitError
		if !errors.As(err, &e) || e.Limit != "Bytes" {
			t.Errorf("endless zeros behind %q: %v", start, err)
		}
	}
	if _, _, err := decoded(bytes.NewReader(append(member, make([]byte, 512)...)), table.Format{}, table.Limits{Bytes: 4}); err != nil {
		t.Errorf("padding to a block counts as text: %v", err)
	}
}

// A bomb behind padding is one: padding pays for its own length and no more.
func TestPaddingHidesNoBomb(t *testing.T) {
	bomb := append(append(gzipped(t, "a,b\n"), make([]byte, 1000)...), gzipped(t, strings.Repeat("a,b\n", 4<<20))...)
	_, _, err := decoded(bytes.NewReader(bomb), table.Format{}, table.Limits{DecompressionRatio: 200})
	var e *table.LimitError
	if !errors.As(err, &e) || e.Limit != "DecompressionRatio" {
		t.Errorf("got %v", err)
	}
}

func TestTrailingBytesWhileReading(t *testing.T) {
	d, err := table.Decode(bytes.NewReader(append(gzipped(t, strings.Repeat("a,b\n", 100_000)), "trailing"...)), table.Format{}, table.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(io.Discard, d) })
	for range 1000 {
		if n := d.TrailingBytes(); n != 0 && n != 8 {
			t.Errorf("%d trailing bytes", n)
		}
	}
	reading.Wait()
	if n := d.TrailingBytes(); n != 8 {
		t.Errorf("%d trailing bytes at the end, want 8", n)
	}
}
