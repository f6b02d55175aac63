// Package blobs keeps bytes that are written once and only read from then on:
// the blocks that sessions stage, and the files of tables.
package blobs

import (
	"context"
	"io"

	"exactmatch.dev/operator/internal/service/fsys"
)

// Store keeps immutable files by a group and a name in it: the blocks of a
// session, or the files of a table. Folder is one; a bucket can be another.
//
// Any method can fail at any time and none retries. After an error a file may be
// there or not: the caller does the same again, or removes it. A file that is
// missing is an fs.ErrNotExist. A Store is safe for concurrent use, except that a
// file has one writer.
type Store interface {
	// Put writes a whole file, in place of one of the same name. Once it has
	// returned nil the file survives a crash; before, a crash leaves all of the file
	// or nothing.
	Put(ctx context.Context, group, name string, data []byte) error
	// Create begins a file, in place of one of the same name.
	Create(ctx context.Context, group, name string) (Writer, error)
	// Open opens a file for reading. It stays readable after it is removed.
	Open(ctx context.Context, group, name string) (Reader, error)
	// Map maps a file into memory, to be read there at random.
	Map(ctx context.Context, group, name string) (Mapping, error)
	// List returns the files of a group in the order of their names, none where
	// there is no such group. What a crash left of a Put may be among them, under a
	// name that nobody chose.
	List(ctx context.Context, group string) ([]File, error)
	// Groups returns the groups that have files, or had some.
	Groups(ctx context.Context) ([]string, error)
	// Remove removes a file; a missing one is no error.
	Remove(ctx context.Context, group, name string) error
	// RemoveAll removes a group with its files; a missing one is no error.
	RemoveAll(ctx context.Context, group string) error
}

// Writer writes one file from its beginning to its end.
type Writer interface {
	io.Writer
	// Commit ends the file. Once it has returned nil the file survives a crash.
	Commit() error
	// Close ends a file that is of no use after a crash, or one that is given up.
	Close() error
}

// Reader reads one file. It is safe for concurrent use.
type Reader interface {
	io.ReaderAt
	io.Closer
	Size() (int64, error)
}

// Mapping is a file in memory, until Close. Reading it faults where the disk fails.
type Mapping = fsys.Mapping

// File is a file that is there.
type File struct {
	Name string
	Size int64
}

// ReadAll returns the bytes of a file.
func ReadAll(ctx context.Context, s Store, group, name string) ([]byte, error) {
	f, err := s.Open(ctx, group, name)
	if err != nil {
		return nil, err
	}
	return fsys.ReadAndClose(f)
}
