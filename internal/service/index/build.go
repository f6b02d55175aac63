package index

import (
	"context"
	"errors"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// Builder writes the tokens of a new table, block by block.
type Builder struct {
	files   group
	meta    Meta
	columns []*pageWriter
}

// Build begins the table of a session, in place of what an earlier try left.
func (l *Tables) Build(ctx context.Context, meta Meta) (*Builder, error) {
	b := &Builder{files: l.files(meta.SessionID), meta: meta}
	if err := l.Drop(ctx, meta.SessionID); err != nil {
		return nil, err
	}
	for c := range meta.Columns {
		w, err := newPageWriter(ctx, b.files, tokensName(c), fingerprint.TokenSize)
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
		b.columns = append(b.columns, w)
	}
	return b, nil
}

// Add appends the tokens of a column's next rows.
func (b *Builder) Add(column int, tokens []byte) error { return b.columns[column].add(tokens) }

// Commit ends a table and says how many rows it has. Once it has returned nil the table
// survives a crash, and its columns can be indexed.
func (b *Builder) Commit(ctx context.Context, rows int64) (err error) {
	for _, w := range b.columns {
		err = errors.Join(err, w.commit())
	}
	if err != nil {
		return err
	}
	b.meta.Rows = rows
	return b.files.writeMeta(ctx, b.meta)
}

// Close gives a table up.
func (b *Builder) Close() (err error) {
	for _, w := range b.columns {
		err = errors.Join(err, w.close())
	}
	return err
}

// Index sorts the tokens of a column of a session's table. Once it has returned
// nil the index survives a crash.
func (l *Tables) Index(ctx context.Context, session string, column int) error {
	return indexColumn(ctx, l.files(session), column)
}

// Reindex makes the indexes that an open table lacks for these columns, beside
// those that lookups are answered from, and opens the table with them after it has
// read all of it. An error is a Damaged where the table's own files or the new
// ones are.
func (l *Tables) Reindex(ctx context.Context, old *Table, columns []edm.Column) (*Table, error) {
	for c := range columns {
		if !columns[c].IsSearchable || old.Searchable(c) {
			continue
		}
		// What a reader may have open yet stays as it is.
		if err := old.files.dropIndex(ctx, c); err != nil {
			return nil, err
		}
		if err := indexColumn(ctx, old.files, c); err != nil {
			return nil, errors.Join(err, old.files.dropIndex(context.WithoutCancel(ctx), c))
		}
	}
	next, err := openAs(ctx, old.files, 0, columns)
	if err != nil {
		return nil, err
	}
	if err := next.Verify(ctx); err != nil {
		return nil, errors.Join(err, next.Close())
	}
	return next, nil
}

// dropIndex removes the index of a column. A reader that has it open keeps it.
func (g group) dropIndex(ctx context.Context, column int) error {
	name := indexName(column)
	return errors.Join(g.store.Remove(ctx, g.session, name), g.store.Remove(ctx, g.session, topsName(name)))
}

// Tidy removes the indexes of columns that are not searchable any more.
func (l *Tables) Tidy(ctx context.Context, t *Table) {
	for c := range t.Columns {
		if t.Columns[c].IsSearchable {
			continue
		}
		if err := t.files.dropIndex(ctx, c); err != nil {
			l.log.Warn("an index that is not needed is left; it goes with its table", "session", t.SessionID, "column", c, "error", err)
		}
	}
}
