package index

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/blobs"
)

// Meta describes an indexed table. It lies beside the table's files, so that a
// live table outlives the record of the session that brought it.
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

// Manifest lists the files of a table. It is written last: a table without one is
// no table.
type Manifest struct {
	Version int `json:"version"`
	Meta
	// RowsPerBlock are the rows of each block but the last.
	RowsPerBlock int64  `json:"rowsPerBlock"`
	Files        []File `json:"files"`
}

// Kind says what a file of a table is for.
type Kind string

// The kinds that this version knows.
const (
	KindBlock      Kind = "block"      // a block of the session, among its blocks
	KindPages      Kind = "pages"      // where the tokens of the blocks are, and the sums of their pages
	KindIndex      Kind = "index"      // the sorted entries of a column
	KindCollisions Kind = "collisions" // entries of tokens that share their first bytes with others
)

// File is one file of a table. Sum is the CRC-64/NVME of its bytes in 16
// hexadecimal digits.
type File struct {
	Kind     Kind   `json:"kind"`
	Name     string `json:"name"`
	Column   *int   `json:"column,omitempty"`
	Size     int64  `json:"size"`
	Sum      string `json:"sum"`
	Optional bool   `json:"optional,omitempty"` // a reader that does not know its kind goes without
}

// manifestVersion is the one that is written, and the last one that is read.
const manifestVersion = 1

// The names of a table's files.
const (
	manifestName = "manifest.json"
	pagesName    = "blocks.pages"
)

func indexName(column int) string      { return fmt.Sprintf("column-%d.index", column) }
func collisionsName(column int) string { return fmt.Sprintf("column-%d.collisions", column) }

// Damaged says that the bytes of a table are not what was written.
type Damaged struct{ What string }

func (d *Damaged) Error() string { return d.What }

func damaged(format string, args ...any) *Damaged { return &Damaged{fmt.Sprintf(format, args...)} }

// Newer says that a table has a form which this version does not know.
type Newer struct{ What string }

func (n *Newer) Error() string {
	return n.What + ": start the version that wrote it, or a later one"
}

// sumText is a sum as manifests have it.
func sumText(sum uint64) string { return fmt.Sprintf("%016x", sum) }

// sameRules reports whether two tables have the same columns under the same rules.
func sameRules(a, b []edm.Column) bool {
	return slices.EqualFunc(a, b, func(a, b edm.Column) bool { return a.Name == b.Name && a.RulesID == b.RulesID })
}

// group is a table's files: those of its session in a store.
type group struct {
	store   blobs.Store
	session string
}

// writeManifest writes the manifest and, on a line of its own, its sum.
func (g group) writeManifest(ctx context.Context, m *Manifest) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return g.store.Put(ctx, g.session, manifestName, fmt.Appendf(text, "\n%s\n", sumText(block.Sum(text))))
}

// ReadManifest reads the manifest of a session's table. Its error is a *Damaged where
// the bytes are not what was written, and a *Newer where they are of a later version.
func ReadManifest(ctx context.Context, store blobs.Store, session string) (*Manifest, error) {
	whole, err := blobs.ReadAll(ctx, store, session, manifestName)
	if err != nil {
		return nil, err
	}
	return parseManifest(whole)
}

func parseManifest(whole []byte) (*Manifest, error) {
	text, sum, _ := bytes.Cut(whole, []byte("\n"))
	if string(sum) != sumText(block.Sum(text))+"\n" {
		return nil, damaged("%s does not have its sum", manifestName)
	}
	var is struct{ Version int }
	if err := json.Unmarshal(text, &is); err != nil {
		return nil, damaged("%s cannot be read: %v", manifestName, err)
	}
	if is.Version > manifestVersion {
		return nil, &Newer{fmt.Sprintf("%s has version %d, and this build reads versions up to %d", manifestName, is.Version, manifestVersion)}
	}
	m := new(Manifest)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, damaged("%s cannot be read: %v", manifestName, err)
	}
	return m, m.check()
}

// check wants what every manifest has.
func (m *Manifest) check() error {
	switch {
	case m.Version < 1:
		return damaged("%s has version %d", manifestName, m.Version)
	case len(m.Columns) == 0 || len(m.Columns) > block.MaxColumns:
		return damaged("%s has %d columns", manifestName, len(m.Columns))
	case m.Rows < 0 || m.Rows > MaxRows || m.RowsPerBlock < 1 || m.RowsPerBlock > block.MaxRows:
		return damaged("%s has %d rows, %d in a block", manifestName, m.Rows, m.RowsPerBlock)
	}
	for _, f := range m.Files {
		if f.Name == "" || f.Name != path.Base(f.Name) || f.Name == ".." || f.Name == "." || f.Size < 0 {
			return damaged("%s has a file without a name or a size", manifestName)
		}
	}
	if want := (m.Rows + m.RowsPerBlock - 1) / m.RowsPerBlock; int64(len(m.blocks())) != want {
		return damaged("%s has %d blocks for %d rows", manifestName, len(m.blocks()), m.Rows)
	}
	return m.checkKinds()
}

// checkKinds refuses a file that the table needs and this version does not know.
func (m *Manifest) checkKinds() error {
	for _, f := range m.Files {
		if !f.Optional && !slices.Contains([]Kind{KindBlock, KindPages, KindIndex, KindCollisions}, f.Kind) {
			return &Newer{fmt.Sprintf("%s has a file of the kind %q, which this build does not know", manifestName, f.Kind)}
		}
	}
	return nil
}

// blocks are the files of the blocks, in their order.
func (m *Manifest) blocks() (all []File) {
	for _, f := range m.Files {
		if f.Kind == KindBlock {
			all = append(all, f)
		}
	}
	return all
}

// BlockIDs are the ids of the blocks that the table keeps.
func (m *Manifest) BlockIDs() (ids []string) {
	for _, f := range m.blocks() {
		if id, is := blobs.ID(f.Name); is {
			ids = append(ids, id)
		}
	}
	return ids
}

// file is the file of a kind, of a column or, where that is below 0, of the table;
// nil where there is none.
func (m *Manifest) file(kind Kind, column int) *File {
	at := slices.IndexFunc(m.Files, func(f File) bool {
		return f.Kind == kind && (column < 0 || f.Column != nil && *f.Column == column)
	})
	if at < 0 {
		return nil
	}
	return &m.Files[at]
}

// without is the manifest without the files of these columns' indexes.
func (m *Manifest) without(columns []int) *Manifest {
	out := *m
	out.Files = slices.DeleteFunc(slices.Clone(m.Files), func(f File) bool { return f.Column != nil && slices.Contains(columns, *f.Column) })
	return &out
}

// IsMissing reports whether an error says that a table has no manifest.
func IsMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
