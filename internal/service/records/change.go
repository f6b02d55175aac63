package records

import (
	"context"
	"errors"
	"time"
)

// kind is what every kind of record with an id has.
type kind[T any] interface {
	Get(id string) (*T, error)
	Put(*T) error
}

// Get reads one record. Of names its kind, as Tx.Sessions does.
func Get[T any, K kind[T]](ctx context.Context, s Records, of func(Tx) K, id string) (out *T, err error) {
	err = s.View(ctx, func(tx Tx) (err error) {
		out, err = of(tx).Get(id)
		return err
	})
	return out, err
}

// List reads all records of a kind.
func List[T any, K interface{ List() ([]T, error) }](ctx context.Context, s Records, of func(Tx) K) (out []T, err error) {
	err = s.View(ctx, func(tx Tx) (err error) {
		out, err = of(tx).List()
		return err
	})
	return out, err
}

// ListAll reads all records of a kind, of one tenant after another.
func ListAll[T any, K interface{ List() ([]T, error) }](ctx context.Context, s Store, of func(Tx) K) (all []T, err error) {
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	for _, tenant := range tenants {
		some, err := List(ctx, s.Of(tenant), of)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// Change reads a record, has f change it, and writes it, in one transaction.
func Change[T any, K kind[T]](ctx context.Context, s Records, of func(Tx) K, id string, f func(Tx, *T) error) (out *T, err error) {
	err = s.Update(ctx, func(tx Tx) (err error) {
		if out, err = of(tx).Get(id); err != nil {
			return err
		}
		if err := f(tx, out); err != nil {
			return err
		}
		return of(tx).Put(out)
	})
	return out, err
}

// Create makes the record that f returns, or returns the one that the same request
// made before. A request without a key is a new one. r.ID is the new record's.
func Create[T any, K kind[T]](ctx context.Context, s Records, of func(Tx) K, r Request, f func(Tx) (*T, error)) (out *T, err error) {
	err = s.Update(ctx, func(tx Tx) (err error) {
		if out, err = made(tx, of(tx), r); out != nil || err != nil {
			return err
		}
		if out, err = f(tx); err != nil {
			return err
		}
		if r.Key != "" {
			if err := tx.Requests().Put(r); err != nil {
				return err
			}
		}
		return of(tx).Put(out)
	})
	return out, err
}

// made is the record that a request made before; nil where it did not, or where the
// record is gone.
func made[T any, K kind[T]](tx Tx, all K, r Request) (*T, error) {
	if r.Key == "" {
		return nil, nil
	}
	id, err := tx.Requests().Find(r.Kind, r.Key)
	if id == "" || err != nil {
		return nil, err
	}
	out, err := all.Get(id)
	if IsNotFound(err) {
		return nil, nil
	}
	return out, err
}

// IsNotFound reports whether an error says that a record is missing.
func IsNotFound(err error) bool {
	var missing *NotFound
	return errors.As(err, &missing)
}

// Forget forgets the requests from before a time. It changes nothing where there is
// none.
func Forget(ctx context.Context, s Records, before time.Time) error {
	var old []Request
	err := s.View(ctx, func(tx Tx) (err error) {
		old, err = tx.Requests().Before(before)
		return err
	})
	if err != nil || len(old) == 0 {
		return err
	}
	return s.Update(ctx, func(tx Tx) error {
		for _, r := range old {
			if err := tx.Requests().Delete(r.Kind, r.Key); err != nil {
				return err
			}
		}
		return nil
	})
}
