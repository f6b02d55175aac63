package roles_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"exactmatch.dev/operator/internal/testkit"
)

// withComponent builds config/default with one component more.
func withComponent(t *testing.T, name string) []*unstructured.Unstructured {
	t.Helper()
	folder := filepath.Join(copyOfConfig(t), "default")
	path := filepath.Join(folder, "kustomization.yaml")
	text, err := os.ReadFile(path)
	testkit.Must(t, err)
	const workers = "  - ../components/workers\n"
	if !strings.Contains(string(text), workers) {
		t.Fatal("config/default has no components")
	}
	writeFile(t, path, strings.Replace(string(text), workers, workers+"  - ../components/"+name+"\n", 1))
	return manifests(t, folder)
}

// objectOf finds the object of a kind and a name.
func objectOf(t *testing.T, all []*unstructured.Unstructured, kind, name string, into any) {
	t.Helper()
	for _, o := range all {
		if o.GetKind() == kind && o.GetName() == name {
			testkit.Must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, into))
			return
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
}

// With the component the service has metrics, which the monitor reads by the token that it
// wants; without it there are none.
func TestServiceMetrics(t *testing.T) {
	var set appsv1.StatefulSet
	objectOf(t, manifests(t, "default"), "StatefulSet", "exactmatch-service", &set)
	if args := strings.Join(set.Spec.Template.Spec.Containers[0].Args, " "); strings.Contains(args, "metrics") {
		t.Errorf("without the component the service's arguments are %s", args)
	}
	all := withComponent(t, "service-metrics")
	objectOf(t, all, "StatefulSet", "exactmatch-service", &set)
	pod := set.Spec.Template.Spec
	if args := pod.Containers[0].Args; !slices.Contains(args, "--metrics-listen=:9443") || !slices.Contains(args, "--metrics-token-file=/metrics/token") {
		t.Errorf("the service's arguments are %q", args)
	}
	mounted := slices.ContainsFunc(pod.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == "metrics" && m.MountPath == "/metrics" })
	secret := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "metrics" && v.Secret != nil })
	if !mounted || secret < 0 {
		t.Fatal("the service does not have the token")
	}
	var monitor struct {
		Spec struct {
			PodMetricsEndpoints []struct {
				Port          string `json:"port"`
				Authorization struct {
					Credentials corev1.SecretKeySelector `json:"credentials"`
				} `json:"authorization"`
			} `json:"podMetricsEndpoints"`
		} `json:"spec"`
	}
	objectOf(t, all, "PodMonitor", "exactmatch-service", &monitor)
	ends := monitor.Spec.PodMetricsEndpoints
	named := slices.ContainsFunc(pod.Containers[0].Ports, func(p corev1.ContainerPort) bool { return len(ends) == 1 && p.Name == ends[0].Port })
	if !named || ends[0].Authorization.Credentials.Name != pod.Volumes[secret].Secret.SecretName {
		t.Errorf("the monitor reads %+v", ends)
	}
}

// The backup reads the volume of the service's pod, as its user, beside it.
func TestServiceBackup(t *testing.T) {
	all := withComponent(t, "backup")
	var set appsv1.StatefulSet
	objectOf(t, all, "StatefulSet", "exactmatch-service", &set)
	var job batchv1.CronJob
	objectOf(t, all, "CronJob", "exactmatch-service-backup", &job)
	pod, of := job.Spec.JobTemplate.Spec.Template.Spec, set.Spec.Template.Spec
	var claims []string
	for _, v := range pod.Volumes {
		claims = append(claims, v.PersistentVolumeClaim.ClaimName)
	}
	var claim corev1.PersistentVolumeClaim
	objectOf(t, all, "PersistentVolumeClaim", "exactmatch-service-backup", &claim)
	if want := []string{set.Spec.VolumeClaimTemplates[0].Name + "-" + set.Name + "-0", claim.Name}; !slices.Equal(claims, want) {
		t.Errorf("the backup has the volumes %q, want %q", claims, want)
	}
	if *pod.SecurityContext.RunAsUser != *of.SecurityContext.RunAsUser || pod.Containers[0].Image != of.Containers[0].Image {
		t.Errorf("it runs as %d with %s", *pod.SecurityContext.RunAsUser, pod.Containers[0].Image)
	}
	beside := pod.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].LabelSelector.MatchLabels
	for label, value := range beside {
		if set.Spec.Template.Labels[label] != value {
			t.Errorf("it runs beside pods with %s=%s", label, value)
		}
	}
	for label := range set.Spec.Selector.MatchLabels { // a Job's pods are not the service's
		if job.Spec.JobTemplate.Spec.Template.Labels[label] != set.Spec.Selector.MatchLabels[label] {
			return
		}
	}
	t.Error("the pods of the backup are taken for the service's")
}
