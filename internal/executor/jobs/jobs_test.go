package jobs_test

import (
	"encoding/json"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/jobs"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/progress"
)

func work(change ...func(*jobs.Builder)) jobs.Builder {
	w := jobs.Builder{
		Owner:   executor.Owner{Namespace: "dlp", Name: "patients", UID: "0f3c"},
		Workers: v1alpha1.Workers{Mode: v1alpha1.WorkersModeJob, Parallelism: 4}, Image: "operator:test",
		Key: v1alpha1.SecretKeyReference{Name: "patients-key", Key: "key"},
	}
	w.Source.PersistentVolumeClaim = &v1alpha1.VolumeFile{ClaimName: "exports", Path: "patients.csv"}
	for _, c := range change {
		c(&w)
	}
	return w
}

func TestPodsAreRestricted(t *testing.T) {
	for _, job := range []*batchv1.Job{work().Prepare("a"), work().Upload("key", "id", 4)} {
		pod := job.Spec.Template.Spec
		c := pod.Containers[0]
		if *pod.AutomountServiceAccountToken || !*pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: pod %+v", job.Name, pod)
		}
		if s := c.SecurityContext; *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || s.Capabilities.Drop[0] != "ALL" {
			t.Errorf("%s: container %+v", job.Name, s)
		}
		for _, m := range c.VolumeMounts {
			if !m.ReadOnly {
				t.Errorf("%s: %s is mounted to be written", job.Name, m.Name)
			}
		}
		for _, v := range pod.Volumes {
			if v.PersistentVolumeClaim != nil && !v.PersistentVolumeClaim.ReadOnly {
				t.Errorf("%s: the claim is not read-only", job.Name)
			}
		}
		if !metav1.IsControlledBy(job, &metav1.ObjectMeta{UID: "0f3c"}) {
			t.Errorf("%s is not the session's", job.Name)
		}
	}
}

func TestTheKeyStaysInItsSecret(t *testing.T) {
	text, err := json.Marshal(work().Upload("key", "id", 4))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"secretName":"patients-key"`) {
		t.Error("the store's Secret is not mounted")
	}
	task := work().Task(protocol.Task{Store: "patients"}, "v", "https://host/upload?sig=hush")
	if strings.Contains(string(task.Data[protocol.TaskFile]), "hush") || string(task.Data[protocol.URIFile]) != "https://host/upload?sig=hush" {
		t.Errorf("task %s", task.Data)
	}
}

func TestUploadIsReplacedOnAnotherNode(t *testing.T) {
	job := work().Upload("key", "id", 3)
	if *job.Spec.CompletionMode != batchv1.IndexedCompletion || *job.Spec.Completions != 3 || *job.Spec.Parallelism != 3 || *job.Spec.BackoffLimitPerIndex < 1 {
		t.Errorf("spec %+v", job.Spec)
	}
	if *job.Spec.PodReplacementPolicy != batchv1.TerminatingOrFailed || job.Spec.PodFailurePolicy != nil || job.Spec.Suspend != nil {
		t.Errorf("spec %+v", job.Spec)
	}
	own := corev1.Toleration{Operator: corev1.TolerationOpExists}
	for name, w := range map[string]struct {
		work jobs.Builder
		want int
	}{
		"default": {work(), 2},
		"the user tolerates everything": {work(func(w *jobs.Builder) {
			w.Workers.Template = &v1alpha1.WorkersTemplate{Tolerations: []corev1.Toleration{own}}
		}), 1},
	} {
		if got := w.work.Upload("key", "id", 1).Spec.Template.Spec.Tolerations; len(got) != w.want {
			t.Errorf("%s: tolerations %+v", name, got)
		}
	}
}

func TestVolumesBindPods(t *testing.T) {
	for want, modes := range map[jobs.Volume][]corev1.PersistentVolumeAccessMode{
		jobs.AnyHost: {corev1.ReadWriteOnce, corev1.ReadOnlyMany}, jobs.OneHost: {corev1.ReadWriteOnce}, jobs.OnePod: {corev1.ReadWriteOncePod},
	} {
		w := work(func(w *jobs.Builder) { w.Volume = jobs.VolumeOf(modes) })
		affinity := w.Upload("key", "id", 2).Spec.Template.Spec.Affinity
		if w.Volume != want || (affinity != nil) != (want == jobs.OneHost) || (w.Pods(8) == 1) != (want == jobs.OnePod) {
			t.Errorf("%v: %q, affinity %v, %d pods", modes, w.Volume, affinity, w.Pods(8))
		}
	}
	if n := work().Pods(1); n != 1 {
		t.Errorf("one stripe has %d pods", n)
	}
}

func TestTemplateIsTakenOver(t *testing.T) {
	w := work(func(w *jobs.Builder) {
		w.Workers.Template = &v1alpha1.WorkersTemplate{
			Labels:       map[string]string{"kueue.x-k8s.io/queue-name": "dlp", jobs.UIDLabel: "mine"},
			NodeSelector: map[string]string{"disk": "fast"}, ServiceAccountName: "reader", PriorityClassName: "low",
			ImagePullSecrets: []corev1.LocalObjectReference{{Name: "pull"}},
			Resources:        corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("300Mi")}},
		}
	})
	job := w.Upload("key", "id", 2)
	pod := job.Spec.Template.Spec
	if job.Labels["kueue.x-k8s.io/queue-name"] != "dlp" || job.Labels[jobs.UIDLabel] != "0f3c" {
		t.Errorf("labels %v", job.Labels)
	}
	if pod.NodeSelector["disk"] != "fast" || pod.ServiceAccountName != "reader" || pod.PriorityClassName != "low" || pod.ImagePullSecrets[0].Name != "pull" {
		t.Errorf("pod %+v", pod)
	}
	if w.Memory() != 100<<20 || work().Memory() != 256<<20 {
		t.Errorf("budgets %d and %d", w.Memory(), work().Memory())
	}
}

func TestNamesAreLabelsAndApart(t *testing.T) {
	named := func(name, uid string) jobs.Builder {
		return work(func(w *jobs.Builder) { w.Owner.Name, w.Owner.UID = name, uid })
	}
	long := strings.Repeat("a.", 126)
	seen := map[string]bool{}
	for _, w := range []jobs.Builder{
		work(), named("patients.2026", "1"), named("patients-2026", "2"), named(strings.Repeat("9", 63), "3"), named(long+"a", "4"), named(long+"b", "5"),
	} {
		for _, name := range []string{w.SecretName(), w.PrepareName("a"), w.PrepareName("b"), w.UploadName("a", "b"), w.UploadName("a", "c")} {
			// The pod of the last index of the most that an agent asks for.
			if problems := validation.IsDNS1123Label(name + "-63"); seen[name] || problems != nil {
				t.Errorf("name %q: %v", name, problems)
			}
			seen[name] = true
		}
		for key, value := range w.Prepare("a").Labels {
			if problems := validation.IsValidLabelValue(value); problems != nil {
				t.Errorf("label %s=%s: %v", key, value, problems)
			}
		}
	}
}

func pod(end corev1.ContainerState) corev1.Pod {
	return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod"}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: end}}}}
}

func ended(code int32, reason, message string) corev1.Pod {
	return pod(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}})
}

func TestObserve(t *testing.T) {
	job := func(kind batchv1.JobConditionType) *batchv1.Job {
		j := work().Upload("key", "id", 2)
		if kind != "" {
			j.Status.Conditions = []batchv1.JobCondition{{Type: kind, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded", Message: "too often"}}
		}
		return j
	}
	suspended := job("")
	suspended.Spec.Suspend = new(true)
	problem := func(p protocol.Problem) string { return protocol.Report{Problem: &p}.Text() }
	for name, c := range map[string]struct {
		job      *batchv1.Job
		pods     []corev1.Pod
		phase    jobs.Phase
		reason   failure.Reason
		final    bool
		note     string
		prepared string
		refused  string
		checked  progress.Checked
	}{
		"begins":                 {job: job(""), phase: jobs.Running},
		"sure of success":        {job: job(batchv1.JobSuccessCriteriaMet), phase: jobs.Succeeded},
		"sure of failure":        {job: job(batchv1.JobFailureTarget), phase: jobs.Failed, reason: failure.WorkersFailed, note: ""},
		"handed over":            {job: job(""), pods: []corev1.Pod{ended(0, "Completed", `{"prepared":"AAA"}`)}, phase: jobs.Running, prepared: "AAA"},
		"bad input":              {job: job(""), pods: []corev1.Pod{ended(1, "Error", problem(protocol.Problem{Reason: failure.MissingColumn, Message: "no SSN"}))}, phase: jobs.Failed, reason: failure.MissingColumn, final: true},
		"a fault that passes":    {job: job(""), pods: []corev1.Pod{ended(1, "Error", problem(protocol.Problem{Reason: failure.SourceUnavailable, Message: "no answer", Transient: true}))}, phase: jobs.Running, note: "no answer"},
		"the last fault is told": {job: job(batchv1.JobFailed), pods: []corev1.Pod{ended(1, "Error", problem(protocol.Problem{Reason: failure.SourceUnavailable, Message: "no answer", Transient: true}))}, phase: jobs.Failed, reason: failure.SourceUnavailable},
		"out of memory":          {job: job(""), pods: []corev1.Pod{ended(137, "OOMKilled", "")}, phase: jobs.Running, note: "ran out of memory"},
		"killed":                 {job: job(batchv1.JobFailed), pods: []corev1.Pod{ended(137, "Error", "no report")}, phase: jobs.Failed, reason: failure.WorkersFailed},
		"no image":               {job: job(""), pods: []corev1.Pod{pod(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "not found"}})}, phase: jobs.Running, note: "ErrImagePull: not found"},
		"refused": {job: job(""), pods: []corev1.Pod{ended(1, "Error", problem(protocol.Problem{Reason: failure.StorageRefused, Message: "403", Transient: true, RefusedURI: "ab12"}))},
			phase: jobs.Running, note: "403", refused: "ab12"},
		"no node": {job: job(""), pods: []corev1.Pod{{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/2 nodes"}}}}}, phase: jobs.Running, note: "0/2 nodes"},
		"evicted": {job: job(""), pods: []corev1.Pod{{Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "disk"}}}, phase: jobs.Running, note: "Evicted: disk"},
		"compared": {job: job(""), pods: []corev1.Pod{
			ended(0, "Completed", protocol.Report{Staged: &protocol.Staged{Sent: 2}, Checked: &progress.Checked{Compared: 1, Unverified: 1}}.Text()),
			ended(1, "Error", protocol.Report{Problem: &protocol.Problem{Reason: failure.StorageUnavailable, Message: "gone", Transient: true}, Checked: &progress.Checked{Compared: 3, HeaderRefused: true}}.Text()),
		}, phase: jobs.Running, note: "gone", checked: progress.Checked{Compared: 4, Unverified: 1, HeaderRefused: true}},
		"queued": {job: suspended, phase: jobs.Running, note: "is suspended"},
	} {
		t.Run(name, func(t *testing.T) {
			s := jobs.Observe(c.job, c.pods)
			if s.Phase != c.phase || s.Prepared != c.prepared || s.RefusedURI != c.refused || s.Checked != c.checked || !strings.Contains(s.Note, c.note) || c.note == "" && s.Note != "" {
				t.Errorf("state %+v", s)
			}
			if (s.Err != nil) != (c.reason != "") || s.Err != nil && (s.Err.Reason != c.reason || s.Err.Transient == c.final) {
				t.Errorf("error %+v", s.Err)
			}
		})
	}
}
