package simd

import (
	"bytes"
	"errors"
	"slices"
	"strings"
)

// selfTest holds a path against the portable one on a small text that visits
// every instruction of its loops. What is wrong on this machine shows here, and
// not in tokens that match nothing.
func (p *path) selfTest() error {
	text := []byte(strings.Repeat("919-76-6487,\"Van der \"\"Berg\"\"\",Zoë Müßig,(555) 010-9999\r\n,,\"\",x\n", 40))
	text = append(text, make([]byte, BlockSize-len(text)%BlockSize)...)
	got, want := make([]uint32, len(text)+IndexSlack), make([]uint32, len(text)+IndexSlack)
	n, scanned, flags := p.index(got, text, ',')
	wantN, wantScanned, wantFlags := indexPortable(want, text, ',')
	if n != wantN || scanned != wantScanned || flags != wantFlags || !slices.Equal(got[:n], want[:wantN]) {
		return errors.New("the index of a text is wrong on this machine")
	}
	if !p.validUTF8(text) || p.validUTF8(append(bytes.Clone(text), "\xed\xa0\x80"...)) {
		return errors.New("the check of UTF-8 is wrong on this machine")
	}
	return p.selfTestMAC(text)
}

func (p *path) selfTestMAC(text []byte) error {
	m := NewMAC([]byte("a key for the self-test, 32 long"))
	messages := new(Batch)
	pieces := make([][]byte, Lanes)
	for i := range messages {
		pieces[i] = text[i : i+i*MaxMessage/(Lanes-1)]
		messages[i].Put(pieces[i])
	}
	for _, n := range []int{1, 2, Lanes - 1, Lanes} {
		tokens := make([]byte, n*TokenSize)
		p.tokens(m, tokens, messages, n)
		for i := range n {
			if !bytes.Equal(tokens[i*TokenSize:(i+1)*TokenSize], m.Sum(nil, pieces[i])) {
				return errors.New("HMAC-SHA-256 is wrong on this machine")
			}
		}
	}
	return nil
}
