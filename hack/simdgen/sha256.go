package main

import (
	"math/big"

	. "github.com/mmcloughlin/avo/build"   //nolint:revive // the language of the generators
	. "github.com/mmcloughlin/avo/operand" //nolint:revive // the language of the generators
)

// fracBits is the first 32 bits of the fractional part of the cube root of n:
// FIPS 180-4 takes the round constants from the first 64 primes.
func fracBits(n int64) uint32 {
	// The integer cube root of n·2^96 is the cube root of n with 32 binary places.
	want := new(big.Int).Lsh(big.NewInt(n), 96)
	root := new(big.Int)
	for bit := 40; bit >= 0; bit-- {
		try := new(big.Int).SetBit(root, bit, 1)
		if new(big.Int).Exp(try, big.NewInt(3), nil).Cmp(want) <= 0 {
			root = try
		}
	}
	return uint32(root.Uint64())
}

func firstPrimes(n int) []int64 {
	var primes []int64
	for p := int64(2); len(primes) < n; p++ {
		if big.NewInt(p).ProbablyPrime(0) {
			primes = append(primes, p)
		}
	}
	return primes
}

// roundConstants is a table of SHA-256's 64 round constants.
func roundConstants(name string) Mem {
	table := GLOBL(name, rodata)
	for i, p := range firstPrimes(64) {
		DATA(4*i, U32(fracBits(p)))
	}
	return table
}

// The second of HMAC's two hashes is over one more block: the 32 bytes of the
// first hash, then the padding, whose length counts the block of the key too.
const (
	padding   = 0x80000000
	outerBits = (64 + 32) * 8
)
