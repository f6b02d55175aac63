package controllers_test

import (
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
)

var _ = Describe("A token that the service refuses", func() {
	It("stalls its agent as soon as a session meets it, until the Secret is corrected", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		agent := w.agent()
		Eventually(w.ready).WithArguments(agent).Should(saying(metav1.ConditionTrue, v1alpha1.ReasonReady), "the token was good")
		w.comesTo(w.apply(called("first")), reached(v1alpha1.ReasonCompleted), "the token was good")
		w.table("table.csv", 40)
		front.answer(refuse(http.StatusUnauthorized, func(r *http.Request) bool {
			return strings.Contains(r.Header.Get("Authorization"), bearer)
		}))
		s := w.apply()
		Eventually(w.ready).WithArguments(agent).
			Should(saying(metav1.ConditionFalse, v1alpha1.ReasonCredentialsRefused, "spec.auth"), "a session has met the refusal")
		Expect(kstatusOf(agent)).To(BeEquivalentTo("Failed"))
		front.heal()
		Expect(kube.Update(ctx, &corev1.Secret{ObjectMeta: w.named("token"), Data: map[string][]byte{"token": []byte(bearer), "note": []byte("granted again")}})).To(Succeed())
		Eventually(w.ready).WithArguments(agent).Should(saying(metav1.ConditionTrue, v1alpha1.ReasonReady), "the Secret is looked at")
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the agent is back")
	})
})
