package index

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/blobs"
)

// maxMapped bounds the blocks that are mapped at once, of all tables: a process has
// 65,530 mappings on Linux. Blocks beyond it are opened for each read.
const maxMapped = 32 << 10

var mapped atomic.Int64

// blockTable reads tokens out of the blocks of a table. It is safe for concurrent
// use.
type blockTable struct {
	*blockPages
	files    group
	names    []string
	mappings []blobs.Mapping // nil where a block is not mapped
	checked  checkedPages
}

// openBlocks opens the blocks of a table, and wants each as long as it was.
func openBlocks(ctx context.Context, files group, p *blockPages) (*blockTable, error) {
	t := &blockTable{blockPages: p, files: files, checked: newCheckedPages(int64(len(p.sums)))}
	for n := range p.blocks {
		if err := t.open(ctx, n); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	return t, nil
}

func (t *blockTable) open(ctx context.Context, n int) error {
	name, err := blobs.Name(t.blocks[n].id)
	if err != nil {
		return err
	}
	t.names, t.mappings = append(t.names, name), append(t.mappings, nil)
	if mapped.Add(1) > maxMapped {
		mapped.Add(-1)
		return t.wantSize(ctx, n)
	}
	m, err := t.files.store.Map(ctx, t.files.session, name)
	if err != nil {
		mapped.Add(-1)
		return err
	}
	t.mappings[n] = m
	if size := int64(len(m.Bytes())); size != t.blocks[n].size {
		return damaged("block %d has %d bytes in place of %d", n, size, t.blocks[n].size)
	}
	return nil
}

func (t *blockTable) wantSize(ctx context.Context, n int) error {
	f, err := t.files.store.Open(ctx, t.files.session, t.names[n])
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err == nil && size != t.blocks[n].size {
		err = damaged("block %d has %d bytes in place of %d", n, size, t.blocks[n].size)
	}
	return errors.Join(err, f.Close())
}

func (t *blockTable) close() (err error) {
	for _, m := range t.mappings {
		if m != nil {
			err = errors.Join(err, m.Close())
			mapped.Add(-1)
		}
	}
	t.mappings = nil
	return err
}

// token reads one token.
func (t *blockTable) token(column int, row int64) (fingerprint.Token, error) {
	if row < 0 || row >= t.rows {
		return emptyToken, damaged("the table has no row %d", row)
	}
	n := int(row / t.rowsPerBlock)
	place, at := t.blocks[n].columns[column], int(row%t.rowsPerBlock)
	if place.Entries == 0 {
		return t.tokenAt(n, place.Offset+at*fingerprint.TokenSize)
	}
	width := place.Width()
	text, err := t.read(n, int64(place.Rows()+at*width), width)
	if err != nil {
		return emptyToken, err
	}
	entry := block.Entry(text)
	if entry >= place.Entries {
		return emptyToken, damaged("row %d is behind the end of its dictionary", row)
	}
	return t.tokenAt(n, place.Offset+entry*fingerprint.TokenSize)
}

func (t *blockTable) tokenAt(n, offset int) (fingerprint.Token, error) {
	text, err := t.read(n, int64(offset), fingerprint.TokenSize)
	if err != nil {
		return emptyToken, err
	}
	return fingerprint.Token(text), nil
}

// read returns some bytes of a block. The sums of their pages are compared where that
// was not done since the table was opened, and at every read of a block that is not
// mapped.
func (t *blockTable) read(n int, offset int64, size int) ([]byte, error) {
	end := offset + int64(size)
	m := t.mappings[n]
	if m == nil {
		return t.readFile(n, offset, end)
	}
	data := m.Bytes()
	for page := offset / pageSize; page*pageSize < end; page++ {
		if t.checked.has(t.blocks[n].first + page) {
			continue
		}
		if err := t.check(n, page, data[page*pageSize:min((page+1)*pageSize, t.blocks[n].size)]); err != nil {
			return nil, err
		}
		t.checked.add(t.blocks[n].first + page)
	}
	return data[offset:end], nil
}

// check compares the sum of a page of a block.
func (p *blockPages) check(n int, page int64, text []byte) error {
	if block.Sum(text) != p.sums[p.blocks[n].first+page] {
		return damaged("page %d of block %d does not have its sum", page, n)
	}
	return nil
}

// readFile reads some bytes of a block that is not mapped.
func (t *blockTable) readFile(n int, offset, end int64) (out []byte, err error) {
	f, err := t.files.store.Open(context.Background(), t.files.session, t.names[n])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	first := offset / pageSize * pageSize
	text := make([]byte, min(pagesOf(end)*pageSize, t.blocks[n].size)-first)
	if err := readPages(f, t.blockPages, n, text, first); err != nil {
		return nil, err
	}
	return text[offset-first : end-first], nil
}

// readPages reads whole pages of a block and compares their sums.
func readPages(f blobs.Reader, p *blockPages, n int, text []byte, first int64) error {
	if got, err := f.ReadAt(text, first); got < len(text) {
		if errors.Is(err, io.EOF) {
			return damaged("block %d is cut off", n)
		}
		return err
	}
	for at := 0; at < len(text); at += pageSize {
		if err := p.check(n, (first+int64(at))/pageSize, text[at:min(at+pageSize, len(text))]); err != nil {
			return err
		}
	}
	return nil
}
