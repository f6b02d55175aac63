package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"exactmatch.dev/operator/internal/failure"
)

type file struct {
	root, name, where string
	pin               pin
}

func openFile(_ context.Context, c Config, u *url.URL) (Source, error) {
	where := describe(u)
	name := strings.TrimLeft(u.Path, "/")
	switch {
	case c.Root == "":
		return nil, &Error{Reason: failure.SchemeNotAllowed, Source: where, Message: "this operator has no folder for file sources: start it with --source-root"}
	case u.Host != "":
		return nil, &Error{Reason: failure.SourceInvalid, Source: where, Message: "a file URI has three slashes and no host: file:///folder/name.csv"}
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "":
		return nil, &Error{Reason: failure.SourceInvalid, Source: where, Message: "a file URI is file:///folder/name.csv; write ? and # in names as %3F and %23"}
	case name == "":
		return nil, &Error{Reason: failure.SourceInvalid, Source: where, Message: "the URI names no file"}
	case !filepath.IsLocal(name):
		return nil, outside(where)
	}
	return &file{root: c.Root, name: name, where: where}, nil
}

func (f *file) Name() string   { return baseName(f.name) }
func (f *file) String() string { return f.where }

// Open opens the file below its root anew each time, so that a link put in its way later is judged too.
func (f *file) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, networkError(f.where, err)
	}
	root, err := os.OpenRoot(f.root)
	if err != nil {
		return nil, f.classify(err)
	}
	defer func() { _ = root.Close() }() // nothing was written through it
	// Without O_NONBLOCK opening a named pipe would wait for its writer.
	opened, err := root.OpenFile(f.name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, f.classify(err)
	}
	n, err := f.check(opened, offset, length)
	if err != nil {
		_ = opened.Close()
		return nil, err
	}
	return newBody(ctx, section{io.NewSectionReader(opened, offset, n), opened}, f.where, n), nil
}

func (f *file) check(opened *os.File, offset, length int64) (int64, error) {
	info, err := opened.Stat()
	if err != nil {
		return 0, f.classify(err)
	}
	if !info.Mode().IsRegular() {
		return 0, &Error{Reason: failure.SourceInvalid, Source: f.where, Message: "it is not a regular file"}
	}
	if err := f.pin.hold(f.where, fmt.Sprint(info.Size(), info.ModTime().UnixNano())); err != nil {
		return 0, err
	}
	return span(f.where, info.Size(), offset, length)
}

func (f *file) classify(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Reason: failure.SourceNotFound, Source: f.where, Message: "the file does not exist below the source root of the namespace"}
	case errors.Is(err, fs.ErrPermission):
		return &Error{Reason: failure.SourceRefused, Source: f.where, Message: "the operator may not read the file: check its owner and mode"}
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENAMETOOLONG):
		errors.As(err, &errno)
		return &Error{Reason: failure.SourceInvalid, Source: f.where, Message: errno.Error()}
	case errors.As(err, &errno):
		return &Error{Reason: failure.SourceUnavailable, Source: f.where, Message: errno.Error()}
	}
	return outside(f.where) // os.Root says so with an error of its own that has no name
}

func outside(where string) *Error {
	return &Error{Reason: failure.PathOutsideRoot, Source: where, Message: "the path, or a link in it, leads out of the source root of the namespace"}
}

// section reads a part of a file through ReadAt and closes the file.
type section struct {
	io.Reader
	io.Closer
}
