package folder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/fsys"
)

// The names in a folder of backups. The copies of files are shared by all of them: each
// has the name of its file, and its sum. A backup has a folder for its records and its
// manifest, which is written last: without one it is none.
const (
	filesName     = "files"
	backupsName   = "backups"
	recordsName   = "records.db"
	contentsName  = "manifest.json"
	lockName      = "lock"
	halfSuffix    = ".new"
	backupVersion = 1
)

// Contents is the manifest of a backup.
type Contents struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	// Folder and Stamp are those of the records.
	Folder  string `json:"folder"`
	Stamp   uint64 `json:"stamp"`
	Records Copied `json:"records"`
	// Files are those that the records name, but for Damaged, which were damaged or
	// missing already.
	Files   []Copied `json:"files"`
	Damaged []Copied `json:"damaged,omitempty"`
}

// Copied is a file of a data folder and what it is to be. Sum is the CRC-64/NVME of its
// bytes in 16 hexadecimal digits.
type Copied struct {
	Kind    string `json:"kind,omitempty"` // Blocks or Tables
	Session string `json:"session,omitempty"`
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	Sum     string `json:"sum"`
}

func (c Copied) String() string { return filepath.Join(c.Kind, c.Session, c.Name) }

// copyName is the name of the copy.
func (c Copied) copyName() string { return c.Name + "." + c.Sum }

// check refuses what cannot be the name of a file in a data folder.
func (c Copied) check() error {
	for _, name := range []string{c.Session, c.Name} {
		if name == "" || name == "." || name == ".." || filepath.Base(name) != name {
			return fmt.Errorf("its manifest names the file %q", c)
		}
	}
	if c.Kind != Blocks && c.Kind != Tables || c.Size < 0 {
		return fmt.Errorf("its manifest names the file %q", c)
	}
	return nil
}

// copies is a folder of backups.
type copies struct {
	files fsys.FS
	dir   string
	lock  *os.File
}

// openCopies opens a folder of backups, for one command that writes or several that
// read. how is unix.LOCK_EX or unix.LOCK_SH.
func openCopies(files fsys.FS, dir string, how int) (*copies, error) {
	c := &copies{files: files, dir: dir}
	flags := os.O_RDONLY
	if how == unix.LOCK_EX {
		if err := files.MkdirAll(dir); err != nil {
			return nil, fmt.Errorf("make the folder of backups: %w", err)
		}
		flags = os.O_RDWR | os.O_CREATE
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the folder of backups: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), how|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s, which another backup or restore may be using: %w", lock.Name(), err), lock.Close())
	}
	c.lock = lock
	return c, nil
}

func (c *copies) close() error { return c.lock.Close() }

func (c *copies) backup(id string) string { return filepath.Join(c.dir, backupsName, id) }

func (c *copies) group(f Copied) string { return filepath.Join(c.dir, filesName, f.Kind, f.Session) }

// entries are the names in a folder, none where it is missing.
func entries(files fsys.FS, dir string) (names []string, err error) {
	all, err := files.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names, err
}

// whole are the backups that have a manifest, the earliest first.
func (c *copies) whole() (ids []string, err error) {
	all, err := entries(c.files, filepath.Join(c.dir, backupsName))
	if err != nil {
		return nil, err
	}
	for _, id := range all {
		inside, err := entries(c.files, c.backup(id))
		if err != nil {
			return nil, err
		}
		if slices.Contains(inside, contentsName) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// read reads the manifest of a backup.
func (c *copies) read(id string) (*Contents, error) {
	whole, err := fsys.ReadWhole(c.files, filepath.Join(c.backup(id), contentsName))
	if err != nil {
		return nil, fmt.Errorf("read the backup %s: %w", id, err)
	}
	contents, err := parseContents(whole)
	if err != nil {
		return nil, fmt.Errorf("the backup %s cannot be read: %w", id, err)
	}
	return contents, nil
}

// encode is one line of JSON, and a line with its sum.
func (c *Contents) encode() ([]byte, error) {
	text, err := json.Marshal(c)
	return fmt.Appendf(text, "\n%016x\n", block.Sum(text)), err
}

func parseContents(whole []byte) (*Contents, error) {
	text, sum, _ := bytes.Cut(whole, []byte("\n"))
	if string(sum) != fmt.Sprintf("%016x\n", block.Sum(text)) {
		return nil, errors.New("its manifest does not have its sum")
	}
	var is struct{ Version int }
	if err := json.Unmarshal(text, &is); err != nil {
		return nil, fmt.Errorf("its manifest: %w", err)
	}
	if is.Version != backupVersion {
		return nil, fmt.Errorf("its manifest has version %d, and this build reads version %d: use the version that made it", is.Version, backupVersion)
	}
	c := new(Contents)
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("its manifest: %w", err)
	}
	for _, f := range c.Files {
		if err := f.check(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// changed says that a file is not what it is to be.
type changed struct{ what string }

func (c *changed) Error() string { return c.what }

// copyFile copies a file and compares it with what it is to be, which it becomes whole or not at
// all. Its name is not synced yet. A *changed says that the source is another file.
func copyFile(ctx context.Context, files fsys.FS, from string, want Copied, to string) (err error) {
	source, err := files.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	half := to + halfSuffix
	target, err := files.Create(half)
	if err != nil {
		return err
	}
	err = copyAs(ctx, source, want, target)
	if err == nil {
		err = target.Sync()
	}
	if err = errors.Join(err, target.Close()); err == nil {
		err = files.Rename(half, to)
	}
	if err != nil {
		return errors.Join(err, files.RemoveAll(half))
	}
	return nil
}

// copySize is how much of a file is read at once.
const copySize = 1 << 20

func copyAs(ctx context.Context, source fsys.File, want Copied, target io.Writer) error {
	size, err := source.Size()
	if err != nil {
		return err
	}
	if size != want.Size {
		return &changed{fmt.Sprintf("%s has %d bytes in place of %d", want, size, want.Size)}
	}
	buf, sum := make([]byte, min(copySize, size)), uint64(0)
	for at := int64(0); at < size; {
		n, err := source.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case n == 0 && errors.Is(err, io.EOF):
			return &changed{fmt.Sprintf("%s became shorter", want)}
		case err != nil && !errors.Is(err, io.EOF):
			return err
		}
		if _, err := target.Write(buf[:n]); err != nil {
			return err
		}
		sum = block.AddSum(sum, buf[:n])
		at += int64(n)
	}
	if fmt.Sprintf("%016x", sum) != want.Sum {
		return &changed{fmt.Sprintf("%s does not have its sum", want)}
	}
	return nil
}
