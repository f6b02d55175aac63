package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/records"
	"exactmatch.dev/operator/internal/service/records/bolt"
)

// Source is where a backup has the records from: the service that uses the folder, or
// the database of one that is stopped.
type Source interface {
	// Snapshot writes the database as it is at one moment.
	Snapshot(ctx context.Context, w io.Writer) error
	// Unfinished are the sessions that take blocks now, or wait for their commits.
	Unfinished(ctx context.Context) ([]string, error)
}

// Backup copies a data folder, of a service that may run, to a folder of backups: the
// records of one moment, and every file that they name. Files never change under their
// names, so only those are copied that no backup has.
//
// A file may go while they are copied, since its record did. Then the records are taken
// once more, and with them what is new since. So the backup is of the moment of the last
// records.
type Backup struct {
	FS      fsys.FS
	Dir, To string
	// Keep is how many backups stay, 0 for all.
	Keep   int
	Source Source
	Out    io.Writer
	Log    *slog.Logger
	Now    func() time.Time

	copies *copies
	there  map[string]map[string]int64 // sizes of the copies, by the folder that they are in
	count  struct{ files, bytes int64 }
}

func (b *Backup) say(format string, args ...any) { _, _ = fmt.Fprintf(b.Out, format+"\n", args...) }

// How often the records are taken: a file that is not what it is to be so often in a row
// is damaged.
const (
	mostMoments    = 20
	momentsDamaged = 3
)

// Run makes one backup. Its error is a *DamagedFiles where that is whole but for files
// which were damaged before.
func (b *Backup) Run(ctx context.Context) (err error) {
	if b.copies, err = openCopies(b.FS, b.To, unix.LOCK_EX); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.copies.close()) }()
	before, err := b.copies.tidy()
	if err != nil {
		return err
	}
	made, err := b.make(ctx, b.nextID(before))
	if err != nil {
		return fmt.Errorf("no backup was made: %w", err)
	}
	b.say("backup %s is whole: %d files, %d of them new, with %d bytes", made.ID, len(made.Files), b.count.files, b.count.bytes)
	if err := b.prune(append(before, made.ID)); err != nil {
		return fmt.Errorf("the backup %s is whole; earlier ones could not be removed: %w", made.ID, err)
	}
	if len(made.Damaged) > 0 {
		return &DamagedFiles{made.ID, made.Damaged}
	}
	return nil
}

// DamagedFiles says what a backup could not copy.
type DamagedFiles struct {
	ID    string
	Files []Copied
}

func (d *DamagedFiles) Error() string {
	return fmt.Sprintf("the backup %s is whole but for %d files that are damaged or missing in the data folder, such as %s: 'exactmatch service check' on the stopped service names the data stores; upload their tables again", d.ID, len(d.Files), d.Files[0])
}

// idForm sorts as times do.
const idForm = "20060102T150405.000Z"

// nextID is the name of a new backup, which sorts behind the others.
func (b *Backup) nextID(before []string) string {
	at := b.Now().UTC()
	if n := len(before); n > 0 {
		if last, err := time.Parse(idForm, before[n-1]); err == nil && !at.Truncate(time.Millisecond).After(last) {
			at = last.Add(time.Millisecond)
		}
	}
	return at.Format(idForm)
}

func (b *Backup) make(ctx context.Context, id string) (*Contents, error) {
	if err := b.FS.MkdirAll(b.copies.backup(id)); err != nil {
		return nil, err
	}
	again := map[Copied]int{} // in how many moments in a row a file was not what it is to be
	for range mostMoments {
		m, err := b.moment(ctx, id)
		if err != nil {
			return nil, err
		}
		bad, err := m.copyAll(ctx)
		if err != nil {
			return nil, err
		}
		now, lasting := map[Copied]int{}, true
		for _, f := range bad {
			now[f] = again[f] + 1
			lasting = lasting && now[f] >= momentsDamaged
		}
		if again = now; lasting {
			return b.finish(m, bad)
		}
		b.Log.Info("files changed or went while they were copied; the records are taken once more", "backup", id, "files", len(bad), "first", bad[0].String())
	}
	return nil, fmt.Errorf("files of %s changed %d times while they were copied: run it again when less is uploaded", b.Dir, mostMoments)
}

// finish writes the manifest, once everything that it names survives a crash.
func (b *Backup) finish(m *moment, damaged []Copied) (*Contents, error) {
	c := &m.contents
	c.Damaged = damaged
	c.Files = slices.DeleteFunc(c.Files, func(f Copied) bool { return slices.Contains(damaged, f) })
	for _, f := range c.Files {
		if err := f.check(); err != nil {
			return nil, err // nobody could read it
		}
	}
	text, err := c.encode()
	if err != nil {
		return nil, err
	}
	root := b.copies
	for _, dir := range []string{filepath.Join(root.dir, filesName, Blocks), filepath.Join(root.dir, filesName, Tables), filepath.Join(root.dir, filesName), root.dir, root.backup(c.ID), filepath.Join(root.dir, backupsName)} {
		if err := b.FS.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return c, fsys.WriteSynced(b.FS, root.backup(c.ID), contentsName, text)
}

// Stopped is the Source of a service that is stopped.
type Stopped struct{ *bolt.Store }

// OpenStopped opens the database in the folder of a stopped service, to be read.
func OpenStopped(dir string, log *slog.Logger) (*Stopped, error) {
	db, err := bolt.OpenReading(filepath.Join(dir, Database), log)
	if err != nil {
		return nil, err
	}
	return &Stopped{db}, nil
}

// Unfinished implements Source.
func (s *Stopped) Unfinished(ctx context.Context) ([]string, error) { return UnfinishedIn(ctx, s) }

// UnfinishedIn are the sessions that take blocks or wait for their commits.
func UnfinishedIn(ctx context.Context, db records.Store) (ids []string, err error) {
	all, err := records.ListAll(ctx, db, records.Tx.Sessions)
	for _, one := range all {
		if one.Unfinished() {
			ids = append(ids, one.ID)
		}
	}
	return ids, err
}

// has reports whether a copy is there.
func (b *Backup) has(f Copied) (bool, error) {
	size, err := b.sizeOfCopy(f)
	return size >= 0 && size == f.Size, err
}

// sizeOfCopy is -1 where there is none.
func (b *Backup) sizeOfCopy(f Copied) (int64, error) {
	dir := b.copies.group(f)
	if b.there == nil {
		b.there = map[string]map[string]int64{}
	}
	if b.there[dir] == nil {
		sizes := map[string]int64{}
		all, err := b.FS.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		for _, e := range all {
			info, err := e.Info()
			if err != nil {
				return 0, err
			}
			sizes[e.Name()] = info.Size()
		}
		b.there[dir] = sizes
	}
	if size, there := b.there[dir][f.copyName()]; there {
		return size, nil
	}
	return -1, nil
}

// summed writes a file and sums it up.
type summed struct {
	fsys.File
	size int64
	sum  uint64
}

func (s *summed) Write(p []byte) (int, error) {
	n, err := s.File.Write(p)
	s.size, s.sum = s.size+int64(n), block.AddSum(s.sum, p[:n])
	return n, err
}

// takeRecords writes the records of this moment.
func (b *Backup) takeRecords(ctx context.Context, dir string) (Copied, error) {
	file, err := b.FS.Create(filepath.Join(dir, recordsName))
	if err != nil {
		return Copied{}, err
	}
	to := &summed{File: file}
	err = b.Source.Snapshot(ctx, to)
	if err == nil {
		err = file.Sync()
	}
	return Copied{Name: recordsName, Size: to.size, Sum: fmt.Sprintf("%016x", to.sum)}, errors.Join(err, file.Close())
}

// tidy removes what backups left that were cut off, but for copies, which the next one
// can use, and returns the backups that are whole.
func (c *copies) tidy() ([]string, error) {
	whole, err := c.whole()
	if err != nil {
		return nil, err
	}
	all, err := entries(c.files, filepath.Join(c.dir, backupsName))
	if err != nil {
		return nil, err
	}
	for _, id := range all {
		if !slices.Contains(whole, id) {
			err = errors.Join(err, c.files.RemoveAll(c.backup(id)))
		}
	}
	return whole, err
}

// prune removes the backups that are too many, the earliest first, and then the copies
// that none of the others has. Where one of those cannot be read nothing is removed.
func (b *Backup) prune(ids []string) error {
	c, going := b.copies, 0
	if b.Keep > 0 {
		going = max(0, len(ids)-b.Keep)
	}
	used := map[string]bool{}
	for _, id := range ids[going:] {
		contents, err := c.read(id)
		if err != nil {
			return err
		}
		for _, f := range contents.Files {
			used[filepath.Join(f.Kind, f.Session, f.copyName())] = true
		}
	}
	for _, id := range ids[:going] {
		if err := c.remove(id); err != nil {
			return err
		}
		b.say("removed the backup %s", id)
	}
	return c.removeUnused(used)
}

// remove removes a backup: its manifest first, so that it is none from then on.
func (c *copies) remove(id string) error {
	dir := c.backup(id)
	return errors.Join(c.files.RemoveAll(filepath.Join(dir, contentsName)), c.files.SyncDir(dir), c.files.RemoveAll(dir))
}

// removeUnused removes copies that no backup has, and what is left of others.
func (c *copies) removeUnused(used map[string]bool) error {
	for _, kind := range []string{Blocks, Tables} {
		sessions, err := entries(c.files, filepath.Join(c.dir, filesName, kind))
		if err != nil {
			return err
		}
		for _, session := range sessions {
			dir := filepath.Join(c.dir, filesName, kind, session)
			names, err := entries(c.files, dir)
			if err != nil {
				return err
			}
			left := len(names)
			for _, name := range names {
				if used[filepath.Join(kind, session, name)] {
					continue
				}
				if err := c.files.RemoveAll(filepath.Join(dir, name)); err != nil {
					return err
				}
				left--
			}
			if left == 0 {
				if err := c.files.RemoveAll(dir); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// sameFolder refuses a folder of backups that has those of another data folder.
func (b *Backup) sameFolder(own string) error {
	ids, err := b.copies.whole()
	if err != nil || len(ids) == 0 {
		return err
	}
	last, err := b.copies.read(ids[len(ids)-1])
	if err != nil {
		b.Log.Warn("the last backup cannot be read", "backup", ids[len(ids)-1], "error", err)
		return nil
	}
	if last.Folder != own {
		return fmt.Errorf("%s has backups of another data folder: name a folder of its own by --to", b.To)
	}
	return nil
}

// sortedKeys are in order, so that messages are the same each time.
func sortedKeys[V any](of map[string]V) []string { return slices.Sorted(maps.Keys(of)) }
