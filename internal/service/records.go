package service

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"exactmatch.dev/operator/internal/edm"
)

// Buckets of the database. Keys are ids; values are JSON.
var (
	storesBucket   = []byte("stores")
	sessionsBucket = []byte("sessions")
	agentsBucket   = []byte("agents")
	replaysBucket  = []byte("replays") // client-request-id of a create → id and time
	droppedBucket  = []byte("dropped") // session whose record went before its files → when
	metaBucket     = []byte("meta")
	sasKey         = []byte("sas")

	buckets = [][]byte{storesBucket, sessionsBucket, agentsBucket, replaysBucket, droppedBucket, metaBucket}
)

// storeRecord is a data store as it is kept. Commits are the times of the
// commits that succeeded and still count against the quota, and Processing those,
// by session, of the commits that are being processed. Generation counts the tables that
// went live, and LiveCommitted is when the live one was committed.
type storeRecord struct {
	edm.DataStore
	Commits       []time.Time          `json:"commits,omitempty"`
	Processing    map[string]time.Time `json:"processing,omitempty"`
	Generation    int64                `json:"generation,omitempty"`
	LiveCommitted time.Time            `json:"liveCommitted,omitzero"`
}

// sessionRecord is a session as it is kept. Sealed are the block ids in order;
// JobsDone counts the indexing jobs that need not be done again. Lease is when
// the upload URI that was given out last ends.
type sessionRecord struct {
	edm.Session
	Sealed    []string  `json:"sealed,omitempty"`
	JobsDone  int       `json:"jobsDone,omitempty"`
	Expiry    time.Time `json:"expiry"`
	Lease     time.Time `json:"lease"`
	Committed time.Time `json:"committed,omitzero"`
}

func (r *sessionRecord) unfinished() bool {
	return r.State == edm.StateCreated || r.State == edm.StateUploadInProgress || r.State == edm.StateUploadCompleted
}

func (r *sessionRecord) processing() bool { return r.State == edm.StateProcessingInProgress }

// records is the database. Every write is synced before it returns, and the
// folder's file of identity has its stamp then.
type records struct {
	db     *bbolt.DB
	folder *identityFile // nil before the folder is known to fit
}

// update changes records in one transaction.
func (r *records) update(f func(*bbolt.Tx) error) error {
	var stamp uint64
	err := r.db.Update(func(tx *bbolt.Tx) (err error) {
		if err := f(tx); err != nil {
			return err
		}
		stamp, err = raiseStamp(tx)
		return err
	})
	if err == nil && r.folder != nil {
		r.folder.raise(stamp)
	}
	return err
}

// openRecords opens the database after it has looked at all of it: a damaged one
// is refused, and the error says what to do. Nothing is written yet, but for the
// pages of a new file.
func openRecords(path string, log *slog.Logger) (*records, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		// Whoever reads it holds a lock, so that no other service writes meanwhile.
		reader, err := openBolt(path, &bbolt.Options{Timeout: lockTimeout, ReadOnly: true})
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
	db, err := openBolt(path, &bbolt.Options{Timeout: lockTimeout})
	if err != nil {
		return nil, err
	}
	return &records{db: db}, nil
}

// prepare makes what a new database lacks, or that of a build which gave it no
// identity, in one transaction.
func (r *records) prepare() error {
	is, err := r.identity()
	if err != nil || is.id != "" {
		return err
	}
	if err := r.db.Update(prepare); err != nil {
		return fmt.Errorf("prepare the database: %w", err)
	}
	return nil
}

const lockTimeout = 2 * time.Second

func openBolt(path string, o *bbolt.Options) (*bbolt.DB, error) {
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

func prepare(tx *bbolt.Tx) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	if err := giveIdentity(tx); err != nil {
		return err
	}
	if known, err := getText(tx, metaBucket, sasKey); err != nil || known != nil {
		return err
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // crypto/rand never fails
	return putText(tx, metaBucket, sasKey, secret)
}

func (r *records) close() error {
	if r.folder == nil {
		return r.db.Close()
	}
	return errors.Join(r.folder.close(), r.db.Close())
}

// sasSecret signs upload URIs; it is made once, with the buckets, and never
// leaves the file.
func (r *records) sasSecret() []byte {
	var secret []byte
	_ = r.db.View(func(tx *bbolt.Tx) error { // a value that was made and looked at
		if tx.Bucket(metaBucket) == nil {
			return nil
		}
		text, err := getText(tx, metaBucket, sasKey)
		secret = append(secret, text...)
		return err
	})
	return secret
}

// get reads one record, nil where there is none.
func get[T any](tx *bbolt.Tx, bucket []byte, id string) (*T, error) {
	text, err := getText(tx, bucket, []byte(id))
	if text == nil || err != nil {
		return nil, err
	}
	out := new(T)
	if err := json.Unmarshal(text, out); err != nil {
		return nil, fmt.Errorf("the record %s/%s is damaged: %w", bucket, id, err)
	}
	return out, nil
}

func put(tx *bbolt.Tx, bucket []byte, id string, record any) error {
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return putText(tx, bucket, []byte(id), text)
}

func all[T any](db *bbolt.DB, bucket []byte) ([]*T, error) {
	var out []*T
	err := db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(k, _ []byte) error {
			one, err := get[T](tx, bucket, string(k))
			out = append(out, one)
			return err
		})
	})
	return out, err
}

func (r *records) allStores() ([]*storeRecord, error) { return all[storeRecord](r.db, storesBucket) }
func (r *records) allAgents() ([]*edm.UploadAgent, error) {
	return all[edm.UploadAgent](r.db, agentsBucket)
}

// allSessions leaves out the lists of block ids: together they may be large.
func (r *records) allSessions() (out []*sessionRecord, err error) {
	err = r.db.View(func(tx *bbolt.Tx) error {
		out, err = sessionsOf(tx, func(*sessionRecord) bool { return true })
		return err
	})
	return out, err
}

// read gets one record outside a change; a missing one is a 404.
func read[T any](db *bbolt.DB, bucket []byte, id string) (*T, error) {
	var out *T
	err := db.View(func(tx *bbolt.Tx) (err error) {
		out, err = get[T](tx, bucket, id)
		return err
	})
	if err == nil && out == nil {
		return nil, notFound(string(bucket), id)
	}
	return out, err
}

// change reads a record, lets f change it, and writes it, in one transaction.
func change[T any](r *records, bucket []byte, id string, f func(*bbolt.Tx, *T) error) (*T, error) {
	var out *T
	err := r.update(func(tx *bbolt.Tx) (err error) {
		if out, err = get[T](tx, bucket, id); err != nil {
			return err
		}
		if out == nil {
			return notFound(string(bucket), id)
		}
		if err := f(tx, out); err != nil {
			return err
		}
		return put(tx, bucket, id, out)
	})
	return out, err
}

// createRequest is one request to create: its client-request-id, "" for none, the id of
// what it makes, and when.
type createRequest struct {
	key, id string
	at      time.Time
}

// create makes a record under a new id, or returns the one that the same
// request made before.
func create[T any](r *records, bucket []byte, c createRequest, f func(*bbolt.Tx) (*T, error)) (*T, error) {
	var out *T
	replay := []byte(string(bucket) + "/" + c.key)
	err := r.update(func(tx *bbolt.Tx) (err error) {
		known, err := getText(tx, replaysBucket, replay)
		if err != nil {
			return err
		}
		if c.key != "" && known != nil {
			id, _ := parseReplay(known)
			if out, err = get[T](tx, bucket, id); err != nil || out != nil {
				return err
			}
		}
		if out, err = f(tx); err != nil {
			return err
		}
		if c.key != "" {
			if err := putText(tx, replaysBucket, replay, []byte(c.id+" "+c.at.Format(time.RFC3339))); err != nil {
				return err
			}
		}
		return put(tx, bucket, c.id, out)
	})
	return out, err
}

// parseReplay parts what is remembered of a request; one without a time is old.
func parseReplay(text []byte) (id string, at time.Time) {
	id, when, _ := strings.Cut(string(text), " ")
	at, _ = time.Parse(time.RFC3339, when)
	return id, at
}

// forgetReplays forgets the requests from before a time.
func (r *records) forgetReplays(before time.Time) error {
	var old [][]byte
	err := r.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(replaysBucket).ForEach(func(k, _ []byte) error {
			text, err := getText(tx, replaysBucket, k)
			if _, at := parseReplay(text); err == nil && at.Before(before) {
				old = append(old, slices.Clone(k))
			}
			return err
		})
	})
	if err != nil || len(old) == 0 {
		return err
	}
	return r.update(func(tx *bbolt.Tx) error {
		for _, k := range old {
			if err := remove(tx, replaysBucket, k); err != nil {
				return err
			}
		}
		return nil
	})
}

// isLive reports whether a data store's record names a session's table as its
// live one.
func isLive(tx *bbolt.Tx, session string) (bool, error) {
	live, err := liveSessions(tx)
	return live[session], err
}

// liveSessions are those whose tables the data stores name as their live ones.
func liveSessions(tx *bbolt.Tx) (map[string]bool, error) {
	live := map[string]bool{}
	err := tx.Bucket(storesBucket).ForEach(func(k, _ []byte) error {
		store, err := get[storeRecord](tx, storesBucket, string(k))
		if err == nil && store.Live != nil {
			live[store.Live.SessionID] = true
		}
		return err
	})
	return live, err
}
