package service

import (
	"context"
	"net/http"
	"slices"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// What is kept, so that neither the database nor what is read of it grows without
// end.
const (
	// maxUnfinished are the sessions of one store that may be unfinished at once.
	maxUnfinished = 1000
	// maxEnded are the sessions of one store whose records are kept when they have
	// ended, beside that of the live table.
	maxEnded = 1000
	// requestWindow is how long a client-request-id is remembered. A client in
	// doubt about a create settles it within minutes.
	requestWindow = 24 * time.Hour
)

// checkUnfinished refuses one more session where a store has too many. It runs in
// the transaction that creates.
func checkUnfinished(tx records.Tx, store string) error {
	n, err := tx.Sessions().Unfinished(store)
	if err != nil || n < maxUnfinished {
		return err
	}
	return fail(http.StatusConflict, edm.CodeConflict, "the data store has %d unfinished sessions, the maximum: cancel some, or wait until they expire", maxUnfinished)
}

// dropEnded removes the records of the sessions of each store that ended first,
// where there are too many.
func (s *Service) dropEnded(ctx context.Context, sessions []*records.Session) error {
	ended := map[string][]*records.Session{}
	for _, one := range sessions {
		if one.CompletionDateTime != nil {
			ended[one.DataStoreID] = append(ended[one.DataStoreID], one)
		}
	}
	for store, ofStore := range ended {
		if len(ofStore) <= maxEnded+1 { // one of them may be live
			continue
		}
		slices.SortFunc(ofStore, func(a, b *records.Session) int { return a.CompletionDateTime.Compare(*b.CompletionDateTime) })
		dropped, err := s.dropRecords(ctx, ofStore[:len(ofStore)-maxEnded])
		if err != nil {
			return err
		}
		s.logOf(ofStore[0].Tenant).Info("dropped the records of sessions that ended first", "store", store, "sessions", dropped)
	}
	return nil
}

// dropRecords removes the records of sessions of one store, but for those of live
// tables.
func (s *Service) dropRecords(ctx context.Context, of []*records.Session) (dropped int, err error) {
	err = s.records.Of(of[0].Tenant).Update(ctx, func(tx records.Tx) error {
		dropped = 0
		for _, one := range of {
			store, err := tx.DataStores().Serving(one.ID)
			if err != nil {
				return err
			}
			if store != nil {
				continue // its table is live
			}
			if err := s.dropRecord(tx, one.ID); err != nil {
				return err
			}
			dropped++
		}
		return nil
	})
	return dropped, err
}
