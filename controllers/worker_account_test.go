package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// under lets the pods of the environment's agent run under a ServiceAccount.
func under(name string) func(client.Object) {
	return func(o client.Object) {
		inPods(o)
		if agent, ok := o.(*v1alpha1.ExactMatchUploadAgent); ok {
			agent.Spec.Workers.Template = &v1alpha1.WorkersTemplate{ServiceAccountName: name}
		}
	}
}

// A tenant who may write upload agents could otherwise run pods as any ServiceAccount
// of the namespace, with what its cloud identity may read.
var _ = Describe("The ServiceAccount of workers", func() {
	It("has to carry the label that makes it one for workers", func(ctx SpecContext) {
		w := newTestEnv(ctx, under("deployer"))
		n := w.node()
		n.claim("exports", corev1.ReadOnlyMany, rowsOf(20))
		account := &corev1.ServiceAccount{ObjectMeta: w.named("deployer")}
		account.Labels = map[string]string{"exactmatch.dev/worker": "false"}
		Expect(kube.Create(ctx, account)).To(Succeed())
		s := w.apply(onClaim("exports"))
		w.comesTo(s, stuck(v1alpha1.ReasonNotPermitted), "it is not for workers")
		Expect(message(s)).To(And(ContainSubstring(`ServiceAccount "deployer"`), ContainSubstring(`exactmatch.dev/worker: "true"`), ContainSubstring(`ExactMatchUploadAgent "agent"`)))
		Expect(n.Ran()).To(BeEmpty(), "no pod has run as it")
		Expect(w.remotes()).To(BeEmpty(), "nothing was spent")
		w.nothingLeft(s)
		account.Labels["exactmatch.dev/worker"] = "true"
		Expect(kube.Update(ctx, account)).To(Succeed())
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the label is noticed")
		for _, pod := range n.Ran() {
			Expect(pod.Spec.ServiceAccountName).To(Equal("deployer"))
			Expect(pod.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
		}
	})

	It("is waited for", func(ctx SpecContext) {
		w := newTestEnv(ctx, under("reader"))
		w.node().claim("exports", corev1.ReadOnlyMany, rowsOf(20))
		s := w.apply(onClaim("exports"))
		w.comesTo(s, stuck(v1alpha1.ReasonAccountNotFound), "it does not exist")
		Expect(message(s)).To(And(ContainSubstring(`ServiceAccount "reader"`), ContainSubstring("create it"), ContainSubstring("exactmatch.dev/worker")))
		account := &corev1.ServiceAccount{ObjectMeta: w.named("reader")}
		account.Labels = map[string]string{"exactmatch.dev/worker": "true"}
		Expect(kube.Create(ctx, account)).To(Succeed())
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "it is there")
	})

	It("is the namespace's default where the agent names none", func(ctx SpecContext) {
		w := newTestEnv(ctx, inPods)
		n := w.node()
		n.claim("exports", corev1.ReadOnlyMany, rowsOf(20))
		w.comesTo(w.apply(onClaim("exports")), reached(v1alpha1.ReasonCompleted), "it needs no label")
		for _, pod := range n.Ran() {
			Expect(pod.Spec.ServiceAccountName).To(BeEmpty())
			Expect(pod.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
		}
	})
})
