package simd

import (
	"unicode/utf8"

	"github.com/klauspost/cpuid/v2"
)

//go:generate go run -C ../../hack/simdgen . -kernels avx512 -out ../../internal/simd/avx512_amd64.s -stubs ../../internal/simd/avx512_amd64.go -pkg simd
//go:generate go run -C ../../hack/simdgen . -kernels shani -out ../../internal/simd/shani_amd64.s -stubs ../../internal/simd/shani_amd64.go -pkg simd

// paths are those of assembly that this machine can run, best first. Fold and
// hashing of AVX-512 need its later parts, which Ice Lake and Zen 4 brought.
func paths() []path {
	var have []path
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512VL, cpuid.AVX512DQ, cpuid.AVX512VBMI, cpuid.AVX512VBMI2, cpuid.BMI1, cpuid.BMI2, cpuid.CLMUL, cpuid.VPCLMULQDQ, cpuid.POPCNT, cpuid.LZCNT) {
		have = append(have, path{name: "avx512", index: indexAVX512, classify: classifyAVX2, validUTF8: validAVX512, fold: foldAVX512, tokens: (*MAC).tokensAVX512})
	}
	if cpuid.CPU.Supports(cpuid.SHA, cpuid.AVX2, cpuid.SSSE3, cpuid.SSE4) {
		have = append(have, path{name: "shani", index: indexAVX2, classify: classifyAVX2, validUTF8: utf8.Valid, fold: foldNothing, tokens: (*MAC).tokensSHANI})
	}
	return have
}

func indexAVX512(ends []uint32, text []byte, delimiter byte) (n, scanned int, f Flags) {
	count, done, flags := index512(&ends[0], &text[0], uint64(len(text)/BlockSize), uint64(delimiter))
	return int(count), int(done) * BlockSize, Flags(flags)
}

// validShort is the length below which the setting up costs more than it gains.
const validShort = 256

func validAVX512(text []byte) bool {
	if len(text) < validShort {
		return utf8.Valid(text)
	}
	// The kernel reads three bytes back, so the first block is left to the portable
	// way, up to where a character starts; so is the last, which may be cut off.
	first, last := BlockSize, len(text)/BlockSize*BlockSize-BlockSize
	for !utf8.RuneStart(text[first]) {
		if first--; first < BlockSize-utf8.UTFMax {
			return false
		}
	}
	for !utf8.RuneStart(text[last]) {
		if last--; last < BlockSize {
			return false
		}
	}
	blocks := (last-first)/BlockSize + 1
	return utf8.Valid(text[:first]) && validUTF8x512(&text[first], uint64(blocks)) && utf8.Valid(text[last:])
}

func foldAVX512(dst *Batch, text []byte, spans []Span, a *Alphabet) (rest, empty uint32) {
	if len(text) == 0 {
		text = dst[0][:] // all cells are empty: nothing of it is read
	}
	r, e := fold512(&dst[0][0], &text[0], &spans[0].Start, uint64(len(spans)), &a.ASCII[0])
	return uint32(r), uint32(e)
}

func (m *MAC) tokensAVX512(dst []byte, messages *Batch, n int) {
	if n == Lanes {
		hmac32(&dst[0], &messages[0][0], &m.states, m.schedule)
		return
	}
	var all [Lanes * TokenSize]byte
	hmac32(&all[0], &messages[0][0], &m.states, m.schedule)
	copy(dst, all[:])
}

func (m *MAC) tokensSHANI(dst []byte, messages *Batch, n int) {
	for i := 0; i+2 <= n; i += 2 {
		hmac2(&dst[i*TokenSize], &messages[i][0], &m.swapped)
	}
	if n%2 == 0 {
		return
	}
	var two [2]Message
	var tokens [2 * TokenSize]byte
	two[0] = messages[n-1]
	hmac2(&tokens[0], &two[0][0], &m.swapped)
	copy(dst[(n-1)*TokenSize:], tokens[:])
}

func indexAVX2(ends []uint32, text []byte, delimiter byte) (n, scanned int, f Flags) {
	x := newIndexer()
	var sorted [masksAtOnce]masks
	for scanned < len(text) {
		blocks := min((len(text)-scanned)/BlockSize, masksAtOnce)
		classifyAVX2(sorted[:blocks], text[scanned:], delimiter)
		for _, m := range sorted[:blocks] {
			found, ok := x.ends(m, (*[BlockSize]byte)(text[scanned:]))
			if !ok {
				return n, scanned, x.flags
			}
			n = appendEnds(ends, n, found, scanned)
			scanned += BlockSize
		}
	}
	return n, scanned, x.flags
}

func classifyAVX2(sorted []masks, text []byte, delimiter byte) {
	classify256(&sorted[0].end, &text[0], uint64(len(sorted)), uint64(delimiter))
}
