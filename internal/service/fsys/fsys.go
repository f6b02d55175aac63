// Package fsys is the file system as the service uses it: an interface, so that
// tests can fail every operation, and writes that appear whole or not at all.
package fsys

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/google/uuid"
)

// FS is what the service asks of the file system below its folder; bbolt
// alone opens its file itself. Every method may fail at any time, and whatever
// is not synced may be gone after a crash, so that callers say what is left.
type FS interface {
	// MkdirAll makes a folder and those above it, with mode 0700.
	MkdirAll(dir string) error
	ReadDir(dir string) ([]os.DirEntry, error)
	// Create makes a file of mode 0600, or empties the one that is there.
	Create(path string) (File, error)
	Open(path string) (File, error)
	// Map maps a file that is there into memory.
	Map(path string) (Mapping, error)
	// Edit opens a file that is there, to write over its bytes in place.
	Edit(path string) (File, error)
	Rename(from, to string) error
	// RemoveAll removes a file, or a folder with what is in it; a missing one is
	// no error.
	RemoveAll(path string) error
	// SyncDir makes the names in a folder survive a crash.
	SyncDir(dir string) error
}

// File is an open file: one that Create or Edit returned is written, one that Open
// returned is read.
type File interface {
	io.Writer
	io.WriterAt
	io.ReaderAt
	io.Closer
	// Sync makes what was written survive a crash.
	Sync() error
	Size() (int64, error)
}

// Mapping is a file in memory, as it was when it was mapped, also after it is
// removed. Bytes are valid until Close, which is called once. Reading them faults
// where the disk fails, or where the file has become shorter.
type Mapping interface {
	Bytes() []byte
	io.Closer
}

// OS is the machine's own file system.
type OS struct{}

type osFile struct{ *os.File }

// MkdirAll implements FS.
func (OS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

// ReadDir implements FS.
func (OS) ReadDir(dir string) ([]os.DirEntry, error) { return os.ReadDir(dir) }

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// RemoveAll implements FS.
func (OS) RemoveAll(path string) error { return os.RemoveAll(path) }

// Create implements FS.
func (OS) Create(path string) (File, error) {
	return opened(os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600))
}

// Open implements FS.
func (OS) Open(path string) (File, error) { return opened(os.Open(path)) }

// Edit implements FS.
func (OS) Edit(path string) (File, error) { return opened(os.OpenFile(path, os.O_WRONLY, 0)) }

// opened keeps a nil *os.File from becoming a file that is not nil.
func opened(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// SyncDir implements FS.
func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// ReadWhole returns the bytes of a file.
func ReadWhole(fs FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	return ReadAndClose(f)
}

// ReadAndClose returns the bytes of an open file.
func ReadAndClose(f interface {
	io.ReaderAt
	io.Closer
	Size() (int64, error)
}) (data []byte, err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data = make([]byte, size)
	if n, err := f.ReadAt(data, 0); n < len(data) {
		return nil, err
	}
	return data, nil
}

// unfinishedSuffix ends the names of files that are not whole yet.
const unfinishedSuffix = ".new"

// WriteSynced makes a file appear whole or not at all. Where it fails the file
// may be there all the same: nobody was told so, and the next try replaces it.
func WriteSynced(fs FS, dir, name string, data []byte) error {
	path := filepath.Join(dir, name+"-"+uuid.NewString()+unfinishedSuffix)
	f, err := fs.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = fs.Rename(path, filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, fs.RemoveAll(path))
	}
	return errors.Join(fs.SyncDir(dir), fs.SyncDir(filepath.Dir(dir)))
}
