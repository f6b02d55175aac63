package edm

import "context"

// Sessions opens and drives the sessions of one data store.
//
// Every call blocks until the service answered or ctx ends. Get, List and
// Delete may be repeated freely and the implementation retries them on
// transient faults; Create, Commit and Cancel are sent once and never retried
// by the implementation: the caller resolves an unanswered one by Get or List.
// Errors are *Error wherever the service answered.
type Sessions interface {
	// Create opens a session. requestID is sent as client-request-id: a service
	// that remembers it answers a repetition with the session it made first.
	Create(ctx context.Context, storeID string, s Session, requestID string) (*Session, error)
	// Get reads one session with its counters and its upload URI while it lives.
	Get(ctx context.Context, storeID, id string) (*Session, error)
	// List reads all sessions of the store that the query selects, following
	// every @odata.nextLink.
	List(ctx context.Context, storeID string, q Query) ([]Session, error)
	// Update changes the fileName of an unfinished session. Idempotent.
	Update(ctx context.Context, storeID, id string, fileName string) (*Session, error)
	// Commit hands the sealed blocks over to indexing. Where judged is not nil it
	// is the generation of the live table that the commit was judged against, 0
	// where there was none: another one is 412 with CodeLiveChanged.
	Commit(ctx context.Context, storeID, id string, judged *int64) error
	// Cancel ends a session that is not committed.
	Cancel(ctx context.Context, storeID, id string) error
	// Renew returns the session with a fresh upload URI. Idempotent in effect:
	// an older URI lives on until its own expiry.
	Renew(ctx context.Context, storeID, id string) (*Session, error)
	// Delete removes a session, finished or not; nil where it is already gone.
	Delete(ctx context.Context, storeID, id string) error
}

// Stores manages data stores and asks them questions. Create and Rollback are
// sent once and never retried; every other call is idempotent and retried on transient faults.
type Stores interface {
	Create(ctx context.Context, s DataStore, requestID string) (*DataStore, error)
	Get(ctx context.Context, id string) (*DataStore, error)
	List(ctx context.Context, q Query) ([]DataStore, error)
	// Update replaces description and columns, and the owner where s names one;
	// names of columns that exist stay.
	Update(ctx context.Context, s DataStore) (*DataStore, error)
	// Delete removes the store and its live table; nil where it is already gone.
	Delete(ctx context.Context, id string) error
	// Rollback makes the previous table live again, as a new generation. judged is
	// that of Commit. It is sent once and never retried.
	Rollback(ctx context.Context, id string, judged *int64) (*DataStore, error)
	// Purge removes the previous table; nil where there is none.
	Purge(ctx context.Context, id string) error
	// Lookup returns one string per row found (see API.md for its form).
	Lookup(ctx context.Context, id string, r LookupRequest) ([]string, error)
	// Match answers every question of r, in their order and of one generation.
	Match(ctx context.Context, id string, r MatchRequest) (*MatchResponse, error)
}

// Agents registers upload agents. Create is sent once and never retried; the
// other calls are idempotent and retried on transient faults.
type Agents interface {
	Create(ctx context.Context, a UploadAgent, requestID string) (*UploadAgent, error)
	Get(ctx context.Context, id string) (*UploadAgent, error)
	List(ctx context.Context, q Query) ([]UploadAgent, error)
	Update(ctx context.Context, a UploadAgent) (*UploadAgent, error)
	// Delete removes the agent; nil where it is already gone.
	Delete(ctx context.Context, id string) error
}

// Service is everything that a service offers.
type Service interface {
	Sessions() Sessions
	Stores() Stores
	Agents() Agents
	// BlockFormat names the block format that the service documents, or "" where
	// it publishes none (Microsoft Graph): upload and commit are then refused
	// unless the user allows them.
	BlockFormat(ctx context.Context) (string, error)
}

// Query holds the OData options of a collection. Zero values are not sent. Top
// bounds the whole answer, not a page of it.
type Query struct {
	Top, Skip int
	Filter    string // "a eq 'b' and c ge 2026-01-02T03:04:05Z"
	OrderBy   string // "creationDateTime desc"
	Select    []string
}

// BlockFormatV1 is the block format that this project publishes.
const BlockFormatV1 = "exactmatch.dev/block/v1"
