package controllers_test

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// late brings a session to where a create that was given up turns up after all:
// it is held, its intent says that a create was never answered, and the service
// has the session that it made.
func late(w *testEnv) *v1alpha1.ExactMatchSession {
	GinkgoHelper()
	w.table("table.csv", 30)
	s := w.apply(desired(v1alpha1.DesiredUploaded), func(s *v1alpha1.ExactMatchSession) { s.Spec.Fields = []string{"ID"} })
	w.comesTo(s, stuck(v1alpha1.ReasonHeld), "columns are left out")
	before := s.DeepCopy()
	s.Status.Intent = &v1alpha1.CreateIntent{ContentKey: s.Status.ContentKey, Instance: "the-suite", Time: metav1.Now(), Unanswered: true}
	Expect(kube.Status().Patch(w.ctx, s, client.MergeFrom(before))).To(Succeed())
	agent := w.agent()
	Expect(kube.Get(w.ctx, client.ObjectKeyFromObject(agent), agent)).To(Succeed())
	rows, blocks := int32(10), int32(3)
	_, err := edmService.Sessions().Create(w.ctx, w.readStore().Status.ID, edm.Session{
		UploadAgentID: agent.Status.ID, Fields: []string{"ID"}, FileName: "table.csv", Checksum: s.Status.PreparedChecksum,
		RowsPerBlock: &rows, TotalBlockCount: &blocks, KeyID: s.Status.KeyID, ContentKey: s.Status.ContentKey,
	}, "late")
	Expect(err).NotTo(HaveOccurred())
	return s
}

var _ = Describe("A create whose session turns up late", func() {
	It("is cancelled before its object is deleted", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s := late(w)
		Expect(kube.Delete(ctx, s)).To(Succeed())
		w.gone(s, "nothing holds it")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCancelled}))
	})

	It("is cancelled before its object says Cancelled", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s := late(w)
		w.change(s, desired(v1alpha1.DesiredCancelled))
		w.comesTo(s, reached(v1alpha1.ReasonCancelled), "as spec asks")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCancelled}))
	})

	It("is cancelled before other content is planned", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s := late(w)
		w.table("other.csv", 40)
		w.change(s, func(s *v1alpha1.ExactMatchSession) {
			s.Spec.Source.URI, s.Spec.Fields, s.Spec.DesiredState = "file:///other.csv", nil, v1alpha1.DesiredCommitted
		})
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the other content goes live")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCancelled, edm.StateCompleted}))
	})
})

var _ = Describe("A remote session that ends between a look and a call", func() {
	// before does something to the remote session when a call comes, ahead of it.
	before := func(w *testEnv, call string, do func(edm.Session) error) {
		front.answer(func(_ http.ResponseWriter, r *http.Request) bool {
			if posts(call)(r) {
				front.heal()
				Expect(do(w.remotes()[0])).To(Succeed())
			}
			return false
		})
	}

	It("is no refusal of the commit", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		before(w, "/commit", func(one edm.Session) error { return edmService.Sessions().Cancel(ctx, one.DataStoreID, one.ID) })
		s := w.apply()
		w.comesTo(s, stuck(v1alpha1.ReasonCancelledRemotely), "somebody else was faster")
	})

	It("is followed to its end where it was committed, not filed as superseded", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		w.table("other.csv", 40)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		before(w, "/cancel", func(one edm.Session) error { return edmService.Sessions().Commit(ctx, one.DataStoreID, one.ID, nil) })
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///other.csv" })
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "the other content is uploaded")
		Expect(s.Status.History).To(HaveLen(1))
		Expect(s.Status.History[0].Outcome).To(Equal("Completed"))
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted, edm.StateUploadCompleted}))
	})
})
