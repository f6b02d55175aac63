package records

import (
	"context"
	"time"

	"exactmatch.dev/operator/internal/edm"
)

// Store keeps the records of tenants. It is safe for concurrent use.
type Store interface {
	// Of returns the records of one tenant, "" for those that were made without one.
	// Nothing that is done by it reads, changes or counts a record of another tenant.
	Of(tenant string) Records
	// Across changes the records of two tenants in one transaction, as
	// Records.Update does for one.
	Across(ctx context.Context, from, to string, f func(from, to Tx) error) error
	// Tenants are those that have records, in order. The first is always "".
	Tenants(ctx context.Context) ([]string, error)
	// Identity is what the store says of itself.
	Identity(ctx context.Context) (Identity, error)
	// Secret signs upload URIs. It was drawn with the store and stays the same.
	Secret(ctx context.Context) ([]byte, error)
	// Probe makes a change as any other, to find out whether that is possible.
	Probe(ctx context.Context, at time.Time) error
	// Close ends the use of the store. Nothing is lost without it.
	Close() error
}

// Records are those of one tenant. Where its name cannot be one, every call fails
// with an *InvalidTenant.
type Records interface {
	// View calls f with all records as they are at one moment. A change may wait for
	// the views beside it: f waits for no change.
	View(ctx context.Context, f func(Tx) error) error
	// Update calls f, and changes all that f has changed or nothing: nothing where f
	// returns an error, which Update returns as it is. Updates of all tenants are
	// serializable, as if one came after another. Once Update has returned nil, the
	// change and a higher stamp survive a crash; after another error they may be there
	// or not, and the caller looks again.
	//
	// A Store may call f again after a conflict with another change, and no caller
	// does it for the Store: f starts over each time, and has no effect but by its Tx
	// and by variables that it sets whole. Neither View nor Update is called in f, and
	// no Tx is used after f.
	//
	// Where there is no room for the change, the error is a syscall.ENOSPC, EDQUOT or
	// EFBIG.
	Update(ctx context.Context, f func(Tx) error) error
}

// Tx is one transaction on the records of one tenant. What it returns is the
// caller's: to change a record is to Put it. Lists are in the order of ids.
type Tx interface {
	DataStores() DataStores
	Sessions() Sessions
	Agents() Agents
	Requests() Requests
	Tombstones() Tombstones
}

// DataStores are the records of data stores.
type DataStores interface {
	// Get returns a record; a missing one is a *NotFound.
	Get(id string) (*DataStore, error)
	List() ([]*DataStore, error)
	Count() (int, error)
	// Named returns the data store of a displayName; nil where there is none.
	Named(displayName string) (*DataStore, error)
	// Serving returns the data store that keeps the table which a session brought, as
	// its live one or the one before it; nil where there is none.
	Serving(session string) (*DataStore, error)
	// Put makes or replaces the record of its id.
	Put(*DataStore) error
	// Delete removes a record; a missing one is no error.
	Delete(id string) error
}

// Sessions are the records of sessions.
type Sessions interface {
	// Get returns a record; a missing one is a *NotFound.
	Get(id string) (*Session, error)
	// List leaves out the lists of blocks: together they may be large.
	List() ([]*Session, error)
	// Of lists the sessions of a data store, without their lists of blocks.
	Of(dataStore string) ([]*Session, error)
	// Unfinished counts the unfinished sessions of a data store.
	Unfinished(dataStore string) (int, error)
	// Put makes or replaces the record of its id.
	Put(*Session) error
	// Delete removes a record; a missing one is no error.
	Delete(id string) error
}

// Agents are the records of upload agents.
type Agents interface {
	// Get returns a record; a missing one is a *NotFound.
	Get(id string) (*edm.UploadAgent, error)
	List() ([]*edm.UploadAgent, error)
	Count() (int, error)
	// Put makes or replaces the record of its id.
	Put(*edm.UploadAgent) error
	// Delete removes a record; a missing one is no error.
	Delete(id string) error
}

// Requests are the creates that are remembered.
type Requests interface {
	// Find returns the id of what a request made, "" where it is not remembered.
	Find(kind Kind, key string) (id string, err error)
	Put(Request) error
	// Before lists the requests from before a time.
	Before(at time.Time) ([]Request, error)
	// Delete forgets a request; one that is not remembered is no error.
	Delete(kind Kind, key string) error
}

// Tombstones are the sessions whose records went before their files.
type Tombstones interface {
	List() ([]Tombstone, error)
	Put(Tombstone) error
	// Delete removes a tombstone; a missing one is no error.
	Delete(session string) error
}
