package service

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"exactmatch.dev/operator/internal/block"
)

// A page file holds entries of one size in pages of pageEntries, each page
// followed by its CRC-64/NVME, so that one entry is read with one checked read
// and a damaged disk is told from an answer. The last page may be short.
const (
	pageEntries = 256
	sumSize     = 8
)

// pageWriter appends entries to a new page file.
type pageWriter struct {
	file  *os.File
	out   *bufio.Writer
	entry int
	page  []byte
}

func newPageWriter(path string, entry int) (*pageWriter, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &pageWriter{file: file, out: bufio.NewWriterSize(file, 1<<18), entry: entry, page: make([]byte, 0, pageEntries*entry+sumSize)}, nil
}

// add appends whole entries.
func (w *pageWriter) add(entries []byte) error {
	for len(entries) > 0 {
		n := min(len(entries), pageEntries*w.entry-len(w.page))
		w.page = append(w.page, entries[:n]...)
		entries = entries[n:]
		if len(w.page) == pageEntries*w.entry {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *pageWriter) flush() error {
	if len(w.page) == 0 {
		return nil
	}
	w.page = binary.LittleEndian.AppendUint64(w.page, block.Sum(w.page))
	_, err := w.out.Write(w.page)
	w.page = w.page[:0]
	return err
}

// closeUnsynced ends a file that is of no use after a crash.
func (w *pageWriter) closeUnsynced() error {
	return errors.Join(w.flush(), w.out.Flush(), w.file.Close())
}

// close ends the file; what was added is synced when it returns nil.
func (w *pageWriter) close() error {
	return errors.Join(w.flush(), w.out.Flush(), w.file.Sync(), w.file.Close())
}

// pageFile reads what a pageWriter wrote. It is safe for concurrent use.
type pageFile struct {
	file    *os.File
	entry   int
	entries int64
}

func openPages(path string, entry int) (*pageFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	full := int64(pageEntries*entry + sumSize)
	entries := info.Size() / full * pageEntries
	if rest := info.Size() % full; rest > 0 {
		if rest <= sumSize || (rest-sumSize)%int64(entry) != 0 {
			return nil, errors.Join(&damaged{filepath.Base(path) + " is cut off"}, file.Close())
		}
		entries += (rest - sumSize) / int64(entry)
	}
	return &pageFile{file: file, entry: entry, entries: entries}, nil
}

func (f *pageFile) close() error { return f.file.Close() }

func (f *pageFile) pages() int64 { return (f.entries + pageEntries - 1) / pageEntries }

// page reads one page and checks its sum.
func (f *pageFile) page(n int64) ([]byte, error) {
	size := int(min(pageEntries, f.entries-n*pageEntries)) * f.entry
	page := make([]byte, size+sumSize)
	if _, err := f.file.ReadAt(page, n*int64(pageEntries*f.entry+sumSize)); err != nil {
		return nil, fmt.Errorf("read page %d of %s: %w", n, filepath.Base(f.file.Name()), err)
	}
	if block.Sum(page[:size]) != binary.LittleEndian.Uint64(page[size:]) {
		return nil, &damaged{fmt.Sprintf("page %d of %s does not have its sum", n, filepath.Base(f.file.Name()))}
	}
	return page[:size], nil
}

// at reads one entry.
func (f *pageFile) at(n int64) ([]byte, error) {
	if n < 0 || n >= f.entries {
		return nil, io.ErrUnexpectedEOF
	}
	page, err := f.page(n / pageEntries)
	if err != nil {
		return nil, err
	}
	from := int(n%pageEntries) * f.entry
	return page[from : from+f.entry], nil
}

// each calls f with every page in order.
func (f *pageFile) each(call func(page []byte) error) error {
	for n := range f.pages() {
		page, err := f.page(n)
		if err != nil {
			return err
		}
		if err := call(page); err != nil {
			return err
		}
	}
	return nil
}
