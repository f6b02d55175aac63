package index

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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

// Damaged says that the bytes of a table are not what was written.
type Damaged struct{ What string }

func (d *Damaged) Error() string { return d.What }

// sameRules reports whether two tables have the same columns under the same rules.
func sameRules(a, b []edm.Column) bool {
	return slices.EqualFunc(a, b, func(a, b edm.Column) bool { return a.Name == b.Name && a.RulesID == b.RulesID })
}

// The names of a table's files. An index has its tops beside it.
const metaName = "table.json"

func tokensName(column int) string { return fmt.Sprintf("col-%d.tok", column) }
func indexName(column int) string  { return fmt.Sprintf("col-%d.idx", column) }
func topsName(index string) string { return index + ".tops" }

// group is a table's files: those of its session in a store.
type group struct {
	store   blobs.Store
	session string
}

// writeMeta writes a table's description and, on a line of its own, its sum.
func (g group) writeMeta(ctx context.Context, meta Meta) error {
	text, err := json.Marshal(meta)
	if err != nil {
		return err
	}
	return g.store.Put(ctx, g.session, metaName, fmt.Appendf(text, "\n%016x\n", block.Sum(text)))
}

// ReadMeta reads the description of a session's table. Its error is a Damaged where the
// bytes are not what was written.
func ReadMeta(ctx context.Context, store blobs.Store, session string) (*Meta, error) {
	whole, err := blobs.ReadAll(ctx, store, session, metaName)
	if err != nil {
		return nil, err
	}
	text, sum, _ := bytes.Cut(whole, []byte("\n"))
	meta := new(Meta)
	if string(sum) != fmt.Sprintf("%016x\n", block.Sum(text)) || json.Unmarshal(text, meta) != nil {
		return nil, &Damaged{metaName + " does not have its sum"}
	}
	return meta, nil
}
