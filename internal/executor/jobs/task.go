package jobs

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/problem"
)

// lookAtTask reads the task, and what a reading for this work has found out.
func (e Executor) lookAtTask(ctx context.Context, s *seen, w executor.Work) error {
	secret := &corev1.Secret{}
	err := e.Reader.Get(ctx, s.named(s.SecretName()), secret)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read Secret %q: %w", s.SecretName(), err)
	}
	s.task, s.prepared = secret, keptIn(secret, w)
	return nil
}

// keptIn is what a task says was read, where that was for this work; nil has it read
// again.
func keptIn(task *corev1.Secret, w executor.Work) *pipeline.Prepared {
	told := protocol.Task{}
	if task.Annotations[VersionAnnotation] != w.Version || json.Unmarshal(task.Data[protocol.TaskFile], &told) != nil {
		return nil
	}
	prepared, err := w.Plan.Unpack(told.Prepared)
	if err != nil || w.Plan.Pin != "" && w.Plan.Pin != prepared.Checksum {
		return nil
	}
	return prepared
}

// writeTask writes what the pods are to do, where it differs from what they have.
// With prepared it is the task to stage, and holds the upload URI.
func (e Executor) writeTask(ctx context.Context, s *seen, w executor.Work, prepared *pipeline.Prepared) error {
	task, uri := e.task(s, w), ""
	if prepared != nil {
		task.Prepared, task.Pin, task.Authority = prepared.Pack(), "", e.Authority
		task.Pods = s.Pods(len(prepared.Stripes))
		task.Parallelism = s.ParallelismPerPod(task.Pods)
		if w.Remote != nil {
			uri = w.Remote.URI()
		}
	}
	want := s.Task(task, w.Version, uri)
	if s.task == nil {
		err := e.Client.Create(ctx, want)
		if apierrors.IsAlreadyExists(err) {
			return executor.ErrBehind
		}
		return err
	}
	if !s.owns(s.task) {
		return problem.NeedsRepair(v1alpha1.ReasonWorkersUnavailable, "Secret %q does not belong to this session; delete it", want.Name)
	}
	if equality.Semantic.DeepEqual(s.task.Data, want.Data) && s.task.Annotations[VersionAnnotation] == w.Version {
		return nil
	}
	want.ResourceVersion = s.task.ResourceVersion // fails where another manager wrote it
	return e.Client.Update(ctx, want)
}

// task is the plan in the words of pods.
func (e Executor) task(s *seen, w executor.Work) protocol.Task {
	task := protocol.Task{
		Store: w.Plan.Store, Columns: w.Plan.Columns, Format: w.Plan.Format, RowsPerBlock: w.Plan.RowsPerBlock, Pin: w.Plan.Pin,
		BadRows: w.Plan.BadRows, Allow: e.Allow, OwnIdentity: e.OwnIdentity, Memory: s.Memory(),
	}
	switch from := s.Source; {
	case from.PersistentVolumeClaim != nil:
		task.Source.File = from.PersistentVolumeClaim.Path
	case from.ConfigMapKeyRef != nil:
		task.Source.File = from.ConfigMapKeyRef.Key
	default:
		task.Source.URI, task.Source.Schemes = from.URI, e.Schemes
	}
	return task
}

// deleteTask deletes the task, and with it the upload URI.
func (e Executor) deleteTask(ctx context.Context, owner executor.Owner) error {
	b, secret := e.builder(owner), &corev1.Secret{}
	if err := e.Reader.Get(ctx, b.named(b.SecretName()), secret); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !b.owns(secret) {
		return nil
	}
	return client.IgnoreNotFound(e.Client.Delete(ctx, secret, client.Preconditions{UID: &secret.UID}))
}
