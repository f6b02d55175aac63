package controllers_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// A content key of an earlier version of the operator says nothing about what
// it names: it is neither the same nor different.
var _ = Describe("A content key of an earlier version", func() {
	// earlier turns what a session keeps into what an earlier version has written.
	earlier := func(w *testEnv, s *v1alpha1.ExactMatchSession) {
		GinkgoHelper()
		Expect(kube.Get(w.ctx, client.ObjectKeyFromObject(s), s)).To(Succeed())
		key := "sha256:" + strings.Repeat("0f", 32)
		s.Status.ContentKey, s.Status.Intent.ContentKey, s.Status.ObservedSpecHash = key, key, "0123456789abcdef"
		Expect(kube.Status().Update(w.ctx, s)).To(Succeed())
		front.answer(rewriteShown(`("contentKey":")[^"]*("[^{}\[\]]*"sessionId":"`+s.Status.ID+`")`, "${1}"+key+"${2}"))
	}

	It("is committed as it stands where it is sealed", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		earlier(w, s)
		id := s.Status.ID
		w.change(s, desired(v1alpha1.DesiredCommitted))
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the desired state is Committed now")
		Expect(s.Status.ID).To(Equal(id), "the sealed session was committed")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}), "nothing was superseded or uploaded again")
	})

	It("is superseded where another reading is asked for", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		earlier(w, s)
		w.change(s, func(s *v1alpha1.ExactMatchSession) {
			s.Spec.DesiredState, s.Spec.RestartToken = v1alpha1.DesiredCommitted, "read it again"
		})
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the desired state is Committed now")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCancelled, edm.StateCompleted}))
	})

	It("is uploaded once more where it is live, and once only", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		store := w.store()
		Eventually(func() (*v1alpha1.LiveTable, error) { err := w.gets(store); return store.Status.Live, err }).ShouldNot(BeNil(), "the store shows it")
		earlier(w, s)
		w.stays(s, reached(v1alpha1.ReasonCompleted), "nothing asks for another reading")
		again := w.apply(called("again"))
		w.comesTo(again, reached(v1alpha1.ReasonCompleted), "whether this content is live cannot be told")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted, edm.StateCompleted}))
		third := w.apply(called("third"))
		w.comesTo(third, reached(v1alpha1.ReasonAlreadyUploaded), "the key that is live now is known")
	})
})
