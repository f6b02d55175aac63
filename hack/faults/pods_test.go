package faults_test

import (
	"context"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/internal/executor/jobs"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/testkit/pods"
)

// podSteps are those in which workers in pods have a part: what the manager writes
// for them, what they call, and what it takes away after them.
func podSteps() []step {
	made := []step{
		forward(step{name: "pods-task", write: written(creates, isTask)}),
		forward(step{
			name: "pods-read", call: anySource, around: anySource, podCalls: true,
			write: written(creates, jobOf("prepare")),
		}),
		forward(step{name: "pods-report", write: written(updates, func(s *corev1.Secret) bool {
			return isTask(s) && strings.Contains(string(s.Data[protocol.TaskFile]), `"prepared"`)
		})}),
		forward(step{
			name: "pods-stage", call: nth(3, (*call).isBlock), podCalls: true,
			around: func(f *faultProxy, c *call) bool { return c.isBlob() && f.byPod(c) },
			write:  written(creates, jobOf("stage")),
		}),
		forward(step{
			name: "pods-seal", also: readOnce,
			call:   func(_ *faultProxy, c *call) bool { return c.isSeal() },
			around: func(_ *faultProxy, c *call) bool { return c.isSeal() },
		}),
		forward(step{name: "pods-renew", before: holdUpload, begin: renewByToken, call: posts("/renew"), write: written(updates, isTask)}),
		forward(step{name: "pods-end", write: written(deletes, jobOf("stage"))}),
		forward(step{name: "pods-clear", write: written(deletes, isTask)}),
		{
			name: "pods-delete", before: holdUpload, write: written(deletes, jobOf("stage")), live: "old",
			begin: func(w *testEnv) { w.Expect(kube.Delete(w.ctx, w.sessionObject())).To(Succeed()) },
		},
	}
	for i := range made {
		made[i].inPods = true
	}
	return made
}

// readOnce: one pod read the table and two staged it, and none had to do it again.
func readOnce(w *testEnv) {
	w.t.Helper()
	w.Expect(w.pods.Ran()).To(HaveLen(3), "what is staged is not read again")
}

func isTask(s *corev1.Secret) bool { return s.Labels[jobs.UIDLabel] != "" }

// jobOf tells the Jobs that do one thing.
func jobOf(does string) func(*batchv1.Job) bool {
	return func(job *batchv1.Job) bool { return slices.Contains(job.Spec.Template.Spec.Containers[0].Args, does) }
}

// runPods runs the pods of the Jobs of the environment.
func (w *testEnv) runPods() {
	w.pods = pods.New(kube, w.namespace, w.t.TempDir(), func(err error) { w.t.Errorf("the cluster's part: %v", err) })
	w.SetDefaultEventuallyTimeout(6 * time.Minute) // a pod waits two minutes for another upload URI
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.pods.Run(ctx)
	}()
	w.t.Cleanup(func() {
		stop()
		within(w.t, ended, patience, "the last pod")
	})
}

// podsShow are the Jobs and pods that there are.
func (w *testEnv) podsShow() []any {
	w.t.Helper()
	jobs, pods := &batchv1.JobList{}, &corev1.PodList{}
	w.Expect(kube.List(w.ctx, jobs, client.InNamespace(w.namespace))).To(Succeed())
	w.Expect(kube.List(w.ctx, pods, client.InNamespace(w.namespace))).To(Succeed())
	return []any{jobs, pods, w.pods.Ran()}
}

// noPodsLeft: no Job and no task outlives the session.
func (w *testEnv) noPodsLeft() {
	w.t.Helper()
	w.Eventually(func() ([]string, error) {
		jobs, secrets := &batchv1.JobList{}, &corev1.SecretList{}
		if err := kube.List(w.ctx, jobs, client.InNamespace(w.namespace)); err != nil {
			return nil, err
		}
		if err := kube.List(w.ctx, secrets, client.InNamespace(w.namespace)); err != nil {
			return nil, err
		}
		left := []string{}
		for _, job := range jobs.Items {
			if job.DeletionTimestamp.IsZero() {
				left = append(left, "Job "+job.Name)
			}
		}
		for i := range secrets.Items {
			if isTask(&secrets.Items[i]) {
				left = append(left, "Secret "+secrets.Items[i].Name)
			}
		}
		return left, nil
	}).Should(BeEmpty(), "nothing of the session's pods is left")
}
