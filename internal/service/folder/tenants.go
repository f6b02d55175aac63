package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/records"
	"exactmatch.dev/operator/internal/service/records/bolt"
)

// Tenants says and changes whose the records in a data folder are, of a service that
// is stopped.
type Tenants struct {
	FS  fsys.FS
	Dir string
	Out io.Writer
	Log *slog.Logger
	Now func() time.Time
}

func (t *Tenants) say(format string, args ...any) { _, _ = fmt.Fprintf(t.Out, format+"\n", args...) }

// with runs f on the database of a folder that fits together. No service can start
// meanwhile.
func (t *Tenants) with(ctx context.Context, f func(*bolt.Store) error) error {
	found, err := lookAt(t.FS, t.Dir)
	if err != nil {
		return err
	}
	if found.isNew() {
		return fmt.Errorf("%s is empty: --data-dir must name the folder of a service", t.Dir)
	}
	db, err := Open(ctx, t.FS, t.Dir, t.Log)
	if err != nil {
		return err
	}
	return errors.Join(f(db), db.Close())
}

// nameOf is a tenant as the commands show it.
func nameOf(tenant string) string {
	if tenant == "" {
		return "without a tenant"
	}
	return fmt.Sprintf("tenant %q", tenant)
}

// holding counts what a tenant has. left are the sessions that have no record, and
// files that may be left.
type holding struct{ stores, sessions, agents, requests, left int }

func (h holding) String() string {
	return fmt.Sprintf("%d data stores, %d sessions, %d upload agents, %d request ids, %d sessions without a record whose files may be left",
		h.stores, h.sessions, h.agents, h.requests, h.left)
}

// always is later than every time that a record has.
var always = time.Unix(1<<40, 0)

func holdingOf(tx records.Tx) (h holding, err error) {
	if h.stores, err = tx.DataStores().Count(); err != nil {
		return h, err
	}
	if h.agents, err = tx.Agents().Count(); err != nil {
		return h, err
	}
	sessions, err := tx.Sessions().List()
	if err != nil {
		return h, err
	}
	requests, err := tx.Requests().Before(always)
	if err != nil {
		return h, err
	}
	left, err := tx.Tombstones().List()
	h.sessions, h.requests, h.left = len(sessions), len(requests), len(left)
	return h, err
}

func holdingIn(ctx context.Context, of records.Records) (h holding, err error) {
	err = of.View(ctx, func(tx records.Tx) (err error) {
		h, err = holdingOf(tx)
		return err
	})
	return h, err
}

// List says what each tenant has.
func (t *Tenants) List(ctx context.Context) error {
	return t.with(ctx, func(db *bolt.Store) error { return listTenants(ctx, db, t.say) })
}

func listTenants(ctx context.Context, db records.Store, say func(format string, args ...any)) error {
	tenants, err := db.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		has, err := holdingIn(ctx, db.Of(tenant))
		if err != nil {
			return err
		}
		say("%s: %s", nameOf(tenant), has)
	}
	return nil
}
