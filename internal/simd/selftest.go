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
	n, _, flags = p.indexLiteral(got, text, ',')
	wantN, _, wantFlags = portable.indexLiteral(want, text, ',')
	if n != wantN || flags != wantFlags || !slices.Equal(got[:n], want[:wantN]) {
		return errors.New("the index of a text without quoting is wrong on this machine")
	}
	if !p.validUTF8(text) || p.validUTF8(append(bytes.Clone(text), "\xed\xa0\x80"...)) {
		return errors.New("the check of UTF-8 is wrong on this machine")
	}
	return errors.Join(p.selfTestFold(), p.selfTestMAC(text))
}

// selfTestFold folds cells whose results are known. A path may leave any of them
// to its caller, and has to leave those that it cannot know.
func (p *path) selfTestFold() error {
	a := &Alphabet{}
	for c := byte(1); c < 0x80; c++ {
		a.ASCII[c] = c
	}
	a.ASCII['-'], a.ASCII['\t'], a.ASCII['M'] = 0, ' ', 'm'
	for i := range a.Latin[0] {
		a.Latin[0][i] = 0x80 + byte(i)
	}
	a.Latin[0][0x1c], a.Latin[0][0x1f] = 0xbc, 's' // small u with its dots, sharp s
	known := []struct {
		cell, folded string
		left         bool
	}{
		{cell: "-M-n  o\t p-- ", folded: "mn o p"}, {cell: "\u00dcber die Stra\u00dfe", folded: "\u00fcber die Strasse"}, {cell: " - ", folded: ""}, {cell: "", folded: ""},
		{cell: strings.Repeat("x", MaxMessage), folded: strings.Repeat("x", MaxMessage)}, {cell: strings.Repeat("x", MaxMessage+1), left: true},
		{cell: "a\x00", left: true}, {cell: "\u0100", left: true}, {cell: "\u6f22", left: true}, {cell: strings.Repeat("-", BlockSize+1), left: true},
	}
	var text []byte
	var spans []Span
	for _, k := range known {
		spans = append(spans, Span{Start: uint32(len(text)), End: uint32(len(text) + len(k.cell))})
		text = append(text, k.cell...)
	}
	got := new(Batch)
	rest, empty := p.fold(got, text, spans, a)
	for i, k := range known {
		var want Message
		want.Put([]byte(k.folded))
		isLeft, isEmpty := rest>>i&1 == 1, empty>>i&1 == 1
		if !isLeft && (k.left || got[i] != want || isEmpty != (k.folded == "")) {
			return errors.New("the folding of a cell is wrong on this machine")
		}
	}
	return nil
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
