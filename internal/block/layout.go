package block

import (
	"encoding/binary"
)

// Layout says where the tokens of an encoded block are, so that one of them is read
// without the others.
type Layout struct {
	Header
	Columns []Place
}

// Place is where the bytes of a column are in its block. Entries is the size of its
// dictionary, 0 where it has none. Offset is that of the first token, or of the
// first entry of the dictionary.
type Place struct{ Offset, Entries int }

// Width is the bytes that a row's place in the dictionary takes.
func (p Place) Width() int { return widthOf(p.Entries) }

// Rows is the offset of the first row's token, or of its place in the dictionary.
func (p Place) Rows() int { return p.Offset + p.Entries*tokenSize }

// Size is the length in bytes of a column of that many rows, from Offset on.
func (p Place) Size(rows int) int {
	if p.Entries == 0 {
		return rows * tokenSize
	}
	return p.Entries*tokenSize + rows*p.Width()
}

// Entry reads a row's place in a dictionary; it has as many bytes as Width says.
func Entry(place []byte) int {
	switch len(place) {
	case 1:
		return int(place[0])
	case 2:
		return int(binary.LittleEndian.Uint16(place))
	default:
		return int(binary.LittleEndian.Uint32(place))
	}
}

// Expand appends the tokens of consecutive rows to dst: words are the entries of the
// dictionary, and places those of the rows. It fails with a *FormatError where a
// place is behind the end of the dictionary.
func Expand(dst, words, places []byte) ([]byte, error) {
	width := widthOf(len(words) / tokenSize)
	for ; len(places) > 0; places = places[width:] {
		at := Entry(places[:width]) * tokenSize
		if at >= len(words) {
			return dst, &FormatError{What: behindEnd}
		}
		dst = append(dst, words[at:at+tokenSize]...)
	}
	return dst, nil
}

const behindEnd = "an entry behind the dictionary's end"

// LayoutOf reads all of a block and says where its tokens are. It refuses whatever
// Decode refuses, and takes little memory.
func LayoutOf(data []byte) (*Layout, error) {
	r := &reader{data: data}
	l := &Layout{Header: r.header()}
	for range l.Header.Columns {
		if r.err != nil {
			break
		}
		l.Columns = append(l.Columns, r.place(l.Rows))
	}
	if r.err == nil && r.at != len(data) {
		r.fail("bytes behind the last column")
	}
	if r.err != nil {
		return nil, r.err
	}
	return l, nil
}

// place reads a column, and wants it as Append would have written it.
func (r *reader) place(rows int) Place {
	encoding := r.uint(1, "a column's encoding")
	if r.err != nil {
		return Place{}
	}
	switch encoding {
	case encodingRaw:
		p := Place{Offset: r.at}
		if tokens := r.take(rows*tokenSize, "a column's tokens"); r.err == nil && r.words.fill(tokens) {
			r.fail("a column without the dictionary that it should have")
		}
		return p
	case encodingDictionary:
		return r.dictionaryPlace(rows)
	default:
		r.fail("a column's encoding is unknown")
		return Place{}
	}
}

// dictionaryPlace wants the entries in the order of their first rows, each once and
// in use: then they are the distinct tokens of the column.
func (r *reader) dictionaryPlace(rows int) Place {
	distinct := int(r.uint(4, "a dictionary's size"))
	if distinct == 0 || distinct > (rows-1)/4 {
		r.fail("a dictionary's size")
		return Place{}
	}
	p := Place{Offset: r.at, Entries: distinct}
	words := r.take(distinct*tokenSize, "a dictionary")
	places := r.take(rows*p.Width(), "a dictionary's index")
	if r.err != nil {
		return p
	}
	switch used := usedInOrder(places, p.Width(), distinct); {
	case used > distinct:
		r.fail(behindEnd)
	case used < distinct || !r.words.distinct(words):
		r.fail("a dictionary that is not that of its column")
	}
	return p
}

// usedInOrder counts the entries that places use, as far as each first one comes
// behind those before it; one more than most where a place is behind the end.
func usedInOrder(places []byte, width, most int) (used int) {
	ordered := true
	for ; len(places) > 0; places = places[width:] {
		switch at := Entry(places[:width]); {
		case at >= most:
			return most + 1
		case at == used && ordered:
			used++
		case at > used:
			ordered = false
		}
	}
	if !ordered {
		return 0
	}
	return used
}

// distinct reports whether no token is in words twice.
func (x *dictionary) distinct(words []byte) bool {
	count := len(words) / tokenSize
	x.slots = cleared(x.slots, powerOfTwo(2*count))
	x.entries = x.entries[:0]
	mask := uint64(len(x.slots) - 1)
	for at := 0; at < len(words); at += tokenSize {
		token := words[at : at+tokenSize]
		if place, ok := x.place(token, hashOf(token)&mask, count); !ok || int(place) != at/tokenSize {
			return false
		}
	}
	return true
}
