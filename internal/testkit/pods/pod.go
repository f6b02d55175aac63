package pods

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/executor/worker"
)

// errKilled is the cause where somebody killed a pod.
var errKilled = errors.New("killed")

// runPod runs one pod of an index and reports whether it succeeded. Where its Job
// goes meanwhile, the pod goes with it.
func (r *Runner) runPod(ctx context.Context, job *batchv1.Job, index int) (succeeded bool) {
	pod := podOf(job, index)
	if err := r.client.Create(ctx, pod); err != nil {
		r.tell(ctx, err)
		return false
	}
	own, kill := context.WithCancelCause(ctx)
	defer kill(nil)
	r.mu.Lock()
	r.ran = append(r.ran, pod.DeepCopy())
	r.atWork[pod.UID] = kill
	faults := r.faults
	r.mu.Unlock()
	end := r.container(own, pod, index, faults)
	r.mu.Lock()
	delete(r.atWork, pod.UID)
	r.mu.Unlock()
	if ctx.Err() != nil {
		_ = r.client.Delete(context.WithoutCancel(ctx), pod) // the API server may have ended too
		return false
	}
	if errors.Is(context.Cause(own), errKilled) {
		end = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "Error"}
	}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: pod.Spec.Containers[0].Name, State: corev1.ContainerState{Terminated: end}}}
	pod.Status.Phase = corev1.PodSucceeded
	if end.ExitCode != 0 {
		pod.Status.Phase = corev1.PodFailed
	}
	r.tell(ctx, r.client.Status().Update(ctx, pod))
	return end.ExitCode == 0
}

func podOf(job *batchv1.Job, index int) *corev1.Pod {
	template := job.Spec.Template.DeepCopy()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: job.Namespace, GenerateName: job.Name + "-", Labels: template.Labels, Annotations: template.Annotations,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))},
	}, Spec: template.Spec}
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Labels[batchv1.JobNameLabel] = job.Name
	if indexed(job) {
		pod.Annotations[batchv1.JobCompletionIndexAnnotation] = strconv.Itoa(index)
	}
	return pod
}

// mostMessage is how much of a container's last word a kubelet keeps.
const mostMessage = 4096

// container is what the pod's one container does: its files, then what its
// arguments say.
func (r *Runner) container(ctx context.Context, pod *corev1.Pod, index int, faults Faults) *corev1.ContainerStateTerminated {
	if faults.Hold != nil && faults.Hold(pod) {
		<-ctx.Done()
		return &corev1.ContainerStateTerminated{}
	}
	if faults.Fail != nil {
		if end := faults.Fail(pod); end != nil {
			return end
		}
	}
	dir, err := os.MkdirTemp(r.dir, "pod")
	if err != nil {
		r.tell(ctx, err)
		return &corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError"}
	}
	followed := make(chan struct{})
	until, stop := context.WithCancel(ctx)
	defer func() { stop(); <-followed }()
	if !r.mounted(until, dir, pod.Spec.Volumes) {
		close(followed)
		return &corev1.ContainerStateTerminated{}
	}
	go func() {
		defer close(followed)
		r.keepUp(until, dir, pod.Spec.Volumes)
	}()
	var report protocol.Report
	switch args := pod.Spec.Containers[0].Args; args[1] {
	case "prepare":
		report = worker.Prepare(ctx, dir)
	case "stage":
		report = worker.Stage(ctx, dir, index, slog.New(slog.DiscardHandler))
	}
	end := &corev1.ContainerStateTerminated{Reason: "Completed", Message: report.Text()}
	end.Message = end.Message[:min(len(end.Message), mostMessage)]
	if report.Problem != nil {
		end.ExitCode, end.Reason = 1, "Error"
	}
	return end
}

// mounted waits until every volume is there, as a kubelet does; false where the pod
// goes before.
func (r *Runner) mounted(ctx context.Context, dir string, volumes []corev1.Volume) bool {
	for ctx.Err() == nil {
		var missing error
		for _, v := range volumes {
			missing = errors.Join(missing, r.mount(ctx, dir, v))
		}
		if missing == nil {
			return true
		}
		pause(ctx, syncEvery)
	}
	return false
}

// syncEvery is the time between two looks at what a pod's volumes show; a kubelet
// takes a minute and more.
const syncEvery = 100 * time.Millisecond

// keepUp lets the files of Secrets and ConfigMaps follow their objects.
func (r *Runner) keepUp(ctx context.Context, dir string, volumes []corev1.Volume) {
	for ctx.Err() == nil {
		pause(ctx, syncEvery)
		for _, v := range volumes {
			_ = r.mount(ctx, dir, v) // what is gone leaves the files as they were
		}
	}
}

// mount shows a volume in its folder.
func (r *Runner) mount(ctx context.Context, dir string, v corev1.Volume) error {
	to := filepath.Join(dir, v.Name)
	if from := v.PersistentVolumeClaim; from != nil {
		if err := os.Symlink(filepath.Join(r.dir, from.ClaimName), to); !errors.Is(err, os.ErrExist) {
			return err
		}
		return nil
	}
	data, items, err := r.entries(ctx, v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o750); err != nil {
		return err
	}
	for key, value := range data {
		name, shown := key, len(items) == 0
		for _, item := range items {
			if item.Key == key {
				name, shown = item.Path, true
			}
		}
		if shown {
			err = errors.Join(err, replace(filepath.Join(to, name), value))
		}
	}
	return err
}

// entries are what a volume's Secret or ConfigMap holds, and those of them that
// are shown; none: all.
func (r *Runner) entries(ctx context.Context, v corev1.Volume) (map[string][]byte, []corev1.KeyToPath, error) {
	if from := v.Secret; from != nil {
		secret := &corev1.Secret{}
		err := r.client.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: from.SecretName}, secret)
		return secret.Data, from.Items, err
	}
	from, config := v.ConfigMap, &corev1.ConfigMap{}
	if from == nil {
		return nil, nil, errors.New("a volume that no worker has")
	}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: from.Name}, config)
	data := map[string][]byte{}
	for key, text := range config.Data {
		data[key] = []byte(text)
	}
	return data, from.Items, err
}

// replace writes a file at once, unless it is as it should be.
func replace(path string, value []byte) error {
	if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, value) {
		return nil
	}
	next := filepath.Join(filepath.Dir(path), "..next-"+filepath.Base(path)) // readers pass over such names
	if err := os.WriteFile(next, value, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
