package bolt

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"exactmatch.dev/operator/internal/service/records"
)

// tenantRecords implements records.Records.
type tenantRecords struct {
	*Store
	tenant string
}

// Of implements records.Store.
func (s *Store) Of(tenant string) records.Records { return tenantRecords{s, tenant} }

// View implements records.Records.
func (r tenantRecords) View(_ context.Context, f func(records.Tx) error) error {
	if err := records.CheckTenant(r.tenant); err != nil {
		return err
	}
	return r.db.View(func(b *bbolt.Tx) error { return f(&tx{Tx: b, tenant: r.tenant}) })
}

// Update implements records.Records.
func (r tenantRecords) Update(_ context.Context, f func(records.Tx) error) error {
	if err := records.CheckTenant(r.tenant); err != nil {
		return err
	}
	return r.update(func(b *bbolt.Tx) ([]*tx, error) {
		t := r.change(b, r.tenant)
		return []*tx{t}, f(t)
	})
}

// Across implements records.Store.
func (s *Store) Across(_ context.Context, from, to string, f func(from, to records.Tx) error) error {
	for _, tenant := range []string{from, to} {
		if err := records.CheckTenant(tenant); err != nil {
			return err
		}
	}
	return s.update(func(b *bbolt.Tx) ([]*tx, error) {
		one, other := s.change(b, from), s.change(b, to)
		return []*tx{one, other}, f(one, other)
	})
}

// change is a transaction that changes a tenant's records.
func (s *Store) change(b *bbolt.Tx, tenant string) *tx {
	return &tx{Tx: b, tenant: tenant, counts: &s.counts, unfinished: unfinished{}}
}

// Tenants implements records.Store. It reads one key of each tenant and kind.
func (s *Store) Tenants(context.Context) ([]string, error) {
	found := map[string]bool{}
	err := s.db.View(func(b *bbolt.Tx) error {
		for _, name := range tenantBuckets {
			bucket := b.Bucket(name)
			if bucket == nil {
				continue
			}
			cursor := bucket.Cursor()
			for key, _ := cursor.First(); key != nil; {
				tenant, _, _ := bytes.Cut(key, []byte{afterName})
				found[string(tenant)] = true
				key, _ = cursor.Seek(append(bytes.Clone(tenant), afterName+1))
			}
		}
		return nil
	})
	all := []string{""}
	for tenant := range found {
		all = append(all, tenant)
	}
	slices.Sort(all)
	return all, err
}

// place is where the records of one kind and one tenant lie.
type place struct{ bucket, prefix []byte }

// place finds the records of a kind. What a caller names can be no key of another
// tenant: records with and without one are in different buckets, and no tenant's
// name goes on after the byte that ends it.
func (t *tx) place(bucket []byte) place {
	if t.tenant == "" {
		return place{bucket: bucket}
	}
	return place{tenantBucket(bucket), append([]byte(t.tenant), afterName)}
}

func (p place) key(id string) []byte { return append(bytes.Clone(p.prefix), id...) }

// id is the key that a record would have without a tenant.
func (p place) id(key []byte) string { return string(key[len(p.prefix):]) }

// each calls f with every key and value of the place, in the order of the keys. It
// reads nothing else.
func (p place) each(tx *bbolt.Tx, f func(key, whole []byte) error) error {
	b := tx.Bucket(p.bucket)
	if b == nil {
		return nil // as getText
	}
	cursor := b.Cursor()
	for key, whole := cursor.Seek(p.prefix); key != nil && bytes.HasPrefix(key, p.prefix); key, whole = cursor.Next() {
		if err := f(key, whole); err != nil {
			return err
		}
	}
	return nil
}

// eachText calls f with the id and the text of every value of the place.
func (p place) eachText(tx *bbolt.Tx, f func(id string, text []byte) error) error {
	return p.each(tx, func(key, whole []byte) error {
		text, err := checked(p.bucket, key, whole)
		if err != nil {
			return err
		}
		return f(p.id(key), text)
	})
}

func (p place) get(tx *bbolt.Tx, id string) ([]byte, error) { return getText(tx, p.bucket, p.key(id)) }

func (p place) put(tx *bbolt.Tx, id string, text []byte) error {
	if _, err := tx.CreateBucketIfNotExists(p.bucket); err != nil {
		return err
	}
	return putText(tx, p.bucket, p.key(id), text)
}

// remove deletes a value; a missing one is no error.
func (p place) remove(tx *bbolt.Tx, id string) error {
	if tx.Bucket(p.bucket) == nil {
		return nil
	}
	return remove(tx, p.bucket, p.key(id))
}

// shown is a key as messages say it.
func shown(key []byte) string { return strings.ReplaceAll(string(key), string(afterName), "/") }
