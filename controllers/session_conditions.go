package controllers

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/session"
)

// verdict is one line of the conditions table: what kstatus, `kubectl wait`,
// Flux and Argo CD judge by.
type verdict struct {
	ready, reconciling, stalled, suspended, finished bool
	reason, message                                  string
}

// status is what Ready is: "" where nothing is desired at present.
func (v verdict) status() metav1.ConditionStatus {
	switch {
	case v.suspended:
		return ""
	case v.ready:
		return metav1.ConditionTrue
	case v.stalled:
		return metav1.ConditionFalse
	}
	return metav1.ConditionUnknown
}

// verdictOf judges a pass. What is reached is Ready; what only a person can
// mend is Stalled; both are Finished. Everything else is on its way.
func verdictOf(s *scope, err error) verdict {
	status := s.status()
	if status.Outcome != "" {
		v := verdict{finished: true, reason: status.Outcome, message: status.OutcomeMessage}
		switch status.Outcome {
		case v1alpha1.ReasonUploaded, v1alpha1.ReasonCompleted, v1alpha1.ReasonCancelled, v1alpha1.ReasonAlreadyUploaded:
			v.ready = true
		default:
			v.stalled = true
		}
		return v
	}
	if err != nil {
		p := problem.Of(err)
		if p.Remedy == problem.Repair {
			return verdict{stalled: true, finished: true, reason: p.Reason, message: p.Message}
		}
		return verdict{reconciling: true, reason: p.Reason, message: retryMessage(s, p)}
	}
	if s.step == session.StepNone {
		return verdict{suspended: true, reason: v1alpha1.ReasonSuspended, message: "spec.suspend is true; nothing is read or uploaded until it is false"}
	}
	return verdict{reconciling: true, reason: workReason(s), message: workMessage(s)}
}

// retryMessage tells what failed, how often, and when it is tried again.
func retryMessage(s *scope, p *problem.Problem) string {
	if p.Remedy == problem.Await {
		return p.Message
	}
	next := ""
	if t := s.status().NextRetryTime; t != nil {
		next = problem.Clock(t.Time, time.Now())
	}
	message := fmt.Sprintf("%s (%d consecutive failures; next retry at %s)", p.Message, s.status().ConsecutiveFailures, next)
	if deadline := s.status().FinalizeDeadline; s.deleting() && deadline != nil {
		message += "; the finalizer is removed at " + problem.Clock(deadline.Time, time.Now()) + ", even if the remote session is unfinished then"
	}
	return problem.Truncate(message)
}

// workMessage says what is being done or waited for.
func workMessage(s *scope) string {
	status := s.status()
	switch s.step {
	case session.StepQueue:
		return "waiting for " + status.WaitingFor
	case session.StepPrepare:
		return noted(workReason(s), s.work.Note)
	case session.StepUpload:
		if total, left := status.TotalBlockCount, status.RemainingBlockCount; total != nil && left != nil {
			return noted(fmt.Sprintf("%d of %d blocks are uploaded", *total-*left, *total), s.work.Note)
		}
	case session.StepWatch:
		if total, left := status.TotalJobCount, status.RemainingJobCount; total != nil && left != nil {
			return fmt.Sprintf("%d of %d indexing jobs are done", *total-*left, *total)
		}
	}
	return workReason(s)
}

// noted adds what pods wait for.
func noted(message, note string) string {
	if note == "" {
		return message
	}
	return problem.Truncate(message + "; " + note)
}

// setParallel says where pods cannot share the table as the agent asks.
func setParallel(s *scope) {
	if s.agent == nil || s.work.Prepared == nil {
		return
	}
	workers, reason, message := s.agent.Spec.Workers, "", ""
	switch {
	case workers.Mode != v1alpha1.WorkersModeJob || workers.Parallelism < 2:
	case s.work.IsSerial:
		reason, message = v1alpha1.ReasonOnePodVolume, "the claim has the access mode ReadWriteOncePod, so one pod uploads the table"
	case !s.work.Prepared.Striped():
		reason, message = v1alpha1.ReasonSingleStripe, "the table is compressed, or not in UTF-8, and can only be read from its start, so one pod uploads it"
	}
	if reason == "" {
		setCondition(s, v1alpha1.ConditionParallel, "", "", "")
		return
	}
	message += fmt.Sprintf(", in parallel within the pod; spec.workers.parallelism of ExactMatchUploadAgent %q asks for %d", s.agent.Name, workers.Parallelism)
	setCondition(s, v1alpha1.ConditionParallel, metav1.ConditionFalse, reason, message)
}

// setConditions writes the verdict. Reconciling, Stalled and Suspended stand only
// while they are true, as kstatus expects of abnormal-true conditions, and Ready
// only while something is desired. Finished stands always: its reason is what the
// column STATUS shows.
func setConditions(s *scope, err error) {
	if s.step == "" && err == nil {
		return // nothing was decided: the verdict stands
	}
	setDataQuality(s)
	setParallel(s)
	v := verdictOf(s, err)
	setCondition(s, v1alpha1.ConditionReady, v.status(), v.reason, v.message)
	setCondition(s, v1alpha1.ConditionReconciling, whileTrue(v.reconciling), v.reason, v.message)
	setCondition(s, v1alpha1.ConditionStalled, whileTrue(v.stalled), v.reason, v.message)
	setCondition(s, v1alpha1.ConditionSuspended, whileTrue(v.suspended), v.reason, v.message)
	finished := metav1.ConditionFalse
	if v.finished {
		finished = metav1.ConditionTrue
	}
	setCondition(s, v1alpha1.ConditionFinished, finished, v.reason, v.message)
}

// setCondition sets a condition of the session; "" takes it away.
func setCondition(s *scope, kind string, status metav1.ConditionStatus, reason, message string) {
	if status == "" {
		meta.RemoveStatusCondition(&s.status().Conditions, kind)
		return
	}
	meta.SetStatusCondition(&s.status().Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: s.object.Generation,
	})
}

// whileTrue is the status of a condition that stands only while it is true.
func whileTrue(is bool) metav1.ConditionStatus { //nolint:revive // a conversion, not a mode
	if is {
		return metav1.ConditionTrue
	}
	return ""
}

// workReasons name a step that works as a reason of Reconciling.
var workReasons = map[session.Step]string{
	session.StepPrepare: v1alpha1.ReasonPreparing, session.StepQueue: v1alpha1.ReasonQueued,
	session.StepPlan: v1alpha1.ReasonPlanning, session.StepCreate: v1alpha1.ReasonCreating,
	session.StepResolve: v1alpha1.ReasonAdopting, session.StepUpload: v1alpha1.ReasonUploading,
	session.StepRename: v1alpha1.ReasonUploading, session.StepRenew: v1alpha1.ReasonRenewing, session.StepCommit: v1alpha1.ReasonCommitting,
	session.StepWatch: v1alpha1.ReasonProcessing, session.StepCancel: v1alpha1.ReasonCancelling,
	session.StepAbandon: v1alpha1.ReasonCancelling, session.StepSupersede: v1alpha1.ReasonSuperseding,
	session.StepRestart: v1alpha1.ReasonPlanning, session.StepDelete: v1alpha1.ReasonDeleting,
	session.StepRemoveFinalizer: v1alpha1.ReasonDeleting, session.StepNone: v1alpha1.ReasonSuspended,
}

func workReason(s *scope) string {
	if s.step == session.StepUpload && (s.work.Phase == executor.PhaseNone || s.work.Phase == executor.PhasePreparing) {
		return v1alpha1.ReasonPreparing // read again after a restart
	}
	return workReasons[s.step]
}
