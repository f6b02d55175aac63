package bolt

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// tx implements records.Tx.
type tx struct {
	*bbolt.Tx
	counts     *counts        // nil in a View
	unfinished map[string]int // what this change adds to each data store; nil in a View
}

func (t *tx) DataStores() records.DataStores {
	return stores{table[records.DataStore]{t, storesBucket}}
}
func (t *tx) Sessions() records.Sessions     { return sessions{table[records.Session]{t, sessionsBucket}} }
func (t *tx) Agents() records.Agents         { return agents{table[edm.UploadAgent]{t, agentsBucket}} }
func (t *tx) Requests() records.Requests     { return requests{t} }
func (t *tx) Tombstones() records.Tombstones { return tombstones{t} }

// table is a bucket of JSON by id.
type table[T any] struct {
	*tx
	bucket []byte
}

func (t table[T]) Get(id string) (*T, error) {
	text, err := getText(t.Tx, t.bucket, []byte(id))
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, &records.NotFound{Kind: records.Kind(t.bucket), ID: id}
	}
	return t.decode([]byte(id), text)
}

func (t table[T]) decode(id, text []byte) (*T, error) {
	out := new(T)
	if err := json.Unmarshal(text, out); err != nil {
		return nil, fmt.Errorf("the record %s/%s is damaged: %w", t.bucket, id, err)
	}
	return out, nil
}

// where lists the records that are wanted, in the order of their ids.
func (t table[T]) where(wanted func(*T) bool) (out []*T, err error) {
	err = eachText(t.Tx, t.bucket, func(id, text []byte) error {
		one, err := t.decode(id, text)
		if err == nil && wanted(one) {
			out = append(out, one)
		}
		return err
	})
	return out, err
}

func (t table[T]) List() ([]*T, error) { return t.where(func(*T) bool { return true }) }

func (t table[T]) Count() (n int, err error) {
	err = t.Bucket(t.bucket).ForEach(func(_, _ []byte) error {
		n++
		return nil
	})
	return n, err
}

func (t table[T]) put(id string, one *T) error {
	text, err := json.Marshal(one)
	if err != nil {
		return err
	}
	return putText(t.Tx, t.bucket, []byte(id), text)
}

func (t table[T]) Delete(id string) error { return remove(t.Tx, t.bucket, []byte(id)) }

type stores struct{ table[records.DataStore] }

func (s stores) Put(one *records.DataStore) error { return s.put(one.ID, one) }

func (s stores) Named(displayName string) (*records.DataStore, error) {
	return first(s.where(func(one *records.DataStore) bool { return one.DisplayName == displayName }))
}

func (s stores) Serving(session string) (*records.DataStore, error) {
	return first(s.where(func(one *records.DataStore) bool { return one.Live != nil && one.Live.SessionID == session }))
}

// first is the first of a list, nil where it is empty.
func first[T any](all []*T, err error) (*T, error) {
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

type agents struct{ table[edm.UploadAgent] }

func (a agents) Put(one *edm.UploadAgent) error { return a.put(one.ID, one) }

type sessions struct{ table[records.Session] }

func (s sessions) List() ([]*records.Session, error) {
	return s.listed(func(*records.Session) bool { return true })
}

func (s sessions) Of(dataStore string) ([]*records.Session, error) {
	return s.listed(func(one *records.Session) bool { return one.DataStoreID == dataStore })
}

// listed lists sessions without their lists of blocks.
func (s sessions) listed(wanted func(*records.Session) bool) ([]*records.Session, error) {
	return s.where(func(one *records.Session) bool {
		one.Sealed = nil
		return wanted(one)
	})
}

func (s sessions) Put(one *records.Session) error {
	was, err := s.unfinishedOf(one.ID)
	if err != nil {
		return err
	}
	if err := s.put(one.ID, one); err != nil {
		return err
	}
	s.count(was, -1)
	if one.Unfinished() {
		s.count(one.DataStoreID, 1)
	}
	return nil
}

func (s sessions) Delete(id string) error {
	was, err := s.unfinishedOf(id)
	if err != nil {
		return err
	}
	if err := s.table.Delete(id); err != nil {
		return err
	}
	s.count(was, -1)
	return nil
}

// unfinishedOf is the data store of a session that is unfinished now, "" where it is
// not.
func (s sessions) unfinishedOf(id string) (dataStore string, err error) {
	text, err := getText(s.Tx, s.bucket, []byte(id))
	if text == nil || err != nil {
		return "", err
	}
	var now records.Session // without its list of blocks
	if err := json.Unmarshal(text, &struct{ *edm.Session }{&now.Session}); err != nil {
		return "", fmt.Errorf("the record %s/%s is damaged: %w", s.bucket, id, err)
	}
	if !now.Unfinished() {
		return "", nil
	}
	return now.DataStoreID, nil
}

// count adds to the unfinished sessions of a data store.
func (s sessions) count(dataStore string, n int) {
	if dataStore != "" {
		s.unfinished[dataStore] += n
	}
}

// Unfinished reads all sessions of a View. Changes read them once, and go by what
// changes add from then on.
func (s sessions) Unfinished(dataStore string) (int, error) {
	if s.counts == nil {
		all, err := s.where(func(one *records.Session) bool { return one.DataStoreID == dataStore && one.Unfinished() })
		return len(all), err
	}
	if !s.counts.known() {
		all, err := s.where((*records.Session).Unfinished)
		if err != nil {
			return 0, err
		}
		s.counts.learn(all, s.unfinished)
	}
	return s.counts.of[dataStore] + s.unfinished[dataStore], nil
}

// requests are kept under kind/key as the id and the time of what they made.
type requests struct{ *tx }

func requestKey(kind records.Kind, key string) []byte { return []byte(string(kind) + "/" + key) }

func (r requests) Find(kind records.Kind, key string) (string, error) {
	text, err := getText(r.Tx, requestsBucket, requestKey(kind, key))
	id, _ := parseRequest(text)
	return id, err
}

func (r requests) Put(one records.Request) error {
	return putText(r.Tx, requestsBucket, requestKey(one.Kind, one.Key), []byte(one.ID+" "+one.At.Format(time.RFC3339)))
}

func (r requests) Before(at time.Time) (old []records.Request, err error) {
	err = eachText(r.Tx, requestsBucket, func(k, text []byte) error {
		kind, key, _ := strings.Cut(string(k), "/")
		if id, made := parseRequest(text); made.Before(at) {
			old = append(old, records.Request{Kind: records.Kind(kind), Key: key, ID: id, At: made})
		}
		return nil
	})
	return old, err
}

func (r requests) Delete(kind records.Kind, key string) error {
	return remove(r.Tx, requestsBucket, requestKey(kind, key))
}

// parseRequest parts what is kept of a request; one without a time is old.
func parseRequest(text []byte) (id string, at time.Time) {
	id, when, _ := strings.Cut(string(text), " ")
	at, _ = time.Parse(time.RFC3339, when)
	return id, at
}

type tombstones struct{ *tx }

func (t tombstones) List() (out []records.Tombstone, err error) {
	err = eachText(t.Tx, tombsBucket, func(k, text []byte) error {
		at, _ := time.Parse(time.RFC3339, string(text)) // one without a time is old
		out = append(out, records.Tombstone{Session: string(k), At: at})
		return nil
	})
	return out, err
}

func (t tombstones) Put(one records.Tombstone) error {
	return putText(t.Tx, tombsBucket, []byte(one.Session), []byte(one.At.Format(time.RFC3339)))
}

func (t tombstones) Delete(session string) error {
	return remove(t.Tx, tombsBucket, []byte(session))
}
