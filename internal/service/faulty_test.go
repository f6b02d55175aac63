package service_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"exactmatch.dev/operator/internal/service/fsys"
)

// fault is what happens at one operation of the file system.
type fault int

const (
	none        fault = iota
	failsBefore       // an error, and nothing was done
	failsAfter        // an error, and it was done all the same
	fullFrom          // from here on there is no room, until some is made
	tornWrite         // half of it is done; then the process is killed
	powerLoss         // it is done; then whatever is not synced is lost
)

var faultNames = map[fault]string{
	failsBefore: "fails before", failsAfter: "fails after", fullFrom: "disk full", tornWrite: "torn, then killed", powerLoss: "power loss after",
}

var errCrashed = errors.New("the machine is down")

// faultyFiles is the machine's file system with one fault at its at-th
// operation. At a crash it keeps a copy of the folder as the crash leaves it.
type faultyFiles struct {
	fsys.OS
	root, kept string // the folder, and where its copy goes
	kind       fault
	at         int

	mu       sync.Mutex
	count    int
	what     string // the operation that was hit
	crashed  bool
	room     bool
	unsynced map[string]bool // files with bytes that are not synced
	unnamed  map[string]bool // files and folders whose names are not synced
}

func newFaultyFiles(root, kept string, kind fault, at int) *faultyFiles {
	return &faultyFiles{root: root, kept: kept, kind: kind, at: at, unsynced: map[string]bool{}, unnamed: map[string]bool{
		root: true, filepath.Join(root, "service.db"): true,
	}}
}

func fails(what, path string, err error) error { return &fs.PathError{Op: what, Path: path, Err: err} }

// act does one operation, or what the fault makes of it. half is as much of it
// as a kill may leave.
func (f *faultyFiles) act(what, path string, whole, half func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return errCrashed
	}
	f.count++
	hit := f.count == f.at
	if hit {
		f.what = what + " " + strings.TrimPrefix(path, f.root)
	}
	switch {
	case f.kind == fullFrom && f.count >= f.at && f.at > 0 && !f.room && slices.Contains([]string{"mkdir", "create", "write", "write over", "sync"}, what):
		return errors.Join(half(), fails(what, path, syscall.ENOSPC))
	case !hit || f.kind == fullFrom:
		return whole()
	case f.kind == failsBefore:
		return fails(what, path, syscall.EIO)
	case f.kind == failsAfter:
		return errors.Join(whole(), fails(what, path, syscall.EIO))
	case f.kind == tornWrite:
		return errors.Join(half(), f.crash())
	}
	return errors.Join(whole(), f.crash())
}

// crash keeps what is on the disk.
func (f *faultyFiles) crash() error {
	f.crashed = true
	if err := os.CopyFS(f.kept, os.DirFS(f.root)); err != nil {
		return err
	}
	lost := errCrashed
	if f.kind != powerLoss {
		return lost
	}
	for path := range f.unsynced {
		at := f.inCopy(path)
		if info, err := os.Stat(at); err == nil {
			lost = errors.Join(lost, os.Truncate(at, info.Size()/2))
		}
	}
	for path := range f.unnamed {
		lost = errors.Join(lost, os.RemoveAll(f.inCopy(path)))
	}
	return lost
}

func (f *faultyFiles) inCopy(path string) string {
	return filepath.Join(f.kept, strings.TrimPrefix(path, f.root))
}

func nothing() error { return nil }

func (f *faultyFiles) MkdirAll(dir string) error {
	return f.act("mkdir", dir, func() error {
		if _, err := os.Stat(dir); err != nil {
			f.unnamed[dir] = true
		}
		return f.OS.MkdirAll(dir)
	}, nothing)
}

func (f *faultyFiles) ReadDir(dir string) (entries []os.DirEntry, err error) {
	err = f.act("readdir", dir, func() (err error) {
		entries, err = f.OS.ReadDir(dir)
		return err
	}, nothing)
	return entries, err
}

func (f *faultyFiles) Create(path string) (fsys.File, error) {
	return f.open("create", path, func() (fsys.File, error) {
		f.unsynced[path] = true
		if _, err := os.Stat(path); err != nil {
			f.unnamed[path] = true
		}
		return f.OS.Create(path)
	})
}

func (f *faultyFiles) Open(path string) (fsys.File, error) {
	return f.open("open", path, func() (fsys.File, error) { return f.OS.Open(path) })
}

func (f *faultyFiles) Edit(path string) (fsys.File, error) {
	return f.open("edit", path, func() (fsys.File, error) { return f.OS.Edit(path) })
}

func (f *faultyFiles) open(what, path string, open func() (fsys.File, error)) (fsys.File, error) {
	var file fsys.File
	err := f.act(what, path, func() (err error) {
		file, err = open()
		return err
	}, nothing)
	if err != nil {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
		return nil, err
	}
	return &faultyFile{file, f, path}, nil
}

func (f *faultyFiles) Rename(from, to string) error {
	return f.act("rename", to, func() error {
		if _, err := os.Stat(to); err != nil {
			f.unnamed[to] = true
		}
		delete(f.unnamed, from)
		f.unsynced[to] = f.unsynced[from]
		if delete(f.unsynced, from); !f.unsynced[to] {
			delete(f.unsynced, to)
		}
		return f.OS.Rename(from, to)
	}, nothing)
}

func (f *faultyFiles) RemoveAll(path string) error {
	return f.act("remove", path, func() error {
		for _, names := range []map[string]bool{f.unsynced, f.unnamed} {
			for name := range names {
				if name == path || strings.HasPrefix(name, path+"/") {
					delete(names, name)
				}
			}
		}
		return f.OS.RemoveAll(path)
	}, nothing)
}

func (f *faultyFiles) SyncDir(dir string) error {
	return f.act("syncdir", dir, func() error {
		for name := range f.unnamed {
			if filepath.Dir(name) == dir {
				delete(f.unnamed, name)
			}
		}
		return f.OS.SyncDir(dir)
	}, nothing)
}

// faultyFile is an open file of it.
type faultyFile struct {
	fsys.File
	files *faultyFiles
	path  string
}

func (f *faultyFile) Write(p []byte) (n int, err error) {
	err = f.files.act("write", f.path, func() (err error) {
		f.files.unsynced[f.path] = true
		n, err = f.File.Write(p)
		return err
	}, func() (err error) {
		n, err = f.File.Write(p[:len(p)/2])
		return err
	})
	return n, err
}

func (f *faultyFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.files.act("write over", f.path, func() (err error) {
		f.files.unsynced[f.path] = true
		n, err = f.File.WriteAt(p, off)
		return err
	}, func() (err error) {
		n, err = f.File.WriteAt(p[:len(p)/2], off)
		return err
	})
	return n, err
}

func (f *faultyFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.files.act("read", f.path, func() (err error) {
		n, err = f.File.ReadAt(p, off)
		return err
	}, nothing)
	if err != nil && n == len(p) {
		n = 0 // a failed read says nothing of what it read
	}
	return n, err
}

func (f *faultyFile) Sync() error {
	return f.files.act("sync", f.path, func() error {
		delete(f.files.unsynced, f.path)
		return f.File.Sync()
	}, nothing)
}

func (f *faultyFile) Size() (size int64, err error) {
	err = f.files.act("size", f.path, func() (err error) {
		size, err = f.File.Size()
		return err
	}, nothing)
	return size, err
}

// Close gives the descriptor back, whatever the fault.
func (f *faultyFile) Close() error {
	err := f.files.act("close", f.path, nothing, nothing)
	return errors.Join(err, f.File.Close())
}
