package index

import (
	"encoding/binary"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/blobs"
)

// blockPages says, of the blocks of a table, where their tokens are and what the sums
// of their pages are: the file KindPages, and what is made of it in memory.
type blockPages struct {
	rowsPerBlock int64
	rows         int64
	columns      int
	blocks       []blockLayout
	sums         []uint64 // of the pages of all blocks, one block after another
}

// blockLayout is one block of a table.
type blockLayout struct {
	id      string
	size    int64
	columns []block.Place
	first   int64 // its first page among those of all blocks
}

const magicPages = "XMP1"

// pagesOf counts the pages of n bytes.
func pagesOf(size int64) int64 { return (size + pageSize - 1) / pageSize }

// rowsOf are the rows of a block.
func (p *blockPages) rowsOf(n int) int {
	return int(min(p.rowsPerBlock, p.rows-int64(n)*p.rowsPerBlock))
}

// encode is the file KindPages.
func (p *blockPages) encode(salt uint64) []byte {
	out := append([]byte(nil), magicPages...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(p.blocks)))
	out = binary.BigEndian.AppendUint32(out, uint32(p.columns))
	for _, b := range p.blocks {
		out = binary.BigEndian.AppendUint32(out, uint32(b.size))
		for _, c := range b.columns {
			out = binary.BigEndian.AppendUint32(out, uint32(c.Offset))
			out = binary.BigEndian.AppendUint32(out, uint32(c.Entries))
		}
	}
	for _, sum := range p.sums {
		out = binary.BigEndian.AppendUint64(out, sum)
	}
	return binary.BigEndian.AppendUint64(out, block.Sum(out)^salt)
}

// fields takes numbers off the front of a text.
type fields struct {
	text []byte
	cut  bool
}

func (f *fields) uint(size int) uint64 {
	var wide [8]byte
	if len(f.text) < size {
		f.cut = true
		return 0
	}
	copy(wide[8-size:], f.text[:size])
	f.text = f.text[size:]
	return binary.BigEndian.Uint64(wide[:])
}

// parseBlockPages reads the file KindPages of a table.
func parseBlockPages(whole []byte, salt uint64, m *Manifest) (*blockPages, error) {
	files := m.blocks()
	header := len(magicPages) + 4 + 4
	if len(whole) < header+sumSize || string(whole[:len(magicPages)]) != magicPages {
		return nil, damaged("%s is cut off", pagesName)
	}
	end := len(whole) - sumSize
	if block.Sum(whole[:end])^salt != binary.BigEndian.Uint64(whole[end:]) {
		return nil, damaged("%s does not have its sum", pagesName)
	}
	f := &fields{text: whole[len(magicPages):end]}
	if blocks, columns := f.uint(4), f.uint(4); blocks != uint64(len(files)) || columns != uint64(len(m.Columns)) {
		return nil, damaged("%s has %d blocks of %d columns, the table %d of %d", pagesName, blocks, columns, len(files), len(m.Columns))
	}
	p := &blockPages{rowsPerBlock: m.RowsPerBlock, rows: m.Rows, columns: len(m.Columns)}
	pages := int64(0)
	for n := range files {
		b, err := p.layout(f, n, &files[n])
		if err != nil {
			return nil, err
		}
		b.first = pages
		pages += pagesOf(b.size)
		p.blocks = append(p.blocks, b)
	}
	if int64(len(f.text)) != pages*sumSize {
		return nil, damaged("%s has another size than its blocks", pagesName)
	}
	p.sums = make([]uint64, pages)
	for i := range p.sums {
		p.sums[i] = f.uint(sumSize)
	}
	return p, nil
}

// layout reads where the tokens of a block are, which is within the block.
func (p *blockPages) layout(f *fields, n int, of *File) (b blockLayout, err error) {
	id, is := blobs.ID(of.Name)
	b = blockLayout{id: id, size: int64(f.uint(4))}
	if !is || b.size != of.Size {
		return b, damaged("%s has %d bytes for %s, the table %d", pagesName, b.size, of.Name, of.Size)
	}
	for range p.columns {
		c := block.Place{Offset: int(f.uint(4)), Entries: int(f.uint(4))}
		if int64(c.Offset+c.Size(p.rowsOf(n))) > b.size {
			return b, damaged("%s has a column behind the end of %s", pagesName, of.Name)
		}
		b.columns = append(b.columns, c)
	}
	if f.cut {
		return b, damaged("%s is cut off", pagesName)
	}
	return b, nil
}
