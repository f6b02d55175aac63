package bolt

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"

	"go.etcd.io/bbolt"
)

// OpenReading opens a database to be read, after it has looked at all of it. Nothing
// in the file changes, and no service can use it meanwhile.
func OpenReading(path string, log *slog.Logger) (*Store, error) {
	db, err := openFile(path, &bbolt.Options{Timeout: lockTimeout, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	if found := audit(path, log); found != nil {
		_ = db.Close() // the damage is the error
		return nil, fmt.Errorf("%s is damaged (%w): %s", path, found, restoreAdvice)
	}
	return &Store{db: db}, nil
}

// Snapshot writes the whole database as it is at one moment. Changes may wait for w, so
// it is a file.
func (s *Store) Snapshot(_ context.Context, w io.Writer) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(w)
		return err
	})
}

// Renew draws another secret and raises the stamp: what was signed before is not valid
// for this database.
func (s *Store) Renew(context.Context) error {
	return s.update(func(b *bbolt.Tx) ([]*tx, error) {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // crypto/rand never fails
		return nil, putText(b, metaBucket, secretKey, secret)
	})
}
