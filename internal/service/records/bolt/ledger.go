package bolt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"go.etcd.io/bbolt"
)

// bbolt has sums for its two meta pages only. So every value ends with a sum of
// its bucket, its key and itself, and the ledger adds those sums up: a value that
// was altered, lost, or came back from an older page is found at the next start,
// before anything is answered from it.
var ledgerKey = []byte("ledger")

// ledgerSum is the size of a sum and of the ledger.
const ledgerSum = 8

// sumOf is not a CRC: those of values that are alike cancel each other out.
func sumOf(bucket, key, text []byte) uint64 {
	sum := sha256.Sum256(slices.Concat(bucket, []byte("/"), key, []byte{0}, text))
	return binary.LittleEndian.Uint64(sum[:])
}

// getText reads the text of one value, nil where there is none.
func getText(tx *bbolt.Tx, bucket, key []byte) ([]byte, error) {
	b := tx.Bucket(bucket)
	if b == nil {
		return nil, nil // the database is new, or of an earlier build
	}
	whole := b.Get(key)
	if whole == nil {
		return nil, nil
	}
	return checked(bucket, key, whole)
}

// checked is the text of a whole value.
func checked(bucket, key, whole []byte) ([]byte, error) {
	text, sum := unsealed(whole)
	if text == nil || sum != sumOf(bucket, key, text) {
		return nil, fmt.Errorf("the record %s/%s does not have its sum: %s", bucket, shown(key), restoreAdvice)
	}
	return text, nil
}

// unsealed parts a value into its text and its sum.
func unsealed(whole []byte) ([]byte, uint64) {
	if len(whole) < ledgerSum {
		return nil, 0
	}
	at := len(whole) - ledgerSum
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
		sum -= was
	}
	total := binary.LittleEndian.AppendUint64(nil, ledgerOf(meta)+sum)
	return meta.Put(ledgerKey, total)
}

func ledgerOf(meta *bbolt.Bucket) uint64 {
	if text := meta.Get(ledgerKey); len(text) == ledgerSum {
		return binary.LittleEndian.Uint64(text)
	}
	return 0
}

const restoreAdvice = "stop the service and put back a copy of its whole data folder, or move the folder away, start with an empty one and upload the tables again"

// audit reads every page and every value of the database once, before bbolt
// does. It wants either no bucket at all, in a file that is new, or all of them,
// and in these the values that the ledger has.
func audit(path string, log *slog.Logger) error {
	f, err := readBolt(path, log)
	if err != nil {
		return err
	}
	var total, ledger uint64
	names, err := f.walk(func(e boltEntry) error {
		if bytes.Equal(e.bucket, metaBucket) && bytes.Equal(e.key, ledgerKey) && len(e.value) == ledgerSum {
			ledger = binary.LittleEndian.Uint64(e.value)
			return nil
		}
		text, sum := unsealed(e.value)
		if text == nil || sum != sumOf(e.bucket, e.key, text) {
			return fmt.Errorf("the record %s/%q does not have its sum", e.bucket, e.key)
		}
		total += sum
		return nil
	})
	if err != nil || len(names) == 0 && f.transaction <= boltNew {
		return err
	}
	if !allBuckets(names) {
		return errors.New("it does not have the service's buckets")
	}
	if total != ledger {
		return errors.New("a record is missing or stale")
	}
	return nil
}

// allBuckets reports whether a database has the service's buckets. An earlier
// build had none for what was dropped, and those of tenants come with the first.
func allBuckets(names []string) bool {
	for _, name := range buckets {
		if !slices.Contains(names, string(name)) && string(name) != string(tombsBucket) {
			return false
		}
	}
	known := slices.Concat(buckets, tenantBuckets)
	return !slices.ContainsFunc(names, func(name string) bool {
		return !slices.ContainsFunc(known, func(one []byte) bool { return string(one) == name })
	})
}
