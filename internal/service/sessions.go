package service

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// showSession is the session as callers see it: blocks are counted as they are
// now, and an upload URI is signed where blocks may still come.
func (s *Service) showSession(r *http.Request, one *records.Session) *edm.Session {
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
	return &out
}

// session reads the session that a request names.
func (s *Service) session(r *http.Request) (*records.Session, error) {
	one, err := records.Get(r.Context(), s.records, records.Tx.Sessions, r.PathValue("id"))
	if err == nil && one.DataStoreID != r.PathValue("store") {
		return nil, notFound(records.KindSession, r.PathValue("id"))
	}
	return one, err
}

func (s *Service) listSessions(r *http.Request) (*answer, error) {
	var sessions []*records.Session
	err := s.records.View(r.Context(), func(tx records.Tx) (err error) {
		if _, err := tx.DataStores().Get(r.PathValue("store")); err != nil {
			return err
		}
		sessions, err = tx.Sessions().Of(r.PathValue("store"))
		return err
	})
	if err != nil {
		return nil, err
	}
	shown := make([]*edm.Session, 0, len(sessions))
	for _, one := range sessions {
		shown = append(shown, s.showSession(r, one))
	}
	return page(r, shown)
}

func (s *Service) getSession(r *http.Request) (*answer, error) {
	one, err := s.session(r)
	if err != nil {
		return nil, err
	}
	o, err := optionsOf(r)
	if err != nil {
		return nil, err
	}
	entity, err := asMap(s.showSession(r, one))
	if err != nil {
		return nil, err
	}
	entity = o.project(entity)
	if o.expandedAgent {
		agent, err := records.Get(r.Context(), s.records, records.Tx.Agents, one.UploadAgentID)
		if err != nil {
			return nil, err
		}
		entity["uploadAgent"] = agent
	}
	return ok(entity)
}

func (s *Service) getSessionAgent(r *http.Request) (*answer, error) {
	one, err := s.session(r)
	if err != nil {
		return nil, err
	}
	agent, err := records.Get(r.Context(), s.records, records.Tx.Agents, one.UploadAgentID)
	if err != nil {
		return nil, err
	}
	return ok(agent)
}

// alter changes a session of the request's store in one transaction.
func (s *Service) alter(r *http.Request, f func(records.Tx, *records.Session) error) (*records.Session, error) {
	return records.Change(r.Context(), s.records, records.Tx.Sessions, r.PathValue("id"), func(tx records.Tx, one *records.Session) error {
		if one.DataStoreID != r.PathValue("store") {
			return notFound(records.KindSession, one.ID)
		}
		if err := f(tx, one); err != nil {
			return err
		}
		now := s.now()
		one.LastUpdatedDateTime = &now
		return nil
	})
}

func (s *Service) updateSession(r *http.Request) (*answer, error) {
	var wanted struct {
		FileName string `json:"fileName"`
	}
	if err := decode(r, &wanted); err != nil {
		return nil, err
	}
	one, err := s.alter(r, func(_ records.Tx, one *records.Session) error {
		if !one.Unfinished() {
			return unprocessable(edm.CodeTooLate, "a session in state %s cannot be changed", one.State)
		}
		if !fileNamePattern.MatchString(wanted.FileName) {
			return unprocessable(edm.CodeUnprocessable, "fileName has 1 to 128 letters, digits, dots, spaces, underscores and hyphens")
		}
		one.FileName = wanted.FileName
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ok(s.showSession(r, one))
}

// errNothingToDo ends a transaction whose effect is there already.
var errNothingToDo = errors.New("nothing to do")

func (s *Service) commitSession(r *http.Request) (*answer, error) {
	judged, err := judgedOf(r)
	if err != nil {
		return nil, err
	}
	var one *records.Session
	s.tables.Still(r.PathValue("store"), func(present int64) {
		one, err = s.recordCommit(r, judged, present)
	})
	if errors.Is(err, errNothingToDo) {
		return noContent()
	}
	if err != nil {
		return nil, err
	}
	s.config.Log.Info("committed", "session", one.ID, "store", one.DataStoreID)
	s.enqueue(job{session: one.ID})
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
	s.config.Log.Info("cancelled", "session", one.ID, "store", one.DataStoreID)
	s.discardBlocks(r.Context(), one.ID)
	return noContent()
}

// finish stamps the end of a session.
func (s *Service) finish(one *records.Session, state edm.State) {
	now := s.now()
	one.State, one.CompletionDateTime, one.LastUpdatedDateTime = state, &now, &now
	one.Sealed = nil // its blocks go, and up to maxBlocks ids would stay for good
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
	err = s.records.Update(r.Context(), func(tx records.Tx) (err error) {
		store, err := tx.DataStores().Serving(one.ID)
		if err != nil {
			return err
		}
		live = store != nil
		if err := giveBack(tx, one); err != nil {
			return err
		}
		return s.dropRecord(tx, one.ID)
	})
	switch {
	case err != nil:
		return nil, err
	case live:
		s.discardBlocks(r.Context(), one.ID) // its table stays live; only the session's record goes
	default:
		s.discard(r.Context(), one.ID)
	}
	return noContent()
}

// dropFiles removes the blocks and the table of a session.
func (s *Service) dropFiles(ctx context.Context, id string) error {
	return errors.Join(s.blocks.Drop(ctx, id), s.tables.Drop(ctx, id))
}

// discard removes the files of a session whose end is written down. That is
// what counts: files that cannot be removed now go with the next start.
func (s *Service) discard(ctx context.Context, id string) {
	s.leave(id, s.dropFiles(context.WithoutCancel(ctx), id))
}

func (s *Service) discardBlocks(ctx context.Context, id string) {
	s.leave(id, s.blocks.Drop(context.WithoutCancel(ctx), id))
}

func (s *Service) leave(id string, err error) {
	if err != nil {
		s.config.Log.Warn("files are left; the next start removes them", "session", id, "error", err)
	}
}

// sweep expires unfinished sessions, takes up indexing that found no place or
// failed, tries live tables again that could not be opened, and lets go of what is
// kept no longer.
func (s *Service) sweep(ctx context.Context) {
	s.reopen(ctx)
	if err := records.Forget(ctx, s.records, s.now().Add(-requestWindow)); err != nil {
		s.config.Log.Error("forget old request ids", "error", err)
	}
	sessions, err := records.List(ctx, s.records, records.Tx.Sessions)
	if err != nil {
		s.config.Log.Error("sweep", "error", err)
		return
	}
	slices.SortFunc(sessions, byCommit)
	for _, one := range sessions {
		if one.Processing() {
			s.enqueue(job{session: one.ID})
		}
		if one.Unfinished() && s.now().After(one.Expiry) {
			s.expire(ctx, one.ID)
		}
	}
	if err := s.forgetDropped(ctx); err != nil {
		s.config.Log.Error("forget dropped sessions", "error", err)
	}
	if err := s.dropEnded(ctx, sessions); err != nil {
		s.config.Log.Error("drop old sessions", "error", err)
	}
}

func (s *Service) expire(ctx context.Context, id string) {
	_, err := records.Change(ctx, s.records, records.Tx.Sessions, id, func(_ records.Tx, one *records.Session) error {
		if !one.Unfinished() {
			return errNothingToDo
		}
		s.finish(one, edm.StateExpired)
		return nil
	})
	if errors.Is(err, errNothingToDo) || records.IsNotFound(err) {
		return // it ended otherwise meanwhile
	}
	if err != nil {
		s.config.Log.Error("expire; the next sweep tries again", "session", id, "error", err)
		return
	}
	s.discardBlocks(ctx, id)
	s.config.Log.Info("expired", "session", id)
}
