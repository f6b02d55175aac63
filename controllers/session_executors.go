package controllers

import (
	"context"
	"strings"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/clients"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/jobs"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/problem"
)

// executors are where a session may work: one that the upload agent names, and
// others that an earlier mode may have left work to. Tests set one.
type executors struct{ chosen, other executor.Executor }

// executorsOf are those of a session. Where its agent is not known, Jobs are the other
// ones: they may be left of it.
func (r *SessionReconciler) executorsOf(s *scope) executors {
	if r.Executor != nil {
		return executors{chosen: r.Executor}
	}
	if !r.Options.workersEnabled() {
		return executors{chosen: r.Pool}
	}
	if s.inPods() {
		return executors{chosen: r.jobExecutor(s), other: r.Pool}
	}
	return executors{chosen: r.Pool, other: r.jobExecutor(s)}
}

// inPods reports whether the upload agent has the session worked for in pods.
func (s *scope) inPods() bool {
	return s.agent != nil && s.agent.Spec.Workers.Mode == v1alpha1.WorkersModeJob
}

// jobExecutor makes Jobs in the session's namespace.
func (r *SessionReconciler) jobExecutor(s *scope) jobs.Executor {
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
	if s.client != nil && s.client.Authority != nil {
		e.Authority = new(protocol.Authority(*s.client.Authority))
	}
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

// observeExecutors reads the state of the work on the plan, and whether there is other
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
