package blobs

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"exactmatch.dev/operator/internal/service/fsys"
)

// Folder is a Store in a folder of the machine's: a folder for each group.
type Folder struct {
	fs   fsys.FS
	root string
}

// NewFolder keeps files below a folder that is there.
func NewFolder(fs fsys.FS, root string) *Folder { return &Folder{fs, root} }

func (f *Folder) dir(group string) string        { return filepath.Join(f.root, group) }
func (f *Folder) path(group, name string) string { return filepath.Join(f.root, group, name) }

// Put implements Store.
func (f *Folder) Put(_ context.Context, group, name string, data []byte) error {
	if err := f.fs.MkdirAll(f.dir(group)); err != nil {
		return err
	}
	return fsys.WriteSynced(f.fs, f.dir(group), name, data)
}

// Create implements Store.
func (f *Folder) Create(_ context.Context, group, name string) (Writer, error) {
	if err := f.fs.MkdirAll(f.dir(group)); err != nil {
		return nil, err
	}
	file, err := f.fs.Create(f.path(group, name))
	if err != nil {
		return nil, err
	}
	return &folderWriter{file, f, group}, nil
}

// folderWriter syncs the file, its name and that of its group.
type folderWriter struct {
	fsys.File
	folder *Folder
	group  string
}

func (w *folderWriter) Commit() error {
	if err := errors.Join(w.Sync(), w.Close()); err != nil {
		return err
	}
	return errors.Join(w.folder.fs.SyncDir(w.folder.dir(w.group)), w.folder.fs.SyncDir(w.folder.root))
}

// Open implements Store.
func (f *Folder) Open(_ context.Context, group, name string) (Reader, error) {
	return f.fs.Open(f.path(group, name))
}

// Map implements Store.
func (f *Folder) Map(_ context.Context, group, name string) (Mapping, error) {
	return f.fs.Map(f.path(group, name))
}

// List implements Store.
func (f *Folder) List(_ context.Context, group string) ([]File, error) {
	entries, err := f.fs.ReadDir(f.dir(group))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make([]File, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		out = append(out, File{e.Name(), info.Size()})
	}
	return out, nil
}

// Groups implements Store.
func (f *Folder) Groups(context.Context) ([]string, error) {
	entries, err := f.fs.ReadDir(f.root)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(entries))
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out, nil
}

// Remove implements Store.
func (f *Folder) Remove(_ context.Context, group, name string) error {
	return f.fs.RemoveAll(f.path(group, name))
}

// RemoveAll implements Store.
func (f *Folder) RemoveAll(_ context.Context, group string) error {
	return f.fs.RemoveAll(f.dir(group))
}
