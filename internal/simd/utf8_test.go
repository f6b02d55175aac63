package simd

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func checkUTF8(t *testing.T, p path, text []byte) {
	t.Helper()
	if got, want := p.validUTF8(text), utf8.Valid(text); got != want {
		t.Fatalf("%s: %t for %+q", p.name, got, text)
	}
}

func TestValidUTF8(t *testing.T) {
	var pieces [][]byte
	for _, first := range []int{0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff} {
		for _, second := range []int{-1, 0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xe0, 0xf0} {
			for tail := range 4 {
				piece := []byte{byte(first)}
				if second >= 0 {
					piece = append(append(piece, byte(second)), bytes.Repeat([]byte{0x80}, tail)...)
				}
				pieces = append(pieces, piece)
			}
		}
	}
	for _, p := range append(others(t), path{name: "active", validUTF8: ValidUTF8}) {
		for _, piece := range pieces {
			for _, at := range []int{0, 60, 61, 62, 63, 64, 65, 127, 190, 250, 254, 255, 256, 300, 318, 319, 320} {
				text := bytes.Repeat([]byte{'x'}, 320)
				checkUTF8(t, p, append(text[:min(at, 320)], append(bytes.Clone(piece), text[min(at, 320):]...)...))
			}
		}
	}
}

func FuzzValidUTF8(f *testing.F) {
	f.Add([]byte(strings.Repeat("Müßig 漢字 😀 ", 30)), uint16(7), byte(0x80))
	f.Add([]byte(strings.Repeat("x", 300)), uint16(256), byte(0xf0))
	f.Fuzz(func(t *testing.T, text []byte, at uint16, b byte) {
		// Long enough for the kernel, which leaves short texts alone.
		long := bytes.Repeat(append([]byte("é"), text...), 1+256/(1+len(text)))
		spoilt := bytes.Clone(long)
		spoilt[int(at)%len(spoilt)] = b
		for _, p := range paths() {
			checkUTF8(t, p, text)
			checkUTF8(t, p, long)
			checkUTF8(t, p, spoilt)
		}
	})
}

func BenchmarkValidUTF8(b *testing.B) {
	text := []byte(strings.Repeat("P000000001,919-76-6487,Oliver,Müller,1956-01-02,(555) 010-9999,oliver.smith@example.com,\"12 High Street, Leeds\"\n", 1000))
	for _, p := range append(paths(), portable) {
		b.Run(p.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				p.validUTF8(text)
			}
		})
	}
}
