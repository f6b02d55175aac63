package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/schedule"
)

// start makes the run that is due, unless it has to wait or is not needed.
func (r *ScheduleReconciler) start(ctx context.Context, s *scheduleScope) error {
	run := s.newRun()
	seen, err := r.lookAtSource(ctx, s, run)
	if err != nil {
		return err
	}
	if seen.isLate || seen.isUnchanged {
		s.setHandled(s.decision)
		return nil
	}
	setAnnotation(run, v1alpha1.RunVersionAnnotation, seen.version)
	setAnnotation(run, v1alpha1.RunInputsAnnotation, seen.inputs)
	if err := s.refuseSpentQuota(); err != nil {
		return err
	}
	active, err := r.confirmActive(ctx, s)
	if err != nil {
		return err
	}
	if err := r.replace(ctx, s, active, run.Name); err != nil {
		return err
	}
	return r.create(ctx, s, run)
}

// newRun is the session of the run that is due. Its name follows from what it is made for,
// so that a crash before status is written makes no second one.
func (s *scheduleScope) newRun() *v1alpha1.ExactMatchSession {
	object, at := s.object, s.decision.At
	template := object.Spec.SessionTemplate.DeepCopy()
	name := fmt.Sprintf("%s-%d", object.Name, at.Unix()/60)
	if at.IsZero() {
		asked := sha256.Sum256([]byte(object.Spec.RunNow + "\x00" + s.status().ObservedRunNow + "\x00" + s.status().LastRunName))
		name, at = object.Name+"-now-"+hex.EncodeToString(asked[:5]), s.now
	}
	run := &v1alpha1.ExactMatchSession{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: object.Namespace, Name: name, Labels: map[string]string{}, Annotations: map[string]string{},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "ExactMatchSchedule", Name: object.Name, UID: object.UID, Controller: new(true),
			}},
		},
		Spec: template.Spec,
	}
	maps.Copy(run.Labels, template.Metadata.Labels)
	maps.Copy(run.Annotations, template.Metadata.Annotations)
	run.Labels[v1alpha1.ScheduleLabel] = object.Name
	run.Annotations[v1alpha1.ScheduledTimeAnnotation] = at.UTC().Format(time.RFC3339Nano) // two runs may be asked for within a second
	return run
}

// setAnnotation sets an annotation that has a value.
func setAnnotation(run *v1alpha1.ExactMatchSession, name, value string) {
	if value != "" {
		run.Annotations[name] = value
	}
}

// refuseSpentQuota has a run wait where the data store shows that no commit is left.
func (s *scheduleScope) refuseSpentQuota() error {
	if s.store == nil {
		return nil
	}
	quota := s.store.Status.Quota
	if quota == nil || quota.Remaining > 0 || quota.NextSlotTime == nil || !quota.NextSlotTime.After(s.now) {
		return nil
	}
	return problem.Passes(v1alpha1.ReasonQuotaExceeded, quota.NextSlotTime.Sub(s.now), "%s waits for the quota of ExactMatchDataStore %q: its %d commits of the last 24 hours are used; the next slot opens at %s",
		s.dueRun(), s.store.Name, quota.Max, problem.Clock(quota.NextSlotTime.Time, s.now))
}

// confirmActive looks past the cache for unfinished runs: a run that was just made is not
// in the cache yet.
func (r *ScheduleReconciler) confirmActive(ctx context.Context, s *scheduleScope) ([]*v1alpha1.ExactMatchSession, error) {
	runs, err := runsOf(ctx, r.Reader, s.object)
	if err != nil {
		return nil, err
	}
	active := activeRuns(runs)
	if len(active) > 0 && s.decision.Action == schedule.Start && s.object.Spec.ConcurrencyPolicy != v1alpha1.ConcurrencyPolicyAllow {
		return nil, executor.ErrBehind
	}
	return active, nil
}

// replace cancels the unfinished runs, where the decision says so. One whose commit is
// requested cannot be cancelled any more: the new one queues behind it. One of the name by
// was made by a pass whose status was lost, or has not been seen yet: it is the new one.
func (r *ScheduleReconciler) replace(ctx context.Context, s *scheduleScope, active []*v1alpha1.ExactMatchSession, by string) error {
	if s.decision.Action != schedule.Replaced {
		return nil
	}
	for _, one := range active {
		if one.Name == by || one.Status.CommitRequestedTime != nil || one.Spec.DesiredState == v1alpha1.DesiredCancelled || deleted(one) {
			continue
		}
		before := one.DeepCopy()
		one.Spec.DesiredState = v1alpha1.DesiredCancelled
		if err := r.Patch(ctx, one, locked(before)); client.IgnoreNotFound(err) != nil {
			return err
		}
		s.event("Normal", v1alpha1.ReasonRunReplaced, "cancelled ExactMatchSession "+one.Name+" for "+s.dueRun())
	}
	return nil
}

// create makes the session, or finds it made by a pass that could not say so.
func (r *ScheduleReconciler) create(ctx context.Context, s *scheduleScope, run *v1alpha1.ExactMatchSession) error {
	switch err := r.Create(ctx, run); {
	case apierrors.IsAlreadyExists(err):
		if err := r.adoptRun(ctx, s, run); err != nil {
			return err
		}
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsForbidden(err):
		return problem.NeedsChange(v1alpha1.ReasonTemplateInvalid, "spec.sessionTemplate: the API server refuses its session: %s", problem.Truncate(err.Error()))
	case err != nil:
		return err
	}
	s.recordStart(run)
	return nil
}

// adoptRun reads the session that has the name of a run already.
func (r *ScheduleReconciler) adoptRun(ctx context.Context, s *scheduleScope, run *v1alpha1.ExactMatchSession) error {
	there := &v1alpha1.ExactMatchSession{}
	if err := r.Reader.Get(ctx, client.ObjectKeyFromObject(run), there); err != nil {
		return err
	}
	if !metav1.IsControlledBy(there, s.object) {
		return problem.NeedsRepair(v1alpha1.ReasonNameTaken, "ExactMatchSession %q was not made by this schedule and has the name of %s; delete or rename it", run.Name, s.dueRun())
	}
	there.DeepCopyInto(run)
	return nil
}

// recordStart says in status which run was made.
func (s *scheduleScope) recordStart(run *v1alpha1.ExactMatchSession) {
	status := s.status()
	if s.decision.At.IsZero() {
		status.ObservedRunNow = s.object.Spec.RunNow
	} else {
		s.setHandled(s.decision)
	}
	if n := s.decision.Missed; n > 0 {
		s.event("Warning", v1alpha1.ReasonRunMissed, fmt.Sprintf("%s scheduled times before %s passed without a run", counted(n), stamp(s.decision.At)))
	}
	status.LastRunName, status.LastRunVersion = run.Name, run.Annotations[v1alpha1.RunVersionAnnotation]
	status.LastScheduleTime = &metav1.Time{Time: scheduledTime(run).Truncate(time.Second)}
	s.setLastRun(metav1.ConditionUnknown, v1alpha1.ReasonRunCreated, "ExactMatchSession "+run.Name+" was created")
	s.event("Normal", v1alpha1.ReasonRunCreated, "created ExactMatchSession "+run.Name+" for "+s.dueRun())
}

// counted is a number of missed times.
func counted(n int) string {
	if n >= schedule.MostCounted {
		return fmt.Sprintf("at least %d", n)
	}
	return fmt.Sprint(n)
}
