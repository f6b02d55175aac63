package main

import (
	. "github.com/mmcloughlin/avo/build"   //nolint:revive // the language of the generators
	. "github.com/mmcloughlin/avo/operand" //nolint:revive // the language of the generators
	"github.com/mmcloughlin/avo/reg"
)

// message is one message on its way through SHA-256 by the instructions for
// it: the state as they want it, A, B, E, F and C, D, G, H from the highest word
// down, and the sixteen latest words of the schedule.
type message struct {
	abef, cdgh reg.VecVirtual
	w          [4]reg.VecVirtual
}

// hmac2 makes two tokens. The instruction of two rounds takes longer than it
// keeps its unit busy: two messages by turns fill it.
func hmac2() {
	TEXT("hmac2", NOSPLIT|NOFRAME, "func(dst *byte, messages *byte, states *[16]uint32)")
	Pragma("noescape")
	Doc("hmac2 writes the first 16 bytes of the HMAC of two messages of one block each, one after another.",
		"states are those of SHA-256 behind the key's inner and outer block, each as F E B A, H G D C.")
	dst, messages, states := argument("dst"), argument("messages"), Mem{Base: argument("states")}
	k := GP64()
	LEAQ(roundConstants("roundConstantsNI"), k)
	swap, tmp := XMM(), XMM()
	order := GLOBL("byteSwap128", rodata)
	DATA(0, U64(0x0405060700010203))
	DATA(8, U64(0x0c0d0e0f08090a0b))
	MOVOU(order, swap)
	var pair [2]*message
	for i := range pair {
		m := &message{abef: XMM(), cdgh: XMM()}
		pair[i] = m
		for j := range m.w {
			m.w[j] = XMM()
			MOVOU(Mem{Base: messages, Disp: 64*i + 16*j}, m.w[j])
			PSHUFB(swap, m.w[j])
		}
		MOVOU(states, m.abef)
		MOVOU(states.Offset(16), m.cdgh)
	}
	roundsNI(pair, Mem{Base: k}, tmp)
	end, length := GLOBL("paddingNI", rodata), 16
	DATA(0, U32(padding))
	DATA(4, U32(0))
	DATA(8, U64(0))
	DATA(length, U64(0))
	DATA(length+8, U32(0))
	DATA(length+12, U32(outerBits))
	for _, m := range pair {
		m.finish(states, tmp)
		MOVO(m.abef, m.w[0])
		MOVO(m.cdgh, m.w[1])
		MOVOU(end, m.w[2])
		MOVOU(end.Offset(length), m.w[3])
		MOVOU(states.Offset(32), m.abef)
		MOVOU(states.Offset(48), m.cdgh)
	}
	roundsNI(pair, Mem{Base: k}, tmp)
	for i, m := range pair {
		m.finish(states.Offset(32), tmp)
		PSHUFB(swap, m.abef)
		MOVOU(m.abef, Mem{Base: dst, Disp: 16 * i})
	}
	RET()
}

// roundsNI writes the 64 rounds of both messages, four at a time.
func roundsNI(pair [2]*message, k Mem, tmp reg.VecVirtual) {
	for i := range 16 {
		for _, m := range pair {
			now, next, last := m.w[i%4], m.w[(i+1)%4], m.w[(i+3)%4]
			MOVO(now, reg.X0)
			PADDD(k.Offset(16*i), reg.X0)
			SHA256RNDS2(reg.X0, m.abef, m.cdgh)
			if i >= 3 && i < 15 {
				MOVO(now, tmp)
				PALIGNR(Imm(4), last, tmp)
				PADDD(tmp, next)
				SHA256MSG2(now, next)
			}
			PSHUFD(Imm(0x0e), reg.X0, reg.X0)
			SHA256RNDS2(reg.X0, m.cdgh, m.abef)
			if i >= 1 && i < 13 {
				SHA256MSG1(now, last)
			}
		}
	}
}

// finish adds the state that the rounds began with and brings the words into
// their natural order: A to D in abef, E to H in cdgh.
func (m *message) finish(began Mem, tmp reg.VecVirtual) {
	MOVOU(began, tmp)
	PADDD(tmp, m.abef)
	MOVOU(began.Offset(16), tmp)
	PADDD(tmp, m.cdgh)
	PSHUFD(Imm(0x1b), m.abef, tmp)
	PSHUFD(Imm(0xb1), m.cdgh, m.cdgh)
	MOVO(tmp, m.abef)
	PBLENDW(Imm(0xf0), m.cdgh, m.abef)
	PALIGNR(Imm(8), tmp, m.cdgh)
}

// classify sorts the bytes of a text, 64 a turn.
func classify() {
	TEXT("classify256", NOSPLIT|NOFRAME, "func(masks *uint64, text *byte, blocks uint64, delimiter uint64)")
	Pragma("noescape")
	Doc("classify256 writes the masks of each block of 64 bytes, as type masks has them.")
	out, text, left := argument("masks"), argument("text"), argument("blocks")
	delimiters, feeds, quotes := YMM(), YMM(), YMM()
	broadcast256(argument("delimiter"), delimiters)
	for i, b := range []uint32{'\n', '"'} {
		value := GP64()
		MOVQ(U32(b), value)
		broadcast256(value, []reg.VecVirtual{feeds, quotes}[i])
	}
	Label("block")
	var end, quote, beyond [2]reg.GPVirtual
	for half := range 2 {
		bytes, is, also := YMM(), YMM(), YMM()
		VMOVDQU(Mem{Base: text, Disp: 32 * half}, bytes)
		beyond[half] = bitsOf(bytes)
		VPCMPEQB(bytes, delimiters, is)
		VPCMPEQB(bytes, feeds, also)
		VPOR(is, also, is)
		end[half] = bitsOf(is)
		VPCMPEQB(bytes, quotes, is)
		quote[half] = bitsOf(is)
	}
	for i, mask := range [][2]reg.GPVirtual{end, quote, beyond} {
		SHLQ(Imm(32), mask[1])
		ORQ(mask[0], mask[1])
		MOVQ(mask[1], Mem{Base: out, Disp: 8 * i})
	}
	ADDQ(Imm(64), text)
	ADDQ(Imm(24), out)
	DECQ(left)
	JNE(LabelRef("block"))
	VZEROUPPER()
	RET()
}

func broadcast256(value reg.GPVirtual, to reg.VecVirtual) {
	x := XMM()
	MOVQ(value, x)
	VPBROADCASTB(x, to)
}

// bitsOf has the highest bit of each byte.
func bitsOf(bytes reg.VecVirtual) reg.GPVirtual {
	mask := GP64()
	VPMOVMSKB(bytes, mask.As32())
	return mask
}
