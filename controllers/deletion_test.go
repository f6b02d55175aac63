package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// seconds is what a person waits for at a prompt: less than any interval at which
// an object that nothing wakes looks by itself.
const seconds = 5 * time.Second

// sealed is a session whose remote session is sealed and not committed.
func (w *testEnv) sealed() *v1alpha1.ExactMatchSession {
	GinkgoHelper()
	w.table("table.csv", 30)
	s := w.apply(desired(v1alpha1.DesiredUploaded))
	w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
	return s
}

// gets reads an object as it is now.
func (w *testEnv) gets(o client.Object) error {
	return kube.Get(w.ctx, client.ObjectKeyFromObject(o), o)
}

// ready is the condition Ready of a store or an agent as it is now; nil where
// there is none yet.
func (w *testEnv) ready(o client.Object) (*metav1.Condition, error) {
	if err := w.gets(o); err != nil {
		return nil, err
	}
	switch o := o.(type) {
	case *v1alpha1.ExactMatchDataStore:
		return meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady), nil
	case *v1alpha1.ExactMatchUploadAgent:
		return meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady), nil
	case *v1alpha1.ExactMatchSession:
		return meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady), nil
	}
	return nil, nil
}

// saying matches a condition of a status and reason whose message has words.
func saying(status metav1.ConditionStatus, reason string, words ...string) types.GomegaMatcher {
	matchers := []types.GomegaMatcher{HaveField("Status", status), HaveField("Reason", reason)}
	for _, w := range words {
		matchers = append(matchers, HaveField("Message", ContainSubstring(w)))
	}
	return HaveValue(And(matchers...))
}

// goneSoon waits until an object is deleted, and not for longer than a person does.
func (w *testEnv) goneSoon(o client.Object, because string) {
	GinkgoHelper()
	Eventually(func() bool { return apierrors.IsNotFound(w.gets(o)) }).WithTimeout(seconds).Should(BeTrue(), because)
}

var _ = Describe("Deletion", func() {
	It("of everything at once takes seconds, and cancels what is sealed", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s, store, agent := w.sealed(), w.store(), w.agent()
		for _, o := range []client.Object{s, store, agent} {
			Expect(kube.Delete(ctx, o)).To(Succeed())
		}
		for _, o := range []client.Object{s, store, agent} {
			w.goneSoon(o, "what it waited for wakes it when it goes")
		}
		Expect(w.states()).To(Equal([]edm.State{edm.StateCancelled}))
	})

	It("of an agent waits for its stores, and of a store for what is sealed", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s, store, agent := w.sealed(), w.store(), w.agent()
		Expect(kube.Delete(ctx, agent)).To(Succeed())
		Eventually(w.ready).WithArguments(agent).
			Should(saying(metav1.ConditionUnknown, v1alpha1.ReasonDeleting, `ExactMatchDataStore "store"`, "delete"), "the store cannot do without it")
		Expect(kube.Delete(ctx, store)).To(Succeed())
		Eventually(w.ready).WithArguments(store).
			Should(saying(metav1.ConditionUnknown, v1alpha1.ReasonDeleting, `ExactMatchSession "session"`, "commit, cancel or delete"), "its remote session is not finished")
		Consistently(func() error { return w.gets(agent) }).Should(Succeed(), "the store is still there")
		Expect(kube.Delete(ctx, s)).To(Succeed())
		for _, o := range []client.Object{s, store, agent} {
			w.goneSoon(o, "nothing is left to wait for")
		}
		Expect(w.states()).To(Equal([]edm.State{edm.StateCancelled}))
	})

	It("of a store does not wait for a session that has ended", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s, store := w.sealed(), w.store()
		w.change(s, desired(v1alpha1.DesiredCommitted))
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the desired state is Committed now")
		Expect(kube.Delete(ctx, store)).To(Succeed())
		w.goneSoon(store, "a completed session needs it no more")
	})

	It("of an agent waits for a store that nobody uses", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		agent, store := w.agent(), w.store()
		Eventually(func() (string, error) { err := w.gets(store); return store.Status.ID, err }).ShouldNot(BeEmpty(), "the remote store is there")
		Expect(kube.Delete(ctx, agent)).To(Succeed())
		Consistently(func() error { return w.gets(agent) }).Should(Succeed(), "the store refers to it")
		Expect(kube.Delete(ctx, store)).To(Succeed())
		w.goneSoon(agent, "the last store has gone")
	})
})
