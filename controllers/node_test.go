package controllers_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/internal/worker"
)

// node runs the Jobs of a world as a cluster would: it makes their pods, gives
// each its files, and works as their container does, in this process.
type node struct {
	world  *world
	claims string // a folder for each claim

	mu   sync.Mutex
	seen map[string]bool
	hold func(pod *corev1.Pod) bool // pods that never end
	fail func(pod *corev1.Pod) *corev1.ContainerStateTerminated
	ran  []*corev1.Pod
}

func (w *world) node() *node {
	GinkgoHelper()
	n := &node{world: w, claims: GinkgoT().TempDir(), seen: map[string]bool{}}
	ctx, stop := context.WithCancel(w.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer GinkgoRecover()
		n.run(ctx)
	}()
	DeferCleanup(func() {
		stop()
		Eventually(ended).Should(BeClosed(), "the node stops")
	})
	return n
}

func (n *node) run(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		list := &batchv1.JobList{}
		if kube.List(ctx, list, client.InNamespace(n.world.namespace)) != nil {
			continue
		}
		for i := range list.Items {
			if job := &list.Items[i]; !n.seen[string(job.UID)] {
				n.seen[string(job.UID)] = true
				n.runJob(ctx, job)
			}
		}
	}
}

// runJob runs all pods of a Job, one after the other, and ends it.
func (n *node) runJob(ctx context.Context, job *batchv1.Job) {
	parts := 1
	if job.Spec.Completions != nil {
		parts = int(*job.Spec.Completions)
	}
	succeeded, failed := 0, 0
	for index := range parts {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: job.Namespace, GenerateName: job.Name + "-", Labels: map[string]string{batchv1.JobNameLabel: job.Name}, Annotations: job.Spec.Template.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))},
		}, Spec: *job.Spec.Template.Spec.DeepCopy()}
		for key, value := range job.Spec.Template.Labels {
			pod.Labels[key] = value
		}
		if kube.Create(ctx, pod) != nil {
			return // the Job is gone already
		}
		n.mu.Lock()
		n.ran = append(n.ran, pod)
		hold, fail := n.hold, n.fail
		n.mu.Unlock()
		if hold != nil && hold(pod) {
			return
		}
		var end *corev1.ContainerStateTerminated
		if fail != nil {
			end = fail(pod)
		}
		if end == nil {
			end = n.work(ctx, pod, index)
		}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "worker", State: corev1.ContainerState{Terminated: end}}}
		pod.Status.Phase = corev1.PodSucceeded
		if succeeded++; end.ExitCode != 0 {
			pod.Status.Phase, failed = corev1.PodFailed, failed+1
		}
		_ = kube.Status().Update(ctx, pod) // gone where the Job was deleted meanwhile
	}
	kinds := []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete}
	if failed > 0 {
		kinds = []batchv1.JobConditionType{batchv1.JobFailureTarget, batchv1.JobFailed}
	}
	now := metav1.Now()
	if kube.Get(ctx, client.ObjectKeyFromObject(job), job) != nil {
		return
	}
	job.Status.StartTime = &metav1.Time{Time: now.Add(-time.Second)}
	for _, kind := range kinds {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: kind, Status: corev1.ConditionTrue, Reason: "Test", LastTransitionTime: now})
	}
	if failed == 0 {
		job.Status.CompletionTime, job.Status.Succeeded = &now, int32(parts)
		if job.Spec.CompletionMode != nil {
			job.Status.CompletedIndexes = "0-" + strconv.Itoa(parts-1)
			if parts == 1 {
				job.Status.CompletedIndexes = "0"
			}
		}
	} else {
		job.Status.Failed = int32(failed)
	}
	if err := kube.Status().Update(ctx, job); client.IgnoreNotFound(err) != nil {
		GinkgoWriter.Println("end of job:", err)
	}
}

// work is the container: its files, then what its arguments say.
func (n *node) work(ctx context.Context, pod *corev1.Pod, index int) *corev1.ContainerStateTerminated {
	dir, err := os.MkdirTemp(n.claims, "pod")
	Expect(err).NotTo(HaveOccurred())
	for _, v := range pod.Spec.Volumes {
		n.mount(ctx, dir, v)
	}
	var report worker.Report
	switch args := pod.Spec.Containers[0].Args; args[1] {
	case "prepare":
		report = worker.Prepare(ctx, dir)
	case "stage":
		report = worker.Stage(ctx, dir, index, slog.New(slog.DiscardHandler))
	}
	end := &corev1.ContainerStateTerminated{Reason: "Completed", Message: report.Text()}
	if report.Problem != nil {
		end.ExitCode, end.Reason = 1, "Error"
	}
	return end
}

func (n *node) mount(ctx context.Context, dir string, v corev1.Volume) {
	to := filepath.Join(dir, v.Name)
	if from := v.PersistentVolumeClaim; from != nil {
		Expect(os.Symlink(filepath.Join(n.claims, from.ClaimName), to)).To(Succeed())
		return
	}
	Expect(os.Mkdir(to, 0o750)).To(Succeed())
	data, items := map[string][]byte{}, []corev1.KeyToPath(nil)
	if from := v.Secret; from != nil {
		secret := &corev1.Secret{}
		if kube.Get(ctx, client.ObjectKey{Namespace: n.world.namespace, Name: from.SecretName}, secret) != nil {
			return
		}
		data, items = secret.Data, from.Items
	}
	if from := v.ConfigMap; from != nil {
		config := &corev1.ConfigMap{}
		Expect(kube.Get(ctx, client.ObjectKey{Namespace: n.world.namespace, Name: from.Name}, config)).To(Succeed())
		for key, text := range config.Data {
			data[key] = []byte(text)
		}
		items = from.Items
	}
	for key, value := range data {
		name := key
		for _, item := range items {
			if item.Key == key {
				name = item.Path
			}
		}
		Expect(os.WriteFile(filepath.Join(to, name), value, 0o600)).To(Succeed())
	}
}

// pods are those that ran, in order.
func (n *node) pods() []*corev1.Pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*corev1.Pod{}, n.ran...)
}

func (n *node) set(change func(*node)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n)
}
