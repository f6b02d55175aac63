package recordstest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

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
	one, err := records.Create(t.Context(), t.Records, records.Tx.Agents, r, func(records.Tx) (*edm.UploadAgent, error) {
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
	t.must(records.Forget(t.Context(), t.Records, noon))
	same(t, "the stamp where nothing is forgotten", t.stamp(), nil, before)
	same(t, "a repetition", t.create("key", "b"), nil, "a")
	t.must(records.Forget(t.Context(), t.Records, noon.Add(time.Second)))
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
