package index

import (
	"context"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/blobs"
)

// KindManifest is the manifest itself, where a table's files are listed with it.
const KindManifest Kind = "manifest"

// Listing is every file of the table that a data store's record names, the manifest
// last. It is a *Damaged where the manifest is not such a table's.
func Listing(ctx context.Context, store blobs.Store, live *edm.Live) ([]File, error) {
	whole, err := blobs.ReadAll(ctx, store, live.SessionID, manifestName)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(whole)
	if err != nil {
		return nil, err
	}
	if m.SessionID != live.SessionID || m.KeyID != live.KeyID || m.Rows != live.Rows || live.Columns != nil && !sameRules(m.Columns, live.Columns) {
		return nil, damaged("%s is another table's", manifestName)
	}
	for c, column := range live.Columns {
		if column.IsSearchable && m.file(KindIndex, c) == nil {
			return nil, damaged("%s has no index of the column %q", manifestName, column.Name)
		}
	}
	return append(m.Files, File{Kind: KindManifest, Name: manifestName, Size: int64(len(whole)), Sum: sumText(block.Sum(whole))}), nil
}
