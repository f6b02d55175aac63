// Package folder is the data folder of a service that keeps everything on one
// machine: its database, its identity, the tables and the blocks beside it, and
// whether they fit together.
package folder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/records/bolt"
)

// Open opens the database of a data folder that fits together, and makes what a
// new one lacks.
func Open(ctx context.Context, fs fsys.FS, dir string, log *slog.Logger) (*bolt.Store, error) {
	found, err := lookAt(fs, dir)
	if err == nil {
		err = found.hasDatabase()
	}
	if err != nil {
		return nil, err
	}
	for _, d := range []string{dir, filepath.Join(dir, Blocks), filepath.Join(dir, Tables)} {
		if err := fs.MkdirAll(d); err != nil {
			return nil, fmt.Errorf("make the data folder: %w", err)
		}
	}
	db, err := bolt.Open(filepath.Join(dir, Database), log)
	if err != nil {
		return nil, err
	}
	if err := found.join(ctx, db, log); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// open opens the database of a folder whose service is stopped, for a command that works
// on it. No service can start meanwhile.
func (f *folder) open(dir string, log *slog.Logger) (*bolt.Store, error) {
	if err := f.hasDatabase(); err != nil {
		return nil, err
	}
	if f.isNew() {
		return nil, fmt.Errorf("%s is empty: a service starts there with nothing", dir)
	}
	return bolt.Open(filepath.Join(dir, Database), log)
}

// join makes a database and the folder around it one, where they fit.
func (f *folder) join(ctx context.Context, db *bolt.Store, log *slog.Logger) error {
	if err := f.fits(ctx, db); err != nil {
		return err
	}
	if err := f.formsAreKnown(ctx, db); err != nil {
		return err
	}
	if err := db.Prepare(ctx); err != nil {
		return err
	}
	if err := syncNames(f.files, f.dir); err != nil {
		return fmt.Errorf("sync the data folder: %w", err)
	}
	is, err := db.Identity(ctx)
	if err != nil {
		return err
	}
	if f.identity == nil {
		own := identity(is)
		if err := writeIdentity(f.files, f.dir, own); err != nil {
			return fmt.Errorf("write the identity of the data folder: %w", err)
		}
		f.identity = &own
	}
	stamps, err := openIdentity(f.files, f.dir, *f.identity, log)
	if err != nil {
		return err
	}
	return db.KeepStamp(stamps)
}

// syncNames keeps the folder and its database: neither bbolt nor mkdir syncs the
// names that it makes. A folder above that may not be read was there before.
func syncNames(fs fsys.FS, dir string) error {
	above := fs.SyncDir(filepath.Dir(filepath.Clean(dir)))
	if errors.Is(above, os.ErrPermission) {
		above = nil
	}
	return errors.Join(above, fs.SyncDir(dir))
}
