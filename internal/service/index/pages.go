package index

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/blobs"
)

// A page file holds entries of one size in pages of pageEntries, each page
// followed by its CRC-64/NVME, so that one entry is read with one checked read
// and a damaged disk is told from an answer. The last page may be short. The
// file ends with how many entries it has and their size, and a sum of both and
// of its own name: a file that lost its end, or stands in another's place, is
// no shorter table.
const (
	pageEntries = 256
	sumSize     = 8
	footerSize  = 4 + 8 + sumSize
)

// footer is the end of a page file.
func footer(name string, entry int, entries int64) []byte {
	text := binary.LittleEndian.AppendUint32(nil, uint32(entry))
	text = binary.LittleEndian.AppendUint64(text, uint64(entries))
	return binary.LittleEndian.AppendUint64(text, block.Sum(append([]byte(name), text...)))
}

// pageWriter appends entries to a new page file.
type pageWriter struct {
	name  string
	file  blobs.Writer
	out   *bufio.Writer
	entry int
	bytes int64 // of the entries that were added
	page  []byte
}

func newPageWriter(ctx context.Context, files group, name string, entry int) (*pageWriter, error) {
	file, err := files.store.Create(ctx, files.session, name)
	if err != nil {
		return nil, err
	}
	return &pageWriter{
		name: name, file: file, out: bufio.NewWriterSize(file, 1<<18), entry: entry, page: make([]byte, 0, pageEntries*entry+sumSize),
	}, nil
}

// add appends whole entries.
func (w *pageWriter) add(entries []byte) error {
	w.bytes += int64(len(entries))
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

// finish writes the last page and the end of the file.
func (w *pageWriter) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	if _, err := w.out.Write(footer(w.name, w.entry, w.bytes/int64(w.entry))); err != nil {
		return err
	}
	return w.out.Flush()
}

// close ends a file that is of no use after a crash, or one that is given up.
func (w *pageWriter) close() error {
	return errors.Join(w.finish(), w.file.Close())
}

// commit ends the file: what was added survives a crash once it has returned nil.
func (w *pageWriter) commit() error {
	if err := w.finish(); err != nil {
		return errors.Join(err, w.file.Close())
	}
	return w.file.Commit()
}

// pageFile reads what a pageWriter wrote. It is safe for concurrent use.
type pageFile struct {
	name    string
	file    blobs.Reader
	entry   int
	entries int64
}

func openPages(ctx context.Context, files group, name string, entry int) (*pageFile, error) {
	file, err := files.store.Open(ctx, files.session, name)
	if err != nil {
		return nil, err
	}
	f := &pageFile{name: name, file: file, entry: entry}
	if err := f.measure(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return f, nil
}

// measure reads how many entries the file has, and makes sure that it is as long
// as they are.
func (f *pageFile) measure() error {
	size, err := f.file.Size()
	if err != nil {
		return err
	}
	if size < footerSize {
		return &Damaged{f.name + " is cut off"}
	}
	end := make([]byte, footerSize)
	if _, err := f.file.ReadAt(end, size-footerSize); err != nil {
		return fmt.Errorf("read the end of %s: %w", f.name, err)
	}
	f.entries = int64(binary.LittleEndian.Uint64(end[4:]))
	if !bytes.Equal(end, footer(f.name, f.entry, f.entries)) || size != f.entries*int64(f.entry)+f.pages()*sumSize+footerSize {
		return &Damaged{f.name + " does not end as it was written"}
	}
	return nil
}

func (f *pageFile) close() error { return f.file.Close() }

func (f *pageFile) pages() int64 { return (f.entries + pageEntries - 1) / pageEntries }

// page reads one page and checks its sum.
func (f *pageFile) page(n int64) ([]byte, error) {
	if n < 0 || n >= f.pages() {
		return nil, &Damaged{fmt.Sprintf("%s has no page %d", f.name, n)}
	}
	size := int(min(pageEntries, f.entries-n*pageEntries)) * f.entry
	page := make([]byte, size+sumSize)
	if _, err := f.file.ReadAt(page, n*int64(pageEntries*f.entry+sumSize)); err != nil {
		return nil, fmt.Errorf("read page %d of %s: %w", n, f.name, err)
	}
	if block.Sum(page[:size]) != binary.LittleEndian.Uint64(page[size:]) {
		return nil, &Damaged{fmt.Sprintf("page %d of %s does not have its sum", n, f.name)}
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
