package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// update changes an object as it is now.
func update[O client.Object](w *testEnv, o O, change func(O)) {
	GinkgoHelper()
	Eventually(func() error {
		if err := w.gets(o); err != nil {
			return err
		}
		change(o)
		return kube.Update(w.ctx, o)
	}).Should(Succeed(), "nobody else writes it for long")
}

var _ = Describe("Advice in a message can be followed:", func() {
	It("the agent's workers are changed for a source that pods cannot read", func(ctx SpecContext) {
		w := newTestEnv(ctx, inPods)
		w.table("table.csv", 20)
		s := w.apply()
		w.comesTo(s, stuck(v1alpha1.ReasonWorkersUnavailable), "pods have no --source-root")
		Expect(message(s)).To(ContainSubstring("spec.workers.mode Manager in ExactMatchUploadAgent"))
		update(w, w.agent(), func(a *v1alpha1.ExactMatchUploadAgent) { a.Spec.Workers.Mode = v1alpha1.WorkersModeManager })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the manager reads it")
	})

	It("the agent allows the scheme of the source", func(ctx SpecContext) {
		w := newTestEnv(ctx, func(o client.Object) {
			if agent, ok := o.(*v1alpha1.ExactMatchUploadAgent); ok {
				agent.Spec.Allow.SourceSchemes = []string{"https"}
			}
		})
		s := w.aSession().(*v1alpha1.ExactMatchSession)
		w.comesTo(s, stuck(v1alpha1.ReasonSchemeNotAllowed), "file is not among the schemes")
		Expect(message(s)).To(ContainSubstring("add file to spec.allow.sourceSchemes"))
		update(w, w.agent(), func(a *v1alpha1.ExactMatchUploadAgent) { a.Spec.Allow.SourceSchemes = []string{"https", "file"} })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "it is now")
	})

	It("a column of the store is corrected for a table that has another", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.file("table.csv", "ID,Mail,City\n1,a@example.com,Oslo\n")
		s := w.apply()
		w.comesTo(s, stuck(v1alpha1.ReasonMissingColumn), "the header has no E-Mail")
		Expect(message(s)).To(And(ContainSubstring("sourceName"), ContainSubstring("change spec.restartToken")))
		update(w, w.store(), func(store *v1alpha1.ExactMatchDataStore) { store.Spec.Columns[1].SourceName = "Mail" })
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.RestartToken = "the store is corrected" })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the header has it")
	})

	It("spec.auth is set where the service asks for a token", func(ctx SpecContext) {
		w := newTestEnv(ctx, func(o client.Object) {
			if agent, ok := o.(*v1alpha1.ExactMatchUploadAgent); ok {
				agent.Spec.Auth = v1alpha1.Auth{}
			}
		})
		agent := w.agent()
		Eventually(w.ready).WithArguments(agent).Should(saying(metav1.ConditionFalse, v1alpha1.ReasonCredentialsRefused, "spec.auth of the upload agent, or the Secret or identity that it names"), "there is no Secret to correct")
		update(w, agent, func(a *v1alpha1.ExactMatchUploadAgent) { a.Spec.Auth = w.agent().Spec.Auth })
		Eventually(w.ready).WithArguments(agent).Should(saying(metav1.ConditionTrue, v1alpha1.ReasonReady), "it names the token")
	})

	It("the session that a store waits for is committed", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s, store := w.sealed(), w.store()
		Expect(kube.Delete(ctx, store)).To(Succeed())
		Eventually(w.ready).WithArguments(store).Should(saying(metav1.ConditionUnknown, v1alpha1.ReasonDeleting, "commit"), "the remote session is sealed")
		w.change(s, desired(v1alpha1.DesiredCommitted))
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the store is still there")
		w.goneSoon(store, "nothing is left to wait for")
	})
})
