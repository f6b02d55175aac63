package jobs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/progress"
)

// Executor works in pods of the owner's namespace. What a reading has found out is
// kept in the Secret of the task, so a restart of the manager loses nothing; Jobs
// are never changed, only made and deleted.
type Executor struct {
	// Client reads the cache and writes, Reader reads past the cache. Lister lists the
	// Jobs that Stop and Retry delete: past the cache, where Jobs may have been made
	// just now.
	Client client.Client
	Reader client.Reader
	Lister client.Reader
	// Now is the manager's clock.
	Now func() time.Time
	// Agent is the name of the upload agent, for messages. Stop needs neither it nor
	// the fields below.
	Agent string
	// Builder makes the objects. Its Owner and Volume are set by each call.
	Builder Builder
	// Allow is the rule of addresses of the pods, OwnIdentity whether their
	// ServiceAccount signs where no credentials do, Schemes those of the source.
	Allow       protocol.Allow
	OwnIdentity bool
	Schemes     []string
	// Authority is what the pods verify the service against, where the administrator
	// says so.
	Authority *protocol.Authority
	// Created is told in words of each Job that is made.
	Created func(message string)
}

var _ executor.Executor = Executor{}

// seen is what one look at the API server shows.
type seen struct {
	Builder
	// task is the Secret of the task, nil where there is none.
	task *corev1.Secret
	// prepared is what a reading for this work has found out and the task keeps.
	prepared *pipeline.Prepared
	// step is the name of the Job that is next or at work, "" where the work waits for
	// a remote session.
	step string
	// job is the Job of that name, nil where it is not there, or being deleted.
	job   *batchv1.Job
	state State
}

func (e Executor) look(ctx context.Context, w executor.Work) (*seen, error) {
	s := &seen{Builder: e.builder(w.Owner)}
	if w.Version == "" {
		return s, nil
	}
	if err := e.lookAtVolume(ctx, s); err != nil {
		return nil, err
	}
	if err := e.lookAtTask(ctx, s, w); err != nil {
		return nil, err
	}
	switch {
	case s.prepared == nil:
		s.step = s.PrepareName(inputsOf(w))
	case w.Remote != nil:
		s.step = s.UploadName(w.Remote.ContentKey, w.Remote.ID)
	}
	if s.step == "" {
		return s, nil
	}
	return s, e.lookAtJob(ctx, s)
}

func (e Executor) builder(owner executor.Owner) Builder {
	b := e.Builder
	b.Owner = owner
	return b
}

// inputsOf names what decides a reading.
func inputsOf(w executor.Work) string { return w.Version + "/" + w.Plan.Pin }

// lookAtVolume reads who may mount the source's claim.
func (e Executor) lookAtVolume(ctx context.Context, s *seen) error {
	ref := s.Source.PersistentVolumeClaim
	if ref == nil {
		return nil
	}
	claim := &corev1.PersistentVolumeClaim{}
	err := e.Reader.Get(ctx, s.named(ref.ClaimName), claim)
	if apierrors.IsNotFound(err) {
		return problem.Absent(v1alpha1.ReasonClaimNotFound, "PersistentVolumeClaim %q does not exist in this namespace; create it", ref.ClaimName)
	}
	if err != nil {
		return fmt.Errorf("read PersistentVolumeClaim %q: %w", ref.ClaimName, err)
	}
	s.Volume = VolumeOf(claim.Spec.AccessModes)
	return nil
}

// lookAtJob reads the Job of the step and what its pods say. A Job of the name that
// is not the owner's is none.
func (e Executor) lookAtJob(ctx context.Context, s *seen) error {
	job := &batchv1.Job{}
	if err := e.Client.Get(ctx, s.named(s.step), job); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !job.DeletionTimestamp.IsZero() || !s.owns(job) {
		return nil
	}
	pods, err := podsOf(ctx, e.Client, job)
	if err != nil {
		return err
	}
	state := Observe(job, pods)
	if state.Unheard(job) {
		// The cache of pods may be behind that of Jobs.
		if pods, err = podsOf(ctx, e.Reader, job); err != nil {
			return err
		}
		state = Observe(job, pods)
	}
	s.job, s.state = job, state
	return nil
}

// podsOf lists the pods of a Job. Those of an earlier Job of its name may still be
// there: what they say is of another reading.
func podsOf(ctx context.Context, reader client.Reader, job *batchv1.Job) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	err := reader.List(ctx, list, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job.Name})
	return slices.DeleteFunc(list.Items, func(pod corev1.Pod) bool { return !metav1.IsControlledBy(&pod, job) }), err
}

// Status implements executor.Executor.
func (e Executor) Status(ctx context.Context, w executor.Work) (executor.Status, error) {
	s, err := e.look(ctx, w)
	if err != nil {
		return executor.Status{}, err
	}
	status := e.preparing(s, w)
	if s.prepared != nil {
		status = e.uploading(s, w)
	}
	status.IsSerial = s.Volume == OnePod
	others, err := e.jobsOf(ctx, e.Client, w.Owner, s.step)
	status.Others = len(others)
	return status, err
}

// preparing is the state of the Job that reads the source.
func (e Executor) preparing(s *seen, w executor.Work) executor.Status {
	switch {
	case s.job == nil:
		return executor.Status{}
	case s.state.Prepared != "":
		prepared, err := w.Plan.Unpack(s.state.Prepared)
		if err != nil {
			return workersFailed(err.Error())
		}
		return executor.Status{Phase: executor.PhaseReported, Prepared: prepared}
	case s.state.Phase == Failed:
		return executor.Status{Phase: executor.PhaseFailed, Err: s.state.Err}
	case s.state.Phase == Succeeded:
		// Its pod was deleted before anybody heard it: read again.
		return workersFailed(fmt.Sprintf("Job %q has ended, and the report of its pod is gone", s.step))
	}
	return executor.Status{Phase: executor.PhasePreparing, Note: s.state.Note}
}

// workersFailed is a fault of pods that another Job may mend.
func workersFailed(message string) executor.Status {
	return executor.Status{Phase: executor.PhaseFailed, Err: &failure.Error{Reason: failure.WorkersFailed, Transient: true, Message: message}}
}

// uploading is the state of the Job that stages the blocks.
func (e Executor) uploading(s *seen, w executor.Work) executor.Status {
	status := executor.Status{Phase: executor.PhasePrepared, Prepared: s.prepared}
	if s.job == nil {
		return status
	}
	status.Note = s.state.Note
	status.IsRefused = s.state.RefusedURI == protocol.NameURI(w.Remote.URI())
	switch s.state.Phase {
	case Succeeded:
		status.Phase = executor.PhaseStaged
	case Failed:
		status.Phase, status.Err = executor.PhaseFailed, s.state.Err
	default:
		status.Phase = executor.PhaseUploading
	}
	status.Progress = e.progress(s, w.Remote.Remaining)
	return status
}

// progress is what the service has acknowledged; the rate is that of this Job.
func (e Executor) progress(s *seen, remaining *int) progress.Blocks {
	p := progress.Blocks{Blocks: s.prepared.Blocks, Checked: s.state.Checked, Done: acknowledged(s.prepared, remaining)}
	if s.job.Status.StartTime == nil {
		return p
	}
	before, _ := strconv.Atoi(s.job.Annotations[DoneAnnotation]) // ours; 0 where somebody took it away
	p.Staged = max(0, p.Done-before)
	if passed := e.Now().Sub(s.job.Status.StartTime.Time); passed >= time.Second {
		p.BlocksPerSecond = float64(p.Staged) / passed.Seconds()
	}
	return p
}

// acknowledged counts the blocks that the service has, as far as it says.
func acknowledged(prepared *pipeline.Prepared, remaining *int) int {
	if remaining == nil {
		return 0
	}
	return max(0, prepared.Blocks-*remaining)
}

// Prepare implements executor.Executor. What a pod has reported is in the task
// before anything deletes its Job.
func (e Executor) Prepare(ctx context.Context, w executor.Work) error {
	s, err := e.look(ctx, w)
	switch {
	case err != nil || s.prepared != nil:
		return err
	case s.job == nil:
		if err := e.writeTask(ctx, s, w, nil); err != nil {
			return err
		}
		return e.create(ctx, s.Prepare(inputsOf(w)), "reads the table")
	}
	if status := e.preparing(s, w); status.Phase == executor.PhaseReported {
		return e.writeTask(ctx, s, w, status.Prepared)
	}
	return nil
}

// Upload implements executor.Executor. Pods that run read the upload URI out of the
// task.
func (e Executor) Upload(ctx context.Context, w executor.Work, prepared *pipeline.Prepared) error {
	s, err := e.look(ctx, w)
	if err != nil {
		return err
	}
	if err := e.writeTask(ctx, s, w, prepared); err != nil || s.prepared != nil && s.job != nil {
		return err
	}
	pods := s.Pods(len(prepared.Stripes))
	job := s.Upload(w.Remote.ContentKey, w.Remote.ID, pods)
	job.Annotations[DoneAnnotation] = strconv.Itoa(acknowledged(prepared, w.Remote.Remaining))
	return e.create(ctx, job, fmt.Sprintf("stages %d blocks in %d pods", prepared.Blocks, pods))
}

// Retry implements executor.Executor: it deletes the Job that failed; Upload makes
// another.
func (e Executor) Retry(ctx context.Context, w executor.Work) error {
	return e.deleteJobs(ctx, e.Lister, w.Owner, "")
}

// Stop implements executor.Executor. It finds nothing out: the counts of pods are in
// Status, and no pod hands samples over.
func (e Executor) Stop(ctx context.Context, w executor.Work, extent executor.Extent) (executor.Findings, error) {
	if extent == executor.Others {
		s, err := e.look(ctx, w)
		if err != nil {
			return executor.Findings{}, err
		}
		return executor.Findings{}, e.deleteJobs(ctx, e.Client, w.Owner, s.step)
	}
	if err := e.deleteJobs(ctx, e.Lister, w.Owner, ""); err != nil || extent == executor.Running {
		return executor.Findings{}, err
	}
	return executor.Findings{}, e.deleteTask(ctx, w.Owner)
}

// create makes a Job, unless it is there.
func (e Executor) create(ctx context.Context, job *batchv1.Job, does string) error {
	err := e.Client.Create(ctx, job)
	switch {
	case apierrors.IsAlreadyExists(err):
		return nil // made before and not in the cache yet, or still going
	case apierrors.IsInvalid(err):
		return jobRefused(e.Agent, err)
	case err != nil:
		return err
	}
	e.Created(fmt.Sprintf("Job %q %s", job.Name, does))
	return nil
}

// jobsOf lists the Jobs of an owner that are not being deleted, but for one name.
func (e Executor) jobsOf(ctx context.Context, reader client.Reader, owner executor.Owner, but string) ([]batchv1.Job, error) {
	list, b := &batchv1.JobList{}, e.builder(owner)
	err := reader.List(ctx, list, client.InNamespace(owner.Namespace), client.MatchingLabels{UIDLabel: owner.UID})
	return slices.DeleteFunc(list.Items, func(job batchv1.Job) bool {
		return job.Name == but || !job.DeletionTimestamp.IsZero() || !b.owns(&job)
	}), err
}

// deleteJobs deletes an owner's Jobs, with their pods, but for one name.
func (e Executor) deleteJobs(ctx context.Context, reader client.Reader, owner executor.Owner, but string) error {
	all, err := e.jobsOf(ctx, reader, owner, but)
	if err != nil {
		return err
	}
	for i := range all {
		err := e.Client.Delete(ctx, &all[i], client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: &all[i].UID})
		if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			return err
		}
	}
	return nil
}

// named is the key of an object in the owner's namespace.
func (b Builder) named(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: b.Owner.Namespace, Name: name}
}

// owns reports whether an object was made for the owner.
func (b Builder) owns(o metav1.Object) bool {
	controller := metav1.GetControllerOf(o)
	return controller != nil && string(controller.UID) == b.Owner.UID
}
