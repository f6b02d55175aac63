package simd

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

func FuzzTokens(f *testing.F) {
	f.Add([]byte("a key of thirty-two bytes, or so"), []byte("919766487|smith|1956-01-02|"), uint8(32), uint8(9))
	f.Add(make([]byte, 64), make([]byte, 600), uint8(1), uint8(55))
	f.Fuzz(func(t *testing.T, key, text []byte, n, step uint8) {
		key = key[:min(len(key), 64)]
		m, messages, count := NewMAC(key), new(Batch), 1+int(n)%Lanes
		var want []byte
		for i := range count {
			piece := text[min(i*3, len(text)):]
			piece = piece[:min(len(piece), (i*int(step))%(MaxMessage+1))]
			messages[i].Put(piece)
			truth := hmac.New(sha256.New, key)
			truth.Write(piece)
			want = append(want, truth.Sum(nil)[:TokenSize]...)
		}
		for _, p := range append(paths(), portable) {
			got := bytes.Repeat([]byte{0xaa}, count*TokenSize+8)
			p.tokens(m, got[:count*TokenSize], messages, count)
			if !bytes.Equal(got[:count*TokenSize], want) {
				t.Fatalf("%s: other tokens for %d messages", p.name, count)
			}
			if !bytes.Equal(got[count*TokenSize:], bytes.Repeat([]byte{0xaa}, 8)) {
				t.Fatalf("%s: wrote behind the tokens", p.name)
			}
		}
	})
}

func TestEveryLengthInEveryLane(t *testing.T) {
	m, messages := NewMAC([]byte("key")), new(Batch)
	for shift := range MaxMessage + 1 {
		for i := range messages {
			messages[i].Put(bytes.Repeat([]byte{byte(i + 1)}, (i+shift)%(MaxMessage+1)))
		}
		for _, p := range paths() {
			got := make([]byte, Lanes*TokenSize)
			p.tokens(m, got, messages, Lanes)
			for i := range messages {
				text, _ := messages[i].text()
				if !bytes.Equal(got[i*TokenSize:(i+1)*TokenSize], m.Sum(nil, text)) {
					t.Fatalf("%s: lane %d, %d bytes", p.name, i, len(text))
				}
			}
		}
	}
}

func TestMACPrintsNothing(t *testing.T) {
	m := NewMAC([]byte("s3cret"))
	if got := fmt.Sprintf("%v %+v %#v %s %x", m, m, m, m, m); got != strings.TrimSuffix(strings.Repeat("[redacted] ", 5), " ") {
		t.Errorf("it prints %s", got)
	}
}

func BenchmarkTokens(b *testing.B) {
	m, messages := NewMAC([]byte("key")), new(Batch)
	for i := range messages {
		messages[i].Put([]byte("919-76-6487 or alike"))
	}
	dst := make([]byte, Lanes*TokenSize)
	for _, p := range append(paths(), portable) {
		b.Run(p.name, func(b *testing.B) {
			for b.Loop() {
				p.tokens(m, dst, messages, Lanes)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/Lanes, "ns/token")
		})
	}
}
