package index

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// Table is a table that lookups answer from. It does not change.
type Table struct {
	Meta
	Generation int64
	files      group
	tokens     []*pageFile
	indexes    []*columnIndex // nil where the column is not searchable
	broken     atomic.Bool

	// Below are guarded by Tables.mu.
	readers int
	retired bool
	kept    bool // its files are those of the table which replaced it
}

// openAs opens a table with the indexes of those columns that are searchable, nil
// for those that it was made with.
func openAs(ctx context.Context, files group, generation int64, columns []edm.Column) (_ *Table, err error) {
	meta, err := ReadMeta(ctx, files.store, files.session)
	if err != nil {
		return nil, err
	}
	if columns != nil && !sameRules(meta.Columns, columns) {
		return nil, &Damaged{metaName + " is another table's"}
	}
	if columns != nil {
		meta.Columns = columns
	}
	t := &Table{Meta: *meta, Generation: generation, files: files, indexes: make([]*columnIndex, len(meta.Columns))}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	for c, column := range meta.Columns {
		tokens, err := openPages(ctx, files, tokensName(c), fingerprint.TokenSize)
		if err != nil {
			return nil, err
		}
		t.tokens = append(t.tokens, tokens)
		if tokens.entries != meta.Rows {
			return nil, &Damaged{fmt.Sprintf("the file of column %q has %d rows, the table %d", column.Name, tokens.entries, meta.Rows)}
		}
		if !column.IsSearchable {
			continue
		}
		if t.indexes[c], err = openIndex(ctx, files, indexName(c)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Break marks a table that a reader has met damaged: it answers nothing more.
func (t *Table) Break() { t.broken.Store(true) }

// Broken reports whether the table is known to be damaged.
func (t *Table) Broken() bool { return t.broken.Load() }

// Close closes the table's files and leaves them.
func (t *Table) Close() (err error) {
	for _, f := range t.tokens {
		err = errors.Join(err, f.close())
	}
	for _, x := range t.indexes {
		if x != nil {
			err = errors.Join(err, x.file.close())
		}
	}
	return err
}

// Verify reads every page.
func (t *Table) Verify(ctx context.Context) error {
	files := slices.Clone(t.tokens)
	for _, x := range t.indexes {
		if x != nil {
			files = append(files, x.file)
		}
	}
	for _, f := range files {
		if err := f.each(func([]byte) error { return ctx.Err() }); err != nil {
			return err
		}
	}
	return nil
}

// Token returns the token of a cell.
func (t *Table) Token(column int, row int64) (fingerprint.Token, error) {
	entry, err := t.tokens[column].at(row)
	if err != nil {
		return emptyToken, err
	}
	return fingerprint.Token(entry), nil
}
