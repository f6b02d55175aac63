package bolt

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// tx implements records.Tx.
type tx struct {
	*bbolt.Tx
	tenant     string
	counts     *counts    // nil in a View
	unfinished unfinished // what this change adds to each data store; nil in a View
}

func (t *tx) DataStores() records.DataStores {
	return stores{table[records.DataStore]{t, t.place(storesBucket), records.KindDataStore, func(one *records.DataStore) { one.Tenant = t.tenant }}}
}

func (t *tx) Sessions() records.Sessions {
	return sessions{table[records.Session]{t, t.place(sessionsBucket), records.KindSession, func(one *records.Session) { one.Tenant = t.tenant }}}
}

func (t *tx) Agents() records.Agents {
	return agents{table[edm.UploadAgent]{t, t.place(agentsBucket), records.KindAgent, func(*edm.UploadAgent) {}}}
}

func (t *tx) Requests() records.Requests     { return requests{t, t.place(requestsBucket)} }
func (t *tx) Tombstones() records.Tombstones { return tombstones{t, t.place(tombsBucket)} }

// table is a place of JSON by id.
type table[T any] struct {
	*tx
	place
	kind records.Kind
	read func(*T) // what a record is told when it is read
}

func (t table[T]) Get(id string) (*T, error) {
	text, err := t.get(t.Tx, id)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, &records.NotFound{Kind: t.kind, ID: id}
	}
	return t.decode(id, text)
}

func (t table[T]) decode(id string, text []byte) (*T, error) {
	out := new(T)
	if err := json.Unmarshal(text, out); err != nil {
		return nil, fmt.Errorf("the record %s/%s is damaged: %w", t.bucket, shown(t.key(id)), err)
	}
	t.read(out)
	return out, nil
}

// where lists the records that are wanted, in the order of their ids.
func (t table[T]) where(wanted func(*T) bool) (out []*T, err error) {
	err = t.eachText(t.Tx, func(id string, text []byte) error {
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
	err = t.each(t.Tx, func(_, _ []byte) error {
		n++
		return nil
	})
	return n, err
}

func (t table[T]) write(id string, one *T) error {
	text, err := json.Marshal(one)
	if err != nil {
		return err
	}
	return t.put(t.Tx, id, text)
}

func (t table[T]) Delete(id string) error { return t.remove(t.Tx, id) }

type stores struct{ table[records.DataStore] }

func (s stores) Put(one *records.DataStore) error {
	one.Tenant = s.tenant
	return s.write(one.ID, one)
}

func (s stores) Named(displayName string) (*records.DataStore, error) {
	return first(s.where(func(one *records.DataStore) bool { return one.DisplayName == displayName }))
}

func (s stores) Serving(session string) (*records.DataStore, error) {
	return first(s.where(func(one *records.DataStore) bool {
		return slices.ContainsFunc(one.Tables(), func(live *edm.Live) bool { return live.SessionID == session })
	}))
}

// first is the first of a list, nil where it is empty.
func first[T any](all []*T, err error) (*T, error) {
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

type agents struct{ table[edm.UploadAgent] }

func (a agents) Put(one *edm.UploadAgent) error { return a.write(one.ID, one) }

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
	one.Tenant = s.tenant
	was, err := s.unfinishedOf(one.ID)
	if err != nil {
		return err
	}
	if err := s.write(one.ID, one); err != nil {
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
	text, err := s.get(s.Tx, id)
	if text == nil || err != nil {
		return "", err
	}
	var now records.Session // without its list of blocks
	if err := json.Unmarshal(text, &struct{ *edm.Session }{&now.Session}); err != nil {
		return "", fmt.Errorf("the record %s/%s is damaged: %w", s.bucket, shown(s.key(id)), err)
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
	if !s.counts.known(s.tenant) {
		all, err := s.where((*records.Session).Unfinished)
		if err != nil {
			return 0, err
		}
		s.counts.learn(s.tenant, all, s.unfinished)
	}
	return s.counts.of[s.tenant][dataStore] + s.unfinished[dataStore], nil
}

// requests are kept under kind/key as the id and the time of what they made.
type requests struct {
	*tx
	place
}

func requestKey(kind records.Kind, key string) string { return string(kind) + "/" + key }

func (r requests) Find(kind records.Kind, key string) (string, error) {
	text, err := r.get(r.Tx, requestKey(kind, key))
	id, _ := parseRequest(text)
	return id, err
}

func (r requests) Put(one records.Request) error {
	return r.put(r.Tx, requestKey(one.Kind, one.Key), []byte(one.ID+" "+one.At.Format(time.RFC3339)))
}

func (r requests) Before(at time.Time) (old []records.Request, err error) {
	err = r.eachText(r.Tx, func(k string, text []byte) error {
		kind, key, _ := strings.Cut(k, "/")
		if id, made := parseRequest(text); made.Before(at) {
			old = append(old, records.Request{Kind: records.Kind(kind), Key: key, ID: id, At: made})
		}
		return nil
	})
	return old, err
}

func (r requests) Delete(kind records.Kind, key string) error {
	return r.remove(r.Tx, requestKey(kind, key))
}

// parseRequest parts what is kept of a request; one without a time is old.
func parseRequest(text []byte) (id string, at time.Time) {
	id, when, _ := strings.Cut(string(text), " ")
	at, _ = time.Parse(time.RFC3339, when)
	return id, at
}

type tombstones struct {
	*tx
	place
}

func (t tombstones) List() (out []records.Tombstone, err error) {
	err = t.eachText(t.Tx, func(session string, text []byte) error {
		at, _ := time.Parse(time.RFC3339, string(text)) // one without a time is old
		out = append(out, records.Tombstone{Session: session, At: at})
		return nil
	})
	return out, err
}

func (t tombstones) Put(one records.Tombstone) error {
	return t.put(t.Tx, one.Session, []byte(one.At.Format(time.RFC3339)))
}

func (t tombstones) Delete(session string) error { return t.remove(t.Tx, session) }
