package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/index"
	"exactmatch.dev/operator/internal/service/records/bolt"
)

// Migrate gives the tables of a service that is stopped the form that this version
// reads.
type Migrate struct {
	FS     fsys.FS
	Dir    string
	Memory int64 // as index.Limits
	Out    io.Writer
	Log    *slog.Logger
	Now    func() time.Time
}

func (m *Migrate) say(format string, args ...any) { _, _ = fmt.Fprintf(m.Out, format+"\n", args...) }

// Run migrates what is there, and may be run again after it was cut off. A damaged
// table goes to lost+found, so that the service starts without it.
func (m *Migrate) Run(ctx context.Context) error {
	found, err := lookAt(m.FS, m.Dir)
	if err != nil {
		return err
	}
	db, err := found.open(m.Dir, m.Log)
	if err != nil {
		return err
	}
	return errors.Join(m.run(ctx, found, db), db.Close())
}

func (m *Migrate) run(ctx context.Context, found *folder, db *bolt.Store) error {
	if err := found.fits(ctx, db); err != nil {
		return err
	}
	all, err := keptTables(ctx, db)
	if err != nil {
		return err
	}
	blocks := blobs.NewBlocks(blobs.NewFolder(m.FS, filepath.Join(m.Dir, Blocks)), m.Log)
	tables := index.NewTables(found.tables(), blocks, index.Limits{Memory: m.Memory}, m.Log)
	var lost []unknown
	for _, one := range all {
		session := one.live.SessionID
		err := tables.Migrate(ctx, session, one.store.DisplayName, one.live.Columns)
		var bad *index.Damaged
		switch {
		case errors.As(err, &bad):
			lost = append(lost, unknown{Tables, session, bad.Error()})
			if err := blocks.Drop(ctx, session); err != nil {
				return fmt.Errorf("remove what was made of %s/%s: %w", Tables, session, err)
			}
		case err != nil:
			return fmt.Errorf("migrate %s/%s: %w", Tables, session, err)
		default:
			m.say("%s/%s is migrated", Tables, session)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	c := &Check{FS: m.FS, Dir: m.Dir, Out: m.Out, Now: m.Now}
	return errors.Join(c.moveUnknown(lost), fmt.Errorf("%d tables are damaged and were moved to %s: upload them again", len(lost), lostName))
}
