package controllers

import (
	"context"
	"errors"
	"strings"
	"time"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor/jobs"
	"exactmatch.dev/operator/internal/executor/pool"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/upload"
)

// workplace is where a session's table is read and its blocks are made: in this
// process, or in pods. What it does goes on beside the passes; each of them looks
// how far it is. Errors are of the API server, or problems; the caller retries.
type workplace interface {
	// status tells how far the work on the plan is, and ends other work of the object.
	status(ctx context.Context, s *scope) (pool.Status, error)
	// prepare begins to read the source, unless that has begun.
	prepare(ctx context.Context, s *scope) error
	// upload begins to stage the blocks, or lets the upload that runs know the
	// upload URI as it is now.
	upload(ctx context.Context, s *scope) error
	// again makes room for another upload after one that failed; what was read
	// serves it.
	again(ctx context.Context, s *scope) error
	// rename keeps the work under the plan's new inputs.
	rename(s *scope, was string)
}

// workers is the workplace that the upload agent names.
func (r *SessionReconciler) workers(s *scope) workplace {
	if s.agent.Spec.Workers.Mode == v1alpha1.WorkersModeJob {
		return inJobs{r}
	}
	return inManager{r}
}

// stopWork ends what is at work for the object, wherever that is.
func (r *SessionReconciler) stopWork(ctx context.Context, s *scope) error {
	if found := r.Pool.Samples(s.allKeys()); found != nil {
		r.memory.keepSamples(s.object.UID, found) // the proof of the live table asks for them
	}
	r.memory.keepChecked(s.object.UID, r.Pool.Checked(s.allKeys()))
	r.Pool.CancelOthers(s.allKeys(), "")
	if s.agent == nil || s.agent.Spec.Workers.Mode == v1alpha1.WorkersModeJob {
		return r.endJobs(ctx, r.Reader, s) // the cache may not show what was made just now
	}
	return r.endJobs(ctx, r.Client, s)
}

// inManager is the pool of this process.
type inManager struct{ *SessionReconciler }

func (m inManager) status(ctx context.Context, s *scope) (pool.Status, error) {
	m.Pool.CancelOthers(s.allKeys(), s.key())
	return m.Pool.Status(s.key()), m.endJobs(ctx, m.Client, s) // of another mode
}

func (m inManager) prepare(_ context.Context, s *scope) error {
	m.Pool.Prepare(s.key(), s.plan)
	return nil
}

func (m inManager) upload(_ context.Context, s *scope) error {
	m.Pool.Upload(s.key(), s.plan, s.work.Prepared, m.target(s))
	return nil
}

func (m inManager) again(_ context.Context, s *scope) error {
	m.Pool.Again(s.key())
	return nil
}

func (m inManager) rename(s *scope, was string) { m.Pool.Rename(was, s.key()) }

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
	switch s.work.Phase {
	case pool.PhaseNone:
		return r.workers(s).prepare(ctx, s)
	case pool.PhasePrepared, pool.PhaseUploading:
		if s.work.Prepared.ContentKey != s.status().ContentKey {
			r.takePrepared(s) // the next pass supersedes what is open
			s.after = time.Millisecond
			return nil
		}
		return r.workers(s).upload(ctx, s)
	case pool.PhaseStaged:
		return r.sealStaged(ctx, s)
	case pool.PhaseFailed:
		if err := r.workers(s).again(ctx, s); err != nil { // what was read serves the next attempt
			return err
		}
		return s.work.Err
	case pool.PhaseUploaded:
		r.memory.lookAgain(s.object.UID) // the service shows the sealed list now
		s.after = uploadedCheck
	}
	return nil
}

// uploadedCheck is the wait between the seal's acknowledgement and the GET that
// must show it.
const uploadedCheck = 200 * time.Millisecond

// target hands the pool the upload URI as it is at each use: a renewal reaches
// a running upload, and the URI stays out of status and logs.
func (r *SessionReconciler) target(s *scope) upload.Target {
	uid, id, first := s.object.UID, s.remote.ID, s.remote.DataUploadURI
	return upload.Target{
		HTTP: s.point.http, Parallelism: int(s.agent.Spec.Workers.Parallelism),
		URI: func() string {
			if last, ok := r.memory.lastPoll(uid); ok && last.remote.ID == id && last.remote.DataUploadURI != "" {
				return last.remote.DataUploadURI
			}
			return first
		},
	}
}

// sealStaged ends an upload that pods have staged. Only where a block is missing
// do pods read the table again; an upload URI that is refused is renewed.
func (r *SessionReconciler) sealStaged(ctx context.Context, s *scope) error {
	callCtx, stop := context.WithTimeout(ctx, r.Options.RequestTimeout)
	defer stop()
	err := upload.Seal(callCtx, s.work.Prepared, r.target(s))
	var failed *failure.Error
	switch {
	case errors.As(err, &failed) && failed.Transient && !errors.Is(err, upload.ErrBlocksMissing):
		if failed.Reason == failure.StorageRefused {
			r.memory.refuse(s.object.UID, protocol.NameURI(s.remote.DataUploadURI))
		}
		return err
	case err != nil:
		return errors.Join(err, r.workers(s).again(ctx, s))
	}
	s.work.Phase = pool.PhaseUploaded
	r.memory.lookAgain(s.object.UID) // the service shows the sealed list now
	s.after = uploadedCheck
	return nil
}

// hasWorkerIdentity reports whether pods read the source under a ServiceAccount of
// its namespace, whose identity signs where no credentials do.
func hasWorkerIdentity(agent *v1alpha1.ExactMatchUploadAgent) bool {
	workers := agent.Spec.Workers
	return workers.Mode == v1alpha1.WorkersModeJob && workers.Template != nil && workers.Template.ServiceAccountName != ""
}

// checkWorkerAccount refuses pods under a ServiceAccount that is not marked for
// workers: else an upload agent would be a way to the identity of any of them.
func checkWorkerAccount(ctx context.Context, agent *v1alpha1.ExactMatchUploadAgent, read *referenceReader) error {
	if !hasWorkerIdentity(agent) {
		return nil
	}
	name := agent.Spec.Workers.Template.ServiceAccountName
	account, err := read.serviceAccount(ctx, name)
	if err != nil || account.Labels[jobs.WorkerLabel] == "true" {
		return err
	}
	return problem.NeedsRepair(v1alpha1.ReasonNotPermitted,
		"ServiceAccount %q, which ExactMatchUploadAgent %q names in spec.workers.template, is not marked for workers; set its label %s: \"true\", or name another one",
		name, agent.Name, jobs.WorkerLabel)
}

// workUnavailable says why the workplace that the source needs is not there.
func workUnavailable(s *scope, o Options) error {
	inJobs := s.agent.Spec.Workers.Mode == v1alpha1.WorkersModeJob
	switch from := s.object.Spec.Source; {
	case inJobs && o.WorkerImage == "":
		return problem.NeedsRepair(v1alpha1.ReasonWorkersUnavailable, "ExactMatchUploadAgent %q has spec.workers.mode Job, and the manager runs without --worker-image; give it the operator's image", s.agent.Name)
	case !inJobs && from.PersistentVolumeClaim != nil:
		return problem.NeedsRepair(v1alpha1.ReasonWorkersUnavailable,
			"spec.source.persistentVolumeClaim is read by workers in pods; set spec.workers.mode of ExactMatchUploadAgent %q to Job, or use uri, uriSecretRef or configMapKeyRef", s.agent.Name)
	case inJobs && strings.HasPrefix(from.URI, "file:"):
		return problem.NeedsRepair(v1alpha1.ReasonWorkersUnavailable,
			"spec.source.uri is a file below the manager's --source-root, which workers in pods do not have; use persistentVolumeClaim, or spec.workers.mode Manager in ExactMatchUploadAgent %q", s.agent.Name)
	}
	return nil
}
