// Command simdgen writes the assembly of internal/simd. One call writes one
// file of kernels and the Go declarations beside it:
//
//	go run . -kernels avx512 -out avx512_amd64.s -stubs avx512_amd64.go -pkg simd
package main

import (
	"flag"
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build" //nolint:revive // the language of the generators
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	kernels := flag.String("kernels", "", "which kernels to write: avx512 or shani")
	flag.Parse()
	ConstraintExpr("amd64")
	switch *kernels {
	case "avx512":
		hmac32()
		fold()
		index()
		validUTF8()
	case "shani":
		hmac2()
		classify()
	default:
		fmt.Fprintln(os.Stderr, "simdgen: -kernels must be avx512 or shani")
		os.Exit(2)
	}
	Generate()
}

// argument loads an argument of the function into a register.
func argument(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	return r
}
