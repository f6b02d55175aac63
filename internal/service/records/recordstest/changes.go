package recordstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// state is all that the tenant has, and what the store says of itself.
func (t *suite) state() string {
	t.Helper()
	is, err := t.Identity(t.Context())
	t.must(err)
	return fmt.Sprintf("%+v\n", is) + t.stateOf(t.tenant)
}

// stateOf is all that a tenant has.
func (t *suite) stateOf(tenant string) string {
	t.Helper()
	var all struct {
		Stores     []*records.DataStore
		Sessions   []*records.Session
		Agents     []*edm.UploadAgent
		Requests   []records.Request
		Tombstones []records.Tombstone
	}
	t.must(t.Of(tenant).View(t.Context(), func(tx records.Tx) (err error) {
		var errs [5]error
		all.Stores, errs[0] = tx.DataStores().List()
		all.Sessions, errs[1] = tx.Sessions().List()
		all.Agents, errs[2] = tx.Agents().List()
		all.Requests, errs[3] = tx.Requests().Before(noon.Add(time.Hour))
		all.Tombstones, errs[4] = tx.Tombstones().List()
		return errors.Join(errs[:]...)
	}))
	text, err := json.MarshalIndent(all, "", " ")
	t.must(err)
	return string(text)
}

// everyKind changes every kind of record.
func everyKind(tx records.Tx) error {
	return errors.Join(putStores(tx, dataStore("1", "others")), putSessions(tx, session("new", "1", edm.StateCreated)), tx.Sessions().Delete("a"),
		tx.Agents().Put(&edm.UploadAgent{ID: "new"}), tx.Requests().Put(records.Request{Kind: records.KindAgent, Key: "new", ID: "new", At: noon}),
		tx.Tombstones().Put(records.Tombstone{Session: "a", At: noon}))
}

func (t *suite) filled() {
	t.Helper()
	t.update(func(tx records.Tx) error {
		return errors.Join(putStores(tx, dataStore("1", "people")), putSessions(tx, session("a", "1", edm.StateCreated)))
	})
}

func refused(t *suite) {
	t.filled()
	before := t.state()
	refusal := &records.NotFound{Kind: "anything", ID: "x"}
	err := t.Update(t.Context(), func(tx records.Tx) error {
		t.must(everyKind(tx))
		return refusal
	})
	if got := (*records.NotFound)(nil); !errors.As(err, &got) || got != refusal {
		t.Errorf("the refusal comes back as %v", err)
	}
	if err := t.View(t.Context(), func(records.Tx) error { return refusal }); !errors.Is(err, refusal) {
		t.Errorf("a view's refusal comes back as %v", err)
	}
	same(t, "after a refusal", t.state(), nil, before)
	t.reopen()
	same(t, "after a start", t.state(), nil, before)
}

// A change that panics, as a bug would, holds nothing up and changes nothing.
func allOrNothing(t *suite) {
	t.filled()
	before := t.state()
	func() {
		defer func() { _ = recover() }()
		_ = t.Update(t.Context(), func(tx records.Tx) error {
			t.must(everyKind(tx))
			panic("a bug")
		})
	}()
	same(t, "after a panic", t.state(), nil, before)
	t.update(everyKind)
	if t.state() == before {
		t.Error("a change after a panic changes nothing")
	}
}

func seesItself(t *suite) {
	t.filled()
	t.update(func(tx records.Tx) error {
		t.must(everyKind(tx))
		got, err := tx.Sessions().Get("new")
		same(t, "what was put", got, err, session("new", "1", edm.StateCreated))
		_, err = tx.Sessions().Get("a")
		missing(t, records.KindSession, "a", err)
		all, err := tx.Sessions().List()
		same(t, "the list", len(all), err, 1)
		named, err := tx.DataStores().Named("others")
		same(t, "the name", named, err, dataStore("1", "others"))
		n, err := tx.Agents().Count()
		same(t, "the count", n, err, 1)
		id, err := tx.Requests().Find(records.KindAgent, "new")
		same(t, "the request", id, err, "new")
		return nil
	})
}

func copies(t *suite) {
	mine := dataStore("1", "people")
	t.update(func(tx records.Tx) error {
		t.must(putStores(tx, mine))
		mine.DisplayName, mine.Columns[0].Name = "mine", "changed"
		got, err := tx.DataStores().Get("1")
		same(t, "what was put", got, err, dataStore("1", "people"))
		got.DisplayName, got.Columns[0].Name = "read", "changed"
		return err
	})
	t.view(func(tx records.Tx) error {
		got, err := tx.DataStores().Get("1")
		same(t, "what nobody put", got, err, dataStore("1", "people"))
		return nil
	})
}

// patience is how long a view waits for a change beside it, which may wait for the
// view.
const patience = 100 * time.Millisecond

func oneMoment(t *suite) {
	t.filled()
	changed := make(chan error, 1)
	t.view(func(tx records.Tx) error {
		_, err := tx.DataStores().Get("1")
		t.must(err)
		ended := make(chan struct{})
		go func() {
			changed <- t.Update(context.Background(), everyKind)
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(patience):
		}
		got, err := tx.DataStores().Get("1")
		same(t, "a data store as it was", got, err, dataStore("1", "people"))
		_, err = tx.Sessions().Get("new")
		missing(t, records.KindSession, "new", err)
		return nil
	})
	t.must(<-changed)
	t.view(func(tx records.Tx) error {
		got, err := tx.DataStores().Get("1")
		same(t, "and as it is", got, err, dataStore("1", "others"))
		return nil
	})
}

// Changes that read what they write, and changes that read what another one writes,
// come out as one after another.
func serializable(t *suite) {
	t.update(func(tx records.Tx) error { return putStores(tx, dataStore("1", "people"), dataStore("2", "others")) })
	const writers, each, room = 4, 10, 25
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				err := t.Update(t.Context(), func(tx records.Tx) error {
					one, err := tx.DataStores().Get("1")
					if err != nil {
						return err
					}
					one.Generation++
					there, err := tx.Sessions().Unfinished("2")
					if err == nil && there < room {
						err = putSessions(tx, session(fmt.Sprintf("%d-%02d", w, n), "2", edm.StateCreated))
					}
					return errors.Join(err, tx.DataStores().Put(one))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	t.view(func(tx records.Tx) error {
		one, err := tx.DataStores().Get("1")
		t.must(err)
		same(t, "changes of one record", one.Generation, nil, int64(writers*each))
		there, err := tx.Sessions().Of("2")
		same(t, "sessions where there is room for so many", len(there), err, room)
		return nil
	})
}

// No view sees a session without its data store's note of it, or the other way
// round.
func acrossKinds(t *suite) {
	t.update(func(tx records.Tx) error { return putStores(tx, dataStore("1", "people")) })
	var all sync.WaitGroup
	all.Go(func() {
		for n := range 20 {
			err := t.Update(context.Background(), func(tx records.Tx) error {
				one, err := tx.DataStores().Get("1")
				if err != nil {
					return err
				}
				one.Processing = map[string]time.Time{}
				id := fmt.Sprint("session-", n)
				if n%2 == 0 {
					one.Processing[id] = noon
				}
				return errors.Join(tx.DataStores().Put(one), putSessions(tx, session("a", fmt.Sprint(len(one.Processing)), edm.StateCreated)))
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	all.Go(func() {
		for range 50 {
			err := t.View(context.Background(), func(tx records.Tx) error {
				store, err := tx.DataStores().Get("1")
				if err != nil {
					return err
				}
				one, err := tx.Sessions().Get("a")
				if err == nil && one.DataStoreID != fmt.Sprint(len(store.Processing)) {
					t.Errorf("a session says %s of %v", one.DataStoreID, store.Processing)
				}
				if records.IsNotFound(err) && len(store.Processing) == 0 {
					return nil // before the first change
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
}
