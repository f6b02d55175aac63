// Package records says what the service keeps of data stores, sessions and
// upload agents, and what keeps it: a Store, which is a database file (package
// bolt) or another one that passes package recordstest.
package records

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/edm"
)

// DataStore is a data store as it is kept.
type DataStore struct {
	edm.DataStore
	// Tenant is whose record it is: a Tx sets it where it reads or puts the record.
	Tenant string `json:"-"`
	// Commits are the times of the commits that succeeded and still count against
	// the quota, Processing those, by session, of the commits that are being processed.
	Commits    []time.Time          `json:"commits,omitempty"`
	Processing map[string]time.Time `json:"processing,omitempty"`
	// Generation counts the tables that went live, and LiveCommitted is when the
	// live one was committed.
	Generation    int64     `json:"generation,omitempty"`
	LiveCommitted time.Time `json:"liveCommitted,omitzero"`
	// Former is the table that was live before the present one, nil where none is kept.
	Former *Former `json:"former,omitempty"`
}

// Former is a table that was live and can be live again, until a time.
type Former struct {
	edm.Live
	Until time.Time `json:"until"`
}

// Tables are the tables that a data store keeps: its live one, and the one before it.
func (s *DataStore) Tables() (all []*edm.Live) {
	if s.Live != nil {
		all = append(all, s.Live)
	}
	if s.Former != nil {
		all = append(all, &s.Former.Live)
	}
	return all
}

// Session is a session as it is kept.
type Session struct {
	edm.Session
	// Tenant is whose record it is: a Tx sets it where it reads or puts the record.
	Tenant string `json:"-"`
	// Sealed are the ids of its blocks in order.
	Sealed []string `json:"sealed,omitempty"`
	// JobsDone counts the indexing jobs that need not be done again.
	JobsDone int       `json:"jobsDone,omitempty"`
	Expiry   time.Time `json:"expiry"`
	// UploadURIExpiry is when the upload URI that was issued last ends.
	UploadURIExpiry time.Time `json:"lease"`
	Committed       time.Time `json:"committed,omitzero"`
	// CommitRequest is the client-request-id of the commit.
	CommitRequest string `json:"commitRequest,omitempty"`
	// Learns is nil where the create named the key, and once the session has ended.
	Learns *Learns `json:"learns,omitempty"`
}

// Learns is what a session goes by that learns its key from its blocks.
type Learns struct {
	// Columns are the data store's at the create: out of them come those that the
	// blocks have. None where the create had its own.
	Columns []edm.Column `json:"columns,omitempty"`
}

// Unfinished reports whether a session takes blocks, or waits for its commit.
func (s *Session) Unfinished() bool {
	return s.State == edm.StateCreated || s.State == edm.StateUploadInProgress || s.State == edm.StateUploadCompleted
}

// Processing reports whether a session is committed and its table not live yet.
func (s *Session) Processing() bool { return s.State == edm.StateProcessingInProgress }

// Kind names one kind of record, as callers see it.
type Kind string

// The kinds that have ids.
const (
	KindDataStore Kind = "stores"
	KindSession   Kind = "sessions"
	KindAgent     Kind = "agents"
)

// Request is a create that was answered: a repetition of it is answered by the
// record that it made.
type Request struct {
	Kind Kind
	Key  string // its client-request-id, or what stands for it
	ID   string // of the record that it made
	At   time.Time
}

// Tombstone is left by a session whose record went before its files.
type Tombstone struct {
	Session string
	At      time.Time
}

// maxTenant is the longest name of a tenant, in bytes.
const maxTenant = 512

// InvalidTenant says that a name cannot be a tenant's.
type InvalidTenant struct{ Name string }

func (i *InvalidTenant) Error() string {
	return fmt.Sprintf("%q cannot be the name of a tenant: it must be UTF-8 of at most %d bytes without control characters", i.Name, maxTenant)
}

// CheckTenant refuses what cannot be the name of a tenant.
func CheckTenant(name string) error {
	if len(name) > maxTenant || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return &InvalidTenant{name}
	}
	return nil
}

// Identity tells a Store from others, and its state from earlier ones.
type Identity struct {
	ID string
	// Stamp counts the changes: a copy from an earlier time has a lower one.
	Stamp uint64
}

// NotFound says that there is no such record.
type NotFound struct {
	Kind Kind
	ID   string
}

func (n *NotFound) Error() string { return fmt.Sprintf("%s %q not found", n.Kind, n.ID) }
