// Package bolt keeps records in one file of bbolt. It is one process's at a time:
// its changes come one after another, so none is ever called again.
package bolt

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"exactmatch.dev/operator/internal/service/records"
)

// Store implements records.Store.
type Store struct {
	db *bbolt.DB

	changing sync.Mutex
	stamps   StampWriter
	counts   counts
}

// StampWriter is told the stamp of each change, once the database has it.
type StampWriter interface {
	WriteStamp(stamp uint64)
	// Err is why the last stamp could not be written.
	Err() error
	Close() error
}

// Open opens a database after it has looked at all of it: a damaged one is
// refused, and the error says what to do. Nothing is written yet, but for the
// pages of a new file.
func Open(path string, log *slog.Logger) (*Store, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		// A reader holds a lock, so that no other service writes meanwhile.
		reader, err := openFile(path, &bbolt.Options{Timeout: lockTimeout, ReadOnly: true})
		if err != nil {
			return nil, err
		}
		found := audit(path, log)
		if err := reader.Close(); err != nil {
			return nil, err
		}
		if found != nil {
			return nil, fmt.Errorf("%s is damaged (%w): %s", path, found, restoreAdvice)
		}
	}
	db, err := openFile(path, &bbolt.Options{Timeout: lockTimeout})
	if err != nil {
		return nil, err
	}
	return &Store{db: db}, nil
}

const lockTimeout = 2 * time.Second

func openFile(path string, o *bbolt.Options) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, o)
	var system *os.PathError
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return nil, fmt.Errorf("open %s: another service uses the folder: %w", path, err)
	case errors.As(err, &system):
		return nil, fmt.Errorf("open %s: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("%s cannot be opened (%w): %s", path, err, restoreAdvice)
	}
	return db, nil
}

// Prepare makes what a new database lacks, or that of a build which gave it no
// identity, in one transaction.
func (s *Store) Prepare(ctx context.Context) error {
	is, err := s.Identity(ctx)
	if err != nil || is.ID != "" {
		return err
	}
	if err := s.db.Update(prepare); err != nil {
		return fmt.Errorf("prepare the database: %w", noSpace(err))
	}
	return nil
}

func prepare(tx *bbolt.Tx) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	if err := giveIdentity(tx); err != nil {
		return err
	}
	if known, err := getText(tx, metaBucket, secretKey); err != nil || known != nil {
		return err
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // crypto/rand never fails
	return putText(tx, metaBucket, secretKey, secret)
}

// giveIdentity names a database that has no name yet.
func giveIdentity(tx *bbolt.Tx) error {
	if id, err := getText(tx, metaBucket, identityKey); err != nil || id != nil {
		return err
	}
	if err := putText(tx, metaBucket, identityKey, []byte(uuid.NewString())); err != nil {
		return err
	}
	_, err := raiseStamp(tx)
	return err
}

// KeepStamp has each change from now on told to w, which Close closes. It closes
// the one before.
func (s *Store) KeepStamp(w StampWriter) (err error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.stamps != nil {
		err = s.stamps.Close()
	}
	s.stamps = w
	return err
}

// Unsynced has changes not wait for the disk: for tests that keep nothing.
func (s *Store) Unsynced() { s.db.NoSync = true }

// Close implements records.Store.
func (s *Store) Close() error {
	if s.stamps == nil {
		return s.db.Close()
	}
	return errors.Join(s.stamps.Close(), s.db.Close())
}

// Probe implements records.Store.
func (s *Store) Probe(_ context.Context, at time.Time) error {
	err := s.update(func(b *bbolt.Tx) ([]*tx, error) {
		return nil, putText(b, metaBucket, probeKey, []byte(at.Format(time.RFC3339)))
	})
	if err == nil && s.stamps != nil {
		err = s.stamps.Err()
	}
	return err
}

// update changes records in one transaction, and then what is known of them: f
// returns what it has changed them by.
func (s *Store) update(f func(*bbolt.Tx) ([]*tx, error)) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	var stamp uint64
	var changes []*tx
	written := false
	err := s.db.Update(func(b *bbolt.Tx) (err error) {
		if changes, err = f(b); err != nil {
			return err
		}
		stamp, err = raiseStamp(b)
		written = err == nil
		return err
	})
	if err != nil {
		if written {
			s.counts.forget() // it may be there or not
		}
		return noSpace(err)
	}
	for _, one := range changes {
		s.counts.add(one.tenant, one.unfinished)
	}
	if s.stamps != nil {
		s.stamps.WriteStamp(stamp)
	}
	return nil
}

// Secret implements records.Store.
func (s *Store) Secret(context.Context) (secret []byte, err error) {
	err = s.db.View(func(b *bbolt.Tx) error {
		text, err := getText(b, metaBucket, secretKey)
		secret = append(secret, text...)
		return err
	})
	if err == nil && len(secret) == 0 {
		err = errors.New("the database has no secret")
	}
	return secret, err
}

// Identity implements records.Store. It is the zero Identity where the database is
// new, or of a build that gave none.
func (s *Store) Identity(context.Context) (is records.Identity, err error) {
	err = s.db.View(func(b *bbolt.Tx) (err error) {
		id, err := getText(b, metaBucket, identityKey)
		if err != nil {
			return err
		}
		is.ID = string(id)
		is.Stamp, err = stampOf(b)
		return err
	})
	return is, err
}

// RaiseStamp makes the stamp higher than the present one and than another.
func (s *Store) RaiseStamp(_ context.Context, above uint64) error {
	return s.db.Update(func(b *bbolt.Tx) error {
		stamp, err := stampOf(b)
		if err != nil {
			return err
		}
		return putStamp(b, max(stamp, above)+1)
	})
}

func stampOf(b *bbolt.Tx) (uint64, error) {
	text, err := getText(b, metaBucket, stampKey)
	if err != nil || len(text) != 8 {
		return 0, err
	}
	return binary.BigEndian.Uint64(text), nil
}

// raiseStamp counts a change, in its own transaction.
func raiseStamp(b *bbolt.Tx) (uint64, error) {
	stamp, err := stampOf(b)
	if err != nil {
		return 0, err
	}
	return stamp + 1, putStamp(b, stamp+1)
}

func putStamp(b *bbolt.Tx, stamp uint64) error {
	return putText(b, metaBucket, stampKey, binary.BigEndian.AppendUint64(nil, stamp))
}
