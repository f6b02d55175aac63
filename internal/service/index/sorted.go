package index

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"sort"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/blobs"
)

// sortedFile is a file of sorted entries that is open. It is safe for concurrent
// use.
type sortedFile struct {
	name    string
	mapping blobs.Mapping
	data    []byte // its pages
	salt    uint64
	entry   int
	perPage int64
	entries int64
	pages   int64
	checked checkedPages

	// Of an index: the prefixes that its pages begin with, and for each value of their
	// first bits how many are below it.
	tops      []uint64
	directory []uint32
	shift     int
}

// openSorted opens what a pageWriter wrote.
func openSorted(ctx context.Context, files group, f *File, entry int) (*sortedFile, error) {
	mapping, err := files.store.Map(ctx, files.session, f.Name)
	if err != nil {
		return nil, err
	}
	x := &sortedFile{name: f.Name, mapping: mapping, salt: saltOf(files.session, f.Name), entry: entry}
	err = guarded(func() error {
		if int64(len(mapping.Bytes())) != f.Size {
			return damaged("%s has %d bytes in place of %d", f.Name, len(mapping.Bytes()), f.Size)
		}
		return x.read(mapping.Bytes())
	})
	if err != nil {
		return nil, errors.Join(err, mapping.Close())
	}
	return x, nil
}

// read takes a whole file, and compares the sum of what lies behind its pages.
func (x *sortedFile) read(whole []byte) error {
	x.perPage = int64(pageBody / x.entry)
	if len(whole) < footerSize {
		return damaged("%s is cut off", x.name)
	}
	footer := whole[len(whole)-footerSize:]
	x.entries = int64(binary.BigEndian.Uint64(footer[8:]))
	if string(footer[:4]) != magicSorted || int(binary.BigEndian.Uint32(footer[4:])) != x.entry || x.entries < 0 || x.entries > MaxRows {
		return damaged("%s does not end as it was written", x.name)
	}
	x.pages = (x.entries + x.perPage - 1) / x.perPage
	tops := x.pages * prefixSize
	if x.entry != indexEntry {
		tops = 0
	}
	if int64(len(whole)) != x.pages*pageSize+tops+footerSize {
		return damaged("%s has another size than its entries", x.name)
	}
	end := whole[x.pages*pageSize:]
	if block.Sum(end[:len(end)-sumSize])^x.salt != binary.BigEndian.Uint64(footer[footerSize-sumSize:]) {
		return damaged("the end of %s does not have its sum", x.name)
	}
	x.data, x.checked = whole[:x.pages*pageSize], newCheckedPages(x.pages)
	x.direct(end[:tops])
	return nil
}

// direct makes the directory of an index.
func (x *sortedFile) direct(tops []byte) {
	x.tops = make([]uint64, len(tops)/prefixSize)
	wide := bits.Len(uint(len(x.tops)))
	x.shift = 64 - wide
	x.directory = make([]uint32, 1<<wide+1)
	for i := range x.tops {
		x.tops[i] = binary.BigEndian.Uint64(tops[i*prefixSize:])
		x.directory[x.tops[i]>>x.shift+1]++
	}
	for i := 1; i < len(x.directory); i++ {
		x.directory[i] += x.directory[i-1]
	}
}

func (x *sortedFile) close() error { return x.mapping.Close() }

// page is one page, whose sum is compared where that was not done since the table was
// opened.
func (x *sortedFile) page(n int64) ([]byte, error) {
	if n < 0 || n >= x.pages {
		return nil, damaged("%s has no page %d", x.name, n)
	}
	page := x.data[n*pageSize : (n+1)*pageSize : (n+1)*pageSize]
	if x.checked.has(n) {
		return page, nil
	}
	if block.Sum(page[:pageSize-sumSize])^x.salt != binary.BigEndian.Uint64(page[pageSize-sumSize:]) ||
		int64(binary.BigEndian.Uint32(page[pageBody:])) != n || int64(binary.BigEndian.Uint32(page[pageBody+4:])) != min(x.perPage, x.entries-n*x.perPage) {
		return nil, damaged("page %d of %s does not have its sum", n, x.name)
	}
	x.checked.add(n)
	return page, nil
}

// at reads one entry.
func (x *sortedFile) at(n int64) ([]byte, error) {
	if n < 0 || n >= x.entries {
		return nil, damaged("%s has no entry %d", x.name, n)
	}
	page, err := x.page(n / x.perPage)
	if err != nil {
		return nil, err
	}
	from := int(n%x.perPage) * x.entry
	return page[from : from+x.entry], nil
}

// rowAt is the row of an entry.
func (x *sortedFile) rowAt(n int64) (int64, error) {
	e, err := x.at(n)
	if err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint32(e[x.entry-rowSize:])), nil
}

// firstOf is the place of the first entry of an index whose prefix is not below one.
func (x *sortedFile) firstOf(prefix uint64) (int64, error) {
	if x.pages == 0 {
		return 0, nil
	}
	cell := prefix >> x.shift
	low, high := int(x.directory[cell]), int(x.directory[cell+1])
	low += sort.Search(high-low, func(i int) bool { return x.tops[low+i] >= prefix })
	if low == 0 {
		return 0, nil
	}
	n := int64(low - 1) // its first entry is below the prefix
	page, err := x.page(n)
	if err != nil {
		return 0, err
	}
	next := uint64(math.MaxUint64)
	if low < len(x.tops) {
		next = x.tops[low]
	}
	count := int(min(x.perPage, x.entries-n*x.perPage))
	return n*x.perPage + int64(searchPage(page, count, prefix, guess(prefix, x.tops[n], next, count))), nil
}

// guess is where a prefix should be in a page of count entries between two prefixes:
// tokens are as good as random.
func guess(prefix, low, high uint64, count int) int {
	if high <= low {
		return 0
	}
	return min(int(float64(prefix-low)/float64(high-low)*float64(count)), count-1)
}

// searchPage is the place of the first of count entries of an index whose prefix is
// not below one. It looks around a place that was guessed.
func searchPage(page []byte, count int, prefix uint64, near int) int {
	at := func(i int) uint64 { return binary.BigEndian.Uint64(page[i*indexEntry:]) }
	low, high := 0, count // what is before low is below the prefix, what is from high on is not
	if at(near) < prefix {
		low = near + 1
		for step := 1; low+step < count; step *= 2 {
			if at(low+step) >= prefix {
				high = low + step
				break
			}
			low += step + 1
		}
	} else {
		high = near
		for step := 1; high-step >= 0; step *= 2 {
			if at(high-step) < prefix {
				low = high - step + 1
				break
			}
			high -= step
		}
	}
	for low < high {
		if middle := (low + high) / 2; at(middle) < prefix {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// endOf is the place behind the last entry of an index with a prefix, of which first
// is the first one.
func (x *sortedFile) endOf(prefix uint64, first int64) (int64, error) {
	n := first / x.perPage
	page, err := x.page(n)
	if err != nil {
		return 0, err
	}
	for at := first + 1; at < min((n+1)*x.perPage, x.entries); at++ {
		if binary.BigEndian.Uint64(page[at%x.perPage*indexEntry:]) != prefix {
			return at, nil
		}
	}
	if prefix == math.MaxUint64 {
		return x.entries, nil
	}
	return x.firstOf(prefix + 1)
}

// bound is the place of the first entry that is not below key as bytes.
func (x *sortedFile) bound(key []byte) (int64, error) {
	var failed error
	at := sort.Search(int(x.entries), func(i int) bool {
		e, err := x.at(int64(i))
		failed = errors.Join(failed, err)
		return err != nil || bytes.Compare(e[:len(key)], key) >= 0
	})
	return int64(at), failed
}

// span is the range of the entries that begin with a key.
func (x *sortedFile) span(key []byte) (from, to int64, err error) {
	if from, err = x.bound(append(bytes.Clone(key), 0, 0, 0, 0)); err != nil {
		return 0, 0, err
	}
	to, err = x.bound(append(bytes.Clone(key), 0xff, 0xff, 0xff, 0xff)) // no row has that number
	return from, to, err
}
