package controllers

import (
	"context"
	"errors"
	"time"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/upload"
)

// What workers in pods need is granted only where there are any. The finalizers
// are for API servers that ask for them of the owner of a Job or Secret
// (OwnerReferencesPermissionEnforcement).
// +kubebuilder:rbac:roleName=worker-role,groups=batch,resources=jobs,verbs=list;watch;create;delete
// +kubebuilder:rbac:roleName=worker-role,groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:roleName=worker-role,groups="",resources=persistentvolumeclaims;serviceaccounts,verbs=get
// +kubebuilder:rbac:roleName=worker-role,groups="",resources=secrets,verbs=create;update;delete
// +kubebuilder:rbac:roleName=worker-role,groups=exactmatch.dev,resources=exactmatchsessions/finalizers,verbs=update

// prepare starts the reading of the source, or waits for the one that runs.
func (r *SessionReconciler) prepare(ctx context.Context, s *scope) error {
	s.after = r.Options.PollInterval
	if s.work.Phase == executor.PhaseFailed {
		if err := r.stopWork(ctx, s); err != nil { // a transient fault: the next attempt reads anew
			return err
		}
		return s.work.Err
	}
	return r.read(ctx, s)
}

// read has the source read, unless that is being done, and keeps what was reported.
func (r *SessionReconciler) read(ctx context.Context, s *scope) error {
	r.beginReading(s)
	if s.work.Phase != executor.PhaseNone && s.work.Phase != executor.PhaseReported {
		return nil
	}
	return r.executorsOf(s).chosen.Prepare(ctx, r.workOf(s))
}

// hasRead reports whether the source was read for the spec as it is, and status does
// not show that yet.
func (s *scope) hasRead() bool {
	return s.work.Prepared != nil && s.status().ObservedSpecHash != s.inputs
}

// takeReading keeps what a reading has found out, and records it in status.
func (r *SessionReconciler) takeReading(ctx context.Context, s *scope) error {
	if s.work.Phase == executor.PhaseReported {
		if err := r.read(ctx, s); err != nil {
			return err
		}
		s.work.Phase = executor.PhasePrepared
	}
	recordPrepared(s)
	if s.remote == nil || s.remoteFact().Unfinished() {
		s.status().ObservedRestartToken = s.object.Spec.RestartToken // honoured by this reading
	}
	s.inputs = inputsOf(s) // a pin that is satisfied asks for nothing any more
	s.status().ObservedSpecHash = s.inputs
	s.status().PreparedSpecHash, s.status().PreparedSourceVersion = requestOf(s).SpecHash(), s.sourceVersion
	return nil
}

// upload stages the missing blocks and seals the list. After a restart the
// source is read again first: a crash costs time, never facts.
func (r *SessionReconciler) upload(ctx context.Context, s *scope) error {
	s.after = r.Options.PollInterval
	if err := r.refuseUnpublishedFormat(s); err != nil {
		return err
	}
	if _, err := r.service(ctx, s); err != nil {
		return err
	}
	r.beginReading(s)
	e, w := r.executorsOf(s).chosen, r.workOf(s)
	switch s.work.Phase {
	case executor.PhaseNone, executor.PhasePreparing, executor.PhaseReported:
		return r.read(ctx, s)
	case executor.PhasePrepared, executor.PhaseUploading:
		if s.work.Prepared.ContentKey != s.status().ContentKey {
			s.after = time.Millisecond // the next pass supersedes what is open
			return r.takeReading(ctx, s)
		}
		return e.Upload(ctx, w, s.work.Prepared)
	case executor.PhaseStaged:
		return r.sealStaged(ctx, s)
	case executor.PhaseFailed:
		if err := e.Retry(ctx, w); err != nil { // what was read serves the next attempt
			return err
		}
		return s.work.Err
	case executor.PhaseUploaded:
		r.memory.lookAgain(s.object.UID) // the service shows the sealed list now
		s.after = uploadedCheck
	}
	return nil
}

// sealStaged ends an upload that pods have staged. Only where a block is missing
// do pods read the table again; an upload URI that is refused is renewed.
func (r *SessionReconciler) sealStaged(ctx context.Context, s *scope) error {
	callCtx, stop := context.WithTimeout(ctx, r.Options.RequestTimeout)
	defer stop()
	w := r.workOf(s)
	err := upload.Seal(callCtx, s.work.Prepared, w.Target())
	var failed *failure.Error
	switch {
	case errors.As(err, &failed) && failed.Transient && !errors.Is(err, upload.ErrBlocksMissing):
		if failed.Reason == failure.StorageRefused {
			r.memory.refuse(s.object.UID, protocol.NameURI(s.remote.DataUploadURI))
		}
		return err
	case err != nil:
		return errors.Join(err, r.executorsOf(s).chosen.Retry(ctx, w))
	}
	s.work.Phase = executor.PhaseUploaded
	r.memory.lookAgain(s.object.UID) // the service shows the sealed list now
	s.after = uploadedCheck
	return nil
}

// recordPrepared writes the facts of a finished reading. A revision begins
// where the content differs.
func recordPrepared(s *scope) {
	p, status := s.work.Prepared, s.status()
	if status.ContentKey != p.ContentKey {
		status.Revision++
		status.Attempt = 0
	}
	status.ContentKey, status.KeyID = p.ContentKey, p.KeyID
	status.PreparedChecksum, status.PreparedContent = p.Checksum, p.Content
	status.Rows = &p.Rows
	status.PreparedBlocks = int32(p.Blocks)
	status.BadRows = nil
	if p.BadRows.Count > 0 {
		status.BadRows = &v1alpha1.BadRows{Count: p.BadRows.Count, Lines: p.BadRows.Lines, Samples: p.BadRows.Samples}
	}
	status.BlankLines, status.SkippedLines, status.TrailingBytes = &p.BlankLines, &p.SkippedLines, p.TrailingBytes
	status.Columns = columnsOf(p)
}
