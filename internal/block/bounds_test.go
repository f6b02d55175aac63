package block

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
)

func longest(columns int) Header {
	name := strings.Repeat("n", maxName)
	h := Header{Rules: name, Store: name, Rows: 1}
	for c := range columns {
		h.Columns = append(h.Columns, name[:maxName-2]+string(rune('a'+c))+"x")
	}
	return h
}

// The bound of a block's size holds for the longest names, with one name to spare and
// the size of a dictionary that one row does not have.
func TestTheBoundOfASizeHolds(t *testing.T) {
	for _, columns := range []int{1, 3} {
		h := longest(columns)
		var tokens [][]byte
		for range columns {
			tokens = append(tokens, make([]byte, tokenSize))
		}
		got, err := Append(nil, h, tokens)
		if err != nil {
			t.Fatal(err)
		}
		if want := SizeBound(1, columns) - (2 + maxName) - 4*columns; len(got) != want {
			t.Errorf("%d columns: %d bytes, want %d", columns, len(got), want)
		}
		if rows := LargestRowsPerBlock(columns); rows < MaxRows && (SizeBound(rows, columns) > MaxSize || SizeBound(rows+1, columns) <= MaxSize) {
			t.Errorf("%d columns: %d rows are not the most", columns, rows)
		}
	}
}

// What is just in range is a block, and what is just beyond is none.
func TestHeadersAtTheirBounds(t *testing.T) {
	tokens := [][]byte{make([]byte, tokenSize)}
	h := longest(1)
	h.Index, h.FirstRow = math.MaxInt32, math.MaxInt64
	data, err := Append(nil, h, tokens)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Decode(data); err != nil || got.Index != h.Index || got.FirstRow != h.FirstRow || got.Store != h.Store {
		t.Errorf("%+v, %v", got, err)
	}
	beyond := func(name string, change func([]byte) []byte) {
		t.Helper()
		var format *FormatError
		if _, err := Decode(change(append([]byte(nil), data...))); !errors.As(err, &format) {
			t.Errorf("%s: %v", name, err)
		}
	}
	at := len(magic) + 2 + maxName + len(h.KeyID) + 2 + maxName // of the index
	beyond("an index", func(b []byte) []byte { binary.LittleEndian.PutUint32(b[at:], math.MaxInt32+1); return b })
	beyond("a first row", func(b []byte) []byte { binary.LittleEndian.PutUint64(b[at+4:], math.MaxInt64+1); return b })
	for rows, is := range map[uint32]bool{0: false, MaxRows: true, MaxRows + 1: false} {
		b := append([]byte(nil), data...)
		binary.LittleEndian.PutUint32(b[at+12:], rows)
		if _, err := DecodeHeader(b); (err == nil) != is {
			t.Errorf("%d rows: %v", rows, err)
		}
	}
}

// Dictionaries of one, two and four bytes an entry come back, and an entry behind
// their end is refused.
func TestDictionariesOfEveryWidth(t *testing.T) {
	for _, distinct := range []int{2, 1 << 8, 1<<8 + 1, 1 << 16, 1<<16 + 1} {
		rows := 4*distinct + 1
		tokens := make([]byte, rows*tokenSize)
		for row := range rows {
			binary.BigEndian.PutUint64(tokens[row*tokenSize:], uint64(row%distinct)*0x9e3779b97f4a7c15)
		}
		h := Header{Rules: "v1", Store: "s", Rows: rows, Columns: []string{"a"}}
		data, err := Append(nil, h, [][]byte{tokens})
		if err != nil {
			t.Fatal(err)
		}
		if len(data) >= rows*tokenSize {
			t.Errorf("%d distinct tokens have no dictionary", distinct)
		}
		got, err := Decode(data)
		if err != nil || string(got.Column(0)) != string(tokens) {
			t.Errorf("%d distinct tokens do not come back: %v", distinct, err)
		}
		width := widthOf(distinct)
		var last [4]byte
		binary.LittleEndian.PutUint32(last[:], uint32(distinct))
		if uint64(distinct)>>(8*width) == 0 { // it can be written
			copy(data[len(data)-width:], last[:width])
			var format *FormatError
			if _, err := Decode(data); !errors.As(err, &format) || format.What != "an entry behind the dictionary's end" {
				t.Errorf("%d distinct tokens: the entry %d is read as %v", distinct, distinct, err)
			}
		}
	}
}
