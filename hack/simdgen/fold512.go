package main

import (
	. "github.com/mmcloughlin/avo/build"   //nolint:revive // the language of the generators
	. "github.com/mmcloughlin/avo/operand" //nolint:revive // the language of the generators
	"github.com/mmcloughlin/avo/reg"
)

// maxMessage is the longest message that fits one block with its padding.
const maxMessage = 55

// folder holds what every cell needs.
type folder struct {
	text              Mem
	dst               reg.GPVirtual
	low, high         reg.VecVirtual // the alphabet of ASCII
	latin             Mem
	minusOne, highBit reg.VecVirtual
	space, letterS    reg.VecVirtual
	paddings          reg.GPVirtual
	allOnes           reg.GPVirtual
}

// fold turns cells into padded messages, one cell a turn of the loop.
func fold() {
	TEXT("fold512", NOSPLIT|NOFRAME, "func(dst *byte, text *byte, spans *uint32, n uint64, alphabet *byte) (rest, empty uint64)")
	Pragma("noescape")
	Doc("fold512 writes the normal forms of n cells, at most 64, as padded messages. Bit i of rest is set where",
		"cell i is none of its business, and of empty where nothing is left of it.")
	f := newFolder()
	span := argument("spans")
	left := argument("n")
	rest, empty, bit := GP64(), GP64(), GP64()
	XORQ(rest, rest)
	XORQ(empty, empty)
	MOVQ(U32(1), bit)

	start, length := GP64(), GP64()
	cell, inside := ZMM(), K()
	Label("cell")
	f.load(span, start, length, cell, inside)
	mapped := f.mapASCII(cell, inside)

	Label("mapped")
	kept, count := GP64(), GP64()
	Comment("A zero is a character that is left out.")
	keep := K()
	VPTESTMB(mapped, mapped, inside, keep)
	VPCOMPRESSB_Z(mapped, keep, mapped)
	KMOVQ(keep, kept)
	POPCNTQ(kept, count)
	f.collapse(mapped, count)

	Label("pad")
	CMPQ(count, Imm(maxMessage))
	JHI(LabelRef("other"))
	f.pad(mapped, count)
	TESTQ(count, count)
	JNE(LabelRef("next"))
	ORQ(bit, empty)
	JMP(LabelRef("next"))

	Label("other")
	ORQ(bit, rest)

	Label("next")
	ADDQ(Imm(64), f.dst)
	ADDQ(Imm(8), span)
	ADDQ(bit, bit)
	DECQ(left)
	JNE(LabelRef("cell"))
	VZEROUPPER()
	Store(rest, ReturnIndex(0))
	Store(empty, ReturnIndex(1))
	RET()

	Label("beyond")
	f.beyond(cell, mapped, inside)
	JMP(LabelRef("mapped"))
}

// load reads the cell of a span, zeros behind it, and has a bit for each byte inside.
func (f *folder) load(span, start, length reg.GPVirtual, cell reg.VecVirtual, inside reg.OpmaskVirtual) {
	XORQ(start, start)
	MOVL(Mem{Base: span}, start.As32())
	MOVL(Mem{Base: span, Disp: 4}, length.As32())
	SUBQ(start, length)
	CMPQ(length, Imm(64))
	JHI(LabelRef("other"))
	mask := GP64()
	BZHIQ(length, f.allOnes, mask)
	KMOVQ(mask, inside)
	VMOVDQU8_Z(f.text.Idx(start, 1), inside, cell)
}

// mapASCII looks every byte up, and sends cells with any other character on to beyond.
func (f *folder) mapASCII(cell reg.VecVirtual, inside reg.OpmaskVirtual) reg.VecVirtual {
	mapped := ZMM()
	special, unusual := ZMM(), K()
	Comment("Less one, only NUL and the bytes beyond ASCII have their highest bit set: text of valid UTF-8 has no lone 0x80.")
	VPADDB(f.minusOne, cell, special)
	VPTESTMB(f.highBit, special, inside, unusual)
	VMOVDQA64(cell, mapped)
	VPERMI2B(f.high, f.low, mapped)
	KORTESTQ(unusual, unusual)
	JNE(LabelRef("beyond"))
	return mapped
}

func newFolder() *folder {
	f := &folder{
		text: Mem{Base: argument("text")}, dst: argument("dst"),
		low: ZMM(), high: ZMM(), minusOne: ZMM(), highBit: ZMM(), space: ZMM(), letterS: ZMM(),
		paddings: GP64(), allOnes: GP64(),
	}
	alphabet := Mem{Base: argument("alphabet")}
	f.latin = alphabet.Offset(128)
	VMOVDQU64(alphabet, f.low)
	VMOVDQU64(alphabet.Offset(64), f.high)
	VPTERNLOGD(Imm(0xff), f.minusOne, f.minusOne, f.minusOne)
	broadcast(0x80, f.highBit)
	broadcast(' ', f.space)
	broadcast('s', f.letterS)
	LEAQ(paddingTable(), f.paddings)
	MOVQ(I32(-1), f.allOnes)
	return f
}

func broadcast(b byte, to reg.VecVirtual) {
	one := GP32()
	MOVL(U32(uint32(b)), one)
	VPBROADCASTB(one, to)
}

// paddingTable has 0x80 in its middle: read from 64-n it pads a message of n bytes.
func paddingTable() Mem {
	table := GLOBL("paddingTable", rodata)
	for i := 0; i < 128; i += 8 {
		v := uint64(0)
		if i == 64 {
			v = 0x80
		}
		DATA(i, U64(v))
	}
	return table
}

// collapse makes runs of spaces one space and drops those at both ends.
func (f *folder) collapse(text reg.VecVirtual, count reg.GPVirtual) {
	isSpace, keep := K(), K()
	spaces, drop, end := GP64(), GP64(), GP64()
	VPCMPEQB(f.space, text, isSpace)
	KMOVQ(isSpace, spaces)
	TESTQ(spaces, spaces)
	JZ(LabelRef("pad"))
	Comment("A space goes where one is before it, or nothing.")
	LEAQ(Mem{Base: spaces, Index: spaces, Scale: 1, Disp: 1}, drop)
	ANDQ(spaces, drop)
	NOTQ(drop)
	Comment("What is behind the last other character goes too.")
	MOVQ(spaces, end)
	NOTQ(end)
	BZHIQ(count, end, end)
	LZCNTQ(end, end)
	NEGQ(end)
	ADDQ(Imm(64), end)
	BZHIQ(end, drop, drop)
	KMOVQ(drop, keep)
	VPCOMPRESSB_Z(text, keep, text)
	POPCNTQ(drop, count)
}

// pad writes a message of count bytes, its padding and its length in bits,
// which counts the 64 bytes of the key before it.
func (f *folder) pad(text reg.VecVirtual, count reg.GPVirtual) {
	at, bits := GP64(), GP64()
	MOVQ(f.paddings, at)
	SUBQ(count, at)
	VPORQ(Mem{Base: at, Disp: 64}, text, text)
	VMOVDQU64(text, Mem{Base: f.dst})
	LEAQ(Mem{Base: count, Disp: 64}, bits)
	SHLQ(Imm(3), bits)
	BSWAPQ(bits)
	MOVQ(bits, Mem{Base: f.dst, Disp: 56})
}

// beyond maps cells with letters of two bytes led by C3, C4 or C5, and gives up
// on any other character beyond ASCII and on NUL.
func (f *folder) beyond(cell, mapped reg.VecVirtual, inside reg.OpmaskVirtual) {
	odd := K()
	VPTESTNMB(cell, cell, inside, odd)
	KORTESTQ(odd, odd)
	JNE(LabelRef("other"))
	high, lead, second := GP64(), GP64(), GP64()
	highK := K()
	VPMOVB2M(cell, highK)
	KMOVQ(highK, high)
	XORQ(lead, lead)
	lookup, from := ZMM(), ZMM()
	for i, b := range []byte{0xc3, 0xc4, 0xc5} {
		these := GP64()
		broadcast(b, lookup)
		VPCMPEQB(lookup, cell, odd)
		KMOVQ(odd, these)
		ORQ(these, lead)
		ADDQ(these, these)
		KMOVQ(these, odd)
		VMOVDQU64(f.latin.Offset(64*i), from)
		Comment("The index of VPERMB is six bits: those that a second byte carries.")
		VPERMB(from, cell, odd, mapped)
	}
	LEAQ(Mem{Base: lead, Index: lead, Scale: 1}, second)
	both := GP64()
	MOVQ(lead, both)
	ORQ(second, both)
	CMPQ(both, high)
	JNE(LabelRef("other"))
	leadK, secondK := K(), K()
	KMOVQ(second, secondK)
	VPTESTNMB(mapped, mapped, secondK, odd)
	KORTESTQ(odd, odd)
	JNE(LabelRef("other"))
	KMOVQ(lead, leadK)
	VMOVDQU8(cell, leadK, mapped)
	Comment("A second byte that became ASCII is sharp s: both bytes become s.")
	VPMOVB2M(mapped, odd)
	KMOVQ(odd, high)
	NOTQ(high)
	ANDQ(second, high)
	SHRQ(Imm(1), high)
	KMOVQ(high, odd)
	VMOVDQU8(f.letterS, odd, mapped)
}
