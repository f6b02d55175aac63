package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
)

// generatorVersion is part of a cached table's name: change it with the rows.
const generatorVersion = 1

var (
	plainFirst = strings.Fields(`Aaron Beatrix Cedric Dorothy Edgar Felicity Gordon Harriet Ian Josephine Keith Lorna
		Malcolm Nadine Owen Philippa Quentin Rosalind Stuart Tabitha Ursula Vincent Winifred Yvonne`)
	accentedFirst = strings.Fields(`Anaïs Björn Cécile Jörg Łukasz Noël Renée Siân Søren Zoë`)
	plainLast     = strings.Fields(`Abbott Barlow Chandler Donovan Ellis Forsyth Gallagher Hartley Ingram Jarvis Kendall
		Lockwood Mercer Norris O'Brien O'Shea Pemberton-Lowe Quigley Ramsey Sutton Thorne Underwood Van-den-Berg Whitaker`)
	accentedLast = strings.Fields(`Brânză García Jiménez Kovács Lefèvre Müller Núñez Škoda`)
	streets      = strings.Fields(`Abbey Bridge Castle Cedar College Forest Grange Harbour Hill Lake Meadow Orchard River School Spring`)
	ways         = strings.Fields(`Avenue Close Court Drive Lane Road Street`)
	towns        = strings.Fields(`Aberdeen Bath Carlisle Durham Ely Falmouth Gloucester Hereford Ipswich Kendal Lancaster Margate Newport`)
)

// Shares that make 26 % of the rows hold a letter beyond ASCII.
const (
	accentedFirstShare = 0.170
	accentedLastShare  = 0.1085
	accentedRowShare   = 0.26
)

// fewRows is how many different rows the shape "few" has.
const fewRows = 50

// generator writes the rows of one table. The same shape and seed give the same
// bytes, and a shorter table is the beginning of a longer one.
type generator struct {
	shape  string
	random *rand.Rand
	few    [][]byte
}

func newGenerator(shape string, seed uint64) *generator {
	g := &generator{shape: shape, random: rand.New(rand.NewPCG(seed, 0x7461626c65))} //nolint:gosec // a seeded table, not a secret
	if shape == shapeFew {
		for n := range fewRows {
			g.few = append(g.few, g.patient(nil, n))
		}
	}
	return g
}

// writeTable writes the header and the rows.
func writeTable(w io.Writer, t tableSpec, seed uint64) error {
	out := bufio.NewWriterSize(w, 1<<20)
	names := make([]string, 0, len(t.columns()))
	for _, c := range t.columns() {
		names = append(names, c.Name)
	}
	if _, err := fmt.Fprintln(out, strings.Join(names, ",")); err != nil {
		return err
	}
	g := newGenerator(t.Shape, seed)
	var row []byte
	for n := range t.Rows {
		row = append(g.row(row[:0], n), '\n')
		if _, err := out.Write(row); err != nil {
			return err
		}
	}
	return out.Flush()
}

// row appends row n, counted from 0.
func (g *generator) row(dst []byte, n int) []byte {
	switch g.shape {
	case shapeWide:
		for copies := range 4 {
			if copies > 0 {
				dst = append(dst, ',')
			}
			dst = g.patient(dst, n)
		}
		return dst
	case shapeShort:
		return g.short(dst, n)
	case shapeLong:
		return g.long(dst)
	case shapeFew:
		return append(dst, g.few[g.random.IntN(len(g.few))]...)
	}
	return g.patient(dst, n)
}

func (g *generator) pick(words []string) string { return words[g.random.IntN(len(words))] }

// name picks a plain name or, at a share, an accented one. The random numbers
// that it takes are the same for every shape.
func (g *generator) name(plain, accented []string, share float64) string {
	isAccented, at := g.random.Float64() < share, g.random.Float64()
	if isAccented && g.shape != shapeASCII {
		return accented[int(at*float64(len(accented)))]
	}
	return plain[int(at*float64(len(plain)))]
}

// patient appends the eight cells of a patient.
func (g *generator) patient(dst []byte, n int) []byte {
	first := g.name(plainFirst, accentedFirst, accentedFirstShare)
	last := g.name(plainLast, accentedLast, accentedLastShare)
	dst = appendPadded(append(dst, 'P'), n, 9)
	// Area numbers from 900 on are never issued, so none of these is anybody's.
	dst = g.number(append(dst, ",9"...), 2)
	dst = g.number(append(dst, '-'), 2)
	dst = g.number(append(dst, '-'), 4)
	dst = append(append(append(append(append(dst, ','), first...), ','), last...), ',')
	dst = appendPadded(dst, 1930+g.random.IntN(90), 4)
	dst = appendPadded(append(dst, '-'), 1+g.random.IntN(12), 2)
	dst = appendPadded(append(dst, '-'), 1+g.random.IntN(28), 2)
	dst = appendPadded(append(dst, ",("...), 200+g.random.IntN(799), 3)
	dst = g.number(append(dst, ") "...), 3)
	dst = g.number(append(dst, '-'), 4)
	dst = append(append(append(dst, ','), strings.ToLower(first)...), '.')
	dst = append(dst, strings.ReplaceAll(strings.ToLower(last), "'", "")...)
	dst = strconv.AppendInt(dst, int64(g.random.IntN(100_000)), 10)
	dst = strconv.AppendInt(append(dst, "@example"...), int64(g.random.IntN(50)), 10)
	dst = strconv.AppendInt(append(dst, `.com,"`...), int64(1+g.random.IntN(300)), 10)
	dst = append(append(append(dst, ' '), g.pick(streets)...), ' ')
	dst = append(append(append(dst, g.pick(ways)...), ", "...), g.pick(towns)...)
	return append(dst, '"')
}

// short appends cells of 4 to 8 bytes.
func (g *generator) short(dst []byte, n int) []byte {
	letter := g.letter()
	dst = appendPadded(append(dst, 'P'), n%10_000_000, 4+n%4)
	dst = g.number(append(dst, ','), 2)
	dst = g.number(append(dst, '-'), 4)
	dst = g.letters(append(dst, ','), 4+g.random.IntN(5))
	dst = g.letters(append(append(dst, ','), letter...), 3+g.random.IntN(4))
	dst = g.number(append(dst, ','), 2)
	dst = g.number(append(dst, '-'), 4)
	dst = g.number(append(dst, ','), 3)
	dst = g.number(append(dst, '-'), 4)
	dst = g.letters(append(append(dst, ','), letter...), 2)
	dst = g.letters(append(dst, '@'), 3)
	dst = g.number(append(dst, `,"`...), 2)
	dst = g.letters(append(dst, ", "...), 2+g.random.IntN(3))
	return append(dst, '"')
}

// long appends cells of 80 to 200 bytes.
func (g *generator) long(dst []byte) []byte {
	letter := g.letter()
	for column := range patientColumns {
		if column > 0 {
			dst = append(dst, ',')
		}
		size := 80 + g.random.IntN(121)
		switch column {
		case 0, 1, 4, 5:
			dst = g.groups(dst, size, '-', g.number)
		case 3:
			dst = g.groups(append(dst, letter...), size-len(letter), ' ', g.letters)
		case 6:
			dst = g.groups(append(dst, letter...), size-len(letter), '.', g.letters)
		case 7:
			dst = append(g.groups(append(dst, `"a, `...), size-3, ' ', g.letters), '"')
		default:
			dst = g.groups(dst, size, ' ', g.letters)
		}
	}
	return dst
}

// letter is what a row begins some of its cells with: beyond ASCII at the share
// of the base case.
func (g *generator) letter() string {
	if g.random.Float64() < accentedRowShare {
		return "É"
	}
	return "E"
}

// groups fills size bytes with groups of seven characters.
func (g *generator) groups(dst []byte, size int, between byte, fill func([]byte, int) []byte) []byte {
	for size > 8 {
		dst = append(fill(dst, 7), between)
		size -= 8
	}
	return fill(dst, size)
}

func (g *generator) number(dst []byte, digits int) []byte {
	bound := 1
	for range digits {
		bound *= 10
	}
	return appendPadded(dst, g.random.IntN(bound), digits)
}

// letters appends a capital letter and small ones.
func (g *generator) letters(dst []byte, size int) []byte {
	bits := g.random.Uint64()
	for i := range size {
		letter := byte(bits>>(5*(i%12))) & 31 % 26
		if i == 0 {
			dst = append(dst, 'A'+letter)
		} else {
			dst = append(dst, 'a'+letter)
		}
	}
	return dst
}

// appendPadded writes n with leading zeros.
func appendPadded(dst []byte, n, digits int) []byte {
	var text [20]byte
	at := len(text)
	for at > len(text)-digits || n > 0 {
		at--
		text[at] = byte('0' + n%10)
		n /= 10
	}
	return append(dst, text[at:]...)
}
