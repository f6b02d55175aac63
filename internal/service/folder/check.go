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

// lostName is the folder that takes what is unknown, as that of a file system.
const lostName = "lost+found"

// Check looks at the data folder of a service that is stopped, and changes it only
// where it is told to.
type Check struct {
	FS  fsys.FS
	Dir string
	// Adopt makes the database that of the folder, whatever its identity and stamp.
	Adopt bool
	// Move takes what is unknown to lost+found.
	Move bool
	Out  io.Writer
	Log  *slog.Logger
	Now  func() time.Time
}

func (c *Check) say(format string, args ...any) { _, _ = fmt.Fprintf(c.Out, format+"\n", args...) }

// Run says what does not fit together, changes what it is told to, and returns
// an error where anything is left.
func (c *Check) Run(ctx context.Context) error {
	found, err := lookAt(c.FS, c.Dir)
	var bad *unfit
	if err != nil && (!c.Adopt || !errors.As(err, &bad)) {
		return err
	}
	db, err := found.open(c.Dir, c.Log)
	if err != nil {
		return err
	}
	return errors.Join(c.mend(ctx, found, db), db.Close())
}

func (c *Check) mend(ctx context.Context, found *folder, db *bolt.Store) error {
	if c.Adopt {
		if err := c.adoptDatabase(ctx, found, db); err != nil {
			return err
		}
	}
	err := found.fits(ctx, db)
	var bad *unfit
	if err == nil {
		return c.tables(ctx, found, db)
	}
	if !errors.As(err, &bad) {
		return err
	}
	for _, reason := range bad.reasons {
		c.say("%s", reason)
	}
	for _, one := range bad.unknown {
		c.say("%s", one)
	}
	if !c.Move || len(bad.reasons) > 0 {
		return err
	}
	return c.moveUnknown(bad.unknown)
}

// tables compares the sums of all files of the tables that the data stores keep.
func (c *Check) tables(ctx context.Context, found *folder, db *bolt.Store) error {
	if err := found.formsAreKnown(ctx, db); err != nil {
		return err
	}
	all, err := keptTables(ctx, db)
	if err != nil {
		return err
	}
	blocks := blobs.NewBlocks(blobs.NewFolder(c.FS, filepath.Join(c.Dir, Blocks)), c.Log)
	tables, bad := index.NewTables(found.tables(), blocks, index.Limits{}, c.Log), 0
	for _, one := range all {
		if err := tables.Check(ctx, one.live); err != nil {
			bad++
			c.say("%s/%s is damaged: %v: upload the table of the data store %q again", Tables, one.live.SessionID, err, one.store.DisplayName)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d tables in %s are damaged: their lookups are refused", bad, c.Dir)
	}
	c.say("%s is consistent, with %d tables", c.Dir, len(all))
	return listTenants(ctx, db, c.say)
}

// moveUnknown takes out of the service's sight what no record names. Nothing is
// deleted.
func (c *Check) moveUnknown(all []unknown) error {
	to := filepath.Join(lostName, c.Now().UTC().Format("20060102T150405.000000000Z"))
	for _, one := range all {
		from, above := filepath.Join(c.Dir, one.kind), filepath.Join(c.Dir, to, one.kind)
		err := c.FS.MkdirAll(above)
		if err == nil {
			err = c.FS.Rename(filepath.Join(from, one.name), filepath.Join(above, one.name))
		}
		if err == nil {
			err = errors.Join(c.FS.SyncDir(above), c.FS.SyncDir(from))
		}
		if err != nil {
			return fmt.Errorf("move %s/%s to %s: %w", one.kind, one.name, to, err)
		}
		c.say("moved %s/%s to %s", one.kind, one.name, to)
	}
	return errors.Join(c.FS.SyncDir(filepath.Join(c.Dir, to)), c.FS.SyncDir(filepath.Join(c.Dir, lostName)), c.FS.SyncDir(c.Dir))
}

// adoptDatabase makes a database that of the folder: its stamp is raised above all
// that the folder has, and the file identity is written again.
func (c *Check) adoptDatabase(ctx context.Context, found *folder, db *bolt.Store) error {
	if err := db.Prepare(ctx); err != nil {
		return err
	}
	if err := db.RaiseStamp(ctx, found.lastStamp(ctx)); err != nil {
		return err
	}
	is, err := db.Identity(ctx)
	if err != nil {
		return err
	}
	own := identity(is)
	found.identity = &own
	c.say("the database is now the folder's own")
	return writeIdentity(c.FS, c.Dir, own)
}

// lastStamp is the highest stamp that the folder has outside its database.
func (f *folder) lastStamp(ctx context.Context) (last uint64) {
	if f.identity != nil {
		last = f.identity.Stamp
	}
	for _, name := range f.sessions[Tables] {
		if meta, err := index.ReadMeta(ctx, f.tables(), name); err == nil {
			last = max(last, meta.Stamp)
		}
	}
	return last
}
