package recordstest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// others are the tenants beside the one that is tried. One's name begins with its
// name, one's is the beginning of it.
var others = []string{"", "prod/h", "prod/hr", "prod/hr2"}

// crowd makes records that have the ids, names and requests of those in the tests.
func crowd(tx records.Tx) (err error) {
	for _, id := range []string{"1", "2", "3", "nobody"} {
		one := dataStore(id, map[string]string{"1": "people", "2": "it's", "3": "others"}[id])
		one.Live = &edm.Live{SessionID: map[string]string{"1": "brought", "2": "committed"}[id], Rows: 1, Generation: 1}
		err = errors.Join(err, tx.DataStores().Put(one))
	}
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "new", "nobody", "0-00", "é"} {
		err = errors.Join(err, putSessions(tx, session(id, "1", edm.StateCreated)), tx.Agents().Put(&edm.UploadAgent{ID: id}),
			tx.Tombstones().Put(records.Tombstone{Session: id, At: noon.Add(-time.Hour)}))
	}
	for _, kind := range []records.Kind{records.KindDataStore, records.KindSession, records.KindAgent} {
		for _, key := range []string{"1/it's / the same", "key", "another", "new", "none"} {
			err = errors.Join(err, tx.Requests().Put(records.Request{Kind: kind, Key: key, ID: "a", At: noon.Add(-time.Hour)}))
		}
	}
	return err
}

// beside runs a test on the records of one tenant while others have the same, which
// it neither sees nor changes.
func beside(t *testing.T, p Place, tenant string, test func(*suite)) {
	s := &suite{T: t, place: p, tenant: tenant}
	s.open()
	defer func() { _ = s.Close() }()
	want := map[string]string{}
	for _, other := range others {
		if other != tenant {
			s.must(s.Store.Of(other).Update(t.Context(), crowd))
			want[other] = s.stateOf(other)
		}
	}
	test(s)
	_ = s.Close() // the test may have closed it
	s.open()
	for other, state := range want {
		if s.stateOf(other) != state {
			t.Errorf("the records of %q are changed", other)
		}
	}
}

func (t *suite) tenants(what string, want ...string) {
	t.Helper()
	all, err := t.Tenants(t.Context())
	same(t, what, all, err, want)
}

func tenants(t *suite) {
	t.tenants("at first", "")
	t.filled()
	t.tenants("one store without a tenant", "")
	one := map[string]func(records.Tx) error{
		"stores":   func(tx records.Tx) error { return putStores(tx, dataStore("1", "people")) },
		"sessions": func(tx records.Tx) error { return putSessions(tx, session("a", "1", edm.StateCreated)) },
		"agents":   func(tx records.Tx) error { return tx.Agents().Put(&edm.UploadAgent{ID: "a"}) },
		"requests": func(tx records.Tx) error {
			return tx.Requests().Put(records.Request{Kind: records.KindAgent, Key: "a", ID: "a", At: noon})
		},
		"tombstones": func(tx records.Tx) error { return tx.Tombstones().Put(records.Tombstone{Session: "a", At: noon}) },
	}
	for tenant, change := range one {
		t.must(t.Of(tenant).Update(t.Context(), change))
	}
	t.must(t.Of("stores-2").Update(t.Context(), one["stores"]))
	t.must(t.Of("nothing").Update(t.Context(), func(records.Tx) error { return nil }))
	all := []string{"", "agents", "requests", "sessions", "stores", "stores-2", "tombstones"}
	t.tenants("one with a record of each kind", all...)
	t.reopen()
	t.tenants("after a start", all...)
	t.must(t.Of("stores").Update(t.Context(), func(tx records.Tx) error { return tx.DataStores().Delete("1") }))
	t.tenants("after its last record", "", "agents", "requests", "sessions", "stores-2", "tombstones")
}

// Two tenants have the same ids, names and requests, and each its own.
func strangers(t *suite) {
	put := func(tenant, name string, state edm.State) {
		t.Helper()
		t.must(t.Of(tenant).Update(t.Context(), func(tx records.Tx) error {
			one := dataStore("1", "people")
			one.Description, one.Live = name, &edm.Live{SessionID: "a", Generation: 1}
			return errors.Join(putStores(tx, one), putSessions(tx, session("a", "1", state)), tx.Agents().Put(&edm.UploadAgent{ID: "a", Description: name}),
				tx.Requests().Put(records.Request{Kind: records.KindAgent, Key: "key", ID: name, At: noon}),
				tx.Tombstones().Put(records.Tombstone{Session: name, At: noon}))
		}))
	}
	put("", "nobody's", edm.StateCompleted)
	put("a", "a's", edm.StateCreated)
	put("b", "b's", edm.StateCreated)
	for tenant, want := range map[string]struct {
		name       string
		unfinished int
	}{"": {"nobody's", 0}, "a": {"a's", 1}, "b": {"b's", 1}} {
		t.must(t.Of(tenant).View(t.Context(), func(tx records.Tx) error {
			named, err := tx.DataStores().Named("people")
			same(t, "a name", named.Description+"/"+named.Tenant, err, want.name+"/"+tenant)
			serving, err := tx.DataStores().Serving("a")
			same(t, "who serves a table", serving.Description, err, want.name)
			n, err := tx.Sessions().Unfinished("1")
			same(t, "unfinished sessions", n, err, want.unfinished)
			one, err := tx.Sessions().Get("a")
			same(t, "a session's tenant", one.Tenant, err, tenant)
			id, err := tx.Requests().Find(records.KindAgent, "key")
			same(t, "a request", id, err, want.name)
			old, err := tx.Requests().Before(noon.Add(time.Hour))
			same(t, "requests", len(old), err, 1)
			left, err := tx.Tombstones().List()
			same(t, "tombstones", left, err, []records.Tombstone{{Session: want.name, At: noon}})
			count, err := tx.Agents().Count()
			same(t, "a count", count, err, 1)
			return nil
		}))
	}
	t.must(t.Of("a").Update(t.Context(), func(tx records.Tx) error {
		return errors.Join(tx.DataStores().Delete("1"), tx.Sessions().Delete("a"), tx.Agents().Delete("a"), tx.Requests().Delete(records.KindAgent, "key"))
	}))
	t.must(t.Of("b").View(t.Context(), func(tx records.Tx) error {
		one, err := tx.DataStores().Get("1")
		same(t, "what another has deleted", one.Description, err, "b's")
		return nil
	}))
}

// Whatever a caller gives as an id, it leads to nothing of another tenant.
func foreignIDs(t *suite) {
	for _, tenant := range []string{"", "a", "a/b"} {
		t.must(t.Of(tenant).Update(t.Context(), crowd))
	}
	for _, tenant := range []string{"", "a", "a/b"} {
		for _, id := range []string{"a\x00a", "\x00a", "a/b\x00a", "b\x00a", "/b\x00a", "a/a", "tenant-agents/a\x00a", "../a"} {
			t.must(t.Of(tenant).View(t.Context(), func(tx records.Tx) error {
				_, err := tx.Agents().Get(id)
				missing(t, records.KindAgent, id, err)
				return nil
			}))
		}
	}
}

func badNames(t *suite) {
	for _, name := range []string{"a\x00", "\x00", "a\nb", "\xff", fmt.Sprintf("%0600d", 0)} {
		nothing := func(records.Tx) error { return errors.New("a transaction was begun") }
		both := func(records.Tx, records.Tx) error { return errors.New("a transaction was begun") }
		for what, err := range map[string]error{
			"view": t.Of(name).View(t.Context(), nothing), "update": t.Of(name).Update(t.Context(), nothing),
			"from": t.Across(t.Context(), name, "a", both), "to": t.Across(t.Context(), "a", name, both),
		} {
			var bad *records.InvalidTenant
			if !errors.As(err, &bad) || bad.Name != name {
				t.Errorf("%s of %.20q: %v", what, name, err)
			}
		}
	}
}

// move takes the data store 1 and its session from one tenant to another.
func move(from, to records.Tx) error {
	store, err := from.DataStores().Get("1")
	if err != nil {
		return err
	}
	one, err := from.Sessions().Get("a")
	if err != nil {
		return err
	}
	return errors.Join(to.DataStores().Put(store), to.Sessions().Put(one), from.DataStores().Delete("1"), from.Sessions().Delete("a"))
}

func across(t *suite) {
	t.filled()
	before := t.stateOf("") + t.stateOf("a")
	refusal := errors.New("refused")
	err := t.Across(t.Context(), "", "a", func(from, to records.Tx) error { return errors.Join(move(from, to), refusal) })
	if !errors.Is(err, refusal) {
		t.Errorf("a refusal is %v", err)
	}
	same(t, "after a refusal", t.stateOf("")+t.stateOf("a"), nil, before)
	t.must(t.Across(t.Context(), "", "a", move))
	t.reopen()
	t.must(t.Of("a").View(t.Context(), func(tx records.Tx) error {
		got, err := tx.DataStores().Get("1")
		same(t, "the tenant of what was moved", got.Tenant, err, "a")
		same(t, "what was moved", got, err, dataStore("1", "people"))
		return nil
	}))
	t.view(func(tx records.Tx) error {
		_, err := tx.DataStores().Get("1")
		missing(t, records.KindDataStore, "1", err)
		return nil
	})
}

func unfinishedAcross(t *suite) {
	t.filled()
	want := func(what, tenant string, n int) {
		t.Helper()
		t.must(t.Of(tenant).Update(t.Context(), func(tx records.Tx) error {
			got, err := tx.Sessions().Unfinished("1")
			same(t, what+" of "+tenant, got, err, n)
			return nil
		}))
	}
	want("at first", "", 1)
	want("at first", "a", 0)
	t.must(t.Across(t.Context(), "", "a", move))
	want("after a move", "", 0)
	want("after a move", "a", 1)
}
