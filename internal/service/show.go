package service

import (
	"net/http"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// shownSession is a session with the other name that Graph has had for the id of its
// data store. encoding/json reads both as DataStoreID.
type shownSession struct {
	*edm.Session
	DatastoreID string `json:"datastoreId"`
}

// showSession is the session as callers see it: blocks are counted as they are
// now, and an upload URI is signed where blocks may still come.
func (s *Service) showSession(r *http.Request, one *records.Session) *shownSession {
	out := one.Session
	out.Columns = edm.WithRules(one.Columns)
	if one.State == edm.StateCreated || one.State == edm.StateUploadInProgress {
		staged := s.blocks.Count(one.ID)
		remaining := max(*one.TotalBlockCount-int32(staged), 0)
		out.RemainingBlockCount = &remaining
		if staged > 0 {
			out.State = edm.StateUploadInProgress
		}
	}
	if one.Unfinished() {
		out.DataUploadURI, out.ExpirationDateTime = s.uploadURI(r, one), &one.Expiry
	}
	return &shownSession{&out, out.DataStoreID}
}

// show is the store as callers see it, with its quota as of now. A live table
// that is damaged is not shown: a client that goes by it brings the table again.
func (s *Service) show(r *records.DataStore) *edm.DataStore {
	return s.showing(r, s.tables.Whole)
}

// showing is show by what is known of which live tables are whole.
func (s *Service) showing(r *records.DataStore, isWhole func(store string) bool) *edm.DataStore {
	out := r.DataStore
	out.Columns = edm.WithRules(r.Columns)
	if out.Live != nil && !isWhole(r.ID) {
		out.Live = nil
	}
	if f := r.Former; f != nil {
		out.Previous = &edm.Previous{Generation: f.Generation, SessionID: f.SessionID, Rows: f.Rows, Until: f.Until}
	}
	out.Quota = s.quota(r)
	return &out
}

// wholeNow looks at a live table ahead of a transaction, in which no table is looked at: one
// that goes live waits for another transaction.
func (s *Service) wholeNow(store string) func(string) bool {
	whole := s.tables.Whole(store)
	return func(string) bool { return whole }
}
