package roles_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// TestInstallsAreAdmitted has the API server judge, field by field, what each way to
// install would create: every component of kustomize and each snapshot of the chart.
func TestInstallsAreAdmitted(t *testing.T) {
	components, err := filepath.Glob("../../config/components/*")
	if err != nil || len(components) < 8 {
		t.Fatalf("components %v, %v", components, err)
	}
	for _, component := range components {
		name := filepath.Base(component)
		if name == "namespaced" || name == "workers" {
			continue // TestNamespaced and TestDefault run them
		}
		t.Run(name, func(t *testing.T) { admitted(t, withComponent(t, name)) })
	}
	snapshots, err := filepath.Glob("../chart/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, file := range snapshots {
		if strings.HasSuffix(file, ".values.yaml") {
			continue
		}
		judged++
		t.Run(filepath.Base(file), func(t *testing.T) { admitted(t, objectsIn(t, file)) })
	}
	if judged == 0 {
		t.Error("the chart has no snapshot")
	}
}

func objectsIn(t *testing.T, file string) []*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []*unstructured.Unstructured
	for one := range strings.SplitSeq(strings.TrimPrefix(string(text), "---\n"), "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(one), &o.Object); err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

// admitted creates each object in a dry run that refuses unknown fields. Of
// cert-manager's and Prometheus' kinds the API server has no schema.
func admitted(t *testing.T, all []*unstructured.Unstructured) {
	t.Helper()
	g, judged := NewWithT(t), 0
	for _, o := range all {
		if _, err := kube.RESTMapper().RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version); meta.IsNoMatchError(err) {
			g.Expect(o.GroupVersionKind().Group).To(BeElementOf("cert-manager.io", "monitoring.coreos.com"), "%s %s", o.GetKind(), o.GetName())
			continue
		}
		if namespace := o.GetNamespace(); namespace != "" {
			g.Expect(client.IgnoreAlreadyExists(kube.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))).To(Succeed())
		}
		err := kube.Create(t.Context(), o.DeepCopy(), client.DryRunAll, &client.CreateOptions{Raw: &metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict}})
		g.Expect(client.IgnoreAlreadyExists(err)).To(Succeed(), "%s %s", o.GetKind(), o.GetName())
		judged++
	}
	g.Expect(judged).To(BeNumerically(">", 8), "objects that the API server judged")
}
