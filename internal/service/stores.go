package service

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

func (s *Service) listStores(r *http.Request) (*answer, error) {
	stores, err := records.List(r.Context(), s.recordsOf(r), records.Tx.DataStores)
	if err != nil {
		return nil, err
	}
	shown := make([]*edm.DataStore, 0, len(stores))
	for _, one := range stores {
		shown = append(shown, s.show(one))
	}
	return page(s, r, shown)
}

func (s *Service) createStore(r *http.Request) (*answer, error) {
	var wanted edm.DataStore
	if err := decode(r, &wanted); err != nil {
		return nil, err
	}
	if wanted.DisplayName == "" || len(wanted.DisplayName) > 256 {
		return nil, naming(badRequest("displayName must have 1 to 256 bytes"))
	}
	if err := errors.Join(checkDescription(wanted.Description), checkColumns(wanted.Columns), checkOwner(wanted.Owner)); err != nil {
		return nil, err
	}
	id := uuid.NewString()
	made, err := records.Create(r.Context(), s.recordsOf(r), records.Tx.DataStores, requestOf(r, records.KindDataStore, id, s.now()), func(tx records.Tx) (*records.DataStore, error) {
		if err := errors.Join(refuseSameName(tx, wanted.DisplayName), refuseMore(tx.DataStores(), s.config.MaxDataStores, "data stores", "--max-data-stores")); err != nil {
			return nil, err
		}
		return &records.DataStore{DataStore: edm.DataStore{
			ODataType: edm.TypeDataStore, ID: id, DisplayName: wanted.DisplayName, Description: wanted.Description, Columns: wanted.Columns, Owner: wanted.Owner,
		}}, nil
	})
	if err != nil {
		return nil, err
	}
	return created(s.show(made))
}

// refuseSameName keeps displayName unique: keys are derived from it.
func refuseSameName(tx records.Tx, name string) error {
	other, err := tx.DataStores().Named(name)
	if err != nil || other == nil {
		return err
	}
	return naming(fail(http.StatusConflict, edm.CodeConflict, "displayName %q is that of a data store which exists already: use it, or choose another", name))
}

// checkOwner takes no owner, or one that is named in full.
func checkOwner(o *edm.Owner) error {
	if o == nil {
		return nil
	}
	for _, part := range []string{o.Cluster, o.Namespace, o.Name} {
		if part == "" || len(part) > maxOwner {
			return naming(badRequest("owner must have a cluster, a namespace and a name of 1 to %d bytes each", maxOwner))
		}
	}
	return nil
}

func (s *Service) getStore(r *http.Request) (*answer, error) {
	store, err := records.Get(r.Context(), s.recordsOf(r), records.Tx.DataStores, r.PathValue("store"))
	if err != nil {
		return nil, err
	}
	return selected(s, r, s.show(store))
}

// storePatch is what a PATCH of a data store may name.
type storePatch struct {
	DisplayName patched[string]       `json:"displayName"`
	Description patched[string]       `json:"description"`
	Columns     patched[[]edm.Column] `json:"columns"`
	Owner       patched[*edm.Owner]   `json:"owner"`
}

func (p *storePatch) apply(to *records.DataStore) error {
	if p.DisplayName.named && p.DisplayName.value != to.DisplayName {
		return badValue("displayName cannot be changed, since keys are derived from it: create another data store")
	}
	p.Description.into(&to.Description)
	p.Owner.into(&to.Owner)
	err := errors.Join(checkDescription(to.Description), checkOwner(to.Owner))
	if p.Columns.named {
		to.Columns = p.Columns.value
		err = errors.Join(err, checkColumns(to.Columns))
	}
	return err
}

func (s *Service) updateStore(r *http.Request) (*answer, error) {
	var wanted storePatch
	if err := decodeAs(r, &wanted, &edm.DataStore{}); err != nil {
		return nil, err
	}
	isWhole := s.wholeNow(r.PathValue("store"))
	store, err := records.Change(r.Context(), s.recordsOf(r), records.Tx.DataStores, r.PathValue("store"), func(_ records.Tx, one *records.DataStore) error {
		judged := judge(r, func() any { return s.showing(one, isWhole) })
		return cmp.Or(wanted.apply(one), judged.check())
	})
	if err != nil {
		return nil, err
	}
	if wantedColumns(store) != nil {
		s.enqueue(job{tenant: store.Tenant, store: store.ID})
	}
	return ok(s.show(store))
}

// deleteStore removes the store with its sessions and its live table.
func (s *Service) deleteStore(r *http.Request) (*answer, error) {
	id := r.PathValue("store")
	isWhole := s.wholeNow(id)
	var gone []*records.Session
	err := s.tables.Replace(id, nil, func(int64) (_ string, err error) {
		gone, err = s.forgetStore(r, id, func(now *records.DataStore) error {
			return judge(r, func() any { return s.showing(now, isWhole) }).check()
		})
		return "", err
	})
	if err != nil {
		return nil, err
	}
	for _, one := range gone {
		s.discard(r.Context(), one)
	}
	s.logIn(r.Context(), tenantOf(r)).Info("data store deleted", "store", id, "sessions", len(gone))
	return noContent()
}

// forgetStore deletes the records of a store and its sessions, where check agrees. It returns the sessions,
// and those of the tables that the store kept.
func (s *Service) forgetStore(r *http.Request, id string, check func(*records.DataStore) error) (gone []*records.Session, err error) {
	err = s.recordsOf(r).Update(r.Context(), func(tx records.Tx) error {
		store, err := tx.DataStores().Get(id)
		if err != nil {
			return err
		}
		if err := check(store); err != nil {
			return err
		}
		if gone, err = tx.Sessions().Of(id); err != nil {
			return err
		}
		for _, live := range store.Tables() { // of sessions whose records may be gone
			gone = append(gone, &records.Session{Session: edm.Session{ID: live.SessionID}, Tenant: store.Tenant})
		}
		for _, one := range gone {
			if err := s.dropRecord(tx, one.ID); err != nil {
				return err
			}
		}
		return tx.DataStores().Delete(id)
	})
	return gone, err
}
