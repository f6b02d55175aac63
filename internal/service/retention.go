package service

import (
	"net/http"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"exactmatch.dev/operator/internal/edm"
)

// What is kept, so that neither the database nor what is read of it grows without
// end.
const (
	// maxUnfinished are the sessions of one store that may be unfinished at once.
	maxUnfinished = 1000
	// maxEnded are the sessions of one store whose records are kept when they have
	// ended, beside that of the live table.
	maxEnded = 1000
	// replayWindow is how long a client-request-id is remembered. Whoever is in
	// doubt about a create settles it within minutes.
	replayWindow = 24 * time.Hour
)

// checkUnfinished refuses one more session where a store has too many. Sessions
// are counted again only where their number may have come to the cap: ends are not
// subtracted. It runs in the transaction that creates.
func (s *Service) checkUnfinished(tx *bbolt.Tx, store string) error {
	if s.opened[store] >= maxUnfinished {
		there, err := sessionsOf(tx, func(one *sessionRecord) bool { return one.DataStoreID == store && one.unfinished() })
		if err != nil {
			return err
		}
		s.opened[store] = len(there)
	}
	if s.opened[store] >= maxUnfinished {
		return fail(http.StatusConflict, edm.CodeConflict, "the data store has %d unfinished sessions, the most it may: cancel some, or wait until they expire", maxUnfinished)
	}
	s.opened[store]++
	return nil
}

// dropEnded removes the records of the sessions of each store that ended first,
// where there are too many.
func (s *Service) dropEnded(sessions []*sessionRecord) error {
	ended := map[string][]*sessionRecord{}
	for _, one := range sessions {
		if one.CompletionDateTime != nil {
			ended[one.DataStoreID] = append(ended[one.DataStoreID], one)
		}
	}
	for store, ofStore := range ended {
		if len(ofStore) <= maxEnded+1 { // one of them may be live
			continue
		}
		slices.SortFunc(ofStore, func(a, b *sessionRecord) int { return a.CompletionDateTime.Compare(*b.CompletionDateTime) })
		dropped, err := s.dropRecords(ofStore[:len(ofStore)-maxEnded])
		if err != nil {
			return err
		}
		s.config.Log.Info("dropped the records of sessions that ended first", "store", store, "sessions", dropped)
	}
	return nil
}

// dropRecords removes the records of sessions, but for those of live tables.
func (s *Service) dropRecords(of []*sessionRecord) (dropped int, err error) {
	err = s.db.update(func(tx *bbolt.Tx) error {
		for _, one := range of {
			live, err := isLive(tx, one.ID)
			if err != nil {
				return err
			}
			if live {
				continue
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
