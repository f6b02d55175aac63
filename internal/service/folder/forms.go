package folder

import (
	"context"
	"errors"
	"fmt"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/index"
	"exactmatch.dev/operator/internal/service/records"
)

// earlier says that a folder has tables in the form of an earlier version.
type earlier struct {
	dir string
	n   int
}

func (e *earlier) Error() string {
	return fmt.Sprintf("the data folder %s has %d tables in the form of an earlier version, and nothing in it was changed: "+
		"make a copy of the folder, run 'exactmatch service migrate --data-dir %s', then start the service", e.dir, e.n, e.dir)
}

// kept is a table that a data store keeps: its live one, or the one before it.
type kept struct {
	store *records.DataStore
	live  *edm.Live
}

// keptTables are the tables that the data stores of all tenants keep.
func keptTables(ctx context.Context, db records.Store) (all []kept, err error) {
	stores, err := records.ListAll(ctx, db, records.Tx.DataStores)
	for _, store := range stores {
		for _, live := range store.Tables() {
			all = append(all, kept{store, live})
		}
	}
	return all, err
}

// formsAreKnown refuses a folder whose tables have a form that this version does not
// read.
func (f *folder) formsAreKnown(ctx context.Context, db records.Store) error {
	tables, err := keptTables(ctx, db)
	if err != nil {
		return err
	}
	old := &earlier{dir: f.dir}
	for _, one := range tables {
		is, err := index.Earlier(ctx, f.tables(), one.live.SessionID)
		if err != nil {
			return fmt.Errorf("read the data folder: %w", err)
		}
		if is {
			old.n++
			continue
		}
		var newer *index.Newer
		if _, err := index.ReadManifest(ctx, f.tables(), one.live.SessionID); errors.As(err, &newer) {
			return fmt.Errorf("%s/%s: %w", Tables, one.live.SessionID, newer)
		}
	}
	if old.n > 0 {
		return old
	}
	return nil
}
