package controllers_test

import (
	"context"
	"sync"

	fluxstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/testkit/judges"
)

// argo and flux judge by what config ships.
var (
	argo = sync.OnceValues(func() (*judges.Argo, error) { return judges.NewArgo("..") })
	flux = sync.OnceValues(func() (judges.Flux, error) { return judges.NewFlux("..") })
)

// judged holds an object's state against Argo CD and Flux: what kstatus calls Current
// is green there, and nothing else is.
func judged(o client.Object, content map[string]any, want fluxstatus.Status) {
	GinkgoHelper()
	kind, err := apiutil.GVKForObject(o, kube.Scheme())
	Expect(err).NotTo(HaveOccurred())
	u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(content)}
	u.SetGroupVersionKind(kind)
	a, err := argo()
	Expect(err).NotTo(HaveOccurred())
	health, err := a.Health(u)
	Expect(err).NotTo(HaveOccurred())
	Expect(health.Status).To(BeElementOf(argoCodes(want)), "Argo CD says %s (%s) of what kstatus calls %s", health.Status, health.Message, want)
	Expect(health.Message).NotTo(BeEmpty())
	if o.GetDeletionTimestamp() != nil {
		return // Flux does not ask of what is being deleted
	}
	f, err := flux()
	Expect(err).NotTo(HaveOccurred())
	got, err := f.Health(context.Background(), u)
	Expect(err).NotTo(HaveOccurred())
	Expect(got).To(Equal(want), "Flux's expressions")
}

// argoCodes are the health codes that a kstatus may have.
func argoCodes(s fluxstatus.Status) []string {
	switch s {
	case fluxstatus.CurrentStatus:
		return []string{"Healthy", "Suspended"}
	case fluxstatus.FailedStatus:
		return []string{"Degraded", "Suspended"}
	}
	return []string{"Progressing"}
}

// offered are Argo CD's actions that can be run on a session as it is.
func (w *testEnv) offered(s *v1alpha1.ExactMatchSession) (names []string) {
	GinkgoHelper()
	a, err := argo()
	Expect(err).NotTo(HaveOccurred())
	offered, err := a.Actions(w.unstructured(s))
	Expect(err).NotTo(HaveOccurred())
	for name, enabled := range offered {
		if enabled {
			names = append(names, name)
		}
	}
	return names
}

// act runs one of Argo CD's actions and writes what it makes, as Argo CD does.
func (w *testEnv) act(s *v1alpha1.ExactMatchSession, name string) {
	GinkgoHelper()
	a, err := argo()
	Expect(err).NotTo(HaveOccurred())
	before := w.unstructured(s)
	after, err := a.Do(name, before)
	Expect(err).NotTo(HaveOccurred())
	spec, found, err := unstructured.NestedMap(after.Object, "spec")
	Expect(err).NotTo(HaveOccurred())
	Expect(found).To(BeTrue())
	w.change(s, func(s *v1alpha1.ExactMatchSession) {
		Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(spec, &s.Spec)).To(Succeed())
	})
}

func (w *testEnv) unstructured(s *v1alpha1.ExactMatchSession) *unstructured.Unstructured {
	GinkgoHelper()
	Expect(kube.Get(w.ctx, client.ObjectKeyFromObject(s), s)).To(Succeed())
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(s)
	Expect(err).NotTo(HaveOccurred())
	return &unstructured.Unstructured{Object: content}
}

var _ = Describe("Argo CD's actions", func() {
	It("approve a reviewed table, and nothing after that", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		Expect(w.offered(s)).To(ConsistOf("approve", "cancel", "retry"))
		w.act(s, "approve")
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the commit was approved")
		Expect(s.Spec.Checksum).To(Equal(s.Status.PreparedChecksum), "what was reviewed is pinned")
		Expect(w.offered(s)).To(ConsistOf("retry"))
	})

	It("approve what a guard holds", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		w.comesTo(w.apply(), reached(v1alpha1.ReasonCompleted), "a good table goes live")
		w.table("second.csv", 3)
		s := w.apply(called("second"), func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///second.csv" })
		w.comesTo(s, stuck(v1alpha1.ReasonHeld), "too few rows")
		Expect(w.health(s).Status).To(Equal("Suspended"), "a person decides")
		Expect(w.offered(s)).To(ConsistOf("approve", "cancel", "retry"))
		w.act(s, "approve")
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "fewer rows are meant")
	})

	It("cancel, and retry what failed", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		Expect(edmService.Sessions().Cancel(ctx, s.Status.DatastoreID, s.Status.ID)).To(Succeed())
		w.comesTo(s, stuck(v1alpha1.ReasonCancelledRemotely), "somebody cancelled it")
		Expect(w.health(s).Status).To(Equal("Degraded"))
		Expect(w.offered(s)).To(ConsistOf("cancel", "retry"))
		w.act(s, "retry")
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "it is uploaded anew")
		w.act(s, "cancel")
		w.comesTo(s, reached(v1alpha1.ReasonCancelled), "as it was asked")
		Expect(w.offered(s)).To(BeEmpty())
	})
})

// health is what Argo CD shows of a session.
func (w *testEnv) health(s *v1alpha1.ExactMatchSession) judges.Health {
	GinkgoHelper()
	a, err := argo()
	Expect(err).NotTo(HaveOccurred())
	health, err := a.Health(w.unstructured(s))
	Expect(err).NotTo(HaveOccurred())
	return health
}
