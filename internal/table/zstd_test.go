package table_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/table"
)

// skippable is a frame without text.
func skippable(content string) string {
	return "\x5A\x2A\x4D\x18" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(content)))) + content
}

// whole is one frame whose header tells the length of the text.
func whole(t testing.TB, text string, options ...zstd.EOption) string {
	t.Helper()
	w, err := zstd.NewWriter(nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(text), nil))
}

func TestZstdWindows(t *testing.T) {
	const text = "ID,Mail\n1,a@x\n2,b@x\n"
	ultra, err := hex.DecodeString(ultraSample) // zstd --ultra -22 of a pipe
	if err != nil {
		t.Fatal(err)
	}
	large := []zstd.EOption{zstd.WithWindowSize(512 << 20), zstd.WithSingleSegment(false)}
	far := make([]byte, 42<<20)
	for i := range far[:1<<20] {
		far[i] = byte(' ' + rand.IntN(90))
		far[41<<20+i] = far[i]
	}
	long := "x" + strings.Repeat("0123456789", 4<<20)
	for _, tc := range []struct{ name, stored, want, says string }{
		{"announced by --ultra", string(ultra), text, ""},
		{"announced by a small table", string(zstandard(t, large, text)), text, ""},
		{"announced by several frames", string(zstandard(t, large, text, "", text)), text + text, ""},
		{"announced behind a frame to skip", skippable("x") + string(zstandard(t, large, text)), text, ""},
		{"announced for a table that is longer", string(zstandard(t, large, long)), long, ""},
		{"smaller than the table", whole(t, long, zstd.WithSingleSegment(false), zstd.WithWindowSize(1<<20)), long, ""},
		{"that is a longer table", whole(t, long, zstd.WithSingleSegment(true)), long, ""},
		{"that is needed", string(zstandard(t, append(large, zstd.WithEncoderLevel(zstd.SpeedBetterCompression)), string(far))), "", "window of more than 32 MiB"},
		{"that is a longer table and needed", whole(t, string(far), zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(true), zstd.WithEncoderLevel(zstd.SpeedBetterCompression)), "", "window of more than 32 MiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _, err := decoded(strings.NewReader(tc.stored), table.Format{}, table.Limits{})
			var e *table.EncodingError
			switch {
			case tc.says != "" && (!errors.As(err, &e) || !strings.Contains(err.Error(), tc.says)):
				t.Errorf("got %v", err)
			case tc.says == "" && (err != nil || got != tc.want):
				t.Errorf("%d bytes, %v, want %d", len(got), err, len(tc.want))
			}
		})
	}
}

const ultraSample = "28b52ffd0488a1000049442c4d61696c0a312c6140780a322c6240780a07d51950"

func TestZstdThatCannotBeRead(t *testing.T) {
	small := zstandard(t, []zstd.EOption{zstd.WithWindowSize(1 << 20), zstd.WithSingleSegment(false)}, strings.Repeat("a,b\n", 1000))
	for says, stored := range map[string]string{
		"is damaged: store it again": string(small[:7]) + strings.Repeat("\xff", 40),
		"needs a dictionary":         whole(t, "a,b\n", zstd.WithEncoderDictRaw(1<<30, []byte(strings.Repeat("a,b\n", 10)))),
	} {
		_, _, err := decoded(strings.NewReader(stored), table.Format{}, table.Limits{})
		var e *table.EncodingError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), says) {
			t.Errorf("want an error that says %q, got %v", says, err)
		}
	}
}

func TestBytesBehindZstd(t *testing.T) {
	frame := string(zstandard(t, nil, "a,b\n1,2\n"))
	for behind, says := range map[string]string{
		"\x00": "not zstd", "\x00\x00\x00": "not zstd", strings.Repeat("\x00", 512): "not zstd", "x": "not zstd", "something else": "not zstd",
		string(gzipped(t, "x")): "not zstd", "\x28": "too early", "\x28\xb5\x2f\xfd": "too early", frame[:len(frame)-1]: "too early",
		"\x5a\x2a\x4d\x18\x05": "too early", skippable("abc")[:9]: "too early",
	} {
		_, _, err := decoded(strings.NewReader(frame+behind), table.Format{}, table.Limits{})
		var e *table.EncodingError
		if says != "" && (!errors.As(err, &e) || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q behind zstd: %v", behind, err)
		}
	}
}

// Cut anywhere, a table is whole up to the end of a frame or ends too early; it never reads as a shorter one.
func TestZstdCutShort(t *testing.T) {
	text := strings.Repeat("a,b\n1,2\n", 20)
	first := string(zstandard(t, []zstd.EOption{zstd.WithWindowSize(64 << 20), zstd.WithSingleSegment(false)}, text))
	stored := first + whole(t, text, zstd.WithSingleSegment(true)) + skippable("abc")
	ends := map[int]string{len(first): text, len(stored) - len(skippable("abc")): text + text, len(stored): text + text}
	for n := 4; n <= len(stored); n++ {
		got, _, err := decoded(strings.NewReader(stored[:n]), table.Format{}, table.Limits{})
		want, atEnd := ends[n]
		var e *table.EncodingError
		switch {
		case atEnd && (err != nil || got != want):
			t.Errorf("cut at %d: %q, %v", n, got, err)
		case !atEnd && (!errors.As(err, &e) || !strings.Contains(err.Error(), "too early") && !strings.Contains(err.Error(), "not zstd")):
			t.Errorf("cut at %d: %q, %v", n, got, err)
		}
	}
}

// Whatever the frames and the pieces that the source gives: the frames' text in order.
func TestZstdInAnyPieces(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		stored, want := bytes.NewBuffer(zstandard(t, nil, "x")), "x"
		for range rapid.IntRange(0, 4).Draw(rt, "frames") {
			text := strings.Repeat(rapid.StringN(0, 20, 40).Draw(rt, "text"), rapid.SampledFrom([]int{1, 100, 5000}).Draw(rt, "times"))
			options := []zstd.EOption{
				zstd.WithEncoderCRC(rapid.Bool().Draw(rt, "sum")), zstd.WithSingleSegment(rapid.Bool().Draw(rt, "single")), zstd.WithEncoderConcurrency(1),
				zstd.WithWindowSize(rapid.SampledFrom([]int{zstd.MinWindowSize, 1 << 20, 64 << 20}).Draw(rt, "window")), zstd.WithZeroFrames(true),
				zstd.WithEncoderLevel(rapid.SampledFrom([]zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedBetterCompression}).Draw(rt, "level")),
			}
			switch rapid.SampledFrom([]string{"whole", "stream", "skip"}).Draw(rt, "kind") {
			case "whole":
				stored.WriteString(whole(t, text, options...))
				want += text
			case "stream":
				stored.Write(zstandard(t, options, text))
				want += text
			default:
				stored.WriteString(skippable(text))
			}
		}
		r := drawnReader{stored, func() int { return rapid.SampledFrom([]int{1, 2, 3, 100, 1 << 20}).Draw(rt, "piece") }}
		if got, _, err := decoded(r, table.Format{}, table.Limits{}); err != nil || got != want {
			rt.Fatalf("%d bytes of text, %v; want %d", len(got), err, len(want))
		}
	})
}
