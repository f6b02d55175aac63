package recordstest

import (
	"errors"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

func dataStores(t *suite) {
	one, two := dataStore("1", "people"), dataStore("2", "it's")
	two.Live = &edm.Live{SessionID: "brought", Rows: 5, Generation: 3}
	two.Generation, two.LiveCommitted = 3, noon
	two.Former = &records.Former{Live: edm.Live{SessionID: "before", Rows: 4, Generation: 2}, Until: noon.Add(time.Hour)}
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
		former, err := tx.DataStores().Serving("before")
		same(t, "who keeps a table that was live before", former, err, two)
		none, err = tx.DataStores().Serving("committed")
		same(t, "who serves no table", none, err, nil)
		return nil
	})
	two.DisplayName, two.Live, two.Former = "others", nil, nil
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
