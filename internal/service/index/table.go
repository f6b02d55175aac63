package index

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/fsys"
)

// Meta describes an indexed table. It lies beside the table's files, so
// that a live table outlives the record of the session that brought it.
type Meta struct {
	SessionID string       `json:"sessionId"`
	KeyID     string       `json:"keyId"`
	Rows      int64        `json:"rows"`
	Columns   []edm.Column `json:"columns"` // without rules where an earlier version wrote it
	// Folder and Stamp are the identity and the stamp of the data folder when the
	// table was made.
	Folder string `json:"folder,omitempty"`
	Stamp  uint64 `json:"stamp,omitempty"`
}

// Ruled reports whether the table knows the rules of its tokens.
func (m *Meta) Ruled() bool {
	return !slices.ContainsFunc(m.Columns, func(c edm.Column) bool { return c.RulesID == "" })
}

// sameRules reports whether two tables have the same columns under the same rules.
func sameRules(a, b []edm.Column) bool {
	return slices.EqualFunc(a, b, func(a, b edm.Column) bool { return a.Name == b.Name && a.RulesID == b.RulesID })
}

func metaPath(dir string) string { return filepath.Join(dir, "table.json") }

func TokenPath(dir string, column int) string {
	return filepath.Join(dir, fmt.Sprintf("col-%d.tok", column))
}

func indexPath(dir string, column int) string {
	return filepath.Join(dir, fmt.Sprintf("col-%d.idx", column))
}

// WriteMeta writes a table's description and, on a line of its own, its sum.
func WriteMeta(fs fsys.FS, dir string, meta Meta) error {
	text, err := json.Marshal(meta)
	if err != nil {
		return err
	}
	return fsys.WriteSynced(fs, dir, filepath.Base(metaPath(dir)), fmt.Appendf(text, "\n%016x\n", block.Sum(text)))
}

func ReadMeta(fs fsys.FS, dir string) (*Meta, error) {
	whole, err := fsys.ReadWhole(fs, metaPath(dir))
	if err != nil {
		return nil, err
	}
	text, sum, _ := bytes.Cut(whole, []byte("\n"))
	meta := new(Meta)
	if string(sum) != fmt.Sprintf("%016x\n", block.Sum(text)) || json.Unmarshal(text, meta) != nil {
		return nil, &fsys.Damaged{What: "table.json does not have its sum"}
	}
	return meta, nil
}

// Table is a table that lookups answer from. It does not change.
type Table struct {
	Meta
	Generation int64
	Dir        string
	tokens     []*pageFile
	Indexes    []*columnIndex // nil where the column is not searchable
	Broken     atomic.Bool    // a lookup met a damaged page

	// Below are guarded by liveTables.mu.
	readers int
	retired bool
	kept    bool // its folder is that of the table which replaced it
}

// Open opens a table with the indexes that it was made with.
func Open(fs fsys.FS, dir string, generation int64) (*Table, error) {
	return OpenAs(fs, dir, generation, nil)
}

// OpenAs opens a table with the indexes of those columns that are searchable, nil
// for those that it was made with.
func OpenAs(fs fsys.FS, dir string, generation int64, columns []edm.Column) (_ *Table, err error) {
	meta, err := ReadMeta(fs, dir)
	if err != nil {
		return nil, err
	}
	if columns != nil && !sameRules(meta.Columns, columns) {
		return nil, &fsys.Damaged{What: "table.json is another table's"}
	}
	if columns != nil {
		meta.Columns = columns
	}
	t := &Table{Meta: *meta, Generation: generation, Dir: dir, Indexes: make([]*columnIndex, len(meta.Columns))}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	for c, column := range meta.Columns {
		tokens, err := openPages(fs, TokenPath(dir, c), fingerprint.TokenSize)
		if err != nil {
			return nil, err
		}
		t.tokens = append(t.tokens, tokens)
		if tokens.entries != meta.Rows {
			return nil, &fsys.Damaged{What: fmt.Sprintf("the file of column %q has %d rows, the table %d", column.Name, tokens.entries, meta.Rows)}
		}
		if !column.IsSearchable {
			continue
		}
		if t.Indexes[c], err = openIndex(fs, indexPath(dir, c)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Table) Close() (err error) {
	for _, f := range t.tokens {
		err = errors.Join(err, f.close())
	}
	for _, x := range t.Indexes {
		if x != nil {
			err = errors.Join(err, x.file.close())
		}
	}
	return err
}

// Verify reads every page.
func (t *Table) Verify(ctx context.Context) error {
	files := slices.Clone(t.tokens)
	for _, x := range t.Indexes {
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
		return EmptyToken, err
	}
	return fingerprint.Token(entry), nil
}
