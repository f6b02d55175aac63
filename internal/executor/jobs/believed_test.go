package jobs_test

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/jobs"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/tables"
)

// Names and labels can be given by anybody of the namespace; what pods say counts
// only where the session made them.
func TestOnlyOwnPodsAndJobsAreHeard(t *testing.T) {
	handed := protocol.Report{Prepared: tables.Prepare(t, tables.Plan(tables.CSV(10), 10)).Pack()}.Text()
	for name, tc := range map[string]struct {
		job, pod func(metav1.Object)
		want     executor.Phase
	}{
		"own":           {func(metav1.Object) {}, func(metav1.Object) {}, executor.PhaseReported},
		"another's Job": {func(o metav1.Object) { o.SetOwnerReferences(nil) }, func(metav1.Object) {}, executor.PhaseNone},
		"another's pod": {func(metav1.Object) {}, func(o metav1.Object) { o.SetOwnerReferences(nil) }, executor.PhasePreparing},
	} {
		t.Run(name, func(t *testing.T) {
			e := newFakeCluster(t)
			w := e.work("one", tables.CSV(10))
			testkit.Must(t, e.Executor.Prepare(t.Context(), w))
			job := e.job()
			tc.job(job)
			testkit.Must(t, e.Update(t.Context(), job))
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Namespace: "ns", Name: "pod", Labels: map[string]string{batchv1.JobNameLabel: job.Name},
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))},
			}}
			tc.pod(pod)
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: handed}}}}
			testkit.Must(t, e.Create(t.Context(), pod))
			got, err := e.Executor.Status(t.Context(), w)
			if err != nil || got.Phase != tc.want {
				t.Errorf("it is %+v, %v", got, err)
			}
		})
	}
}

// A Secret that somebody made under the task's name gets no upload URI, and is not
// deleted for it.
func TestASecretOfAnotherIsNotWritten(t *testing.T) {
	e := newFakeCluster(t)
	w := e.work("one", tables.CSV(10))
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: jobs.Builder{Owner: w.Owner}.SecretName()}, Data: map[string][]byte{"mine": []byte("x")}}
	testkit.Must(t, e.Create(t.Context(), theirs))
	err := e.Executor.Prepare(t.Context(), w)
	if p := problem.Of(err); err == nil || p.Remedy != problem.Repair || p.Reason != v1alpha1.ReasonWorkersUnavailable {
		t.Errorf("it ends with %v", err)
	}
	_, err = e.Executor.Stop(t.Context(), w, executor.Everything)
	testkit.Must(t, err)
	now := &corev1.Secret{}
	testkit.Must(t, e.Get(t.Context(), client.ObjectKeyFromObject(theirs), now))
	if string(now.Data["mine"]) != "x" || len(now.Data) != 1 {
		t.Errorf("it holds %v now", now.Data)
	}
}

// What pods have found out is of the plan that they read by.
func TestATaskOfAnotherPlanIsNotTaken(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*executor.Work)
		taken  bool
	}{
		"this plan's":       {func(*executor.Work) {}, true},
		"its pin":           {func(w *executor.Work) { w.Plan.Pin = tables.Prepare(t, tables.Plan(tables.CSV(10), 10)).Checksum }, true},
		"another version's": {func(w *executor.Work) { w.Version = "another" }, false},
		"another pin":       {func(w *executor.Work) { w.Plan.Pin = "sha256:another" }, false},
		"another key's":     {func(w *executor.Work) { w.Plan.Key = []byte("another key for tests of 32 bytes or more") }, false},
	} {
		e := newFakeCluster(t)
		w := e.work("one", tables.CSV(10))
		testkit.Must(t, e.Executor.Prepare(t.Context(), w))
		e.run(t)
		testkit.Must(t, e.Executor.Prepare(t.Context(), w))
		testkit.Must(t, e.DeleteAllOf(t.Context(), e.job(), client.InNamespace("ns")))
		tc.change(&w)
		got, err := e.Executor.Status(t.Context(), w)
		if testkit.Must(t, err); (got.Prepared != nil) != tc.taken {
			t.Errorf("%s: it is %+v", name, got)
		}
	}
}
