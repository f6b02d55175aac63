package table_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/charmap"
	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/table"
)

func gzipped(t testing.TB, members ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, m := range members {
		w := gzip.NewWriter(&out)
		_, err := w.Write([]byte(m))
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func zstandard(t testing.TB, options []zstd.EOption, frames ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, f := range frames {
		w, err := zstd.NewWriter(&out, options...)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write([]byte(f))
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func utf16Of(order binary.AppendByteOrder, text string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return out
}

func TestDecode(t *testing.T) {
	const text = "Größe,€\n𝔸,2\n"
	little, big := utf16Of(binary.LittleEndian, "\uFEFF"+text), utf16Of(binary.BigEndian, "\uFEFF"+text)
	for _, tc := range []struct {
		name    string
		stored  []byte
		format  table.Format
		want    string
		striped bool
	}{
		{"empty", nil, table.Format{}, "", true},
		{"plain", []byte(text), table.Format{}, text, true},
		{"a byte", []byte("a"), table.Format{}, "a", true},
		{"UTF-8 with a mark", []byte("\xEF\xBB\xBF" + text), table.Format{}, "\xEF\xBB\xBF" + text, true},
		{"UTF-8 by name", []byte(text), table.Format{Encoding: table.EncodingUTF8}, text, true},
		{"UTF-16LE", little, table.Format{}, text, false},
		{"UTF-16BE", big, table.Format{Encoding: table.EncodingUTF16}, text, false},
		{"UTF-16 with half a pair", append(little[:len(little):len(little)], 0x00, 0xD8, 'a', 0), table.Format{}, text + "\xffa", false},
		{"UTF-16 with half a pair at the end", append(little[:len(little):len(little)], 0x00, 0xD8), table.Format{}, text + "\xff", false},
		{"UTF-16 with half a unit", append(little[:len(little):len(little)], 'a'), table.Format{}, text + "\xff", false},
		{"Windows-1252", []byte("Gr\xf6\xdfe,\x80\n"), table.Format{Encoding: table.EncodingWindows1252}, "Größe,€\n", false},
		{"Windows-1252 with a byte that is nothing", []byte("a\x81\x8d\n"), table.Format{Encoding: table.EncodingWindows1252}, "a\xff\xff\n", false},
		{"Windows-1252, long", []byte(strings.Repeat("\x80", 5000)), table.Format{Encoding: table.EncodingWindows1252}, strings.Repeat("€", 5000), false},
		{"gzip", gzipped(t, text), table.Format{}, text, false},
		{"gzip by name", gzipped(t, text), table.Format{Compression: table.CompressionGzip}, text, false},
		{"gzip with several members", gzipped(t, text, "", text), table.Format{}, text + text, false},
		{"gzip of UTF-16", gzipped(t, string(big)), table.Format{}, text, false},
		{"zstd", zstandard(t, nil, text), table.Format{}, text, false},
		{"zstd with several frames", zstandard(t, nil, text, text), table.Format{Compression: table.CompressionZstd}, text + text, false},
		{"zstd after a frame to skip", append([]byte{0x52, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 'x'}, zstandard(t, nil, text)...), table.Format{}, text, false},
		{"not compressed by name", []byte(text), table.Format{Compression: table.CompressionNone}, text, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, stored := range []io.Reader{bytes.NewReader(tc.stored), iotest.OneByteReader(bytes.NewReader(tc.stored))} {
				d, err := table.Decode(stored, tc.format, table.DefaultLimits())
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(d)
				if err != nil || string(got) != tc.want || d.Striped != tc.striped {
					t.Errorf("%q, striped %v, %v, want %q", got, d.Striped, err, tc.want)
				}
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	whole, squeezed := gzipped(t, strings.Repeat("a,b\n", 1000)), zstandard(t, nil, strings.Repeat("a,b\n", 1000))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1
	for _, tc := range []struct {
		name, says string
		stored     []byte
		format     table.Format
	}{
		{"UTF-32LE", "UTF-32", []byte("\xFF\xFE\x00\x00a\x00\x00\x00"), table.Format{}},
		{"UTF-32BE", "UTF-32", []byte("\x00\x00\xFE\xFF\x00\x00\x00a"), table.Format{}},
		{"UTF-16 without a mark", "byte order mark", []byte("a\x00"), table.Format{Encoding: table.EncodingUTF16}},
		{"UTF-16 named UTF-8", "set it to Auto", []byte("\xFF\xFEa\x00"), table.Format{Encoding: table.EncodingUTF8}},
		{"UTF-8 named Windows-1252", "set it to Auto", []byte("\xEF\xBB\xBFa"), table.Format{Encoding: table.EncodingWindows1252}},
		{"not gzip", "set it to Auto", []byte("a,b\n"), table.Format{Compression: table.CompressionGzip}},
		{"zstd named gzip", "set it to Auto", squeezed, table.Format{Compression: table.CompressionGzip}},
		{"gzip named None", "compressed with gzip, but format.compression says None", whole, table.Format{Compression: table.CompressionNone}},
		{"zstd named None", "compressed with zstd, but format.compression says None", squeezed, table.Format{Compression: table.CompressionNone}},
		{"gzip cut short", "ends too early", whole[:len(whole)-9], table.Format{}},
		{"gzip header cut short", "ends too early", whole[:5], table.Format{}},
		{"gzip with a wrong sum", "damaged", flipped, table.Format{}},
		{"zstd cut short", "ends too early", squeezed[:len(squeezed)-5], table.Format{}},
		{"zstd of nonsense", "damaged", append(bytes.Clone(squeezed[:6]), bytes.Repeat([]byte{0xFF}, 40)...), table.Format{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, err := table.Decode(bytes.NewReader(tc.stored), tc.format, table.DefaultLimits())
			if err == nil {
				_, err = io.Copy(io.Discard, d)
			}
			var encoding *table.EncodingError
			if !errors.As(err, &encoding) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestFormatValidate(t *testing.T) {
	for field, format := range map[string]table.Format{
		"delimiter":   {Delimiter: '"'},
		"encoding":    {Encoding: "EBCDIC"},
		"compression": {Compression: "Bzip2"},
	} {
		_, err := table.Decode(strings.NewReader(""), format, table.Limits{})
		var e *table.FormatError
		if !errors.As(err, &e) || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestDecodeLimits(t *testing.T) {
	long := strings.Repeat("a,b\n", 1<<20)
	for _, tc := range []struct {
		name   string
		stored []byte
		limits table.Limits
		want   string
	}{
		{"bytes", []byte("a,b\n1,2\n"), table.Limits{Bytes: 7}, "Bytes"},
		{"bytes that fit", []byte("a,b\n1,2\n"), table.Limits{Bytes: 8}, ""},
		{"decompressed bytes", gzipped(t, "a,b\n1,2\n"), table.Limits{Bytes: 7}, "Bytes"},
		{"gzip bomb", gzipped(t, long), table.Limits{DecompressionRatio: 100}, "DecompressionRatio"},
		{"zstd bomb", zstandard(t, nil, long), table.Limits{DecompressionRatio: 100}, "DecompressionRatio"},
		{"small and dense", gzipped(t, long[:1<<19]), table.Limits{DecompressionRatio: 100}, ""},
		{"no cap", gzipped(t, long), table.Limits{}, ""},
		{"not compressed", []byte(long), table.Limits{DecompressionRatio: 1}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, err := table.Decode(bytes.NewReader(tc.stored), table.Format{}, tc.limits)
			if err == nil {
				_, err = io.Copy(io.Discard, d)
			}
			var limit *table.LimitError
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (!errors.As(err, &limit) || limit.Limit != tc.want):
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestErrorOfTheSourceComesThrough(t *testing.T) {
	broken := errors.New("connection reset")
	long := fmt.Sprint(rand.Perm(5000)) // more than Decode looks at, compressed too
	zipped, squeezed := gzipped(t, long), zstandard(t, nil, long)
	for name, start := range map[string][]byte{
		"nothing": nil, "plain": []byte("a,b\n1"), "plain and long": []byte(long), "gzip": zipped[:len(zipped)-9], "gzip header": zipped[:5], "zstd": squeezed[:len(squeezed)-5],
		"UTF-16": utf16Of(binary.LittleEndian, "\ufeff"+long), "Windows-1252": bytes.Repeat([]byte("\u00fc"), 40<<10), "behind gzip": append(bytes.Clone(zipped), 0, 'x'), "behind zstd": append(bytes.Clone(squeezed), 0x28),
	} {
		format := table.Format{}
		if name == "Windows-1252" {
			format.Encoding = table.EncodingWindows1252
		}
		d, err := table.Decode(io.MultiReader(bytes.NewReader(start), iotest.ErrReader(broken)), format, table.DefaultLimits())
		if err == nil {
			_, err = io.Copy(io.Discard, d)
		}
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUTF16ComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := "x" + rapid.String().Draw(t, "text") // NUL after the mark would be UTF-32
		order := rapid.SampledFrom([]binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian}).Draw(t, "order")
		stored := utf16Of(order, "\uFEFF"+text)
		d, err := table.Decode(iotest.HalfReader(bytes.NewReader(stored)), table.Format{}, table.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(d); err != nil || string(got) != text {
			t.Fatalf("%q, %v, want %q", got, err, text)
		}
	})
}

func TestUTF8ReadAsWindows1252(t *testing.T) {
	for _, tc := range []struct {
		name, stored string
		refused      bool
	}{
		{"nothing", "", false},
		{"ASCII", "ID,Name\n1,Muller\n", false},
		{"a row in UTF-8", "ID,Name\n1,M\u00fcller\n", true},
		{"the last letter", "\u00fc", true},
		{"a letter of four bytes", "\U0001d538", true},
		{"Windows-1252", "ID,Name\n1,M\xfcller\n", false},
		{"both", "ID,Name\n1,M\u00fcller\n2,M\xfcller\n", false},
		{"both, the other way round", "ID,Name\n1,M\xfcller\n2,M\u00fcller\n", false},
		{"a letter cut short", "M\xc3", false},
		{"a letter cut short by another", "M\xe2\x82\u00fc", false},
		{"a letter cut short by ASCII", strings.Repeat("x", 600) + "\u00fcM\xe2\x82x", false},
		{"an overlong letter", "M\xc0\xaf\u00fc", false},
		{"half a pair", "M\xed\xa0\x80", false},
		{"across buffers", strings.Repeat("x", 1023) + "\u00fc" + strings.Repeat("y", 64<<10-1) + "\u20ac", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, r := range []io.Reader{
				strings.NewReader(tc.stored), bytes.NewReader(gzipped(t, tc.stored)), iotest.OneByteReader(strings.NewReader(tc.stored)),
			} {
				_, _, err := decoded(r, table.Format{Encoding: table.EncodingWindows1252}, table.Limits{})
				var e *table.EncodingError
				if tc.refused && (!errors.As(err, &e) || !strings.Contains(err.Error(), "set it to UTF-8 or Auto")) || !tc.refused && err != nil {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

// checkWindows1252 reads stored in pieces: refused is what the standard library calls UTF-8 beyond ASCII, and the rest reads
// byte by byte as the standard says.
func checkWindows1252(t interface{ Fatalf(string, ...any) }, stored []byte, next func() int) {
	if m := string(stored[:min(4, len(stored))]); strings.HasPrefix(m, "\xff\xfe") || strings.HasPrefix(m, "\xfe\xff") || m == "\x00\x00\xfe\xff" || strings.HasPrefix(m, "\xef\xbb\xbf") {
		return // a byte order mark decides
	}
	got, _, err := decoded(drawnReader{bytes.NewReader(stored), next}, table.Format{Encoding: table.EncodingWindows1252, Compression: table.CompressionNone}, table.Limits{})
	beyond := bytes.ContainsFunc(stored, func(r rune) bool { return r >= utf8.RuneSelf })
	var e *table.EncodingError
	switch {
	case utf8.Valid(stored) && beyond:
		if !errors.As(err, &e) {
			t.Fatalf("%q: %v", stored, err)
		}
	case errors.As(err, &e) && !strings.Contains(err.Error(), "Windows-1252"):
		return // an archive
	case err != nil:
		t.Fatalf("%q: %v", stored, err)
	}
	var want []byte
	for _, b := range stored {
		if c := charmap.Windows1252.DecodeByte(b); c == utf8.RuneError {
			want = append(want, 0xFF)
		} else {
			want = utf8.AppendRune(want, c)
		}
	}
	if err == nil && got != string(want) {
		t.Fatalf("%q reads as %q, want %q", stored, got, want)
	}
}

func TestWindows1252InAnyPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stored := bytes.Repeat([]byte("a"), rapid.SampledFrom([]int{0, 600}).Draw(t, "behind the bytes that Decode looks at"))
		for range rapid.IntRange(1, 5).Draw(t, "parts") {
			part := rapid.OneOf(
				rapid.SliceOfN(rapid.Byte(), 0, 6),
				rapid.Map(rapid.SampledFrom([]string{"\xe2", "\xe2\x82", "\x82", "\xac", "\u00fc", "x"}), func(s string) []byte { return []byte(s) }),
				rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
				rapid.Map(rapid.IntRange(0, 2100), func(n int) []byte { return bytes.Repeat([]byte("a"), n) }),
			).Draw(t, "part")
			stored = append(stored, part...)
		}
		checkWindows1252(t, stored, func() int { return rapid.SampledFrom([]int{1, 2, 3, 5, 1000, 1 << 20}).Draw(t, "piece") })
	})
}

func FuzzWindows1252(f *testing.F) {
	for _, seed := range []string{"M\u00fcller", "M\xfcller", "\u20ac\xe2\x82", "\U0001d538", "\xf0\x9d\x94", "\xed\xa0\x80", "abcdefgh\u00e9abcdefgh"} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(strings.Repeat("x", 1021)+seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, stored []byte, piece uint8) {
		checkWindows1252(t, stored, func() int { return 1 + int(piece) })
	})
}

func BenchmarkWindows1252(b *testing.B) {
	for name, text := range map[string]string{
		"ASCII":   "P-00000001,001-02-0003,Kurt Goedel,\"12 Main Street, Apt 3\",Springfield\n",
		"umlauts": "P-00000001,001-02-0003,Kurt G\xf6del,\"12 Main Street, Apt 3\",Springfield\n",
		"UTF-8":   "P-00000001,001-02-0003,Kurt G\u00f6del,\"12 Main Street, Apt 3\",Springfield\n",
	} {
		b.Run(name, func(b *testing.B) {
			stored := []byte(strings.Repeat(text, 10_000))
			b.SetBytes(int64(len(stored)))
			for b.Loop() {
				d, err := table.Decode(bytes.NewReader(stored), table.Format{Encoding: table.EncodingWindows1252}, table.Limits{})
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, d)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("a,b\n"))
	f.Add([]byte("\xFF\xFEa\x00"))
	f.Add(gzipped(f, "a,b\n"))
	f.Add(zstandard(f, nil, "a,b\n"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		limits := table.Limits{Bytes: 1 << 20}
		d, err := table.Decode(bytes.NewReader(stored), table.Format{}, limits)
		if err != nil {
			return
		}
		r := table.NewReader(d, table.Format{}, limits)
		for err == nil {
			_, err = r.ReadRow()
		}
		var encoding *table.EncodingError
		var limit *table.LimitError
		if !errors.Is(err, io.EOF) && !errors.As(err, &encoding) && !errors.As(err, &limit) {
			t.Fatal(err)
		}
	})
}
