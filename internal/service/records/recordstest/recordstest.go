// Package recordstest is what every records.Store must do.
package recordstest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// Place is where a Store keeps its records.
type Place interface {
	// Open opens the Store. A test closes what it has opened before it opens it again.
	Open(t *testing.T) records.Store
}

// Run tries a Store. Each call of place makes an empty place.
func Run(t *testing.T, place func(*testing.T) Place) {
	for name, test := range map[string]func(*suite){
		"data stores":                       dataStores,
		"sessions":                          sessions,
		"unfinished sessions are counted":   unfinished,
		"agents":                            agents,
		"requests":                          requests,
		"tombstones":                        tombstones,
		"a refused change changes nothing":  refused,
		"a change is all or nothing":        allOrNothing,
		"a change sees itself":              seesItself,
		"a record is its reader's":          copies,
		"a view is of one moment":           oneMoment,
		"changes are serializable":          serializable,
		"a change across kinds":             acrossKinds,
		"what was changed is there again":   durable,
		"the stamp counts changes":          stamps,
		"the secret stays":                  secret,
		"creates are repeated":              creates,
		"old requests are forgotten":        forgets,
		"a closed store fails":              closed,
		"ids are in the order of bytes":     order,
		"long lists and names are kept":     long,
		"times are kept to the millisecond": times,
	} {
		t.Run(name, func(t *testing.T) {
			p := place(t)
			s := &suite{T: t, place: p, Store: p.Open(t)}
			defer func() { _ = s.Close() }() // a test may have closed it
			test(s)
		})
	}
}

type suite struct {
	*testing.T
	place Place
	records.Store
}

func (t *suite) must(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t *suite) reopen() {
	t.Helper()
	t.must(t.Close())
	t.Store = t.place.Open(t.T)
}

func (t *suite) update(f func(records.Tx) error) {
	t.Helper()
	t.must(t.Update(t.Context(), f))
}

func (t *suite) view(f func(records.Tx) error) {
	t.Helper()
	t.must(t.View(t.Context(), f))
}

// same wants a value, nil for none.
func same[T any](t *suite, what string, got T, err error, want T) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v (%v), want %+v", what, got, err, want)
	}
}

func missing(t *suite, kind records.Kind, id string, err error) {
	t.Helper()
	var not *records.NotFound
	if !errors.As(err, &not) || not.Kind != kind || not.ID != id {
		t.Errorf("%s/%s: %v, want that it is not found", kind, id, err)
	}
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func dataStore(id, name string) *records.DataStore {
	return &records.DataStore{DataStore: edm.DataStore{ID: id, DisplayName: name, Columns: []edm.Column{{Name: "ID", IsSearchable: true}, {Name: "City", IgnoredDelimiters: []string{"-", "'"}}}}}
}

func session(id, store string, state edm.State) *records.Session {
	return &records.Session{
		Session: edm.Session{ID: id, DataStoreID: store, State: state, FileName: "a.csv", Fields: []string{"ID"}}, Expiry: noon, UploadURIExpiry: noon.Add(time.Hour),
	}
}

func putStores(tx records.Tx, all ...*records.DataStore) (err error) {
	for _, one := range all {
		err = errors.Join(err, tx.DataStores().Put(one))
	}
	return err
}

func putSessions(tx records.Tx, all ...*records.Session) (err error) {
	for _, one := range all {
		err = errors.Join(err, tx.Sessions().Put(one))
	}
	return err
}

func dataStores(t *suite) {
	one, two := dataStore("1", "people"), dataStore("2", "it's")
	two.Live = &edm.Live{SessionID: "brought", Rows: 5, Generation: 3}
	two.Generation, two.LiveCommitted = 3, noon
	two.Commits, two.Processing = []time.Time{noon}, map[string]time.Time{"committed": noon.Add(time.Minute)}
	t.view(func(tx records.Tx) error {
		_, err := tx.DataStores().Get("1")
		missing(t, records.KindDataStore, "1", err)
		all, err := tx.DataStores().List()
		same(t, "a list of nothing", len(all), err, 0)
		n, err := tx.DataStores().Count()
		same(t, "a count of nothing", n, err, 0)
		none, err := tx.DataStores().Named("people")
		same(t, "a name of nothing", none, err, nil)
		return nil
	})
	t.update(func(tx records.Tx) error { return putStores(tx, two, one) })
	t.view(func(tx records.Tx) error {
		got, err := tx.DataStores().Get("2")
		same(t, "a record", got, err, two)
		all, err := tx.DataStores().List()
		same(t, "the list", all, err, []*records.DataStore{one, two})
		n, err := tx.DataStores().Count()
		same(t, "the count", n, err, 2)
		named, err := tx.DataStores().Named("it's")
		same(t, "a name", named, err, two)
		none, err := tx.DataStores().Named("It's")
		same(t, "another name", none, err, nil)
		serving, err := tx.DataStores().Serving("brought")
		same(t, "who serves a table", serving, err, two)
		none, err = tx.DataStores().Serving("committed")
		same(t, "who serves no table", none, err, nil)
		return nil
	})
	two.DisplayName, two.Live = "others", nil
	t.update(func(tx records.Tx) error {
		return errors.Join(tx.DataStores().Put(two), tx.DataStores().Delete("1"), tx.DataStores().Delete("nobody"))
	})
	t.view(func(tx records.Tx) error {
		all, err := tx.DataStores().List()
		same(t, "the list after a change", all, err, []*records.DataStore{two})
		none, err := tx.DataStores().Named("it's")
		same(t, "a name that was given up", none, err, nil)
		none, err = tx.DataStores().Serving("brought")
		same(t, "who serves a table no more", none, err, nil)
		return nil
	})
}

func sessions(t *suite) {
	a, b, other := session("a", "1", edm.StateCreated), session("b", "1", edm.StateUploadCompleted), session("c", "2", edm.StateCompleted)
	b.Sealed, b.JobsDone, b.Committed = []string{"block 0", "block 1"}, 2, noon
	listed := *b
	listed.Sealed = nil
	t.update(func(tx records.Tx) error { return putSessions(tx, other, b, a) })
	t.view(func(tx records.Tx) error {
		_, err := tx.Sessions().Get("d")
		missing(t, records.KindSession, "d", err)
		got, err := tx.Sessions().Get("b")
		same(t, "a record", got, err, b)
		all, err := tx.Sessions().List()
		same(t, "the list", all, err, []*records.Session{a, &listed, other})
		of, err := tx.Sessions().Of("1")
		same(t, "those of a data store", of, err, []*records.Session{a, &listed})
		of, err = tx.Sessions().Of("3")
		same(t, "those of no data store", len(of), err, 0)
		return nil
	})
	t.update(func(tx records.Tx) error {
		return errors.Join(tx.Sessions().Delete("b"), tx.Sessions().Delete("nobody"))
	})
	t.view(func(tx records.Tx) error {
		_, err := tx.Sessions().Get("b")
		missing(t, records.KindSession, "b", err)
		of, err := tx.Sessions().Of("1")
		same(t, "those that are left", of, err, []*records.Session{a})
		return nil
	})
}

// counts wants the unfinished sessions of the data store 1, of a view, in a change,
// and after a start.
func (t *suite) counts(what string, want int) {
	t.Helper()
	ask := func(tx records.Tx) error {
		n, err := tx.Sessions().Unfinished("1")
		same(t, what, n, err, want)
		n, err = tx.Sessions().Unfinished("nobody")
		same(t, what+", of no data store", n, err, 0)
		return nil
	}
	t.update(ask)
	t.view(ask)
	t.reopen()
	t.update(ask)
}

func unfinished(t *suite) {
	t.counts("none", 0)
	t.update(func(tx records.Tx) error {
		return putSessions(tx, session("a", "1", edm.StateCreated), session("b", "1", edm.StateUploadInProgress), session("c", "1", edm.StateUploadCompleted),
			session("d", "1", edm.StateProcessingInProgress), session("e", "1", edm.StateCancelled), session("f", "2", edm.StateCreated))
	})
	t.counts("three of five", 3)
	t.update(func(tx records.Tx) error {
		return errors.Join(putSessions(tx, session("a", "1", edm.StateExpired), session("b", "1", edm.StateUploadInProgress)), tx.Sessions().Delete("c"), tx.Sessions().Delete("c"))
	})
	t.counts("after an end and a delete", 1)
	refusal := errors.New("refused")
	for range 2 {
		err := t.Update(t.Context(), func(tx records.Tx) error {
			return errors.Join(putSessions(tx, session("g", "1", edm.StateCreated)), tx.Sessions().Delete("b"), refusal)
		})
		if !errors.Is(err, refusal) {
			t.Errorf("a refusal is %v", err)
		}
	}
	t.update(func(tx records.Tx) error {
		n, err := tx.Sessions().Unfinished("1")
		same(t, "after a refused change", n, err, 1)
		t.must(putSessions(tx, session("h", "1", edm.StateCreated), session("h", "1", edm.StateCreated)))
		n, err = tx.Sessions().Unfinished("1")
		same(t, "within a change", n, err, 2)
		return nil
	})
	t.counts("after it", 2)
}

func agents(t *suite) {
	a, b := &edm.UploadAgent{ID: "a", Description: "ours"}, &edm.UploadAgent{ID: "b", CreationDateTime: &noon}
	t.update(func(tx records.Tx) error { return errors.Join(tx.Agents().Put(b), tx.Agents().Put(a)) })
	t.view(func(tx records.Tx) error {
		_, err := tx.Agents().Get("c")
		missing(t, records.KindAgent, "c", err)
		got, err := tx.Agents().Get("b")
		same(t, "a record", got, err, b)
		all, err := tx.Agents().List()
		same(t, "the list", all, err, []*edm.UploadAgent{a, b})
		n, err := tx.Agents().Count()
		same(t, "the count", n, err, 2)
		return nil
	})
	t.update(func(tx records.Tx) error { return errors.Join(tx.Agents().Delete("a"), tx.Agents().Delete("nobody")) })
	t.view(func(tx records.Tx) error {
		all, err := tx.Agents().List()
		same(t, "those that are left", all, err, []*edm.UploadAgent{b})
		return nil
	})
}

func requests(t *suite) {
	early := records.Request{Kind: records.KindSession, Key: "1/it's / the same", ID: "a", At: noon}
	late := records.Request{Kind: records.KindAgent, Key: "1/it's / the same", ID: "b", At: noon.Add(time.Hour)}
	t.update(func(tx records.Tx) error { return errors.Join(tx.Requests().Put(early), tx.Requests().Put(late)) })
	t.view(func(tx records.Tx) error {
		for _, one := range []records.Request{early, late} {
			id, err := tx.Requests().Find(one.Kind, one.Key)
			same(t, "a request", id, err, one.ID)
		}
		id, err := tx.Requests().Find(records.KindDataStore, early.Key)
		same(t, "one of another kind", id, err, "")
		for at, want := range map[time.Time][]records.Request{noon: nil, noon.Add(time.Minute): {early}} {
			old, err := tx.Requests().Before(at)
			same(t, "those from before", old, err, want)
		}
		all, err := tx.Requests().Before(noon.Add(2 * time.Hour))
		same(t, "all", len(all), err, 2)
		return nil
	})
	t.update(func(tx records.Tx) error {
		return errors.Join(tx.Requests().Delete(early.Kind, early.Key), tx.Requests().Delete(records.KindAgent, "none"))
	})
	t.view(func(tx records.Tx) error {
		id, err := tx.Requests().Find(early.Kind, early.Key)
		same(t, "one that is forgotten", id, err, "")
		id, err = tx.Requests().Find(late.Kind, late.Key)
		same(t, "one that is not", id, err, late.ID)
		return nil
	})
}

func tombstones(t *suite) {
	a, b := records.Tombstone{Session: "a", At: noon}, records.Tombstone{Session: "b", At: noon.Add(time.Hour)}
	t.update(func(tx records.Tx) error { return errors.Join(tx.Tombstones().Put(b), tx.Tombstones().Put(a)) })
	t.view(func(tx records.Tx) error {
		all, err := tx.Tombstones().List()
		same(t, "the list", all, err, []records.Tombstone{a, b})
		return nil
	})
	t.update(func(tx records.Tx) error {
		return errors.Join(tx.Tombstones().Delete("a"), tx.Tombstones().Delete("nobody"))
	})
	t.view(func(tx records.Tx) error {
		all, err := tx.Tombstones().List()
		same(t, "those that are left", all, err, []records.Tombstone{b})
		return nil
	})
}

// state is all that a store has.
func (t *suite) state() string {
	t.Helper()
	is, err := t.Identity(t.Context())
	t.must(err)
	text := fmt.Sprintf("%+v\n", is)
	t.view(func(tx records.Tx) error {
		stores, err := tx.DataStores().List()
		t.must(err)
		for _, one := range stores {
			text += fmt.Sprintf("%+v\n", *one)
		}
		sessions, err := tx.Sessions().List()
		t.must(err)
		for _, one := range sessions {
			text += fmt.Sprintf("%+v\n", *one)
		}
		requests, err := tx.Requests().Before(noon.Add(time.Hour))
		t.must(err)
		tombstones, err := tx.Tombstones().List()
		text += fmt.Sprintf("%+v\n%+v\n", requests, tombstones)
		return err
	})
	return text
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

func durable(t *suite) {
	t.filled()
	t.update(everyKind)
	before := t.state()
	t.reopen()
	same(t, "after a start", t.state(), nil, before)
}

func (t *suite) stamp() records.Identity {
	t.Helper()
	is, err := t.Identity(t.Context())
	t.must(err)
	return is
}

func stamps(t *suite) {
	first := t.stamp()
	if first.ID == "" {
		t.Error("a store has no id")
	}
	last := first.Stamp
	for what, change := range map[string]func() error{
		"a change":                      func() error { return t.Update(t.Context(), everyKind) },
		"a change of nothing":           func() error { return t.Update(t.Context(), func(records.Tx) error { return nil }) },
		"a probe":                       func() error { return t.Probe(t.Context(), noon) },
		"a probe that is not the first": func() error { return t.Probe(t.Context(), noon.Add(time.Second)) },
	} {
		t.must(change())
		if now := t.stamp(); now.Stamp <= last || now.ID != first.ID {
			t.Errorf("after %s: %+v, before %d", what, now, last)
		}
		last = t.stamp().Stamp
	}
	t.view(func(records.Tx) error { return nil })
	t.reopen()
	same(t, "after a view and a start", t.stamp(), nil, records.Identity{ID: first.ID, Stamp: last})
}

func secret(t *suite) {
	before, err := t.Secret(t.Context())
	t.must(err)
	if len(before) < 32 {
		t.Errorf("the secret has %d bytes", len(before))
	}
	t.update(everyKind)
	t.reopen()
	after, err := t.Secret(t.Context())
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("the secret is another after a start (%v)", err)
	}
}

// create makes an agent, or finds the one that the same request made.
func (t *suite) create(key, id string) string {
	t.Helper()
	r := records.Request{Kind: records.KindAgent, Key: key, ID: id, At: noon}
	one, err := records.Create(t.Context(), t.Store, records.Tx.Agents, r, func(records.Tx) (*edm.UploadAgent, error) {
		return &edm.UploadAgent{ID: id}, nil
	})
	t.must(err)
	return one.ID
}

func creates(t *suite) {
	same(t, "a create", t.create("key", "a"), nil, "a")
	same(t, "its repetition", t.create("key", "b"), nil, "a")
	same(t, "another request", t.create("another", "c"), nil, "c")
	same(t, "one without a key", t.create("", "d"), nil, "d")
	same(t, "another without a key", t.create("", "e"), nil, "e")
	t.reopen()
	same(t, "a repetition after a start", t.create("key", "f"), nil, "a")
	t.update(func(tx records.Tx) error { return tx.Agents().Delete("a") })
	same(t, "a repetition after a delete", t.create("key", "g"), nil, "g")
}

func forgets(t *suite) {
	t.create("key", "a")
	before := t.stamp()
	t.must(records.Forget(t.Context(), t.Store, noon))
	same(t, "the stamp where nothing is forgotten", t.stamp(), nil, before)
	same(t, "a repetition", t.create("key", "b"), nil, "a")
	t.must(records.Forget(t.Context(), t.Store, noon.Add(time.Second)))
	same(t, "a repetition of what is forgotten", t.create("key", "c"), nil, "c")
}

func closed(t *suite) {
	t.must(t.Close())
	for what, err := range map[string]error{
		"view":   t.View(t.Context(), func(records.Tx) error { return nil }),
		"update": t.Update(t.Context(), func(records.Tx) error { return nil }),
		"probe":  t.Probe(t.Context(), noon),
	} {
		if err == nil {
			t.Errorf("a closed store has no error for %s", what)
		}
	}
}

func order(t *suite) {
	ids := []string{"-", "0", "10", "9", "A", "_", "a", "a-b", "aa", "b", "é"}
	t.update(func(tx records.Tx) error {
		for _, n := range []int{3, 10, 0, 7, 2, 9, 1, 8, 5, 6, 4} {
			t.must(putSessions(tx, session(ids[n], "1", edm.StateCreated)))
		}
		return nil
	})
	t.view(func(tx records.Tx) error {
		var got []string
		all, err := tx.Sessions().List()
		for _, one := range all {
			got = append(got, one.ID)
		}
		same(t, "the order", got, err, ids)
		return nil
	})
}

func long(t *suite) {
	one := session("a", "1", edm.StateUploadCompleted)
	for n := range 50_000 {
		one.Sealed = append(one.Sealed, fmt.Sprintf("%044d", n))
	}
	r := records.Request{Kind: records.KindAgent, Key: fmt.Sprintf("%0128d", 0), ID: fmt.Sprintf("%036d", 0), At: noon}
	t.update(func(tx records.Tx) error { return errors.Join(putSessions(tx, one), tx.Requests().Put(r)) })
	t.reopen()
	t.view(func(tx records.Tx) error {
		got, err := tx.Sessions().Get("a")
		t.must(err)
		same(t, "the list of blocks", slices.Equal(got.Sealed, one.Sealed), nil, true)
		id, err := tx.Requests().Find(r.Kind, r.Key)
		same(t, "the request", id, err, r.ID)
		return nil
	})
}

func times(t *suite) {
	one := session("a", "1", edm.StateCreated)
	one.Committed = noon.Add(7 * time.Millisecond)
	t.update(func(tx records.Tx) error { return putSessions(tx, one) })
	t.view(func(tx records.Tx) error {
		got, err := tx.Sessions().Get("a")
		t.must(err)
		if !got.Committed.Equal(one.Committed) {
			t.Errorf("%s comes back as %s", one.Committed, got.Committed)
		}
		return nil
	})
}
