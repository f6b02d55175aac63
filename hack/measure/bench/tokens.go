package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// tokenSum adds up tokens as two numbers each. It does not depend on their
// order, so every pipeline over the same table has the same.
type tokenSum struct{ low, high uint64 }

// add takes tokens one after another.
func (s *tokenSum) add(tokens []byte) {
	for ; len(tokens) >= plainToken; tokens = tokens[plainToken:] {
		s.low += binary.LittleEndian.Uint64(tokens)
		s.high += binary.LittleEndian.Uint64(tokens[8:])
	}
}

func (s *tokenSum) String() string { return fmt.Sprintf("%016x%016x", s.high, s.low) }

// sumOfPlainBlocks reads blocks as the plain pipeline and Python write them:
// columns of tokens and four bytes of CRC.
func sumOfPlainBlocks(path string, t tableSpec) (string, error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = in.Close() }() // it was only read
	var sum tokenSum
	for left := t.Rows; left > 0; left -= t.rowsPerBlock() {
		block := make([]byte, min(left, t.rowsPerBlock())*t.Fields*plainToken+4)
		if _, err := io.ReadFull(in, block); err != nil {
			return "", fmt.Errorf("read the blocks of the plain form: %w", err)
		}
		sum.add(block[:len(block)-4])
	}
	if n, err := io.Copy(io.Discard, in); n > 0 || err != nil {
		return "", errors.Join(err, errors.New("there are bytes behind the last block"))
	}
	return sum.String(), nil
}
