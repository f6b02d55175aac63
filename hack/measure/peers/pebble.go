package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path/filepath"

	"github.com/cockroachdb/pebble"
)

// pebbleStore adds keys in batches and compacts them at the end.
type pebbleStore struct {
	db    *pebble.DB
	batch *pebble.Batch
	iter  *pebble.Iterator
}

const batchKeys = 50_000

func openPebble(t task) (store, error) {
	db, err := pebble.Open(filepath.Join(t.Dir, "pebble"), &pebble.Options{
		MemTableSize: uint64(t.Memory / 4), Cache: pebble.NewCache(t.Memory / 4), DisableWAL: true, Logger: silent{},
	})
	if err != nil {
		return nil, err
	}
	return &pebbleStore{db: db, batch: db.NewBatch()}, nil
}

// silent logs nothing.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) {}

func (s *pebbleStore) add(key [keySize]byte) error {
	if err := s.batch.Set(key[:], nil, nil); err != nil {
		return err
	}
	if s.batch.Count() < batchKeys {
		return nil
	}
	return s.write()
}

func (s *pebbleStore) write() error {
	err := errors.Join(s.batch.Commit(pebble.NoSync), s.batch.Close())
	s.batch = s.db.NewBatch()
	return err
}

func (s *pebbleStore) flush() error {
	return errors.Join(s.write(), s.db.Flush(), s.db.Compact([]byte{0}, []byte{0xff}, true))
}

func (s *pebbleStore) first(column byte, token [tokenSize]byte) (int, error) {
	if s.iter == nil {
		iter, err := s.db.NewIter(nil)
		if err != nil {
			return 0, err
		}
		s.iter = iter
	}
	from := keyOf(column, token, 0)
	if !s.iter.SeekGE(from[:]) || !bytes.HasPrefix(s.iter.Key(), from[:1+tokenSize]) {
		return -1, s.iter.Error()
	}
	return int(binary.BigEndian.Uint32(s.iter.Key()[1+tokenSize:])), nil
}

func (s *pebbleStore) close() error {
	var err error
	if s.iter != nil {
		err = s.iter.Close()
	}
	return errors.Join(err, s.batch.Close(), s.db.Close())
}
