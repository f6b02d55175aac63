package recordstest

import (
	"errors"
	"reflect"
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

// suite is a Store, and the records of the tenant that is tried.
type suite struct {
	*testing.T
	place  Place
	tenant string
	records.Store
	records.Records
}

func (t *suite) open() {
	t.Helper()
	t.Store = t.place.Open(t.T)
	t.Records = t.Of(t.tenant)
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
	t.open()
}

func (t *suite) update(f func(records.Tx) error) {
	t.Helper()
	t.must(t.Update(t.Context(), f))
}

func (t *suite) view(f func(records.Tx) error) {
	t.Helper()
	t.must(t.View(t.Context(), f))
}

// same wants a value, nil for none. That records know their tenant is not compared.
func same[T any](t *suite, what string, got T, err error, want T) {
	t.Helper()
	anyTenant(got)
	anyTenant(want)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v (%v), want %+v", what, got, err, want)
	}
}

// anyTenant takes the tenant that is tried off records.
func anyTenant(got any) {
	switch got := got.(type) {
	case *records.DataStore:
		if got != nil {
			got.Tenant = ""
		}
	case *records.Session:
		if got != nil {
			got.Tenant = ""
		}
	case []*records.DataStore:
		for _, one := range got {
			anyTenant(one)
		}
	case []*records.Session:
		for _, one := range got {
			anyTenant(one)
		}
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
