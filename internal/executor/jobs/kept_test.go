package jobs_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor/jobs"
	"exactmatch.dev/operator/internal/executor/protocol"
)

func template(change func(*v1alpha1.WorkersTemplate)) func(*jobs.Builder) {
	return func(w *jobs.Builder) {
		w.Workers.Template = &v1alpha1.WorkersTemplate{}
		change(w.Workers.Template)
	}
}

// A pod leaves a node that does not answer, unless the user says how long it stays.
func TestHowLongAPodWaitsForItsNode(t *testing.T) {
	both := []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable}
	for name, tc := range map[string]struct {
		given corev1.Toleration
		added []string
	}{
		"of another taint":            {corev1.Toleration{Key: "gpu", Effect: corev1.TaintEffectNoExecute}, both},
		"of that taint":               {corev1.Toleration{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoExecute}, both[1:]},
		"of that taint, every effect": {corev1.Toleration{Key: corev1.TaintNodeNotReady}, both[1:]},
		"of that taint, to schedule":  {corev1.Toleration{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}, both},
		"of every taint":              {corev1.Toleration{Operator: corev1.TolerationOpExists}, nil},
		"of every taint, to schedule": {corev1.Toleration{Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}, both},
	} {
		pod := work(template(func(w *v1alpha1.WorkersTemplate) { w.Tolerations = []corev1.Toleration{tc.given} })).Prepare("a").Spec.Template.Spec
		var added []string
		for _, one := range pod.Tolerations[1:] {
			if one.Effect != corev1.TaintEffectNoExecute || one.TolerationSeconds == nil || *one.TolerationSeconds != 30 {
				t.Errorf("%s: %+v is added", name, one)
			}
			added = append(added, one.Key)
		}
		if pod.Tolerations[0] != tc.given || !slices.Equal(added, tc.added) {
			t.Errorf("%s: added are %v, want %v", name, added, tc.added)
		}
	}
}

// Resources of the template are taken as a whole, however few of them are given.
func TestResourcesAreTheTemplatesAsAWhole(t *testing.T) {
	some := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("900Mi")}
	for name, tc := range map[string]struct {
		given  corev1.ResourceRequirements
		memory int64
		ours   bool
	}{
		"limits":        {corev1.ResourceRequirements{Limits: some}, 256 << 20, false},
		"requests":      {corev1.ResourceRequirements{Requests: some}, 256 << 20, false},
		"a small limit": {corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("300Mi")}}, 100 << 20, false},
		"none":          {corev1.ResourceRequirements{}, 256 << 20, true},
	} {
		w := work(template(func(w *v1alpha1.WorkersTemplate) { w.Resources = tc.given }))
		got := w.Prepare("a").Spec.Template.Spec.Containers[0].Resources
		if _, ours := got.Requests[corev1.ResourceCPU]; ours != tc.ours || w.Memory() != tc.memory {
			t.Errorf("%s: %+v, %d bytes of memory", name, got, w.Memory())
		}
	}
}

// A worker gets the files that the session names, and no others.
func TestAWorkerGetsItsFilesOnly(t *testing.T) {
	for name, tc := range map[string]struct {
		source v1alpha1.Source
		ca     bool
		want   []string
	}{
		"a claim":          {v1alpha1.Source{PersistentVolumeClaim: &v1alpha1.VolumeFile{ClaimName: "exports", Path: "t.csv"}}, false, []string{protocol.SourceDir}},
		"a ConfigMap":      {v1alpha1.Source{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "tables", Key: "t.csv"}}, false, []string{protocol.SourceDir}},
		"a URI":            {v1alpha1.Source{URI: "https://host/t.csv"}, false, nil},
		"a URI, Secret":    {v1alpha1.Source{URI: "https://host/t.csv", CredentialsSecretRef: &v1alpha1.LocalReference{Name: "login"}}, false, []string{protocol.CredentialsDir}},
		"a Secret's URI":   {v1alpha1.Source{URISecretRef: &v1alpha1.KeyReference{Name: "uri", Key: "uri"}}, false, []string{protocol.SourceURIDir}},
		"an own authority": {v1alpha1.Source{URI: "https://host/t.csv"}, true, []string{protocol.AuthorityDir}},
	} {
		pod := work(func(w *jobs.Builder) {
			w.Source = tc.source
			if tc.ca {
				w.Authority = &v1alpha1.KeyReference{Name: "ca", Key: "ca.crt"}
			}
		}).Prepare("a").Spec.Template.Spec
		var got []string
		for _, v := range pod.Volumes {
			got = append(got, v.Name)
		}
		if want := append([]string{protocol.TaskDir, protocol.KeyDir}, tc.want...); !slices.Equal(got, want) {
			t.Errorf("%s: the folders are %v, want %v", name, got, want)
		}
	}
}

// What every pod says while it starts is no fault.
func TestAPodThatStartsWaitsForNothing(t *testing.T) {
	for reason, told := range map[string]bool{"ContainerCreating": false, "PodInitializing": false, "ImagePullBackOff": true} {
		s := jobs.Observe(work().Upload("key", "id", 1), []corev1.Pod{pod(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}})})
		if got := strings.Contains(s.Note, reason); got != told || s.Phase != jobs.Running {
			t.Errorf("%s: %+v", reason, s)
		}
	}
}
