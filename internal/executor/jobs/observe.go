package jobs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/progress"
)

// Phase is how far a Job is.
type Phase string

// The phases of a Job.
const (
	Running   Phase = "Running"
	Succeeded Phase = "Succeeded"
	Failed    Phase = "Failed"
)

// State is what a Job and its pods say.
type State struct {
	Phase Phase
	// Prepared is the packed reading that a pod has reported, "" before.
	Prepared string
	// Err is why the Job failed, or a problem that no other pod would mend: then
	// Phase is Failed although the Job still runs.
	Err *failure.Error
	// RefusedURI names the upload URI that the storage took no more.
	RefusedURI string
	// Staged counts the pods that have reported their stripes as staged, Checked is of
	// the blocks that all have sent.
	Staged  int
	Checked progress.Checked
	// Note says in words what a running Job waits for, or what its last failed pod
	// said; "" where all is well.
	Note string
}

// Unheard reports whether a Job has succeeded, and what its pods reported is not
// among what was read.
func (s *State) Unheard(job *batchv1.Job) bool {
	if s.Phase != Succeeded {
		return false
	}
	if job.Spec.CompletionMode == nil {
		return s.Prepared == ""
	}
	return job.Spec.Completions != nil && s.Staged < int(*job.Spec.Completions)
}

// Observe reads a Job and its pods. The Job's own verdict counts as soon as it
// is sure: its last condition waits for pods of nodes that may never answer.
func Observe(job *batchv1.Job, pods []corev1.Pod) State {
	s := State{Phase: phaseOf(job)}
	pods = slices.Clone(pods)
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	var last *failure.Error
	for i := range pods {
		if failed := s.hear(&pods[i]); failed != nil {
			last = failed
			if !failed.Transient {
				s.Phase, s.Err = Failed, failed
				return s
			}
		}
	}
	switch {
	case s.Phase == Failed && last != nil:
		s.Err = last
	case s.Phase == Failed:
		s.Err = &failure.Error{Reason: failure.WorkersFailed, Transient: true, Message: fmt.Sprintf("Job %q failed: %s", job.Name, conditionMessage(job))}
	case s.Phase == Running && job.Spec.Suspend != nil && *job.Spec.Suspend:
		s.Note = fmt.Sprintf("Job %q is suspended; it starts when its queue admits it", job.Name)
	case s.Phase == Running && s.Note == "" && last != nil:
		s.Note = last.Message
	}
	return s
}

func phaseOf(job *batchv1.Job) Phase {
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete, batchv1.JobSuccessCriteriaMet:
			return Succeeded
		case batchv1.JobFailed, batchv1.JobFailureTarget:
			return Failed
		}
	}
	return Running
}

func conditionMessage(job *batchv1.Job) string {
	for _, c := range job.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobFailed || c.Type == batchv1.JobFailureTarget) {
			return c.Reason + ": " + c.Message
		}
	}
	return "no reason was given"
}

// hear takes what one pod says, and returns why it failed, nil where it did not.
func (s *State) hear(pod *corev1.Pod) *failure.Error {
	for _, c := range pod.Status.ContainerStatuses {
		switch {
		case c.State.Terminated != nil:
			return s.hearEnd(pod, c.State.Terminated)
		case c.State.Waiting != nil && c.State.Waiting.Reason != "ContainerCreating" && c.State.Waiting.Reason != "PodInitializing":
			s.Note = fmt.Sprintf("pod %q waits: %s: %s", pod.Name, c.State.Waiting.Reason, c.State.Waiting.Message)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			s.Note = fmt.Sprintf("pod %q has no node: %s", pod.Name, c.Message)
		}
	}
	if pod.Status.Phase == corev1.PodFailed { // without a container's word: evicted, or its node is gone
		return podFailed("pod %q failed: %s: %s", pod.Name, cmp.Or(pod.Status.Reason, "no reason was given"), pod.Status.Message)
	}
	return nil
}

// hearEnd takes the last word of a pod's container.
func (s *State) hearEnd(pod *corev1.Pod, end *corev1.ContainerStateTerminated) *failure.Error {
	report, ok := protocol.ParseReport(end.Message)
	if ok && report.Checked != nil {
		s.Checked.Add(*report.Checked)
	}
	switch {
	case ok && report.Problem != nil:
		if report.Problem.RefusedURI != "" {
			s.RefusedURI = report.Problem.RefusedURI
		}
		return report.Problem.AsError()
	case ok && report.Prepared != "":
		s.Prepared = report.Prepared
		return nil
	case ok && report.Staged != nil:
		s.Staged++
		return nil
	case end.ExitCode == 0:
		return nil
	case end.Reason == "OOMKilled":
		return podFailed("pod %q ran out of memory; raise the memory limit in spec.workers.template.resources of the upload agent, or lower spec.rowsPerBlock of the session", pod.Name)
	}
	return podFailed("pod %q ended with %d (%s)", pod.Name, end.ExitCode, cmp.Or(end.Reason, "no reason was given"))
}

func podFailed(format string, args ...any) *failure.Error {
	return &failure.Error{Reason: failure.WorkersFailed, Transient: true, Message: fmt.Sprintf(format, args...)}
}
