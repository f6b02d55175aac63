package controllers

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/progress"
	"exactmatch.dev/operator/internal/session"
)

// maxHistory bounds status.history.
const maxHistory = 10

// archive files the attempt in the history, newest first, and forgets its id.
func (r *SessionReconciler) archive(s *scope, outcome string) {
	status := s.status()
	entry := v1alpha1.HistoryEntry{
		Revision: status.Revision, Attempt: status.Attempt, ID: status.ID, State: status.State, Outcome: outcome,
		Checksum: status.Checksum, CompletionTime: r.stamp(),
	}
	if s.remote != nil && s.intentContentKey() != status.ContentKey {
		// The revision was counted when the new content was read.
		entry.Revision, entry.Attempt = status.Revision-1, 0
	}
	status.History = append([]v1alpha1.HistoryEntry{entry}, status.History...)
	if len(status.History) > maxHistory {
		status.History = status.History[:maxHistory]
	}
	unmirror(status)
	status.Intent, status.CommitRequestedTime, status.CancelRequestedTime = nil, nil, nil
	status.Progress, status.EstimatedCompletionTime = "", nil
	status.LiveGeneration, status.JudgedGeneration = 0, 0
	setCondition(s, v1alpha1.ConditionLive, "", "", "")
	setCondition(s, v1alpha1.ConditionSourceChanged, "", "", "")
	setCondition(s, v1alpha1.ConditionBlocksVerified, "", "", "")
	s.work.Progress = progress.Blocks{} // of the attempt that has ended
	r.memory.forget(s.object.UID)
}

// report turns the pass into status: the step, the progress and the conditions.
func (r *SessionReconciler) report(s *scope, err error) {
	r.reportFailures(s, err)
	r.describe(s, err)
}

// describe is the part of a report that says what the pass does. A step that
// must write status before it calls the service describes itself then, so that
// its end, if all goes well, has nothing to add.
func (r *SessionReconciler) describe(s *scope, err error) {
	status := s.status()
	if s.step != "" && s.step != session.StepQueue {
		status.WaitingFor = ""
	}
	reportProgress(s, r.Now())
	status.ObservedGeneration = s.object.Generation
	r.memory.keepChecked(s.object.UID, s.work.Progress.Checked)
	setBlocksVerified(s, r.memory.checkedOf(s.object.UID))
	setConditions(s, err)
}

// reportFailures counts consecutive failures and writes the next time down, so that
// a restart keeps both. A problem that only the spec can mend is an outcome.
func (r *SessionReconciler) reportFailures(s *scope, err error) {
	status := s.status()
	if err == nil {
		if s.step != "" {
			status.NextRetryTime = nil
		}
		if gotOn(s) {
			status.ConsecutiveFailures = 0
		}
		return
	}
	p := problem.Of(err)
	if p.Remedy == problem.Change && !s.deleting() {
		setOutcome(s, p.Reason, p.Message)
		status.ConsecutiveFailures, status.NextRetryTime = 0, nil
		return
	}
	if p.Remedy == problem.Await {
		s.after, status.NextRetryTime = p.After, nil
		return
	}
	if p.Remedy == problem.Repair {
		// The repair wakes the object; until then nothing is attempted.
		s.after, status.ConsecutiveFailures, status.NextRetryTime = max(p.After, r.Options.RepairInterval), 0, nil
		return
	}
	status.ConsecutiveFailures++
	s.after = r.patience(s, p)
	status.NextRetryTime = &metav1.Time{Time: r.Now().Add(s.after)}
	r.memory.pauseTo(s.object.UID, s.after)
}

// renewRetry bounds the wait between two attempts to renew: the old URI should
// still live when one succeeds.
const renewRetry = 30 * time.Second

// patience is the wait after a failed attempt: what the other end asked for, where
// that is longer, and at most a day. A deletion looks once more when its deadline
// comes.
func (r *SessionReconciler) patience(s *scope, p *problem.Problem) time.Duration {
	wait := spread(backoff(s.status().ConsecutiveFailures))
	if s.step == session.StepRenew {
		wait = min(wait, renewRetry)
	}
	wait = min(max(p.After, wait), longestPause)
	if deadline := s.status().FinalizeDeadline; s.deleting() && deadline != nil {
		wait = max(min(wait, deadline.Sub(r.Now())), 0) + time.Millisecond
	}
	return wait
}

// gotOn reports whether the pass shows that what failed before works now: to
// begin a reading, a create or an upload anew proves nothing yet.
func gotOn(s *scope) bool {
	switch s.step {
	case "", session.StepPrepare, session.StepPlan, session.StepResolve, session.StepRenew:
		return false
	case session.StepUpload:
		return s.work.Progress.Staged > 0 || s.work.Phase == executor.PhaseUploaded
	}
	return true
}

// reportProgress derives progress and the estimate from acknowledged blocks.
func reportProgress(s *scope, now time.Time) {
	status := s.status()
	switch s.step {
	case session.StepUpload:
		p := s.work.Progress
		if s.work.Phase == executor.PhaseUploaded {
			status.Progress, status.EstimatedCompletionTime = "100%", nil
			return
		}
		if s.work.Phase != executor.PhaseUploading && s.work.Phase != executor.PhaseStaged || p.Blocks == 0 {
			return
		}
		status.Progress = fmt.Sprintf("%d%%", 100*p.Done/p.Blocks)
		if p.BlocksPerSecond > 0 {
			left := time.Duration(float64(p.Blocks-p.Done) / p.BlocksPerSecond * float64(time.Second))
			status.EstimatedCompletionTime = &metav1.Time{Time: now.Add(left).Truncate(time.Second)}
		}
	case session.StepCommit, session.StepUploaded, session.StepWatch, session.StepCompleted:
		status.Progress, status.EstimatedCompletionTime = "100%", nil
	}
}
