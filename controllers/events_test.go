package controllers_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// warnings counts by reason the Warning events about an object, repeated ones as
// often as they were.
func (w *testEnv) warnings(o client.Object) map[string]int {
	list := &corev1.EventList{}
	if err := kube.List(w.ctx, list, client.InNamespace(w.namespace)); err != nil {
		return nil
	}
	counts := map[string]int{}
	for _, e := range list.Items {
		if e.InvolvedObject.UID != o.GetUID() || e.Type != corev1.EventTypeWarning {
			continue
		}
		counts[e.Reason]++
		if e.Series != nil {
			counts[e.Reason] += int(e.Series.Count)
		}
	}
	return counts
}

// logged counts the lines of the manager's log about an object and a reason.
func (w *testEnv) logged(kind, reason string) func() int {
	return func() int {
		count := 0
		for _, line := range managerLines.about(w.namespace) {
			if strings.Contains(line, `"`+kind+`"={`) && strings.Contains(line, `"reason"="`+reason+`"`) {
				count++
			}
		}
		return count
	}
}

var _ = Describe("What somebody must repair", func() {
	DescribeTable("is told once, in an event and in the log", func(ctx SpecContext, kind string, of func(*testEnv) client.Object, missing string) {
		w := newTestEnv(ctx, without[*corev1.Secret](missing))
		o := of(w)
		Eventually(w.ready).WithArguments(o).Should(saying(metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound), "the Secret does not come")
		Eventually(w.warnings).WithArguments(o).Should(HaveKeyWithValue(v1alpha1.ReasonSecretNotFound, 1), "somebody is told")
		lines := w.logged(kind, v1alpha1.ReasonSecretNotFound)()
		Expect(lines).To(BeNumerically(">", 0), "the log has it too")
		Consistently(w.warnings).WithArguments(o).Should(HaveKeyWithValue(v1alpha1.ReasonSecretNotFound, 1), "nothing has changed")
		Expect(w.logged(kind, v1alpha1.ReasonSecretNotFound)()).To(Equal(lines), "the log does not repeat it")
		Expect(kube.Create(ctx, &corev1.Secret{ObjectMeta: w.named(missing), Data: map[string][]byte{"another": nil}})).To(Succeed())
		Eventually(w.ready).WithArguments(o).Should(saying(metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound, "no key"), "a key of it is missing now")
		Eventually(w.warnings).WithArguments(o).Should(HaveKeyWithValue(v1alpha1.ReasonSecretNotFound, 2), "that is another thing to repair")
	},
		Entry("of a session", "ExactMatchSession", (*testEnv).aSession, "key"),
		Entry("of a data store", "ExactMatchDataStore", func(w *testEnv) client.Object { return w.store() }, "key"),
		Entry("of an upload agent", "ExactMatchUploadAgent", func(w *testEnv) client.Object { return w.agent() }, "token"),
	)

	It("is told of an outcome whose message is longer than an event may be", func(ctx SpecContext) {
		w := newTestEnv(ctx, func(o client.Object) {
			if store, ok := o.(*v1alpha1.ExactMatchDataStore); ok {
				for n := range 29 {
					store.Spec.Columns = append(store.Spec.Columns, v1alpha1.Column{Name: fmt.Sprintf("C%060d", n)})
				}
			}
		})
		w.table("table.csv", 20)
		s := w.apply(func(s *v1alpha1.ExactMatchSession) { s.Spec.Fields = []string{"ID"} })
		w.comesTo(s, stuck(v1alpha1.ReasonHeld), "columns are left out")
		Expect(len(message(s))).To(BeNumerically(">", 1024))
		Eventually(w.warnings).WithArguments(s).Should(HaveKeyWithValue(v1alpha1.ReasonHeld, 1), "the API server takes the event")
	})
})
