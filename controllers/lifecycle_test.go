package controllers_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

var _ = Describe("A session", func() {
	It("goes from a file to a live table", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 95)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		By("mirroring the remote session")
		remote := w.remotes()
		Expect(remote).To(HaveLen(1))
		Expect(s.Status.ID).To(Equal(remote[0].ID))
		Expect(s.Status.State).To(Equal("Completed"))
		Expect(s.Status.DatastoreID).To(Equal(remote[0].DataStoreID))
		Expect(s.Status.UploadAgentID).To(Equal(remote[0].UploadAgentID))
		Expect(s.Status.Fields).To(Equal([]string{"ID", "Email", "City"}))
		Expect(s.Status.FileName).To(Equal("table.csv"))
		Expect(s.Status.Checksum).To(Equal(remote[0].Checksum))
		Expect(*s.Status.TotalBlockCount).To(BeEquivalentTo(10))
		Expect(*s.Status.RemainingBlockCount).To(BeEquivalentTo(0))
		Expect(*s.Status.TotalJobCount).To(BeNumerically(">", 0))
		Expect(*s.Status.RemainingJobCount).To(BeEquivalentTo(0))
		Expect(s.Status.ProcessingCompletionDateTime).NotTo(BeNil())
		By("telling of what it did")
		Eventually(w.events).WithArguments(s).Should(ContainElements(v1alpha1.ReasonCreating, v1alpha1.ReasonCommitting, v1alpha1.ReasonCompleted),
			"events are the diary of the object")
		By("adding what the operator knows")
		Expect(s.Status.Progress).To(Equal("100%"))
		Expect(*s.Status.Rows).To(BeEquivalentTo(95))
		Expect(s.Status.Revision).To(BeEquivalentTo(1))
		Expect(s.Status.Attempt).To(BeEquivalentTo(1))
		Expect(s.Status.DataUploadURI).NotTo(ContainSubstring("?"), "the signature stays out of status")
		store := &v1alpha1.ExactMatchDataStore{ObjectMeta: w.named("store")}
		Eventually(func(g Gomega) {
			g.Expect(kube.Get(ctx, client.ObjectKeyFromObject(store), store)).To(Succeed())
			g.Expect(store.Status.Live).NotTo(BeNil())
			g.Expect(store.Status.Live.Rows).To(BeEquivalentTo(95))
			g.Expect(store.Status.ActiveSession).To(BeEmpty())
			g.Expect(store.Status.Quota.Remaining).To(BeEquivalentTo(3))
			g.Expect(kstatusOf(store)).To(BeEquivalentTo("Current"))
		}).Should(Succeed(), "the store shows what is live and what is left")
	})

	It("waits before the commit where Uploaded is desired, and commits when that changes", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		w.stays(s, reached(v1alpha1.ReasonUploaded), "nothing happens before the spec changes")
		Expect(w.states()).To(Equal([]edm.State{edm.StateUploadCompleted}))
		pin := s.Status.PreparedChecksum
		w.change(s, func(s *v1alpha1.ExactMatchSession) {
			s.Spec.DesiredState, s.Spec.Checksum = v1alpha1.DesiredCommitted, pin // the commit is reviewed with the content
		})
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the desired state is Committed now")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}))
		Expect(s.Status.CommitRequestedTime).NotTo(BeNil())
	})

	It("cancels what is not committed, and uploads again when that is desired", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		w.change(s, desired(v1alpha1.DesiredCancelled))
		w.comesTo(s, reached(v1alpha1.ReasonCancelled), "the desired state is Cancelled now")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCancelled}))
		w.change(s, desired(v1alpha1.DesiredCommitted))
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the desired state is Committed again")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCancelled, edm.StateCompleted}))
		Expect(s.Status.Revision).To(BeEquivalentTo(1))
		Expect(s.Status.Attempt).To(BeEquivalentTo(2))
		Expect(s.Status.History).To(HaveLen(1))
	})

	It("says TooLate to a cancel after the commit", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		w.change(s, desired(v1alpha1.DesiredCancelled))
		w.comesTo(s, stuck(v1alpha1.ReasonTooLate), "nothing takes a commit back")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}))
	})

	It("is Cancelled at once where nothing was opened", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s := w.apply(desired(v1alpha1.DesiredCancelled))
		w.comesTo(s, reached(v1alpha1.ReasonCancelled), "there is nothing to cancel, nor to read")
		Expect(w.remotes()).To(BeEmpty())
	})

	It("starts revision 2 when the content changes, and keeps revision 1 in its history", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		first := s.Status.DeepCopy()
		w.table("april.csv", 40)
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///april.csv" })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the next export goes live")
		Expect(s.Status.Revision).To(BeEquivalentTo(2))
		Expect(s.Status.FileName).To(Equal("april.csv"))
		Expect(*s.Status.Rows).To(BeEquivalentTo(40))
		Expect(s.Status.History).To(HaveLen(1))
		Expect(s.Status.History[0].ID).To(Equal(first.ID))
		Expect(s.Status.History[0].Revision).To(BeEquivalentTo(1))
		Expect(s.Status.History[0].Checksum).To(Equal(first.Checksum))
	})

	It("supersedes an unfinished session of older content", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.RowsPerBlock = 15 })
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "the blocks are others now")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCancelled, edm.StateUploadCompleted}))
		Expect(s.Status.Revision).To(BeEquivalentTo(2))
		Expect(*s.Status.TotalBlockCount).To(BeEquivalentTo(2))
		Expect(s.Status.History).To(HaveLen(1))
		Expect(s.Status.History[0].Revision).To(BeEquivalentTo(1))
	})

	It("changes nothing for a pin that equals the prepared checksum", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		id, pin := s.Status.ID, s.Status.PreparedChecksum
		Expect(os.Remove(filepath.Join(w.folder(), "table.csv"))).To(Succeed(), "another reading would fail")
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Checksum = pin })
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "the pin approves what is there")
		Expect(s.Status.ID).To(Equal(id))
		Expect(s.Status.Revision).To(BeEquivalentTo(1))
		Expect(w.states()).To(Equal([]edm.State{edm.StateUploadCompleted}))
	})

	It("reads once more for a corrected pin, and only once", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(func(s *v1alpha1.ExactMatchSession) { s.Spec.Checksum = checksumOf("something else") })
		w.comesTo(s, stuck(v1alpha1.ReasonChecksumMismatch), "the pin is wrong")
		text, err := os.ReadFile(filepath.Join(w.folder(), "table.csv"))
		Expect(err).NotTo(HaveOccurred())
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Checksum = checksumOf(string(text)) })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the pin is right")
		Expect(s.Status.Revision).To(BeEquivalentTo(1))
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}))
	})

	It("does not upload again what is live", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		w.comesTo(w.apply(), reached(v1alpha1.ReasonCompleted), "a good table goes live")
		again := w.apply(called("again"))
		w.comesTo(again, reached(v1alpha1.ReasonAlreadyUploaded), "the content is live")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}))
		w.change(again, func(s *v1alpha1.ExactMatchSession) { s.Spec.RestartToken = "look again" })
		w.comesTo(again, reached(v1alpha1.ReasonAlreadyUploaded), "it still is")
		Expect(again.Status.ObservedRestartToken).To(Equal("look again"))
	})

	It("leaves a cancelled remote session when it is deleted mid-upload", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		front.holdBlocks()
		s := w.apply()
		w.comesTo(s, underWay(v1alpha1.ReasonUploading), "the blocks do not get through")
		Expect(kube.Delete(ctx, s)).To(Succeed())
		w.gone(s, "nothing holds it once its remote session is cancelled")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCancelled}))
	})

	DescribeTable("does to the remote session what deletionPolicy says", func(ctx SpecContext, policy v1alpha1.SessionDeletionPolicy, want []edm.State) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded), func(s *v1alpha1.ExactMatchSession) { s.Spec.DeletionPolicy = policy })
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		Expect(kube.Delete(ctx, s)).To(Succeed())
		w.gone(s, "the finalizer is removed")
		Expect(w.states()).To(Equal(want))
	},
		Entry("Cancel", v1alpha1.SessionDeletionPolicyCancel, []edm.State{edm.StateCancelled}),
		Entry("Delete", v1alpha1.SessionDeletionPolicyDelete, nil),
		Entry("Orphan", v1alpha1.SessionDeletionPolicyOrphan, []edm.State{edm.StateUploadCompleted}),
	)

	It("is deleted after a deadline where the service does not answer", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		front.answer(refuse(http.StatusServiceUnavailable, func(*http.Request) bool { return true }))
		Expect(kube.Delete(ctx, s)).To(Succeed())
		w.gone(s, "the deadline passes")
		Eventually(w.events).WithArguments(s).Should(ContainElement(v1alpha1.ReasonRemoteSessionOrphaned), "somebody must be told")
	})

	It("stops while it is suspended and goes on afterwards", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		front.holdBlocks()
		s := w.apply()
		w.comesTo(s, underWay(v1alpha1.ReasonUploading), "the blocks do not get through")
		id := s.Status.ID
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Suspend = true })
		w.comesTo(s, suspended(), "spec.suspend is true")
		front.open()
		w.stays(s, suspended(), "nothing is uploaded meanwhile")
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Suspend = false })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "it goes on")
		Expect(s.Status.ID).To(Equal(id))
	})

	It("renames the open remote session and nothing else", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		id := s.Status.ID
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.FileName = "march 2026.csv" })
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "the name is no content")
		Expect(s.Status.ID).To(Equal(id))
		Expect(s.Status.FileName).To(Equal("march 2026.csv"))
		Expect(w.remotes()[0].FileName).To(Equal("march 2026.csv"))
	})

	It("renews the upload URI when the token changes", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.RenewToken = "1" })
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "the upload stays")
		Expect(s.Status.ObservedRenewToken).To(Equal("1"))
	})

	It("queues, the oldest first", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		w.table("second.csv", 31)
		front.holdBlocks()
		first := w.apply()
		w.comesTo(first, underWay(v1alpha1.ReasonUploading), "it is admitted")
		second := w.apply(called("second"), func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///second.csv" })
		w.comesTo(second, underWay(v1alpha1.ReasonQueued), "one session at a time")
		Expect(second.Status.WaitingFor).To(Equal("ExactMatchSession session (Uploading)"))
		Expect(w.remotes()).To(HaveLen(1))
		front.open()
		w.comesTo(first, reached(v1alpha1.ReasonCompleted), "the first goes first")
		w.comesTo(second, reached(v1alpha1.ReasonCompleted), "then the second")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted, edm.StateCompleted}))
	})

	It("is held by the store's guards until the content is named", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 100)
		w.comesTo(w.apply(), reached(v1alpha1.ReasonCompleted), "a good table goes live")
		w.table("few.csv", 10)
		few := w.apply(called("few"), func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///few.csv" })
		w.comesTo(few, stuck(v1alpha1.ReasonHeld), "a tenth of the rows looks like a mistake")
		Expect(message(few)).To(And(ContainSubstring("the table has 10 rows and the live one 100"), ContainSubstring("guardOverride"), ContainSubstring(few.Status.PreparedContent)))
		Expect(w.remotes()).To(HaveLen(1), "nothing was spent")
		w.change(few, func(s *v1alpha1.ExactMatchSession) { s.Spec.GuardOverride = few.Status.PreparedContent })
		w.comesTo(few, reached(v1alpha1.ReasonCompleted), "somebody has looked")
		partial := w.apply(called("partial"), func(s *v1alpha1.ExactMatchSession) { s.Spec.Fields = []string{"ID"} })
		w.comesTo(partial, stuck(v1alpha1.ReasonHeld), "columns are left out")
		Expect(message(partial)).To(ContainSubstring("omits Email, City"))
	})

	It("waits for the quota and says until when", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		for n, name := range []string{"a", "b", "c", "d"} {
			w.table(name+".csv", 20+n)
			w.comesTo(w.apply(called(name), func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///" + name + ".csv" }), reached(v1alpha1.ReasonCompleted), "within the quota")
		}
		w.table("e.csv", 30)
		last := w.apply(called("e"), func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///e.csv" })
		w.comesTo(last, underWay(v1alpha1.ReasonQuotaExceeded), "the quota is 4 a day")
		Expect(last.Status.NextRetryTime.Time).To(BeTemporally(">", metav1.Now().Add(20*3600*1e9)))
		Expect(w.remotes()).To(HaveLen(4))
	})

	It("goes on after faults that pass", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		front.answer(refuse(http.StatusServiceUnavailable, posts("/sessions")))
		s := w.apply()
		Eventually(func() (int32, error) { _, err := w.look(s); return s.Status.ConsecutiveFailures, err }).Should(BeNumerically(">=", 2), "it tries again")
		w.comesTo(s, underWay(v1alpha1.ReasonServiceUnavailable), "a fault that passes never makes Ready False")
		Expect(s.Status.NextRetryTime).NotTo(BeNil())
		front.heal()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the fault has passed")
		Expect(s.Status.ConsecutiveFailures).To(BeZero())
	})

	It("adopts the session that an unanswered create has made", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		var lost atomic.Bool
		front.answer(func(rw http.ResponseWriter, r *http.Request) bool {
			if !posts("/sessions")(r) || !lost.CompareAndSwap(false, true) {
				return false
			}
			front.service.ServeHTTP(discard{http.Header{}}, r) // done, and the answer is lost
			panic(http.ErrAbortHandler)
		})
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the session is found again")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}), "no duplicate, ever")
		Expect(s.Status.Attempt).To(BeEquivalentTo(1))
	})

	It("resolves another instance's intent before it creates", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		front.holdBlocks()
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, underWay(v1alpha1.ReasonUploading), "the session is open")
		id := s.Status.ID
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Suspend = true })
		w.comesTo(s, suspended(), "it is parked")
		before := s.DeepCopy()
		s.Status.ID, s.Status.State = "", ""
		s.Status.Intent.Instance, s.Status.Intent.Time = "a manager that crashed", metav1.Time{Time: metav1.Now().Add(-3600 * 1e9)}
		Expect(kube.Status().Patch(ctx, s, client.MergeFrom(before))).To(Succeed())
		front.open()
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Suspend = false })
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "the session that the crash forgot is ours")
		Expect(s.Status.ID).To(Equal(id))
		Expect(w.states()).To(Equal([]edm.State{edm.StateUploadCompleted}))
	})

	It("says so when somebody else cancels", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		front.holdBlocks()
		s := w.apply()
		w.comesTo(s, underWay(v1alpha1.ReasonUploading), "the blocks do not get through")
		Expect(edmService.Sessions().Cancel(ctx, s.Status.DatastoreID, s.Status.ID)).To(Succeed())
		front.open()
		w.comesTo(s, stuck(v1alpha1.ReasonCancelledRemotely), "it was not us")
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.RestartToken = "again" })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "restartToken always wakes")
		Expect(s.Status.Attempt).To(BeEquivalentTo(2))
	})

	DescribeTable("says how the service ended the session, and restarts on demand", func(ctx SpecContext, state edm.State, reason string) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		open := s.Status.ID
		front.answer(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/sessions/"+open) && !strings.HasSuffix(r.URL.Path, open+"/commit") {
				return false
			}
			rw.Header().Set("Content-Type", "application/json")
			_, err := fmt.Fprintf(rw, `{"id":%q,"state":%q,"error":{"code":"InvalidBlock","message":"block 2 is damaged"}}`, open, state)
			Expect(err).NotTo(HaveOccurred())
			return true
		})
		w.change(s, desired(v1alpha1.DesiredCommitted))
		w.comesTo(s, stuck(reason), "the service has ended it")
		Expect(s.Status.State).To(BeEquivalentTo(state))
		Expect(s.Status.Error).To(And(HaveField("Code", "InvalidBlock"), HaveField("Message", "block 2 is damaged")))
		Expect(message(s)).To(ContainSubstring("restartToken"), "a person sees what to do")
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.RestartToken = "again" })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a new attempt")
		Expect(s.Status.ID).NotTo(Equal(open))
		Expect(s.Status.History).To(HaveLen(1))
	},
		Entry("Failed", edm.StateFailed, v1alpha1.ReasonFailed),
		Entry("Expired", edm.StateExpired, v1alpha1.ReasonExpired),
	)

	It("fails where the service forgets the session, and restarts on demand", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		Expect(edmService.Sessions().Delete(ctx, s.Status.DatastoreID, s.Status.ID)).To(Succeed())
		w.change(s, desired(v1alpha1.DesiredCommitted))
		w.comesTo(s, stuck(v1alpha1.ReasonForgotten), "there is nothing to commit")
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.RestartToken = "again" })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a new attempt")
	})

	It("keeps store and agent until it is done with them", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		front.holdBlocks()
		s := w.apply()
		w.comesTo(s, underWay(v1alpha1.ReasonUploading), "the blocks do not get through")
		store, agent := w.store(), w.agent()
		Expect(kube.Delete(ctx, store)).To(Succeed())
		Expect(kube.Delete(ctx, agent)).To(Succeed())
		front.open()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "what it needs is still there")
		w.gone(store, "nobody uses it any more")
		w.gone(agent, "nobody uses it any more")
	})
})

// discard is the writer of an answer that nobody receives.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
