package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/records"
	"exactmatch.dev/operator/internal/service/records/bolt"
)

// restoringName is a file in a data folder for as long as a restore has not ended. No
// service starts there.
const restoringName = "restore.unfinished"

// generationsLeft are left out of the generations of a data store by a restore: the
// tables that went live after the backup had some of them, and clients may remember those.
const generationsLeft = 1_000_000

// Restore makes a data folder out of a backup, in an empty folder. It compares the sum of
// every file. One that was stopped is known by a file that goes last; the next one
// begins anew.
type Restore struct {
	FS        fsys.FS
	From, Dir string
	// ID is that of the backup, "" for the last one.
	ID  string
	Out io.Writer
	Log *slog.Logger
}

func (r *Restore) say(format string, args ...any) { _, _ = fmt.Fprintf(r.Out, format+"\n", args...) }

// Run restores.
func (r *Restore) Run(ctx context.Context) (err error) {
	from, err := openCopies(r.FS, r.From, unix.LOCK_SH)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	contents, err := r.choose(from)
	if err != nil {
		return err
	}
	mark, err := r.begin()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mark.Close()) }()
	if err := r.restore(ctx, from, contents); err != nil {
		return fmt.Errorf("%s is not restored, and no service starts there: %w", r.Dir, err)
	}
	if err := errors.Join(r.FS.RemoveAll(filepath.Join(r.Dir, restoringName)), r.FS.SyncDir(r.Dir)); err != nil {
		return err
	}
	r.say("%s is the backup %s: %d files", r.Dir, contents.ID, len(contents.Files))
	for _, f := range contents.Damaged {
		r.say("%s was damaged or missing when the backup was made", f)
	}
	return nil
}

// choose finds the backup that is to be restored.
func (r *Restore) choose(from *copies) (*Contents, error) {
	ids, err := from.whole()
	switch {
	case err != nil:
		return nil, err
	case len(ids) == 0:
		return nil, fmt.Errorf("%s has no backup that is whole", r.From)
	case r.ID == "":
		return from.read(ids[len(ids)-1])
	case !slices.Contains(ids, r.ID):
		return nil, fmt.Errorf("%s has no backup %q that is whole: it has %v", r.From, r.ID, ids)
	}
	return from.read(r.ID)
}

// begin marks an empty folder, or takes up one that a restore has marked: what that has
// made goes.
func (r *Restore) begin() (mark *os.File, err error) {
	if err := r.FS.MkdirAll(r.Dir); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	names, err := entries(r.FS, r.Dir)
	if err != nil {
		return nil, fmt.Errorf("read the data folder: %w", err)
	}
	for _, name := range names {
		if name != lostName && !slices.Contains(names, restoringName) {
			return nil, fmt.Errorf("%s is not empty: move what is there away, and restore to an empty folder", r.Dir)
		}
	}
	path := filepath.Join(r.Dir, restoringName)
	if mark, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err := unix.Flock(int(mark.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s, which another restore may be using: %w", path, err), mark.Close())
	}
	err = errors.Join(mark.Sync(), syncNames(r.FS, r.Dir))
	for _, name := range names {
		if name != lostName && name != restoringName {
			err = errors.Join(err, r.FS.RemoveAll(filepath.Join(r.Dir, name)))
		}
	}
	if err != nil {
		return nil, errors.Join(err, mark.Close())
	}
	return mark, nil
}

func (r *Restore) restore(ctx context.Context, from *copies, contents *Contents) error {
	if err := r.copyFiles(ctx, from, contents); err != nil {
		return err
	}
	half := filepath.Join(r.Dir, Database+halfSuffix)
	if err := copyFile(ctx, r.FS, filepath.Join(from.backup(contents.ID), recordsName), contents.Records, half); err != nil {
		return r.advise(contents, err)
	}
	is, err := r.renew(ctx, half)
	if err != nil {
		return err
	}
	if err := errors.Join(r.FS.Rename(half, filepath.Join(r.Dir, Database)), r.FS.SyncDir(r.Dir)); err != nil {
		return err
	}
	if err := writeIdentity(r.FS, r.Dir, is); err != nil {
		return err
	}
	return r.fits(ctx)
}

// advise says what to do where a backup itself is damaged.
func (r *Restore) advise(contents *Contents, err error) error {
	var other *changed
	if errors.As(err, &other) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the backup %s is damaged (%w): restore another one by --backup", contents.ID, err)
	}
	return err
}

// copyFiles copies all files but the records.
func (r *Restore) copyFiles(ctx context.Context, from *copies, contents *Contents) error {
	made := map[string]bool{filepath.Join(r.Dir, Blocks): true, filepath.Join(r.Dir, Tables): true}
	for dir := range made {
		if err := r.FS.MkdirAll(dir); err != nil {
			return err
		}
	}
	for _, f := range contents.Files {
		dir := filepath.Join(r.Dir, f.Kind, f.Session)
		if !made[dir] {
			if err := r.FS.MkdirAll(dir); err != nil {
				return err
			}
			made[dir] = true
		}
		if err := copyFile(ctx, r.FS, filepath.Join(from.group(f), f.copyName()), f, filepath.Join(dir, f.Name)); err != nil {
			return r.advise(contents, err)
		}
	}
	for _, dir := range sortedKeys(made) {
		if err := r.FS.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// renew makes the records those of a folder of its own: no upload URI of the other one is
// valid here, and no generation of a table that went live there comes again.
func (r *Restore) renew(ctx context.Context, path string) (is identity, err error) {
	db, err := bolt.Open(path, r.Log)
	if err != nil {
		return is, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tenants, err := db.Tenants(ctx)
	if err != nil {
		return is, err
	}
	for _, tenant := range tenants {
		if err := db.Of(tenant).Update(ctx, leaveGenerations); err != nil {
			return is, err
		}
	}
	if err := db.Renew(ctx); err != nil {
		return is, err
	}
	now, err := db.Identity(ctx)
	return identity(now), err
}

func leaveGenerations(tx records.Tx) error {
	stores, err := tx.DataStores().List()
	for _, one := range stores {
		one.Generation += generationsLeft
		err = errors.Join(err, tx.DataStores().Put(one))
	}
	return err
}

// fits looks at what was made as a start does.
func (r *Restore) fits(ctx context.Context) error {
	found, err := lookAt(r.FS, r.Dir)
	if err != nil {
		return err
	}
	db, err := bolt.OpenReading(filepath.Join(r.Dir, Database), r.Log)
	if err != nil {
		return err
	}
	return errors.Join(found.fits(ctx, db), found.formsAreKnown(ctx, db), db.Close())
}
