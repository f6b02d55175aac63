package bolt

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// filled makes a database whose tenants have a record of each kind.
func filled(t *testing.T, path string, tenants ...string) *Store {
	t.Helper()
	s, err := Open(path, slog.New(slog.DiscardHandler))
	check(t, err)
	check(t, s.Prepare(t.Context()))
	for _, tenant := range tenants {
		check(t, s.Of(tenant).Update(t.Context(), func(tx records.Tx) error {
			return errors.Join(
				tx.DataStores().Put(&records.DataStore{DataStore: edm.DataStore{ID: "a", DisplayName: "people", Live: &edm.Live{SessionID: "a"}}}),
				tx.Sessions().Put(&records.Session{Session: edm.Session{ID: "a", DataStoreID: "a", State: edm.StateCreated}}),
				tx.Agents().Put(&edm.UploadAgent{ID: "a"}),
				tx.Requests().Put(records.Request{Kind: records.KindAgent, Key: "a", ID: "a"}),
				tx.Tombstones().Put(records.Tombstone{Session: "a"}))
		}))
	}
	return s
}

// spoil damages every record of a tenant: a call that reads one fails.
func spoil(t *testing.T, s *Store, tenant string) {
	t.Helper()
	check(t, s.db.Update(func(b *bbolt.Tx) error {
		of, spoilt := &tx{Tx: b, tenant: tenant}, 0
		for _, bucket := range buckets {
			if bytes.Equal(bucket, metaBucket) {
				continue
			}
			p := of.place(bucket)
			check(t, p.each(b, func(key, whole []byte) error {
				spoilt++
				return b.Bucket(p.bucket).Put(bytes.Clone(key), append(bytes.Clone(whole), 'x'))
			}))
		}
		if spoilt != 5 {
			t.Errorf("%d records of %q are spoilt", spoilt, tenant)
		}
		return nil
	}))
}

// everyCall makes each call that reads.
func everyCall(tx records.Tx) error {
	var errs []error
	note := func(_ any, err error) {
		if !records.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	note(tx.DataStores().Get("b"))
	note(tx.DataStores().List())
	note(tx.DataStores().Count())
	note(tx.DataStores().Named("nobody"))
	note(tx.DataStores().Serving("nobody"))
	note(tx.Sessions().Get("b"))
	note(tx.Sessions().List())
	note(tx.Sessions().Of("a"))
	note(tx.Sessions().Unfinished("a"))
	note(tx.Agents().Get("b"))
	note(tx.Agents().List())
	note(tx.Agents().Count())
	note(tx.Requests().Find(records.KindAgent, "b"))
	note(tx.Requests().Before(time.Now()))
	note(tx.Tombstones().List())
	return errors.Join(errs...)
}

// No call reads a record of another tenant: those of all others are damaged.
func TestNoForeignRecordIsRead(t *testing.T) {
	all := []string{"", "a", "b", "b2"}
	for _, own := range all {
		s := filled(t, filepath.Join(t.TempDir(), "service.db"), all...)
		for _, other := range all {
			if other != own {
				spoil(t, s, other)
			}
		}
		if err := s.Of(own).View(t.Context(), everyCall); err != nil {
			t.Errorf("a view of %q: %v", own, err)
		}
		err := s.Of(own).Update(t.Context(), func(tx records.Tx) error {
			return errors.Join(everyCall(tx),
				tx.Sessions().Put(&records.Session{Session: edm.Session{ID: "b", DataStoreID: "a"}}), tx.Sessions().Delete("a"), tx.DataStores().Delete("a"))
		})
		if err != nil {
			t.Errorf("a change of %q: %v", own, err)
		}
		if tenants, err := s.Tenants(t.Context()); err != nil || len(tenants) != len(all) {
			t.Errorf("%q are the tenants (%v)", tenants, err)
		}
		for _, other := range all {
			if err := s.Of(other).View(t.Context(), everyCall); (err == nil) != (other == own) {
				t.Errorf("a view of %q where all but %q are damaged: %v", other, own, err)
			}
		}
		check(t, s.Close())
	}
}

// A record is its tenant's: one that stands under another's name is damage.
func TestARecordUnderAnotherTenantIsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "service.db")
	s := filled(t, path, "", "a")
	check(t, s.db.Update(func(b *bbolt.Tx) error {
		bucket := b.Bucket(tenantBucket(agentsBucket))
		return bucket.Put([]byte("b\x00a"), bytes.Clone(bucket.Get([]byte("a\x00a"))))
	}))
	if _, err := records.Get(t.Context(), s.Of("b"), records.Tx.Agents, "a"); err == nil || records.IsNotFound(err) {
		t.Errorf("a record that was moved to another tenant is read: %v", err)
	}
	check(t, s.Close())
	if _, err := Open(path, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("the database is opened")
	}
}

// The buckets of tenants come with the first: a database without any is as an
// earlier build made it.
func TestADatabaseWithoutTenantsHasTheBucketsOfBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "service.db")
	names := func() (names []string) {
		f, err := readBolt(path, slog.New(slog.DiscardHandler))
		check(t, err)
		names, err = f.walk(func(boltEntry) error { return nil })
		check(t, err)
		return names
	}
	check(t, filled(t, path, "").Close())
	if got := names(); len(got) != len(buckets) {
		t.Errorf("the buckets are %q", got)
	}
	check(t, filled(t, path, "a").Close())
	if got := names(); len(got) != len(buckets)+len(tenantBuckets) || !allBuckets(got) {
		t.Errorf("with a tenant the buckets are %q", got)
	}
	if allBuckets(append(names(), "unknown")) {
		t.Error("a bucket that is not known is taken")
	}
}
