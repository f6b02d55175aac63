package faults_test

import (
	"os"
	"path/filepath"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"exactmatch.dev/operator/api/v1alpha1"
)

// reviewSteps commit what is sealed after its source has changed: what was reviewed
// is published all the same.
func reviewSteps() []step {
	return []step{
		reviewed("reviewed-https", func(*testEnv, *v1alpha1.ExactMatchSession) {}, func(w *testEnv) { w.proxy.changeSource(tableOf("changed", 2*tableRows)) }),
		alone(reviewed("reviewed-https-gone", func(*testEnv, *v1alpha1.ExactMatchSession) {}, func(w *testEnv) { w.proxy.changeSource("") })),
		alone(reviewed("reviewed-configmap", fromConfigMap, func(w *testEnv) {
			w.Expect(kube.Update(w.ctx, w.tableObject("changed"))).To(Succeed())
		})),
		alone(reviewed("reviewed-configmap-gone", fromConfigMap, func(w *testEnv) {
			w.Expect(kube.Delete(w.ctx, w.tableObject("new"))).To(Succeed())
		})),
		alone(reviewed("reviewed-file", fromFile, func(w *testEnv) { w.writeFile(tableOf("changed", 2*tableRows)) })),
		alone(reviewed("reviewed-file-gone", fromFile, func(w *testEnv) {
			w.Expect(os.Remove(filepath.Join(w.files, w.namespace, "table.csv"))).To(Succeed())
		})),
	}
}

// alone: the step is not crossed with what strikes the manager.
func alone(s step) step {
	s.alone = true
	return s
}

// reviewed seals a table and changes its source; the step is the commit.
func reviewed(name string, source func(*testEnv, *v1alpha1.ExactMatchSession), change func(*testEnv)) step {
	return forward(step{
		name: name, call: posts("/commit"), answersNothing: true, quiet: true,
		before: func(w *testEnv) {
			applyUploaded(func(s *v1alpha1.ExactMatchSession) { source(w, s) })(w)
			change(w)
		},
		begin: func(w *testEnv) {
			w.change(func(s *v1alpha1.ExactMatchSession) { s.Spec.DesiredState = v1alpha1.DesiredCommitted })
		},
		write: on(func(s *v1alpha1.ExactMatchSession) bool { return s.Status.CommitRequestedTime != nil }),
	})
}

func (w *testEnv) tableObject(edition string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: w.named("table"), Data: map[string]string{"table.csv": tableOf(edition, tableRows)}}
}

func fromConfigMap(w *testEnv, s *v1alpha1.ExactMatchSession) {
	w.Expect(kube.Create(w.ctx, w.tableObject("new"))).To(Succeed())
	s.Spec.Source = v1alpha1.Source{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "table", Key: "table.csv"}}
}

func fromFile(w *testEnv, s *v1alpha1.ExactMatchSession) {
	w.writeFile(tableOf("new", tableRows))
	s.Spec.Source = v1alpha1.Source{URI: "file:///table.csv"}
}

func (w *testEnv) writeFile(text string) {
	w.t.Helper()
	w.Expect(os.MkdirAll(filepath.Join(w.files, w.namespace), 0o750)).To(Succeed())
	w.Expect(os.WriteFile(filepath.Join(w.files, w.namespace, "table.csv"), []byte(text), 0o600)).To(Succeed())
}

// changeSource changes what the source holds; "" takes it away.
func (f *faultProxy) changeSource(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.source, f.etag = []byte(text), `"two"`
}
