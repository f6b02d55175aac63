package controllers_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

var _ = Describe("Workers in pods of a session", func() {
	// The job controller names pods after the Job and their index, as host names:
	// what a session may be called is more than that.
	DescribeTable("take every name that a session may have", func(ctx SpecContext, names ...string) {
		w := newTestEnv(ctx, inPods)
		n := w.node()
		n.claim("exports", corev1.ReadOnlyMany, rowsOf(100))
		for i, name := range names {
			s := w.apply(called(name), onClaim("exports"), func(s *v1alpha1.ExactMatchSession) { s.Spec.RowsPerBlock = int32(10 + i) })
			w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the name is a legal one")
			Eventually(w.events).WithArguments(s).Should(ContainElement(v1alpha1.ReasonJobCreated), "the event's name is legal too")
		}
		Expect(w.states()).To(HaveLen(len(names)))
		Expect(w.states()).To(HaveEach(edm.StateCompleted))
	},
		Entry("with dots", "patients.2026-03.csv"),
		Entry("that begins with a digit", "2026.03"),
		Entry("of 63 characters", strings.Repeat("a", 63)),
		Entry("of 253 characters that differ in the last", strings.Repeat("a.", 126)+"a", strings.Repeat("a.", 126)+"b"),
	)
})

var _ = Describe("A Job that the API server refuses", func() {
	It("says which part of the agent's template is wrong", func(ctx SpecContext) {
		w := newTestEnv(ctx, inPods, func(o client.Object) {
			if agent, ok := o.(*v1alpha1.ExactMatchUploadAgent); ok {
				agent.Spec.Workers.Template = &v1alpha1.WorkersTemplate{PriorityClassName: "Not A Name"}
			}
		})
		w.node().claim("exports", corev1.ReadOnlyMany, rowsOf(20))
		s := w.apply(onClaim("exports"))
		w.comesTo(s, stuck(v1alpha1.ReasonWorkersUnavailable), "the template makes no pod")
		Expect(message(s)).To(And(ContainSubstring("priorityClassName"), ContainSubstring(`correct spec.workers.template of ExactMatchUploadAgent "agent"`)))
	})
})
