package service

import (
	"errors"
	"net/http"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// session reads the session that a request names.
func (s *Service) session(r *http.Request) (*records.Session, error) {
	one, err := records.Get(r.Context(), s.recordsOf(r), records.Tx.Sessions, r.PathValue("id"))
	if err == nil && one.DataStoreID != r.PathValue("store") {
		return nil, noSession(r.PathValue("id"))
	}
	return one, err
}

func (s *Service) listSessions(r *http.Request) (*answer, error) {
	var sessions []*records.Session
	err := s.recordsOf(r).View(r.Context(), func(tx records.Tx) (err error) {
		if _, err := tx.DataStores().Get(r.PathValue("store")); err != nil {
			return err
		}
		sessions, err = tx.Sessions().Of(r.PathValue("store"))
		return err
	})
	if err != nil {
		return nil, err
	}
	shown := make([]*shownSession, 0, len(sessions))
	for _, one := range sessions {
		shown = append(shown, s.showSession(r, one))
	}
	return page(s, r, shown)
}

func (s *Service) getSession(r *http.Request) (*answer, error) {
	one, err := s.session(r)
	if err != nil {
		return nil, err
	}
	return selected(s, r, s.showSession(r, one))
}

func (s *Service) getSessionAgent(r *http.Request) (*answer, error) {
	one, err := s.session(r)
	if err != nil {
		return nil, err
	}
	agent, err := records.Get(r.Context(), s.recordsOf(r), records.Tx.Agents, one.UploadAgentID)
	if err != nil {
		return nil, err
	}
	return selected(s, r, agent)
}

// alter changes a session of the request's store in one transaction.
func (s *Service) alter(r *http.Request, f func(records.Tx, *records.Session) error) (*records.Session, error) {
	return records.Change(r.Context(), s.recordsOf(r), records.Tx.Sessions, r.PathValue("id"), func(tx records.Tx, one *records.Session) error {
		if one.DataStoreID != r.PathValue("store") {
			return noSession(one.ID)
		}
		judged := judge(r, func() any { return s.showSession(r, one) })
		if err := f(tx, one); err != nil {
			return err
		}
		now := s.now()
		one.LastUpdatedDateTime = &now
		return judged.check()
	})
}

func (s *Service) updateSession(r *http.Request) (*answer, error) {
	var wanted struct {
		FileName patched[string] `json:"fileName"`
	}
	if err := decodeSession(r, &wanted); err != nil {
		return nil, err
	}
	one, err := s.alter(r, func(_ records.Tx, one *records.Session) error {
		if !one.Unfinished() {
			return unprocessable(edm.CodeTooLate, "a session in state %s cannot be changed", one.State)
		}
		wanted.FileName.into(&one.FileName)
		return checkFileName(one.FileName)
	})
	if err != nil {
		return nil, err
	}
	return ok(s.showSession(r, one))
}

func (s *Service) commitSession(r *http.Request) (*answer, error) {
	var judged *int64
	if namesLive(r) {
		var err error
		if judged, err = judgedOf(r); err != nil {
			return nil, err
		}
	}
	one, err := s.session(r) // no live table of another tenant is looked at
	if err != nil {
		return nil, err
	}
	s.tables.Still(r.PathValue("store"), func(present int64) {
		one, err = s.recordCommit(r, judged, present)
	})
	if errors.Is(err, errNothingToDo) {
		return noContent()
	}
	if err != nil {
		return nil, err
	}
	s.log(r.Context()).Info("committed", "session", one.ID, "store", one.DataStoreID)
	s.enqueue(job{tenant: one.Tenant, session: one.ID})
	return noContent()
}

// recordCommit writes a commit down. present is the generation that is live as
// callers see it.
func (s *Service) recordCommit(r *http.Request, judged *int64, present int64) (*records.Session, error) {
	return s.alter(r, func(tx records.Tx, one *records.Session) error {
		switch {
		case one.State.Committed():
			return errNothingToDo
		case one.State != edm.StateUploadCompleted:
			return unprocessable(edm.CodeNotSealed, "a session in state %s cannot be committed: seal its block list first", one.State)
		}
		store, err := tx.DataStores().Get(one.DataStoreID)
		if err != nil {
			return err
		}
		if err := errors.Join(s.throttle(store), checkJudged(judged, store, present)); err != nil {
			return err
		}
		s.take(store, one)
		one.CommitRequest = requestNameOf(r.Context())
		jobs := int32(jobsOf(one))
		one.State, one.TotalJobCount, one.RemainingJobCount = edm.StateProcessingInProgress, &jobs, &jobs
		return tx.DataStores().Put(store)
	})
}

func (s *Service) cancelSession(r *http.Request) (*answer, error) {
	one, err := s.alter(r, func(_ records.Tx, one *records.Session) error {
		switch {
		case one.State == edm.StateCancelled:
			return errNothingToDo
		case !one.Unfinished():
			return unprocessable(edm.CodeTooLate, "a session in state %s cannot be cancelled", one.State)
		}
		s.finish(one, edm.StateCancelled)
		return nil
	})
	if errors.Is(err, errNothingToDo) {
		return noContent()
	}
	if err != nil {
		return nil, err
	}
	s.log(r.Context()).Info("cancelled", "session", one.ID, "store", one.DataStoreID)
	s.discardBlocks(r.Context(), one)
	return noContent()
}

// renewSession answers with a fresh upload URI; older ones live on until their
// own expiry.
func (s *Service) renewSession(r *http.Request) (*answer, error) {
	one, err := s.alter(r, func(_ records.Tx, one *records.Session) error {
		if !one.Unfinished() {
			return unprocessable(edm.CodeTooLate, "a session in state %s takes no more blocks", one.State)
		}
		one.UploadURIExpiry = s.uploadURIExpiry()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ok(s.showSession(r, one))
}

func (s *Service) deleteSession(r *http.Request) (*answer, error) {
	one, err := s.session(r)
	if err != nil {
		return nil, err
	}
	live := false
	err = s.recordsOf(r).Update(r.Context(), func(tx records.Tx) (err error) {
		store, err := tx.DataStores().Serving(one.ID)
		if err != nil {
			return err
		}
		live = store != nil
		if one, err = tx.Sessions().Get(one.ID); err != nil {
			return err
		}
		if err := judge(r, func() any { return s.showSession(r, one) }).check(); err != nil {
			return err
		}
		if err := giveBack(tx, one); err != nil {
			return err
		}
		return s.dropRecord(tx, one.ID)
	})
	switch {
	case err != nil:
		return nil, err
	case live:
		s.discardBlocks(r.Context(), one) // its table stays live; only the session's record goes
	default:
		s.discard(r.Context(), one)
	}
	return noContent()
}
