package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/records"
)

// errNothingToDo ends a transaction whose effect is there already.
var errNothingToDo = errors.New("nothing to do")

// finish stamps the end of a session.
func (s *Service) finish(one *records.Session, state edm.State) {
	now := s.now()
	one.State, one.CompletionDateTime, one.LastUpdatedDateTime = state, &now, &now
	one.Sealed, one.Learns = nil, nil // its blocks go, and up to maxBlocks ids would stay
}

// dropFiles removes the blocks and the table of a session.
func (s *Service) dropFiles(ctx context.Context, id string) error {
	return errors.Join(s.blocks.Drop(ctx, id), s.tables.Drop(ctx, id))
}

// discard removes the files of a session whose end is written down. That is
// what counts: files that cannot be removed now go with the next start.
func (s *Service) discard(ctx context.Context, one *records.Session) {
	s.leave(ctx, one, s.dropFiles(context.WithoutCancel(ctx), one.ID))
}

// discardBlocks removes the blocks that are staged of a session, and not those of a
// table.
func (s *Service) discardBlocks(ctx context.Context, one *records.Session) {
	s.leave(ctx, one, s.blocks.DropStaged(context.WithoutCancel(ctx), one.ID))
}

func (s *Service) leave(ctx context.Context, one *records.Session, err error) {
	if err != nil {
		s.logIn(ctx, one.Tenant).Warn("files are left; the next start removes them", "session", one.ID, "error", err)
	}
}

func (s *Service) expire(ctx context.Context, one *records.Session) {
	_, err := records.Change(ctx, s.records.Of(one.Tenant), records.Tx.Sessions, one.ID, func(_ records.Tx, now *records.Session) error {
		if !now.Unfinished() {
			return errNothingToDo
		}
		s.finish(now, edm.StateExpired)
		return nil
	})
	if errors.Is(err, errNothingToDo) || records.IsNotFound(err) {
		return // it ended otherwise meanwhile
	}
	if err != nil {
		s.logOf(one.Tenant).Error("expire; the next sweep tries again", "session", one.ID, "error", err)
		return
	}
	s.discardBlocks(ctx, one)
	s.logOf(one.Tenant).Info("expired", "session", one.ID)
}

// failSession ends a session whose block is at fault, where its state is such
// that it matters.
func (s *Service) failSession(ctx context.Context, one *records.Session, block *blobs.Invalid, matters func(*records.Session) bool) error {
	activity := uuid.NewString()
	_, err := records.Change(ctx, s.records.Of(one.Tenant), records.Tx.Sessions, one.ID, func(tx records.Tx, r *records.Session) error {
		if !matters(r) {
			return errNothingToDo
		}
		if err := giveBack(tx, r); err != nil {
			return err
		}
		s.finish(r, edm.StateFailed)
		r.Error = errorOf(r, block, activity)
		return nil
	})
	if errors.Is(err, errNothingToDo) || records.IsNotFound(err) {
		return nil // it ended otherwise, or was deleted meanwhile
	}
	if err != nil {
		return err
	}
	s.logOf(one.Tenant).Error("failed: upload the table again", "session", one.ID, "activity", activity, "code", block.Code, "error", block)
	s.discard(ctx, one)
	return nil
}

// errorOf is what a failed session shows: the block at fault, and the names under which
// the log has the failure and the commit that led to it.
func errorOf(r *records.Session, block *blobs.Invalid, activity string) *edm.ClassificationError {
	return &edm.ClassificationError{
		ErrorBase: edm.ErrorBase{Code: invalidBlockCode, Message: block.What, Target: "blocks", InnerError: &edm.InnerError{
			Code: block.Code, ErrorDateTime: r.CompletionDateTime, ClientRequestID: r.CommitRequest, ActivityID: activity,
		}},
		Details: []edm.ErrorBase{{Code: block.Code, Message: block.What, Target: fmt.Sprintf("blocks[%d]", block.Block)}},
	}
}

// invalidBlockCode is the code of a block that contradicts its session, in the answer
// to its uploader and in the error of a session.
const invalidBlockCode = "InvalidBlock"

// dropRecord removes a session's record and remembers that its files may be left.
func (s *Service) dropRecord(tx records.Tx, session string) error {
	if err := tx.Tombstones().Put(records.Tombstone{Session: session, At: s.now()}); err != nil {
		return err
	}
	return tx.Sessions().Delete(session)
}

// byCommit orders sessions by the time of their commits.
func byCommit(a, b *records.Session) int {
	if order := a.Committed.Compare(b.Committed); order != 0 {
		return order
	}
	return bytes.Compare([]byte(a.ID), []byte(b.ID))
}

// errSuperseded says that a table of a later commit is live already.
var errSuperseded = errors.New("a table of a later commit is live")
