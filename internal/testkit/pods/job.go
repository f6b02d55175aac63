package pods

import (
	"context"
	"strconv"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// runJob runs the pods of a Job, those of all indexes side by side, and ends it.
// ctx ends with the Job.
func (r *Runner) runJob(ctx context.Context, job *batchv1.Job) {
	indexes := 1
	if job.Spec.Completions != nil {
		indexes = int(*job.Spec.Completions)
	}
	now := metav1.Now()
	r.writeJob(ctx, job, func(s *batchv1.JobStatus) { s.StartTime, s.Active = &now, int32(indexes) })
	failed := make([]int, indexes) // pods of each index
	done := make([]bool, indexes)
	var pods sync.WaitGroup
	for index := range indexes {
		pods.Go(func() { done[index], failed[index] = r.runIndex(ctx, job, index) })
	}
	pods.Wait()
	if ctx.Err() == nil {
		r.writeJob(ctx, job, func(s *batchv1.JobStatus) {
			end(s, done, failed)
			if indexed(job) {
				s.CompletedIndexes = named(done)
			}
		})
	}
}

// runIndex runs pods of one index until one succeeds, the Job's patience with it
// ends, or the Job is gone.
func (r *Runner) runIndex(ctx context.Context, job *batchv1.Job, index int) (done bool, failed int) {
	patience := job.Spec.BackoffLimit
	if job.Spec.BackoffLimitPerIndex != nil {
		patience = job.Spec.BackoffLimitPerIndex
	}
	for ctx.Err() == nil && failed <= int(*patience) {
		if r.runPod(ctx, job, index) {
			return true, failed
		}
		failed++
		pause(ctx, backoff)
	}
	return false, failed
}

// backoff is the time between two pods of one index; a cluster's is 10 s and more.
const backoff = 50 * time.Millisecond

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// indexed reports whether the pods of a Job have completion indexes.
func indexed(job *batchv1.Job) bool {
	return job.Spec.CompletionMode != nil && *job.Spec.CompletionMode == batchv1.IndexedCompletion
}

// end is the status of a Job whose pods have ended.
func end(s *batchv1.JobStatus, done []bool, failed []int) {
	now := metav1.Now()
	kinds := []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete}
	s.Active, s.Succeeded, s.Failed = 0, 0, 0
	for index := range done {
		s.Failed += int32(failed[index])
		if done[index] {
			s.Succeeded++
		}
	}
	if int(s.Succeeded) < len(done) {
		kinds = []batchv1.JobConditionType{batchv1.JobFailureTarget, batchv1.JobFailed}
	} else {
		s.CompletionTime = &now
	}
	for _, kind := range kinds {
		s.Conditions = append(s.Conditions, batchv1.JobCondition{Type: kind, Status: corev1.ConditionTrue, Reason: "PodsEnded", LastTransitionTime: now})
	}
}

// named names the indexes that are set as a Job's status does: runs of more than two
// are written as one.
func named(set []bool) string {
	text := ""
	for first := 0; first < len(set); first++ {
		if !set[first] {
			continue
		}
		last := first
		for last+1 < len(set) && set[last+1] {
			last++
		}
		if text != "" {
			text += ","
		}
		text += strconv.Itoa(first)
		if last > first {
			text += map[bool]string{true: "-", false: ","}[last > first+1] + strconv.Itoa(last)
		}
		first = last
	}
	return text
}

// writeJob changes the status of a Job as it is now.
func (r *Runner) writeJob(ctx context.Context, job *batchv1.Job, change func(*batchv1.JobStatus)) {
	now := &batchv1.Job{}
	err := r.client.Get(ctx, client.ObjectKeyFromObject(job), now)
	if err == nil && now.UID == job.UID {
		before := now.DeepCopy()
		change(&now.Status)
		err = r.client.Status().Patch(ctx, now, client.MergeFrom(before))
	}
	r.tell(ctx, err)
}
