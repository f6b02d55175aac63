package folder

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"exactmatch.dev/operator/internal/service/records"
	"exactmatch.dev/operator/internal/service/records/bolt"
)

// Assign gives a data store without a tenant, by its name or id, to one: with its
// sessions, the requests that made them, and a copy of the upload agents that they
// name. All of it is one transaction. What is the tenant's already stays so.
func (t *Tenants) Assign(ctx context.Context, store, tenant string) error {
	if tenant == "" || store == "" {
		return errors.New("--store and --tenant must name a data store and a tenant")
	}
	return t.with(ctx, func(db *bolt.Store) error {
		var a *assignment
		err := db.Across(ctx, "", tenant, func(from, to records.Tx) (err error) {
			a, err = assign(from, to, store, tenant)
			return err
		})
		var already *assigned
		switch {
		case errors.As(err, &already):
			t.say("%s", already)
			return nil
		case err != nil:
			return err
		}
		t.Log.Info("data store assigned", "tenant", tenant, "store", a.store.ID, "sessions", a.sessions, "requests", a.requests, "agents", a.agents)
		t.say("the data store %q (%s) is now of the %s: with it %d sessions and %d request ids, and copies of %d upload agents; its upload URIs have ended, a GET of a session shows its new one",
			a.store.DisplayName, a.store.ID, nameOf(tenant), a.sessions, a.requests, a.agents)
		return nil
	})
}

// assigned says that there is nothing to do.
type assigned struct {
	store  *records.DataStore
	tenant string
}

func (a *assigned) Error() string {
	return fmt.Sprintf("the data store %q (%s) is of the %s already", a.store.DisplayName, a.store.ID, nameOf(a.tenant))
}

// assignment is a data store on its way to a tenant, and what went with it.
type assignment struct {
	from, to                   records.Tx
	store                      *records.DataStore
	sessions, requests, agents int
}

func assign(from, to records.Tx, store, tenant string) (*assignment, error) {
	one, err := findStore(from, store)
	if err != nil {
		return nil, err
	}
	if one == nil {
		there, err := findStore(to, store)
		switch {
		case err != nil:
			return nil, err
		case there != nil:
			return nil, &assigned{there, tenant}
		}
		return nil, fmt.Errorf("there is no data store %q without a tenant: name one of those by its displayName or id", store)
	}
	if other, err := to.DataStores().Named(one.DisplayName); err != nil || other != nil {
		return nil, errors.Join(err, fmt.Errorf("the %s has a data store with the displayName %q already: delete that one first, or leave this one without a tenant", nameOf(tenant), one.DisplayName))
	}
	a := &assignment{from: from, to: to, store: one}
	for _, move := range []func() error{a.moveSessions, a.moveRequests} {
		if err := move(); err != nil {
			return nil, err
		}
	}
	return a, errors.Join(to.DataStores().Put(one), from.DataStores().Delete(one.ID))
}

// findStore finds a data store by its id or its name; nil where there is none.
func findStore(tx records.Tx, store string) (*records.DataStore, error) {
	one, err := tx.DataStores().Get(store)
	if records.IsNotFound(err) {
		return tx.DataStores().Named(store)
	}
	return one, err
}

func (a *assignment) moveSessions() error {
	listed, err := a.from.Sessions().Of(a.store.ID)
	if err != nil {
		return err
	}
	for _, one := range listed {
		whole, err := a.from.Sessions().Get(one.ID) // with its list of blocks
		if err != nil {
			return err
		}
		if err := errors.Join(a.to.Sessions().Put(whole), a.from.Sessions().Delete(one.ID), a.copyAgent(one.UploadAgentID)); err != nil {
			return err
		}
		a.sessions++
	}
	return nil
}

// copyAgent gives the tenant an upload agent that it has not. Sessions of other
// stores may name the same one, so it stays where it is.
func (a *assignment) copyAgent(id string) error {
	if _, err := a.to.Agents().Get(id); !records.IsNotFound(err) {
		return err
	}
	agent, err := a.from.Agents().Get(id)
	if records.IsNotFound(err) {
		return nil // it was deleted
	}
	if err != nil {
		return err
	}
	a.agents++
	return a.to.Agents().Put(agent)
}

// moveRequests has a repetition of the creates answered as before. A request id that
// the tenant has used itself stays the tenant's.
func (a *assignment) moveRequests() error {
	all, err := a.from.Requests().Before(always)
	if err != nil {
		return err
	}
	for _, r := range all {
		ofStore := r.Kind == records.KindDataStore && r.ID == a.store.ID
		ofSession := r.Kind == records.KindSession && strings.HasPrefix(r.Key, a.store.ID+"/")
		if !ofStore && !ofSession {
			continue
		}
		known, err := a.to.Requests().Find(r.Kind, r.Key)
		if err != nil {
			return err
		}
		if known == "" {
			err = a.to.Requests().Put(r)
			a.requests++
		}
		if err := errors.Join(err, a.from.Requests().Delete(r.Kind, r.Key)); err != nil {
			return err
		}
	}
	return nil
}
