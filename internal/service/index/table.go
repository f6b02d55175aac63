package index

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/blobs"
)

// Table is a table that lookups answer from. It does not change.
type Table struct {
	Meta
	Generation int64
	files      group // of its indexes
	listed     []File
	blocks     *blockTable
	indexes    []*columnIndex // nil where the column is not searchable
	broken     atomic.Bool

	// Below are guarded by Tables.mu.
	readers int
	retired bool
	kept    bool // its files are needed still
}

// openAs opens a table with the indexes of those columns that are searchable, nil
// for those that it was made with.
func (l *Tables) openAs(ctx context.Context, files group, generation int64, columns []edm.Column) (_ *Table, err error) {
	manifest, err := ReadManifest(ctx, files.store, files.session)
	if err != nil {
		return nil, err
	}
	if columns != nil && !sameRules(manifest.Columns, columns) {
		return nil, damaged("%s is another table's", manifestName)
	}
	if columns != nil {
		manifest.Columns = columns
	}
	t := &Table{Meta: manifest.Meta, Generation: generation, files: files, listed: manifest.Files, indexes: make([]*columnIndex, len(manifest.Columns))}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	if t.blocks, err = l.openTableBlocks(ctx, files, manifest); err != nil {
		return nil, err
	}
	for c, column := range manifest.Columns {
		if !column.IsSearchable {
			continue
		}
		if t.indexes[c], err = openIndex(ctx, files, manifest, c, t.blocks); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// openTableBlocks opens the blocks of a table by what its file of pages says of them.
func (l *Tables) openTableBlocks(ctx context.Context, files group, manifest *Manifest) (*blockTable, error) {
	if manifest.file(KindPages, -1) == nil {
		return nil, damaged("%s has no %s", manifestName, pagesName)
	}
	text, err := blobs.ReadAll(ctx, files.store, files.session, pagesName)
	if err != nil {
		return nil, err
	}
	pages, err := parseBlockPages(text, saltOf(files.session, pagesName), manifest)
	if err != nil {
		return nil, err
	}
	return openBlocks(ctx, l.blockFiles(files.session), pages)
}

// Break marks a table that a reader has met damaged: it answers nothing more.
func (t *Table) Break() { t.broken.Store(true) }

// Broken reports whether the table is known to be damaged.
func (t *Table) Broken() bool { return t.broken.Load() }

// Close closes the table's files and leaves them.
func (t *Table) Close() (err error) {
	for _, x := range t.indexes {
		if x != nil {
			err = errors.Join(err, x.close())
		}
	}
	if t.blocks != nil {
		err = errors.Join(err, t.blocks.close())
	}
	return err
}

// Doubt has the sum of every page compared at its next read, as if the table had just
// been opened.
func (t *Table) Doubt() {
	t.blocks.checked.forget()
	for _, x := range t.indexes {
		if x != nil {
			x.doubt()
		}
	}
}

// Verify reads every file that the table needs, from the disk, and compares its sum.
func (t *Table) Verify(ctx context.Context) error {
	buf := make([]byte, readSize)
	for _, f := range t.listed {
		of := t.files
		switch {
		case f.Kind == KindBlock:
			of = t.blocks.files
		case f.Column != nil && (*f.Column < 0 || *f.Column >= len(t.indexes) || t.indexes[*f.Column] == nil):
			continue // nobody asks it
		case f.Kind != KindPages && f.Kind != KindIndex && f.Kind != KindCollisions:
			continue
		}
		if err := of.verify(ctx, f, buf); err != nil {
			return err
		}
	}
	return nil
}

// verify compares the sum of a file.
func (g group) verify(ctx context.Context, f File, buf []byte) (err error) {
	file, err := g.store.Open(ctx, g.session, f.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	size, err := file.Size()
	if err != nil {
		return err
	}
	if size != f.Size {
		return damaged("%s has %d bytes in place of %d", f.Name, size, f.Size)
	}
	sum := uint64(0)
	for at := int64(0); at < f.Size; {
		n, err := file.ReadAt(buf[:min(int64(len(buf)), f.Size-at)], at)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case n == 0:
			return damaged("%s is cut off", f.Name)
		}
		sum = block.AddSum(sum, buf[:n])
		at += int64(n)
	}
	if sumText(sum) != f.Sum {
		return damaged("%s does not have its sum", f.Name)
	}
	return nil
}

// Token returns the token of a cell.
func (t *Table) Token(column int, row int64) (token fingerprint.Token, err error) {
	err = guarded(func() error {
		token, err = t.blocks.token(column, row)
		return err
	})
	return token, err
}
