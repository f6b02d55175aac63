package main

import (
	. "github.com/mmcloughlin/avo/build"   //nolint:revive // the language of the generators
	. "github.com/mmcloughlin/avo/operand" //nolint:revive // the language of the generators
	"github.com/mmcloughlin/avo/reg"
)

// scanner is what the loop over blocks holds. What a block leaves for the first
// byte of the next one: within quotes (all ones or zero); behind the end of a
// cell; behind a closing quote; behind a carriage return that has to belong to a
// line end.
type scanner struct {
	delimiters, feeds, quotes, returns, places reg.VecVirtual
	ones                                       reg.VecVirtual
	within, behindEnd, behindClose             reg.GPVirtual
	behindReturn, position                     reg.GPVirtual
	any                                        reg.VecVirtual
	doubled                                    reg.OpmaskVirtual
}

// index finds the ends of cells, 64 bytes a turn. See indexer.ends in Go for
// what the masks mean: this is the same with the positions written by
// compression in place of a loop over bits.
func index() {
	TEXT("index512", NOSPLIT|NOFRAME, "func(ends *uint32, text *byte, blocks uint64, delimiter uint64) (n, done, flags uint64)")
	Pragma("noescape")
	Doc("index512 writes the positions of delimiters and line feeds outside quotes of blocks of 64 bytes,",
		"and stops before the block with a quote where none may be. It may write 16 positions more than n.")
	out, limit := argument("ends"), argument("blocks")
	text := Mem{Base: argument("text")}
	SHLQ(Imm(6), limit)
	s := newScanner()

	Label("block")
	CMPQ(s.position, limit)
	JEQ(LabelRef("end"))
	bytes := ZMM()
	VMOVDQU64(text.Idx(s.position, 1), bytes)
	VPORQ(bytes, s.any, s.any)
	ends, feed, quote := maskOf(s.delimiters, bytes), maskOf(s.feeds, bytes), maskOf(s.quotes, bytes)
	ORQ(feed, ends)
	inside := s.insideQuotes(quote)
	ANDNQ(ends, inside, ends)
	s.checkQuotes(bytes, ends, feed, quote, inside)
	JNE(LabelRef("end"))
	writePositions(out, ends, s.position, s.places)
	ADDQ(Imm(64), s.position)
	JMP(LabelRef("block"))

	Label("end")
	SUBQ(argument("ends"), out)
	SHRQ(Imm(2), out)
	Store(out, ReturnIndex(0))
	SHRQ(Imm(6), s.position)
	Store(s.position, ReturnIndex(1))
	flags := flagsOf(s.any, s.doubled)
	VZEROUPPER()
	Store(flags, ReturnIndex(2))
	RET()
}

// newScanner stands where a row starts, as if behind the end of a cell.
func newScanner() *scanner {
	s := &scanner{delimiters: ZMM(), feeds: ZMM(), quotes: ZMM(), returns: ZMM(), places: ZMM()}
	VPBROADCASTB(argument("delimiter").As32(), s.delimiters)
	broadcast('\n', s.feeds)
	broadcast('"', s.quotes)
	broadcast('\r', s.returns)
	VMOVDQU64(iota512(), s.places)
	s.ones = XMM()
	VPCMPEQD(s.ones, s.ones, s.ones)
	s.within, s.behindEnd, s.behindClose, s.behindReturn = GP64(), GP64(), GP64(), GP64()
	XORQ(s.within, s.within)
	MOVQ(U32(1), s.behindEnd)
	XORQ(s.behindClose, s.behindClose)
	XORQ(s.behindReturn, s.behindReturn)
	s.any, s.doubled, s.position = ZMM(), K(), GP64()
	VPXORQ(s.any, s.any, s.any)
	KXORQ(s.doubled, s.doubled, s.doubled)
	XORQ(s.position, s.position)
	return s
}

// insideQuotes has the bytes within quotes, opening ones among them.
func (s *scanner) insideQuotes(quote reg.GPVirtual) reg.GPVirtual {
	Comment("Prefix XOR: a bit says whether the quotes up to and with its byte are odd in number.")
	inside := GP64()
	x := XMM()
	VMOVQ(quote, x)
	VPCLMULQDQ(Imm(0), s.ones, x, x)
	VMOVQ(x, inside)
	XORQ(s.within, inside)
	MOVQ(inside, s.within)
	SARQ(Imm(63), s.within)
	return inside
}

// checkQuotes leaves the zero flag clear where a quote is wrong.
func (s *scanner) checkQuotes(bytes reg.VecVirtual, ends, feed, quote, inside reg.GPVirtual) {
	Comment("Each opening quote follows the end of a cell or a closing quote, each closing quote is followed by either or by a line end.")
	opening, closing, bad, next := GP64(), GP64(), GP64(), GP64()
	MOVQ(quote, opening)
	ANDQ(inside, opening)
	ANDNQ(quote, inside, closing)
	MOVQ(ends, bad)
	shiftIn(bad, s.behindEnd)
	MOVQ(closing, next)
	shiftIn(next, s.behindClose)
	both, bothK := GP64(), K()
	MOVQ(opening, both)
	ANDQ(next, both)
	KMOVQ(both, bothK)
	KORQ(bothK, s.doubled, s.doubled)
	ORQ(next, bad)
	ANDNQ(opening, bad, bad)
	ANDNQ(next, ends, next)
	ANDNQ(next, opening, next)
	Comment("What is left behind a closing quote has to be a carriage return, and behind that a line feed.")
	returned := maskOf(s.returns, bytes)
	ANDQ(next, returned)
	XORQ(returned, next)
	ORQ(next, bad)
	shiftIn(returned, s.behindReturn)
	ANDNQ(returned, feed, returned)
	ORQ(returned, bad)
}

// maskOf has a bit for each byte that equals.
func maskOf(pattern, bytes reg.VecVirtual) reg.GPVirtual {
	k, mask := K(), GP64()
	VPCMPEQB(pattern, bytes, k)
	KMOVQ(k, mask)
	return mask
}

// shiftIn moves a mask one byte on: carry comes in below, and takes what goes
// out above.
func shiftIn(mask, carry reg.GPVirtual) {
	out := GP64()
	MOVQ(mask, out)
	SHRQ(Imm(63), out)
	LEAQ(Mem{Base: carry, Index: mask, Scale: 2}, mask)
	MOVQ(out, carry)
}

// writePositions appends the places of the bits of a mask, sixteen at a time.
func writePositions(out, mask, position reg.GPVirtual, places reg.VecVirtual) {
	k, count := K(), GP64()
	KMOVQ(mask, k)
	POPCNTQ(mask, count)
	packed, base, wide := ZMM(), ZMM(), ZMM()
	VPCOMPRESSB_Z(places, k, packed)
	VPBROADCASTD(position.As32(), base)
	for part := range 4 {
		quarter := packed.AsX()
		if part > 0 {
			CMPQ(count, Imm(uint64(16*part)))
			JLS(LabelRef("written"))
			quarter = XMM()
			VEXTRACTI32X4(Imm(uint64(part)), packed, quarter)
		}
		VPMOVZXBD(quarter, wide)
		VPADDD(base, wide, wide)
		VMOVDQU32(wide, Mem{Base: out, Disp: 64 * part})
	}
	Label("written")
	LEAQ(Mem{Base: out, Index: count, Scale: 4}, out)
}

// flagsOf are the Flags of index.go: 1 for bytes beyond ASCII, 2 for doubled
// quotes.
func flagsOf(any reg.VecVirtual, doubled reg.OpmaskVirtual) reg.GPVirtual {
	beyond, flags, two := K(), GP8(), GP8()
	VPMOVB2M(any, beyond)
	KORTESTQ(beyond, beyond)
	SETNE(flags)
	KORTESTQ(doubled, doubled)
	SETNE(two)
	ADDB(two, two)
	ORB(two, flags)
	wide := GP64()
	MOVBQZX(flags, wide)
	return wide
}

func iota512() Mem {
	m := GLOBL("places", rodata)
	for i := range 8 {
		var v uint64
		for j := range 8 {
			v |= uint64(8*i+j) << (8 * j)
		}
		DATA(8*i, U64(v))
	}
	return m
}
