package main

import (
	. "github.com/mmcloughlin/avo/build"   //nolint:revive // the language of the generators
	. "github.com/mmcloughlin/avo/operand" //nolint:revive // the language of the generators
	"github.com/mmcloughlin/avo/reg"
)

// What two neighbouring bytes can do wrong, one bit each. Three tables, by the
// first byte's upper and lower half and the second's upper half, agree on a bit
// exactly where the pair has that fault (Keiser and Lemire, "Validating UTF-8 in
// less than one instruction per byte", 2021).
const (
	tooShort   = 1 << iota // a lead, and no continuation behind it
	tooLong                // a continuation behind ASCII
	overlong3              // E0 80 to E0 9F
	tooLarge               // F4 90 and on, F5 and on
	surrogate              // ED A0 and on
	overlong2              // C0, C1
	tooLarge1k             // F5 and on with 80 to 8F; shared with F0 80 to F0 8F
	twoConts               // two continuations: fine where a longer character has them
	overlong4  = tooLarge1k
	carry      = tooShort | tooLong | twoConts // whatever the lower half is
)

// pairTables are by the first byte's upper and lower half and the second's upper half.
func pairTables() []Mem {
	firstHigh := nibbles("firstHigh", [16]byte{
		tooLong, tooLong, tooLong, tooLong, tooLong, tooLong, tooLong, tooLong,
		twoConts, twoConts, twoConts, twoConts,
		tooShort | overlong2, tooShort, tooShort | overlong3 | surrogate, tooShort | tooLarge | tooLarge1k | overlong4,
	})
	large := byte(carry | tooLarge | tooLarge1k)
	firstLow := nibbles("firstLow", [16]byte{
		carry | overlong3 | overlong2 | overlong4, carry | overlong2, carry, carry,
		carry | tooLarge, large, large, large, large, large, large, large, large, large | surrogate, large, large,
	})
	secondHigh := nibbles("secondHigh", [16]byte{
		tooShort, tooShort, tooShort, tooShort, tooShort, tooShort, tooShort, tooShort,
		tooLong | overlong2 | twoConts | overlong3 | tooLarge1k | overlong4, tooLong | overlong2 | twoConts | overlong3 | tooLarge,
		tooLong | overlong2 | twoConts | surrogate | tooLarge, tooLong | overlong2 | twoConts | surrogate | tooLarge,
		tooShort, tooShort, tooShort, tooShort,
	})
	return []Mem{firstHigh, firstLow, secondHigh}
}

func validUTF8() {
	tables := pairTables()
	TEXT("validUTF8x512", NOSPLIT|NOFRAME, "func(text *byte, blocks uint64) bool")
	Pragma("noescape")
	Doc("validUTF8x512 tells whether no byte of the blocks of 64 bytes goes wrong, given the three bytes before text,",
		"which it reads. A character that is cut off at the very end goes unseen.")
	text, left := argument("text"), argument("blocks")
	fault, half := ZMM(), ZMM()
	VPXORQ(fault, fault, fault)
	broadcast(0x0f, half)
	least3, least4, highBit := ZMM(), ZMM(), ZMM()
	broadcast(0xe0-0x80, least3)
	broadcast(0xf0-0x80, least4)
	broadcast(0x80, highBit)
	table := [3]reg.VecVirtual{ZMM(), ZMM(), ZMM()}
	for i, m := range tables {
		VBROADCASTI32X4(m, table[i])
	}

	Label("block")
	now, before := ZMM(), [4]reg.VecVirtual{}
	VMOVDQU64(Mem{Base: text}, now)
	for i := 1; i <= 3; i++ {
		before[i] = ZMM()
		VMOVDQU64(Mem{Base: text, Disp: -i}, before[i])
	}
	pair, looked := ZMM(), ZMM()
	upperHalf(before[1], half, pair)
	VPSHUFB(pair, table[0], pair)
	VPANDQ(half, before[1], looked)
	VPSHUFB(looked, table[1], looked)
	VPANDQ(looked, pair, pair)
	upperHalf(now, half, looked)
	VPSHUFB(looked, table[2], looked)
	VPANDQ(looked, pair, pair)
	Comment("Two continuations are right exactly where a character of three or four bytes began two or three bytes before.")
	VPSUBUSB(least3, before[2], before[2])
	VPSUBUSB(least4, before[3], before[3])
	VPORQ(before[2], before[3], before[2])
	VPANDQ(highBit, before[2], before[2])
	VPXORQ(pair, before[2], pair)
	VPORQ(pair, fault, fault)
	ADDQ(Imm(64), text)
	DECQ(left)
	JNE(LabelRef("block"))

	k, ok := K(), GP8()
	VPTESTMB(fault, fault, k)
	KORTESTQ(k, k)
	SETEQ(ok)
	VZEROUPPER()
	Store(ok, ReturnIndex(0))
	RET()
}

func upperHalf(of, half, to reg.VecVirtual) {
	VPSRLW(Imm(4), of, to)
	VPANDQ(half, to, to)
}

func nibbles(name string, of [16]byte) Mem {
	m := GLOBL(name, rodata)
	for i, b := range of {
		DATA(i, U8(b))
	}
	return m
}
