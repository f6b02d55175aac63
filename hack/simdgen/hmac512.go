package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"   //nolint:revive // the language of the generators
	. "github.com/mmcloughlin/avo/operand" //nolint:revive // the language of the generators
	"github.com/mmcloughlin/avo/reg"
)

const (
	rodata = attr.RODATA | attr.NOPTR

	lanes      = 16        // messages in a register, one a 32-bit place
	streams    = 2         // registers' worth of messages, interleaved
	wordBytes  = 4 * lanes // one word of the schedule, of all lanes
	streamSize = 16 * wordBytes

	// Truth tables of VPTERNLOGD over its three operands.
	xor3   = 0x96
	choose = 0xca
	major  = 0xe8
)

// stream is sixteen messages on their way through SHA-256: the eight words of
// the state, one register each, and the sixteen latest words of the schedule in
// memory.
type stream struct {
	state    [8]reg.VecVirtual
	t        [8]reg.VecVirtual
	schedule Mem
}

func newStream(schedule Mem, number int) *stream {
	s := &stream{schedule: schedule.Offset(number * streamSize)}
	for i := range s.state {
		s.state[i] = ZMM()
	}
	for i := range s.t {
		s.t[i] = ZMM()
	}
	return s
}

// word is where W[t] lies, in a ring of sixteen.
func (s *stream) word(t int) Mem { return s.schedule.Offset(wordBytes * (t & 15)) }

// hmac32 makes 32 tokens. Two streams are interleaved instruction by
// instruction, so that one works while the other waits; sixteen rounds are
// written out and run through three times, because all 64 of them would not fit
// the cache of decoded instructions.
func hmac32() {
	TEXT("hmac32", NOSPLIT|NOFRAME, "func(dst *byte, messages *byte, states *[16]uint32, schedule *[512]uint32)")
	Pragma("noescape")
	Doc("hmac32 writes the first 16 bytes of the HMAC of 32 messages of one block each, one after another.",
		"states are those of SHA-256 behind the key's inner and outer block; schedule is room to work in.")
	dst := argument("dst")
	messages := Mem{Base: argument("messages")}
	state := argument("states")
	schedule := Mem{Base: argument("schedule")}
	k := GP64()
	constants := roundConstants("roundConstants512")
	swap := byteSwap512()

	for number := range streams {
		transposeIn(messages.Offset(number*64*lanes), schedule.Offset(number*streamSize), swap)
	}
	pair := [streams]*stream{newStream(schedule, 0), newStream(schedule, 1)}
	pass := GP64()
	MOVQ(U32(2), pass)

	Label("hash")
	loadState(pair, Mem{Base: state})
	LEAQ(constants, k)
	Comment("Rounds 0 to 15 take the schedule as it is.")
	rounds(pair, Mem{Base: k}, (*stream).given)
	Comment("Rounds 16 to 63 extend it.")
	left := GP64()
	MOVQ(U32(3), left)
	Label("extend")
	ADDQ(Imm(wordBytes), k)
	rounds(pair, Mem{Base: k}, (*stream).extended)
	DECQ(left)
	JNE(LabelRef("extend"))
	for _, s := range pair {
		for i, r := range s.state {
			VPADDD_BCST(Mem{Base: state, Disp: 4 * i}, r, r)
		}
	}
	DECQ(pass)
	JZ(LabelRef("done"))

	Comment("The first hash is the message of the second.")
	outerMessages(pair)
	ADDQ(Imm(32), state)
	JMP(LabelRef("hash"))

	Label("done")
	for number, s := range pair {
		transposeOut(Mem{Base: dst, Disp: number * 16 * lanes}, s, swap)
	}
	VZEROUPPER()
	RET()
}

func loadState(pair [streams]*stream, from Mem) {
	for i := range 8 {
		VPBROADCASTD(from.Offset(4*i), pair[0].state[i])
		for _, s := range pair[1:] {
			VMOVDQA32(pair[0].state[i], s.state[i])
		}
	}
}

// step is one instruction, not yet written.
type step func()

// rounds writes sixteen rounds of both streams. The words of the state change
// places with each round and are back in theirs after eight.
func rounds(pair [streams]*stream, k Mem, word func(*stream, int, Mem) []step) {
	for t := range 16 {
		var of [streams][]step
		for i, s := range pair {
			of[i] = append(word(s, t, k.Offset(4*t)), s.mix()...)
			s.turn()
		}
		for i := range of[0] {
			for _, steps := range of {
				steps[i]()
			}
		}
	}
}

func (s *stream) turn() {
	last := s.state[7]
	copy(s.state[1:], s.state[:7])
	s.state[0] = last
}

// given adds a word of the message and its constant to h.
func (s *stream) given(t int, k Mem) []step {
	h := s.state[7]
	return []step{
		func() { VPADDD_BCST(k, h, h) },
		func() { VPADDD(s.word(t), h, h) },
	}
}

// extended computes W[t] = σ1(W[t-2]) + W[t-7] + σ0(W[t-15]) + W[t-16], keeps
// it, and adds it and its constant to h.
func (s *stream) extended(t int, k Mem) []step {
	h, a, b, c, d, e, f, w := s.state[7], s.t[0], s.t[1], s.t[2], s.t[3], s.t[4], s.t[5], s.t[6]
	return []step{
		func() { VMOVDQU32(s.word(t-15), a) },
		func() { VMOVDQU32(s.word(t-2), d) },
		func() { VPRORD(Imm(7), a, b) },
		func() { VPRORD(Imm(18), a, c) },
		func() { VPSRLD(Imm(3), a, a) },
		func() { VPRORD(Imm(17), d, e) },
		func() { VPRORD(Imm(19), d, f) },
		func() { VPSRLD(Imm(10), d, d) },
		func() { VMOVDQU32(s.word(t), w) },
		func() { VPADDD(s.word(t-7), w, w) },
		func() { VPTERNLOGD(Imm(xor3), b, c, a) },
		func() { VPTERNLOGD(Imm(xor3), e, f, d) },
		func() { VPADDD(a, w, w) },
		func() { VPADDD(d, w, w) },
		func() { VMOVDQU32(w, s.word(t)) },
		func() { VPADDD_BCST(k, h, h) },
		func() { VPADDD(w, h, h) },
	}
}

// mix is the rest of a round: h + Σ1(e) + Ch(e,f,g) goes into d, and with
// Σ0(a) + Maj(a,b,c) becomes the new a.
func (s *stream) mix() []step {
	a, b, c, d, e, f, g, h := s.state[0], s.state[1], s.state[2], s.state[3], s.state[4], s.state[5], s.state[6], s.state[7]
	t := s.t
	return []step{
		func() { VPRORD(Imm(6), e, t[0]) },
		func() { VPRORD(Imm(11), e, t[1]) },
		func() { VPRORD(Imm(25), e, t[2]) },
		func() { VMOVDQA32(e, t[3]) },
		func() { VPTERNLOGD(Imm(choose), g, f, t[3]) },
		func() { VPTERNLOGD(Imm(xor3), t[0], t[1], t[2]) },
		func() { VPADDD(t[3], h, h) },
		func() { VPRORD(Imm(2), a, t[4]) },
		func() { VPRORD(Imm(13), a, t[5]) },
		func() { VPRORD(Imm(22), a, t[6]) },
		func() { VMOVDQA32(a, t[7]) },
		func() { VPTERNLOGD(Imm(major), c, b, t[7]) },
		func() { VPADDD(t[2], h, h) },
		func() { VPTERNLOGD(Imm(xor3), t[4], t[5], t[6]) },
		func() { VPADDD(t[6], t[7], t[7]) },
		func() { VPADDD(h, d, d) },
		func() { VPADDD(t[7], h, h) },
	}
}

// outerMessages makes of each first hash the message of the second: eight words
// of hash, then the padding.
func outerMessages(pair [streams]*stream) {
	zero, end, length := ZMM(), ZMM(), ZMM()
	VPXORD(zero, zero, zero)
	VPBROADCASTD(word("paddingWord", padding), end)
	VPBROADCASTD(word("outerBits", outerBits), length)
	for _, s := range pair {
		for i, r := range s.state {
			VMOVDQU32(r, s.word(i))
		}
		VMOVDQU32(end, s.word(8))
		for i := 9; i < 15; i++ {
			VMOVDQU32(zero, s.word(i))
		}
		VMOVDQU32(length, s.word(15))
	}
}

func word(name string, v uint32) Mem {
	m := GLOBL(name, rodata)
	DATA(0, U32(v))
	return m
}

// byteSwap512 turns the bytes of each 32-bit word round: SHA-256 is big-endian.
func byteSwap512() Mem {
	m := GLOBL("byteSwap512", rodata)
	for i := range 8 {
		DATA(8*i, U64([]uint64{0x0405060700010203, 0x0c0d0e0f08090a0b}[i%2]))
	}
	return m
}

// transposeIn takes sixteen messages of sixteen words and writes word after
// word, each of all messages: first within groups of four words, then across.
func transposeIn(from, to, swap Mem) {
	order, out := ZMM(), ZMM()
	VMOVDQU32(swap, order)
	var row [16]reg.VecVirtual
	for i := range row {
		row[i] = ZMM()
		VMOVDQU32(from.Offset(64*i), row[i])
		VPSHUFB(order, row[i], row[i])
	}
	var tmp [4]reg.VecVirtual
	for i := range tmp {
		tmp[i] = ZMM()
	}
	for g := 0; g < 16; g += 4 {
		quad(row[g:g+4], tmp[:])
	}
	// row[4g+j] now holds word 4k+j of messages 4g to 4g+3 in its k-th quarter.
	for j := range 4 {
		VSHUFI32X4(Imm(0x44), row[4+j], row[j], tmp[0])
		VSHUFI32X4(Imm(0xee), row[4+j], row[j], tmp[1])
		VSHUFI32X4(Imm(0x44), row[12+j], row[8+j], tmp[2])
		VSHUFI32X4(Imm(0xee), row[12+j], row[8+j], tmp[3])
		for k, half := range [4][2]int{{0, 2}, {0, 2}, {1, 3}, {1, 3}} {
			VSHUFI32X4(Imm([]uint64{0x88, 0xdd}[k%2]), tmp[half[1]], tmp[half[0]], out)
			VMOVDQU32(out, to.Offset(wordBytes*(4*k+j)))
		}
	}
}

// quad transposes 4×4 words within each quarter of four registers.
func quad(r, tmp []reg.VecVirtual) {
	VPUNPCKLDQ(r[1], r[0], tmp[0])
	VPUNPCKHDQ(r[1], r[0], tmp[1])
	VPUNPCKLDQ(r[3], r[2], tmp[2])
	VPUNPCKHDQ(r[3], r[2], tmp[3])
	VPUNPCKLQDQ(tmp[2], tmp[0], r[0])
	VPUNPCKHQDQ(tmp[2], tmp[0], r[1])
	VPUNPCKLQDQ(tmp[3], tmp[1], r[2])
	VPUNPCKHQDQ(tmp[3], tmp[1], r[3])
}

// transposeOut writes the first four words of each lane's state, 16 bytes a lane.
func transposeOut(to Mem, s *stream, swap Mem) {
	Comment(fmt.Sprintf("Tokens of %d lanes.", lanes))
	order := s.t[7]
	VMOVDQU32(swap, order)
	for _, r := range s.state[:4] {
		VPSHUFB(order, r, r)
	}
	quad(s.state[:4], s.t[:4])
	for j, r := range s.state[:4] {
		for k := range 4 {
			VEXTRACTI32X4(Imm(uint64(k)), r, to.Offset(16*(4*k+j)))
		}
	}
}
