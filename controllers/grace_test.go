package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// What is applied together comes in any order: what is not there yet is no reason
// to fail.
var _ = Describe("An object whose dependency is not there yet", func() {
	DescribeTable("waits for it before it is Stalled", func(ctx SpecContext, reason, words string, of func(*testEnv) client.Object, changes ...func(client.Object)) {
		w := newTestEnv(ctx, changes...)
		o := of(w)
		Eventually(w.ready).WithArguments(o).Should(saying(metav1.ConditionUnknown, reason, words, "the operator waits for it until", " UTC"), "it may come")
		Expect(kstatusOf(o)).To(BeEquivalentTo("InProgress"))
		Eventually(w.ready).WithArguments(o).Should(saying(metav1.ConditionFalse, reason, words), "the grace has passed")
		Expect(kstatusOf(o)).To(BeEquivalentTo("Failed"))
		condition, err := w.ready(o)
		Expect(err).NotTo(HaveOccurred())
		Expect(condition.Message).NotTo(ContainSubstring("waits for it"))
	},
		Entry("a session's store", v1alpha1.ReasonDataStoreNotFound, `"store"`, (*testEnv).aSession, without[*v1alpha1.ExactMatchDataStore]("store")),
		Entry("a session's claim", v1alpha1.ReasonClaimNotFound, `"exports"`, func(w *testEnv) client.Object { return w.apply(onClaim("exports")) }, inPods),
		Entry("a session's ConfigMap", v1alpha1.ReasonConfigMapNotFound, `"tables"`, func(w *testEnv) client.Object {
			return w.apply(func(s *v1alpha1.ExactMatchSession) {
				s.Spec.Source = v1alpha1.Source{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "tables", Key: "t.csv"}}
			})
		}),
		Entry("a session's key of a Secret", v1alpha1.ReasonSecretNotFound, `no key "uri"`, func(w *testEnv) client.Object {
			return w.apply(func(s *v1alpha1.ExactMatchSession) {
				s.Spec.Source = v1alpha1.Source{URISecretRef: &v1alpha1.KeyReference{Name: "token", Key: "uri"}}
			})
		}),
		Entry("a store's agent", v1alpha1.ReasonUploadAgentNotFound, `"agent"`, func(w *testEnv) client.Object { return w.store() }, without[*v1alpha1.ExactMatchUploadAgent]("agent")),
		Entry("a store's key", v1alpha1.ReasonSecretNotFound, `"key"`, func(w *testEnv) client.Object { return w.store() }, without[*corev1.Secret]("key")),
		Entry("an agent's token", v1alpha1.ReasonSecretNotFound, `"token"`, func(w *testEnv) client.Object { return w.agent() }, without[*corev1.Secret]("token")),
	)

	It("goes on at once when it comes", func(ctx SpecContext) {
		w := newTestEnv(ctx, without[*v1alpha1.ExactMatchDataStore]("store"))
		s := w.aSession().(*v1alpha1.ExactMatchSession)
		w.comesTo(s, underWay(v1alpha1.ReasonDataStoreNotFound), "the store may come")
		Expect(s.Status.ConsecutiveFailures).To(BeZero(), "to wait is no failure")
		Expect(kube.Create(ctx, w.store())).To(Succeed())
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the store wakes it")
	})
})

// aSession is a session of a good table.
func (w *testEnv) aSession() client.Object {
	GinkgoHelper()
	w.table("table.csv", 20)
	return w.apply()
}
