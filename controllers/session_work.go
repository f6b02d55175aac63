package controllers

import (
	"context"
	"errors"
	"strings"
	"time"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/clients"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/jobs"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/problem"
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

// executors are where a session may work: one that the upload agent names, and
// others that an earlier mode may have left work to. Tests set one.
type executors struct{ chosen, other executor.Executor }

// executorsOf are those of a session. Where its agent is not known any more, both are
// others.
func (r *SessionReconciler) executorsOf(s *scope) executors {
	if r.Executor != nil {
		return executors{chosen: r.Executor}
	}
	if !r.Options.workersEnabled() {
		return executors{chosen: r.Pool}
	}
	if s.inPods() {
		return executors{chosen: r.inPods(s), other: r.Pool}
	}
	return executors{chosen: r.Pool, other: r.inPods(s)}
}

// inPods reports whether the upload agent has the session worked for in pods.
func (s *scope) inPods() bool {
	return s.agent != nil && s.agent.Spec.Workers.Mode == v1alpha1.WorkersModeJob
}

// inPods is the executor that makes Jobs in the session's namespace.
func (r *SessionReconciler) inPods(s *scope) jobs.Executor {
	e := jobs.Executor{Client: r.Client, Reader: r.Reader, Lister: r.Reader, Now: r.Now, Created: func(message string) {
		s.event("Normal", v1alpha1.ReasonJobCreated, message)
	}}
	if s.agent == nil {
		return e
	}
	if !s.inPods() {
		e.Lister = r.Client // the cache has known the Jobs of an earlier mode for long
	}
	spec := s.agent.Spec
	e.Agent, e.Schemes, e.OwnIdentity = s.agent.Name, spec.Allow.SourceSchemes, hasWorkerIdentity(s.agent)
	e.Allow = protocol.Allow{Hosts: spec.Allow.Hosts, PlainHTTP: spec.Allow.PlainHTTP,
		Policy: protocol.Policy(r.Options.Policy.For(s.object.Namespace).Network)}
	e.Builder = jobs.Builder{
		Workers: spec.Workers, Source: s.object.Spec.Source, Image: r.Options.WorkerImage,
		Key: s.store.Spec.KeySecretRef, Authority: spec.CABundleConfigMapRef,
	}
	return e
}

// ownerOf names the object that work is done for.
func ownerOf(one *v1alpha1.ExactMatchSession) executor.Owner {
	return executor.Owner{Namespace: one.Namespace, Name: one.Name, UID: string(one.UID)}
}

// workOf is what the pass has worked for. Before a plan is made it names the owner
// only.
func (r *SessionReconciler) workOf(s *scope) executor.Work {
	w := executor.Work{Owner: ownerOf(s.object), Version: s.version, Plan: s.plan}
	if s.agent != nil {
		w.Parallelism = int(s.agent.Spec.Workers.Parallelism)
	}
	if s.remote != nil && s.remoteFact().Unfinished() {
		w.Remote = r.target(s)
	}
	return w
}

// target is the open remote session. Its upload URI is that of the last poll at each
// use: a renewal reaches a running upload, and the URI stays out of status and logs.
func (r *SessionReconciler) target(s *scope) *executor.Remote {
	uid, id, first := s.object.UID, s.remote.ID, s.remote.DataUploadURI
	to := &executor.Remote{ID: id, ContentKey: s.status().ContentKey, URI: func() string {
		if last, ok := r.memory.lastPoll(uid); ok && last.remote.ID == id && last.remote.DataUploadURI != "" {
			return last.remote.DataUploadURI
		}
		return first
	}}
	if s.client != nil {
		to.HTTP = s.client.HTTP
	}
	if left := s.remote.RemainingBlockCount; left != nil {
		to.Remaining = new(int(*left))
	}
	return to
}

// observeExecutors looks how far the work on the plan is, and whether there is other
// work of the object.
func (r *SessionReconciler) observeExecutors(ctx context.Context, s *scope) (err error) {
	at, w := r.executorsOf(s), r.workOf(s)
	if s.work, err = at.chosen.Status(ctx, w); err != nil {
		return err
	}
	if w.Remote != nil && r.memory.refused(s.object.UID) == protocol.NameURI(w.Remote.URI()) { // at the seal
		s.work.IsRefused = true
	}
	if at.other == nil {
		return nil
	}
	elsewhere, err := at.other.Status(ctx, executor.Work{Owner: w.Owner})
	s.elsewhere = elsewhere.Others > 0 || elsewhere.Phase != executor.PhaseNone
	return err
}

// endOthers ends work of the object that is not on its present plan.
func (r *SessionReconciler) endOthers(ctx context.Context, s *scope) error {
	at, w := r.executorsOf(s), r.workOf(s)
	if s.elsewhere {
		if err := r.stopAt(ctx, s, at.other, executor.Running); err != nil {
			return err
		}
	}
	if s.work.Others == 0 {
		return nil
	}
	_, err := at.chosen.Stop(ctx, w, executor.Others)
	return err
}

// stopWork ends what is at work for the object, wherever that is. What was read may
// serve again.
func (r *SessionReconciler) stopWork(ctx context.Context, s *scope) error {
	return r.stop(ctx, s, executor.Running)
}

// dropWork also forgets what was read, and takes the upload URI back: nobody works
// for the object any more.
func (r *SessionReconciler) dropWork(ctx context.Context, s *scope) error {
	return r.stop(ctx, s, executor.Everything)
}

func (r *SessionReconciler) stop(ctx context.Context, s *scope, extent executor.Extent) error {
	at := r.executorsOf(s)
	for _, e := range []executor.Executor{at.chosen, at.other} {
		if e == nil {
			continue
		}
		if err := r.stopAt(ctx, s, e, extent); err != nil {
			return err
		}
	}
	return nil
}

// stopAt keeps what the uploads have found out: the proof of the live table asks for
// it.
func (r *SessionReconciler) stopAt(ctx context.Context, s *scope, e executor.Executor, extent executor.Extent) error {
	found, err := e.Stop(ctx, executor.Work{Owner: ownerOf(s.object)}, extent)
	if found.Samples != nil {
		r.memory.keepSamples(s.object.UID, found.Samples)
	}
	r.memory.keepChecked(s.object.UID, found.Checked)
	return err
}

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

// uploadedCheck is the wait between the seal's acknowledgement and the GET that
// must show it.
const uploadedCheck = 200 * time.Millisecond

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

// hasWorkerIdentity reports whether pods read the source under a ServiceAccount of
// its namespace, whose identity signs where no credentials do.
func hasWorkerIdentity(agent *v1alpha1.ExactMatchUploadAgent) bool {
	workers := agent.Spec.Workers
	return workers.Mode == v1alpha1.WorkersModeJob && workers.Template != nil && workers.Template.ServiceAccountName != ""
}

// checkWorkerAccount refuses pods under a ServiceAccount that is not marked for
// workers: else an upload agent would be a way to the identity of any of them.
func checkWorkerAccount(ctx context.Context, agent *v1alpha1.ExactMatchUploadAgent, read *clients.Reader) error {
	if !hasWorkerIdentity(agent) {
		return nil
	}
	name := agent.Spec.Workers.Template.ServiceAccountName
	account, err := read.ServiceAccount(ctx, name)
	if err != nil || account.Labels[v1alpha1.WorkerLabel] == "true" {
		return err
	}
	return problem.NeedsRepair(v1alpha1.ReasonNotPermitted,
		"ServiceAccount %q, which ExactMatchUploadAgent %q names in spec.workers.template, is not marked for workers; set its label %s: \"true\", or name another one",
		name, agent.Name, v1alpha1.WorkerLabel)
}

// workUnavailable says why the executor that the source needs is not there.
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
