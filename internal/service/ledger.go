package service

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"

	"go.etcd.io/bbolt"

	"exactmatch.dev/operator/internal/block"
)

// bbolt has sums for its two meta pages only. So every value ends with a sum of
// its bucket, its key and itself, and the ledger is the sum of those sums: a
// value that was altered, lost, or came back from an older page is found at the
// next start, before anything is answered from it.
var ledgerKey = []byte("ledger")

func sumOf(bucket, key, text []byte) uint64 {
	return block.Sum(slices.Concat(bucket, []byte("/"), key, []byte{0}, text))
}

// getText reads the text of one value, nil where there is none.
func getText(tx *bbolt.Tx, bucket, key []byte) ([]byte, error) {
	whole := tx.Bucket(bucket).Get(key)
	if whole == nil {
		return nil, nil
	}
	text, sum := unsealed(whole)
	if text == nil || sum != sumOf(bucket, key, text) {
		return nil, fmt.Errorf("the record %s/%s does not have its sum: %s", bucket, key, restoreAdvice)
	}
	return text, nil
}

// unsealed parts a value into its text and its sum.
func unsealed(whole []byte) ([]byte, uint64) {
	if len(whole) < sumSize {
		return nil, 0
	}
	at := len(whole) - sumSize
	return whole[:at:at], binary.LittleEndian.Uint64(whole[at:])
}

func putText(tx *bbolt.Tx, bucket, key, text []byte) error {
	sum := sumOf(bucket, key, text)
	if err := enter(tx, bucket, key, sum); err != nil {
		return err
	}
	return tx.Bucket(bucket).Put(key, binary.LittleEndian.AppendUint64(slices.Clone(text), sum))
}

// remove deletes a value; a missing one is no error.
func remove(tx *bbolt.Tx, bucket, key []byte) error {
	if err := enter(tx, bucket, key, 0); err != nil {
		return err
	}
	return tx.Bucket(bucket).Delete(key)
}

// enter changes the ledger from a value's present sum to the one that it will
// have.
func enter(tx *bbolt.Tx, bucket, key []byte, sum uint64) error {
	meta := tx.Bucket(metaBucket)
	if old := tx.Bucket(bucket).Get(key); old != nil {
		_, was := unsealed(old)
		sum ^= was
	}
	total := binary.LittleEndian.AppendUint64(nil, ledgerOf(meta)^sum)
	return meta.Put(ledgerKey, total)
}

func ledgerOf(meta *bbolt.Bucket) uint64 {
	if text := meta.Get(ledgerKey); len(text) == sumSize {
		return binary.LittleEndian.Uint64(text)
	}
	return 0
}

const restoreAdvice = "stop the service and put back a copy of its whole data folder, or move the folder away, start with an empty one and upload the tables again"

// guarded runs f on a database that may be damaged: what bbolt panics at, and a
// page outside of the file, become errors.
func guarded(path string, f func() error) (err error) {
	faults := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(faults)
		if what := recover(); what != nil {
			err = fmt.Errorf("%s is damaged (%v): %s", path, what, restoreAdvice)
		}
	}()
	return f()
}

// audit reads every value and every page once.
func audit(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error {
		if err := auditValues(tx); err != nil {
			return fmt.Errorf("%s is damaged (%w): %s", db.Path(), err, restoreAdvice)
		}
		var pages error
		for err := range tx.Check() {
			pages = errors.Join(pages, err)
		}
		if pages != nil {
			return fmt.Errorf("%s is damaged (%w): %s", db.Path(), pages, restoreAdvice)
		}
		return nil
	})
}

// newFile is the last transaction of a database that bbolt has just made.
const newFile = 1

// auditValues wants either no bucket at all, in a file that is new, or all of
// them, and in these the values that the ledger has.
func auditValues(tx *bbolt.Tx) error {
	var names []string
	err := tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
		names = append(names, string(name))
		return nil
	})
	if err != nil || len(names) == 0 && tx.ID() <= newFile {
		return err
	}
	var want []string
	for _, name := range buckets {
		want = append(want, string(name))
	}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		return errors.New("it does not have the service's buckets")
	}
	total := uint64(0)
	for _, name := range buckets {
		err := tx.Bucket(name).ForEach(func(key, whole []byte) error {
			if string(name) == string(metaBucket) && string(key) == string(ledgerKey) {
				return nil
			}
			text, sum := unsealed(whole)
			if text == nil || sum != sumOf(name, key, text) {
				return fmt.Errorf("the record %s/%q does not have its sum", name, key)
			}
			total ^= sum
			return nil
		})
		if err != nil {
			return err
		}
	}
	if total != ledgerOf(tx.Bucket(metaBucket)) {
		return errors.New("a record is missing or of an earlier time")
	}
	return nil
}

// The places of what bbolt calls a meta page: after the page's header, a meta
// whose last 8 bytes are the FNV-1a sum of what is before them.
const (
	boltHeader = 16
	boltMeta   = 64
)

// warnOfTornWrite says in the log that one of the two meta pages has no sum: the
// last transaction was cut off and is not there.
func warnOfTornWrite(path string, log *slog.Logger) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	for n := range 2 {
		meta := make([]byte, boltMeta)
		if _, err := f.ReadAt(meta, int64(n*os.Getpagesize()+boltHeader)); err != nil {
			break // a new file, or one that bbolt refuses
		}
		sum := fnv.New64a()
		_, _ = sum.Write(meta[:boltMeta-sumSize]) // a hash takes everything
		if sum.Sum64() != binary.LittleEndian.Uint64(meta[boltMeta-sumSize:]) {
			log.Warn("the last write of the database was cut off and is dropped; after a crash nothing acknowledged was in it", "file", path, "meta", n)
		}
	}
	return f.Close()
}
