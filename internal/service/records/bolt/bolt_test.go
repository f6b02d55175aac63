package bolt_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"exactmatch.dev/operator/internal/service/records"
	"exactmatch.dev/operator/internal/service/records/bolt"
	"exactmatch.dev/operator/internal/service/records/recordstest"
)

// file is the place of a database.
type file string

func (f file) Open(t *testing.T) records.Store {
	t.Helper()
	s, err := bolt.Open(string(f), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	recordstest.Run(t, func(t *testing.T) recordstest.Place {
		return file(filepath.Join(t.TempDir(), "records.db"))
	})
}

// A database that was not prepared has no secret, and says so.
func TestNoSecretIsAnError(t *testing.T) {
	s, err := bolt.Open(filepath.Join(t.TempDir(), "records.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if secret, err := s.Secret(t.Context()); err == nil || len(secret) > 0 {
		t.Errorf("%d bytes without an error", len(secret))
	}
}
