package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor/jobs"
	"exactmatch.dev/operator/internal/executor/pool"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/progress"
)

// What workers in pods need is granted only where there are any. The finalizers
// are for API servers that ask for them of the owner of a Job or Secret
// (OwnerReferencesPermissionEnforcement).
// +kubebuilder:rbac:roleName=worker-role,groups=batch,resources=jobs,verbs=list;watch;create;delete
// +kubebuilder:rbac:roleName=worker-role,groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:roleName=worker-role,groups="",resources=persistentvolumeclaims;serviceaccounts,verbs=get
// +kubebuilder:rbac:roleName=worker-role,groups="",resources=secrets,verbs=create;update;delete
// +kubebuilder:rbac:roleName=worker-role,groups=exactmatch.dev,resources=exactmatchsessions/finalizers,verbs=update

// inJobs lets pods of the session's namespace read and stage. What the reading
// found out is kept in the order's Secret, so a restart of the manager loses
// nothing; Jobs are never changed, only made and deleted.
type inJobs struct{ *SessionReconciler }

func (j inJobs) status(ctx context.Context, s *scope) (pool.Status, error) {
	j.Pool.CancelOthers(s.allKeys(), "") // of another mode
	if err := j.describe(ctx, s); err != nil {
		return pool.Status{}, err
	}
	prepared, err := j.received(ctx, s)
	if err != nil {
		return pool.Status{}, err
	}
	reading, staging := s.jobs.PrepareName(s.inputs), ""
	if s.remote != nil && s.remoteFact().Unfinished() {
		staging = s.jobs.UploadName(s.status().ContentKey, s.remote.ID)
	}
	if prepared != nil {
		return j.staging(ctx, s, prepared, staging)
	}
	if err := j.endJobs(ctx, j.Client, s, reading); err != nil {
		return pool.Status{}, err
	}
	return j.reading(ctx, s, reading)
}

// describe gathers what the Jobs depend on.
func (j inJobs) describe(ctx context.Context, s *scope) error {
	s.jobs = jobs.Work{
		Session: s.object, Workers: s.agent.Spec.Workers, Image: j.Options.WorkerImage,
		Key: s.store.Spec.KeySecretRef, Authority: s.agent.Spec.CABundleConfigMapRef,
	}
	ref := s.object.Spec.Source.PersistentVolumeClaim
	if ref == nil {
		return nil
	}
	claim := &corev1.PersistentVolumeClaim{}
	if err := j.Reader.Get(ctx, s.named(ref.ClaimName), claim); err != nil {
		return missing(err, v1alpha1.ReasonClaimNotFound, "PersistentVolumeClaim", ref.ClaimName)
	}
	s.jobs.Volume = jobs.VolumeOf(claim.Spec.AccessModes)
	return nil
}

// received is what a reading of this plan has found out; nil where there was none.
func (j inJobs) received(ctx context.Context, s *scope) (*pipeline.Prepared, error) {
	s.order = nil
	secret := &corev1.Secret{}
	err := j.Reader.Get(ctx, s.named(s.jobs.SecretName()), secret)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %q: %w", s.jobs.SecretName(), err)
	}
	s.order = secret
	return preparedBy(s), nil
}

// preparedBy is what the order says was read, where that was by this plan; nil
// has it read again.
func preparedBy(s *scope) *pipeline.Prepared {
	order := protocol.Order{}
	if s.order.Annotations[jobs.VersionAnnotation] != s.version || json.Unmarshal(s.order.Data[protocol.OrderFile], &order) != nil {
		return nil
	}
	prepared, err := s.plan.Receive(order.Prepared)
	if err != nil || s.plan.Pin != "" && s.plan.Pin != prepared.Checksum {
		return nil
	}
	return prepared
}

// reading tells how far the Job that reads the source is. What its pod reports
// is kept before the Job is let go.
func (j inJobs) reading(ctx context.Context, s *scope, name string) (pool.Status, error) {
	job, state, err := j.observeJob(ctx, s, name)
	switch {
	case err != nil || job == nil:
		return pool.Status{}, err
	case state.Prepared != "":
		prepared, refused := s.plan.Receive(state.Prepared)
		if refused != nil {
			return workersFailed(refused.Error()), nil
		}
		return pool.Status{Phase: pool.PhasePrepared, Prepared: prepared}, j.writeOrder(ctx, s, prepared)
	case state.Phase == jobs.Failed:
		return pool.Status{Phase: pool.PhaseFailed, Err: state.Err}, nil
	case state.Phase == jobs.Succeeded:
		// Its pod was deleted before anybody heard it: read again.
		return workersFailed(fmt.Sprintf("Job %q has ended, and the report of its pod is gone", name)), nil
	}
	return pool.Status{Phase: pool.PhasePreparing, Note: state.Note}, nil
}

// workersFailed is a fault of pods that another Job may mend.
func workersFailed(message string) pool.Status {
	return pool.Status{Phase: pool.PhaseFailed, Err: &failure.Error{Reason: failure.WorkersFailed, Transient: true, Message: message}}
}

// staging tells how far the Job that stages the blocks is.
func (j inJobs) staging(ctx context.Context, s *scope, prepared *pipeline.Prepared, name string) (pool.Status, error) {
	status := pool.Status{Phase: pool.PhasePrepared, Prepared: prepared}
	if err := j.endJobs(ctx, j.Client, s, name); err != nil || name == "" {
		return status, err
	}
	job, state, err := j.observeJob(ctx, s, name)
	if err != nil || job == nil {
		return status, err
	}
	status.Note = state.Note
	uri := protocol.NameURI(s.remote.DataUploadURI)
	status.Refused = state.RefusedURI == uri || j.memory.refused(s.object.UID) == uri // by the pods, or at the seal
	switch state.Phase {
	case jobs.Succeeded:
		status.Phase = pool.PhaseStaged
	case jobs.Failed:
		status.Phase, status.Err = pool.PhaseFailed, state.Err
	default:
		status.Phase = pool.PhaseUploading
	}
	status.Progress = j.progress(s, prepared, job)
	j.memory.keepChecked(s.object.UID, state.Checked)
	return status, nil
}

// progress is what the service has acknowledged; the rate is that of this Job.
func (j inJobs) progress(s *scope, prepared *pipeline.Prepared, job *batchv1.Job) progress.Blocks {
	p := progress.Blocks{Blocks: prepared.Blocks}
	if left := s.remote.RemainingBlockCount; left != nil {
		p.Done = max(0, prepared.Blocks-int(*left))
	}
	if job.Status.StartTime == nil {
		return p
	}
	before, _ := strconv.Atoi(job.Annotations[jobs.DoneAnnotation]) // ours; 0 where somebody took it away
	p.Staged = max(0, p.Done-before)
	if passed := j.Now().Sub(job.Status.StartTime.Time); passed >= time.Second {
		p.BlocksPerSecond = float64(p.Staged) / passed.Seconds()
	}
	return p
}

// observeJob reads a Job and its pods; nil where it is not
// there, or being deleted.
func (j inJobs) observeJob(ctx context.Context, s *scope, name string) (*batchv1.Job, jobs.State, error) {
	job := &batchv1.Job{}
	if err := j.Get(ctx, s.named(name), job); err != nil {
		return nil, jobs.State{}, client.IgnoreNotFound(err)
	}
	if !job.DeletionTimestamp.IsZero() || !metav1.IsControlledBy(job, s.object) {
		return nil, jobs.State{}, nil
	}
	pods, err := podsOf(ctx, j.Client, job)
	if err != nil {
		return nil, jobs.State{}, err
	}
	state := jobs.Observe(job, pods)
	if state.Unheard(job) {
		// The cache of pods may be behind that of Jobs.
		if pods, err = podsOf(ctx, j.Reader, job); err != nil {
			return nil, jobs.State{}, err
		}
		state = jobs.Observe(job, pods)
	}
	return job, state, nil
}

// podsOf lists the pods of a Job. Those of an earlier Job of its name may still be
// there: what they say is of another reading.
func podsOf(ctx context.Context, look client.Reader, job *batchv1.Job) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	err := look.List(ctx, list, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job.Name})
	return slices.DeleteFunc(list.Items, func(pod corev1.Pod) bool { return !metav1.IsControlledBy(&pod, job) }), err
}

func (j inJobs) prepare(ctx context.Context, s *scope) error {
	if err := j.writeOrder(ctx, s, nil); err != nil {
		return err
	}
	return j.makeJob(ctx, s, s.jobs.Prepare(s.inputs), "reads the table")
}

func (j inJobs) upload(ctx context.Context, s *scope) error {
	if err := j.writeOrder(ctx, s, s.work.Prepared); err != nil || s.work.Phase == pool.PhaseUploading {
		return err
	}
	pods := s.jobs.Pods(len(s.work.Prepared.Stripes))
	job := s.jobs.Upload(s.status().ContentKey, s.remote.ID, pods)
	if left := s.remote.RemainingBlockCount; left != nil {
		job.Annotations[jobs.DoneAnnotation] = strconv.Itoa(max(0, s.work.Prepared.Blocks-int(*left)))
	}
	return j.makeJob(ctx, s, job, fmt.Sprintf("stages %d blocks in %d pods", s.work.Prepared.Blocks, pods))
}

// again deletes the Job that failed; the next pass makes another.
func (j inJobs) again(ctx context.Context, s *scope) error { return j.endJobs(ctx, j.Reader, s) }

// rename has nothing to do: an order is kept by what decides its reading, and
// the pin is held against what was read.
func (j inJobs) rename(*scope, string) {}

// makeJob creates a Job, unless it is there.
func (j inJobs) makeJob(ctx context.Context, s *scope, job *batchv1.Job, does string) error {
	err := j.Create(ctx, job)
	switch {
	case apierrors.IsAlreadyExists(err):
		return nil // made before and not in the cache yet, or still going
	case apierrors.IsInvalid(err):
		return jobRefused(s.agent.Name, err)
	case err != nil:
		return err
	}
	s.event("Normal", v1alpha1.ReasonJobCreated, fmt.Sprintf("Job %q %s", job.Name, does))
	return nil
}

// writeOrder writes what the workers are to do, where it differs from what they
// have. With prepared it is the order to stage, and holds the upload URI.
func (j inJobs) writeOrder(ctx context.Context, s *scope, prepared *pipeline.Prepared) error {
	order, uri := j.orderOf(s), ""
	if prepared != nil {
		order.Prepared, order.Pin = prepared.Handoff(), ""
		order.Pods = s.jobs.Pods(len(prepared.Stripes))
		order.Parallelism = s.jobs.ParallelismPerPod(order.Pods)
		if s.remote != nil {
			uri = s.remote.DataUploadURI
		}
	}
	want := s.jobs.Order(order, s.version, uri)
	if s.order == nil {
		err := j.Create(ctx, want)
		if apierrors.IsAlreadyExists(err) {
			return errBehind
		}
		s.order = want
		return err
	}
	if !metav1.IsControlledBy(s.order, s.object) {
		return problem.NeedsRepair(v1alpha1.ReasonWorkersUnavailable, "Secret %q does not belong to this session; delete it", want.Name)
	}
	if equality.Semantic.DeepEqual(s.order.Data, want.Data) && s.order.Annotations[jobs.VersionAnnotation] == s.version {
		return nil
	}
	want.ResourceVersion = s.order.ResourceVersion // fails where another manager wrote it
	err := j.Update(ctx, want)
	s.order = want
	return err
}

// orderOf is the plan in the workers' words.
func (j inJobs) orderOf(s *scope) protocol.Order {
	order := protocol.Order{
		Store: s.plan.Store, Columns: s.plan.Columns, Format: s.plan.Format, RowsPerBlock: s.plan.RowsPerBlock, Pin: s.plan.Pin, BadRows: s.plan.BadRows,
		Allow: protocol.Allow{Hosts: s.agent.Spec.Allow.Hosts, PlainHTTP: s.agent.Spec.Allow.PlainHTTP,
			Policy: protocol.Policy(j.Options.Policy.For(s.object.Namespace).Network)},
		OwnIdentity: hasWorkerIdentity(s.agent), Memory: s.jobs.Memory(),
	}
	switch from := s.object.Spec.Source; {
	case from.PersistentVolumeClaim != nil:
		order.Source.File = from.PersistentVolumeClaim.Path
	case from.ConfigMapKeyRef != nil:
		order.Source.File = from.ConfigMapKeyRef.Key
	default:
		order.Source.URI, order.Source.Schemes = from.URI, s.agent.Spec.Allow.SourceSchemes
	}
	return order
}

// endJobs deletes the session's Jobs, with their pods, but for some. Without
// workers the manager may not see Jobs; those of an earlier one go with the session.
func (r *SessionReconciler) endJobs(ctx context.Context, look client.Reader, s *scope, but ...string) error {
	if !r.Options.workersEnabled() {
		return nil
	}
	list := &batchv1.JobList{}
	if err := look.List(ctx, list, client.InNamespace(s.object.Namespace), client.MatchingLabels{jobs.UIDLabel: string(s.object.UID)}); err != nil {
		return err
	}
	for i := range list.Items {
		job := &list.Items[i]
		if slices.Contains(but, job.Name) || !job.DeletionTimestamp.IsZero() || !metav1.IsControlledBy(job, s.object) {
			continue
		}
		err := r.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: &job.UID})
		if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			return err
		}
	}
	return nil
}

// dropOrder deletes the order, and with it the upload URI.
func (r *SessionReconciler) dropOrder(ctx context.Context, s *scope) error {
	if !r.Options.workersEnabled() {
		return nil
	}
	name := jobs.Work{Session: s.object}.SecretName()
	secret := &corev1.Secret{}
	if err := r.Reader.Get(ctx, s.named(name), secret); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !metav1.IsControlledBy(secret, s.object) {
		return nil
	}
	return client.IgnoreNotFound(r.Delete(ctx, secret, client.Preconditions{UID: &secret.UID}))
}
