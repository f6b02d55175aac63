package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	_ "github.com/mattn/go-sqlite3" // the driver
)

// sqliteStore adds rows in one transaction and makes their index at its end, which is
// SQLite's fastest way.
type sqliteStore struct {
	db   *sql.DB
	tx   *sql.Tx
	into *sql.Stmt
	ask  *sql.Stmt
}

func openSQLite(t task) (store, error) {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(t.Dir, "sqlite.db")+"?_journal_mode=OFF&_synchronous=OFF")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	s := &sqliteStore{db: db}
	return s, s.begin(t)
}

func (s *sqliteStore) begin(t task) (err error) {
	for _, text := range []string{
		fmt.Sprintf("PRAGMA cache_size = -%d", t.Memory/2/1024), "PRAGMA temp_store = FILE",
		"CREATE TABLE tokens (col INTEGER, token BLOB, row INTEGER)",
	} {
		if _, err := s.db.ExecContext(context.Background(), text); err != nil {
			return err
		}
	}
	if s.tx, err = s.db.BeginTx(context.Background(), nil); err != nil {
		return err
	}
	s.into, err = s.tx.PrepareContext(context.Background(), "INSERT INTO tokens VALUES (?, ?, ?)")
	return err
}

func (s *sqliteStore) add(key [keySize]byte) error {
	row := int64(key[17])<<24 | int64(key[18])<<16 | int64(key[19])<<8 | int64(key[20])
	_, err := s.into.ExecContext(context.Background(), int64(key[0]), key[1:1+tokenSize], row)
	return err
}

func (s *sqliteStore) flush() error {
	err := errors.Join(s.into.Close(), s.tx.Commit())
	if err != nil {
		return err
	}
	for _, text := range []string{"PRAGMA synchronous = FULL", "CREATE INDEX by_token ON tokens (col, token, row)"} {
		if _, err := s.db.ExecContext(context.Background(), text); err != nil {
			return err
		}
	}
	s.ask, err = s.db.PrepareContext(context.Background(), "SELECT row FROM tokens WHERE col = ? AND token = ? LIMIT 1")
	return err
}

func (s *sqliteStore) first(column byte, token [tokenSize]byte) (int, error) {
	var row int
	err := s.ask.QueryRowContext(context.Background(), int64(column), token[:]).Scan(&row)
	if errors.Is(err, sql.ErrNoRows) {
		return -1, nil
	}
	return row, err
}

func (s *sqliteStore) close() error {
	if s.ask == nil {
		return s.db.Close()
	}
	return errors.Join(s.ask.Close(), s.db.Close())
}
