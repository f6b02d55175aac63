package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/source"
)

// seen is what a look at the source of a run found.
type seen struct {
	// version names the version of the source, inputs that and everything else that the
	// table follows from; "" where the version is unknown.
	version, inputs string
	// isLate: the file did not come in time. isUnchanged: the last good run had the
	// same inputs.
	isLate, isUnchanged bool
}

// lookAtSource sees whether the source of a due run is what spec.waitFor and
// spec.skipUnchanged ask for. A run that spec.runNow requests asks for nothing.
func (r *ScheduleReconciler) lookAtSource(ctx context.Context, s *scheduleScope, run *v1alpha1.ExactMatchSession) (seen, error) {
	spec := s.object.Spec
	if spec.WaitFor == nil && !spec.SkipUnchanged {
		return seen{}, nil
	}
	probe := run.DeepCopy()
	probe.UID, probe.Generation = s.object.UID, 1
	version, err := r.SourceVersion(ctx, probe)
	is := seen{version: version}
	if err == nil && version != "" {
		is.inputs = s.inputs(version)
	}
	if s.decision.At.IsZero() {
		return is, nil
	}
	if wait := spec.WaitFor; wait != nil && (err != nil || version == s.status().LastRunVersion) {
		return s.waitForFile(r.Options.RepairInterval, err)
	}
	if spec.SkipUnchanged && is.inputs != "" && is.inputs == s.status().LastSuccessfulInputs {
		is.isUnchanged = true
		s.event("Normal", v1alpha1.ReasonRunUnchanged, fmt.Sprintf("%s is skipped: the source has the version that ExactMatchSession %s read", s.dueRun(), s.status().LastSuccessfulRunName))
	}
	return is, nil
}

// waitForFile has a run wait for a newer version of its source, until it is too late.
func (s *scheduleScope) waitForFile(again time.Duration, err error) (seen, error) {
	why := "the source has the version that the last run read"
	if err != nil {
		why = problem.Of(err).Message
	}
	end := s.decision.At.Add(s.offset()).Add(time.Duration(s.object.Spec.WaitFor.TimeoutSeconds) * time.Second)
	if s.now.Before(end) {
		return seen{}, problem.Passes(v1alpha1.ReasonWaitingForFile, again, "%s waits for a newer file until %s: %s", s.dueRun(), problem.Clock(end, s.now), why)
	}
	message := problem.Truncate(fmt.Sprintf("no newer file came for %s within spec.waitFor.timeoutSeconds (%d): %s", s.dueRun(), s.object.Spec.WaitFor.TimeoutSeconds, why))
	s.setLastRun(metav1.ConditionFalse, v1alpha1.ReasonFileLate, message)
	s.event("Warning", v1alpha1.ReasonFileLate, message)
	return seen{isLate: true}, nil
}

// inputs names everything that the table of a run follows from, "" where the key of the
// data store has not been seen.
func (s *scheduleScope) inputs(version string) string {
	template, err := json.Marshal(s.object.Spec.SessionTemplate.Spec)
	if err != nil || s.store == nil || s.store.Status.KeyID == "" {
		return ""
	}
	text := fmt.Sprintf("%s\x00%s\x00%s\x00%d\x00%s", template, version, s.store.UID, s.store.Generation, s.store.Status.KeyID)
	return plan.ContentVersion(string(s.object.UID), []byte(text))
}

// versionSeen names what the source of a session holds now, under the session's
// credentials and guards; "" where only pods can see it.
func (r *SessionReconciler) versionSeen(ctx context.Context, session *v1alpha1.ExactMatchSession) (string, error) {
	s := newScope(session)
	if err := r.observeStore(ctx, s); err != nil {
		return "", err
	}
	opened, _, err := r.sourceOf(ctx, s, r.references(s))
	if err != nil || opened == nil {
		return "", err
	}
	lookCtx, stop := context.WithTimeout(ctx, r.Options.RequestTimeout)
	defer stop()
	version, err := source.Version(lookCtx, opened)
	if err != nil {
		return "", sourceProblem(err)
	}
	return plan.ContentVersion(string(session.UID), []byte(opened.String()+"\x00"+version)), nil
}
