package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
)

// boltFile reads a bbolt file byte by byte, and believes none of them: bbolt has
// sums for its two meta pages only, and panics, loops or answers wrongly where
// another page is damaged. A page has a header (id, flags, count of elements,
// pages that overflow) and elements of 16 bytes that point to keys and values
// behind them.
type boltFile struct {
	data []byte
	page uint64          // size of a page
	seen map[uint64]bool // pages that are in use, or free
	boltMeta
}

// boltMeta says where a transaction's pages are. count is the number of pages of
// the file.
type boltMeta struct{ root, free, count, transaction uint64 }

// boltEntry is a value and where it stands.
type boltEntry struct {
	bucket, key, value []byte
}

const (
	boltHeader  = 16
	boltElement = 16
	boltMetaLen = 64
	boltMagic   = 0xED0CDAED
	boltNew     = 1 // the last transaction of a file that bbolt has just made

	boltBranch = 0x01
	boltLeaf   = 0x02
	boltFree   = 0x10
)

var (
	u16 = binary.LittleEndian.Uint16
	u32 = binary.LittleEndian.Uint32
	u64 = binary.LittleEndian.Uint64
)

// readBolt finds the last transaction. Where one of the two meta pages has no
// sum it says in the log that a write was cut off.
func readBolt(path string, log *slog.Logger) (*boltFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &boltFile{data: data, page: uint64(os.Getpagesize()), seen: map[uint64]bool{0: true, 1: true}}
	if _, ok := metaAt(data, 0); ok {
		f.page = uint64(u32(data[boltHeader+8:]))
	}
	for n := range uint64(2) {
		meta, ok := metaAt(data, n*f.page)
		if !ok {
			log.Warn("the last write of the database was cut off and is dropped; after a crash nothing acknowledged was in it", "file", path, "meta", n)
		}
		if ok && meta.transaction >= f.transaction {
			f.boltMeta = meta
		}
	}
	if f.count < 4 || f.count > uint64(len(data))/f.page {
		return nil, fmt.Errorf("it has %d bytes and should have %d pages", len(data), f.count)
	}
	return f, nil
}

// metaAt reads a meta page; false where it does not have its sum.
func metaAt(data []byte, at uint64) (boltMeta, bool) {
	if uint64(len(data)) < at+boltHeader+boltMetaLen {
		return boltMeta{}, false
	}
	text := data[at+boltHeader:][:boltMetaLen]
	sum := fnv.New64a()
	_, _ = sum.Write(text[:boltMetaLen-8]) // a hash takes everything
	ok := u32(text) == boltMagic && sum.Sum64() == u64(text[boltMetaLen-8:])
	return boltMeta{root: u64(text[16:]), free: u64(text[32:]), count: u64(text[40:]), transaction: u64(text[48:])}, ok
}

// take returns the bytes of a page with those that overflow it, none of which
// was taken before.
func (f *boltFile) take(id uint64) ([]byte, error) {
	if id < 2 || id >= f.count {
		return nil, fmt.Errorf("there is no page %d", id)
	}
	text := f.data[id*f.page:]
	overflow := uint64(u32(text[12:]))
	if u64(text) != id || id+overflow >= f.count {
		return nil, fmt.Errorf("page %d has another id", id)
	}
	for n := id; n <= id+overflow; n++ {
		if err := f.mark(n); err != nil {
			return nil, err
		}
	}
	return text[:(overflow+1)*f.page], nil
}

func (f *boltFile) mark(id uint64) error {
	if id >= f.count || f.seen[id] {
		return fmt.Errorf("page %d is used twice", id)
	}
	f.seen[id] = true
	return nil
}

// walk goes through the whole file: every page is used once or free.
func (f *boltFile) walk(visit func(boltEntry) error) (buckets []string, err error) {
	err = f.tree(f.root, span{}, func(flags uint32, key, value []byte) error {
		if flags != 1 || len(value) < boltHeader {
			return fmt.Errorf("%q is not a bucket", key)
		}
		buckets = append(buckets, string(key))
		inside := func(flags uint32, k, v []byte) error {
			if flags != 0 {
				return fmt.Errorf("%s/%q is not a value", key, k)
			}
			return visit(boltEntry{key, k, v})
		}
		if root := u64(value); root != 0 {
			return f.tree(root, span{}, inside)
		}
		if len(value) < 2*boltHeader {
			return fmt.Errorf("the bucket %q is cut off", key)
		}
		return leaves(value[boltHeader:], span{}, inside)
	})
	if err == nil {
		err = f.freePages()
	}
	for id := range f.count {
		if err == nil && !f.seen[id] {
			err = fmt.Errorf("page %d is lost", id)
		}
	}
	return buckets, err
}

func (f *boltFile) freePages() error {
	text, err := f.take(f.free)
	if err != nil {
		return err
	}
	count, at := uint64(u16(text[10:])), boltHeader
	if count == 0xFFFF {
		count, at = u64(text[boltHeader:]), at+8
	}
	if u16(text[8:]) != boltFree || count > uint64(len(text)-at)/8 {
		return errors.New("the list of free pages is damaged")
	}
	for n := range count {
		if err := f.mark(u64(text[at+int(n)*8:])); err != nil {
			return err
		}
	}
	return nil
}

// span is what keys may be: from low on, and below high where there is one.
type span struct{ low, high []byte }

func (s span) has(key []byte) bool {
	return bytes.Compare(key, s.low) >= 0 && (s.high == nil || bytes.Compare(key, s.high) < 0)
}

// tree goes through the pages below one. Keys must be where a search finds them.
func (f *boltFile) tree(id uint64, within span, visit func(flags uint32, key, value []byte) error) error {
	text, err := f.take(id)
	if err != nil {
		return err
	}
	if u16(text[8:]) != boltBranch {
		return leaves(text, within, visit)
	}
	var keys [][]byte
	var pages []uint64
	for n := range int(u16(text[10:])) {
		at := boltHeader + n*boltElement
		if len(text) < at+boltElement {
			return fmt.Errorf("page %d is cut off", id)
		}
		key, err := part(text[at:], uint64(u32(text[at:])), uint64(u32(text[at+4:])))
		if err != nil || n > 0 && (!within.has(key) || bytes.Compare(keys[n-1], key) >= 0) {
			return errors.Join(fmt.Errorf("page %d is out of order", id), err)
		}
		keys, pages = append(keys, key), append(pages, u64(text[at+8:]))
	}
	if len(pages) == 0 {
		return fmt.Errorf("page %d is empty", id)
	}
	for n, page := range pages {
		inner := within
		if n > 0 {
			inner.low = keys[n]
		}
		if n+1 < len(keys) {
			inner.high = keys[n+1]
		}
		if err := f.tree(page, inner, visit); err != nil {
			return err
		}
	}
	return nil
}

// leaves visits the elements of a leaf page.
func leaves(text []byte, within span, visit func(flags uint32, key, value []byte) error) error {
	if u16(text[8:]) != boltLeaf {
		return errors.New("a page has an unknown type")
	}
	var last []byte
	for n := range int(u16(text[10:])) {
		at := boltHeader + n*boltElement
		if len(text) < at+boltElement {
			return errors.New("a page is cut off")
		}
		from, size := uint64(u32(text[at+4:])), uint64(u32(text[at+8:]))
		key, err := part(text[at:], from, size)
		if err != nil {
			return err
		}
		value, err := part(text[at:], from+size, uint64(u32(text[at+12:])))
		if err != nil {
			return err
		}
		if !within.has(key) || n > 0 && bytes.Compare(last, key) >= 0 {
			return fmt.Errorf("the key %q is out of order", key)
		}
		last = key
		if err := visit(u32(text[at:]), key, value); err != nil {
			return err
		}
	}
	return nil
}

// part is size bytes from a place on.
func part(text []byte, from, size uint64) ([]byte, error) {
	if from+size > uint64(len(text)) {
		return nil, errors.New("an element points out of its page")
	}
	return text[from : from+size : from+size], nil
}
