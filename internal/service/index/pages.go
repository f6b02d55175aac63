package index

import (
	"context"
	"encoding/binary"
	"slices"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/blobs"
)

// FORMAT.md describes these files. An entry is a key and a row; whole numbers are
// most significant byte first, so that entries sort as bytes.
const (
	pageSize   = 4096
	pageBody   = 4080 // 340 entries of an index, or 204 of its collisions
	rowSize    = 4
	prefixSize = 8
	sumSize    = 8
	footerSize = 4 + 4 + 8 + sumSize

	magicSorted = "XMS1"

	indexEntry     = prefixSize + rowSize
	collisionEntry = fingerprint.TokenSize + rowSize

	// MaxRows is more than the rows that a table can have.
	MaxRows = 1<<32 - 1

	writeSize = 1 << 18 // bytes that are written at once
)

// saltOf tells the pages of one file from those of any other.
func saltOf(session, name string) uint64 { return block.Sum([]byte(session + "/" + name)) }

// pageWriter writes sorted entries into the pages of a new file. Its first error
// stays.
type pageWriter struct {
	file    blobs.Writer
	of      File
	salt    uint64
	entry   int
	entries int64
	page    []byte // of writeSize: the pages that are not written yet
	at      int    // where the next entry goes
	left    int    // entries that the page at hand has room for
	tops    []byte // the keys that the pages of an index begin with
	sum     uint64
	err     error
}

// newPageWriter begins a file of a column's entries.
func newPageWriter(ctx context.Context, files group, of File, entry int) (*pageWriter, error) {
	file, err := files.store.Create(ctx, files.session, of.Name)
	if err != nil {
		return nil, err
	}
	return &pageWriter{file: file, of: of, salt: saltOf(files.session, of.Name), entry: entry, page: make([]byte, writeSize), left: pageBody / entry}, nil
}

// add appends an entry of an index.
func (w *pageWriter) add(prefix uint64, row uint32) {
	w.begin()
	if w.at%pageSize == 0 {
		w.tops = binary.BigEndian.AppendUint64(w.tops, prefix)
	}
	text := w.page[w.at : w.at+indexEntry]
	binary.BigEndian.PutUint64(text, prefix)
	binary.BigEndian.PutUint32(text[prefixSize:], row)
	w.at += indexEntry
}

// addPlaces appends entries of an index in the order of their places, which are in the
// mask's bits.
func (w *pageWriter) addPlaces(entries []entry, places []uint64, mask uint64) {
	for len(places) > 0 {
		first := &entries[places[0]&mask]
		w.add(first.prefix(), first.row())
		places = places[1:]
		n := min(w.left, len(places))
		text := w.page[w.at : w.at+n*indexEntry]
		for _, place := range places[:n] {
			from, to := &entries[place&mask], text[:indexEntry:indexEntry]
			*(*[prefixSize]byte)(to) = *(*[prefixSize]byte)(from[:])
			*(*[rowSize]byte)(to[prefixSize:]) = *(*[rowSize]byte)(from[fingerprint.TokenSize:])
			text = text[indexEntry:]
		}
		w.at, w.left, w.entries = w.at+n*indexEntry, w.left-n, w.entries+int64(n)
		places = places[n:]
	}
}

// addRows appends entries of an index with one prefix and some of the rows.
func (w *pageWriter) addRows(prefix uint64, rows rowList, from, to uint32) {
	for from < to {
		w.add(prefix, rows.at(from))
		from++
		n := min(w.left, int(to-from))
		text := w.page[w.at : w.at+n*indexEntry]
		for ; len(text) > 0; text = text[indexEntry:] {
			binary.BigEndian.PutUint64(text, prefix)
			binary.BigEndian.PutUint32(text[prefixSize:], rows.at(from))
			from++
		}
		w.at, w.left, w.entries = w.at+n*indexEntry, w.left-n, w.entries+int64(n)
	}
}

// collide appends an entry of the collisions.
func (w *pageWriter) collide(token []byte, row uint32) {
	w.begin()
	w.at += copy(w.page[w.at:], token)
	binary.BigEndian.PutUint32(w.page[w.at:], row)
	w.at += rowSize
}

// begin makes room for one entry.
func (w *pageWriter) begin() {
	if w.left == 0 {
		w.endPage()
	}
	w.left--
	w.entries++
}

// endPage ends the page at hand: its number, how many entries it has, its sum.
func (w *pageWriter) endPage() {
	start := w.at - (pageBody/w.entry-w.left)*w.entry
	page := w.page[start : start+pageSize]
	clear(page[w.at-start:])
	full := int64(pageBody / w.entry)
	number := (w.entries - 1) / full
	binary.BigEndian.PutUint32(page[pageBody:], uint32(number))
	binary.BigEndian.PutUint32(page[pageBody+4:], uint32(w.entries-number*full))
	binary.BigEndian.PutUint64(page[pageSize-sumSize:], block.Sum(page[:pageSize-sumSize])^w.salt)
	w.at, w.left = start+pageSize, pageBody/w.entry
	if w.at == len(w.page) {
		w.write(w.page)
		w.at = 0
	}
}

// write adds bytes to the file and to its sum.
func (w *pageWriter) write(text []byte) {
	if w.err == nil {
		_, w.err = w.file.Write(text)
	}
	w.sum = block.AddSum(w.sum, text)
	w.of.Size += int64(len(text))
}

// finish writes what is left: the last page, the tops, and the end of the file.
func (w *pageWriter) finish() error {
	if w.left < pageBody/w.entry {
		w.endPage()
	}
	w.write(w.page[:w.at])
	end := append(slices.Clip(w.tops), magicSorted...)
	end = binary.BigEndian.AppendUint32(end, uint32(w.entry))
	end = binary.BigEndian.AppendUint64(end, uint64(w.entries))
	w.write(binary.BigEndian.AppendUint64(end, block.Sum(end)^w.salt))
	w.of.Sum = sumText(w.sum)
	w.page, w.tops = nil, nil
	return w.err
}

// commit syncs a file that is finished. Once it has returned nil the file survives a
// crash.
func (w *pageWriter) commit() error { return w.file.Commit() }

// giveUp ends a file that nobody needs.
func (w *pageWriter) giveUp() error { return w.file.Close() }
