package controllers_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

var _ = Describe("What is live", func() {
	It("is proved by rows of the table", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 95)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		Expect(condition(s.Status.Conditions, v1alpha1.ConditionLive)).To(Equal("True Verified"))
		Eventually(w.storeLive).Should(Equal("True Published"), "the store shows it too")
		store := w.readStore()
		Expect(store.Status.Live.SessionName).To(Equal("session"))
		Expect(store.Status.Live.Generation).To(Equal(s.Status.LiveGeneration))
		Expect(store.Status.Live.Columns).To(ContainElement(v1alpha1.LiveColumn{Name: "Email", RulesID: "v1:caseInsensitive:", IsSearchable: true}))
	})

	It("is not believed where the service does not find its rows", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 95)
		front.answer(func(rw http.ResponseWriter, r *http.Request) bool {
			return posts("/match")(r) && rewrite(`"total":\d+,"rows":\[[^\]]*\]`, `"total":0`)(rw, r)
		})
		s := w.apply()
		w.comesTo(s, stuck(v1alpha1.ReasonVerificationFailed), "with a table that is not found the desired state is not reached")
		Expect(message(s)).To(And(ContainSubstring("does not find its row"), ContainSubstring("restartToken")))
		Expect(message(s)).NotTo(ContainSubstring("P-"), "no value of the table")
		By("uploading again where that is asked for, although the service shows the content live")
		front.heal()
		id := s.Status.ID
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.RestartToken = "again" })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "it is uploaded once more")
		Expect(s.Status.ID).NotTo(Equal(id))
		Expect(s.Status.History[0].Outcome).To(Equal(v1alpha1.ReasonVerificationFailed))
		Expect(condition(s.Status.Conditions, v1alpha1.ConditionLive)).To(Equal("True Verified"))
	})

	It("says which session's table replaced it, and stays Ready", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		first := w.apply()
		w.comesTo(first, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		w.table("second.csv", 31)
		second := w.apply(called("second"), func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///second.csv" })
		w.comesTo(second, reached(v1alpha1.ReasonCompleted), "the next table goes live")
		Eventually(w.live(first)).Should(Equal("False ReplacedBy"), "the first one's table is not live any more")
		w.stays(first, reached(v1alpha1.ReasonCompleted), "its desired state was reached")
		Expect(first.Status.Conditions).To(ContainElement(And(HaveField("Type", "Live"), HaveField("Message", ContainSubstring("ExactMatchSession second")))))
		Consistently(w.live(second)).Should(Equal("True Verified"), "the second one's is")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted, edm.StateCompleted}), "nobody uploads again")
	})

	It("follows a rollback, which nothing undoes", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		first := w.apply()
		w.comesTo(first, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		w.table("second.csv", 31)
		second := w.apply(called("second"), func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///second.csv" })
		w.comesTo(second, reached(v1alpha1.ReasonCompleted), "the next table goes live")
		Eventually(w.live(first)).Should(Equal("False ReplacedBy"), "the first one's table is not live any more")
		By("rolling back")
		_, err := edmService.Stores().Rollback(ctx, w.readStore().Status.ID, nil)
		Expect(err).NotTo(HaveOccurred())
		Eventually(w.live(first)).Should(Equal("True Published"), "its table is live again")
		Eventually(w.live(second)).Should(Equal("False RolledBack"), "an earlier table is live")
		Expect(second.Status.Conditions).To(ContainElement(And(HaveField("Type", "Live"), HaveField("Message", ContainSubstring("ExactMatchSession "+first.Name)))))
		Expect(w.readStore().Status.Live).To(And(HaveField("SessionName", first.Name), HaveField("Generation", BeEquivalentTo(3))))
		Expect(w.storeLive()).To(Equal("True Published"))
		w.stays(second, reached(v1alpha1.ReasonCompleted), "its desired state was reached, and somebody decided otherwise")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted, edm.StateCompleted}), "nobody uploads again")
		By("rolling forward")
		_, err = edmService.Stores().Rollback(ctx, w.readStore().Status.ID, nil)
		Expect(err).NotTo(HaveOccurred())
		Eventually(w.live(second)).Should(HavePrefix("True"), "the second one's table is live again")
		Eventually(w.live(first)).Should(Equal("False ReplacedBy"), "by a later table")
		w.stays(first, reached(v1alpha1.ReasonCompleted), "it was published once")
	})

	It("is uploaded again where the service has lost it", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		id := s.Status.ID
		Eventually(w.storeLive).Should(Equal("True Published"), "the store shows it")
		Expect(edmService.Stores().Delete(ctx, w.readStore().Status.ID)).To(Succeed(), "a data folder without its store")
		Eventually(func() (string, error) {
			err := kube.Get(ctx, client.ObjectKeyFromObject(s), s)
			return s.Status.ID, err
		}).ShouldNot(BeElementOf("", id), "another remote session is opened")
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the table is live again")
		Expect(s.Status.History).To(HaveLen(1))
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}), "of the store that was made anew")
		Eventually(w.storeLive).Should(Equal("True Published"), "the store shows it again")
	})

	It("stays lost where the commit is not desired", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		w.change(s, desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the commit cannot be taken back")
		Eventually(w.storeLive).Should(Equal("True Published"), "the store shows it")
		Expect(edmService.Stores().Delete(ctx, w.readStore().Status.ID)).To(Succeed())
		Eventually(w.live(s)).Should(Equal("False TableLost"), "it says so")
		Eventually(w.storeLive).Should(Equal("False TableLost"), "so does the store")
		Expect(w.remotes()).To(BeEmpty())
	})

	It("is not taken for granted without the service's word", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		w.comesTo(w.apply(), reached(v1alpha1.ReasonCompleted), "a good table goes live")
		Eventually(w.storeLive).Should(Equal("True Published"), "the store shows it")
		front.answer(rewriteShown(`"live":\{[^{}\[\]]*(\[[^\]]*\])?[^{}]*(\{[^{}]*\}[^{}]*)*\},?`, ""))
		again := w.apply(called("again"))
		Eventually(func() int { return len(w.remotes()) }).Should(BeNumerically(">=", 2), "what the service does not show live is uploaded")
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(again), again)).To(Succeed())
		Expect(again.Status.Outcome).NotTo(Equal(v1alpha1.ReasonAlreadyUploaded))
	})

	It("is unknown while the service cannot be asked", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		Eventually(w.storeLive).Should(Equal("True Published"), "the store shows it")
		front.answer(refuse(http.StatusServiceUnavailable, func(*http.Request) bool { return true }))
		Eventually(w.storeLive).Should(Equal("Unknown ServiceUnavailable"), "nobody has said so for longer than a resync")
		Eventually(w.live(s)).Should(Equal("Unknown ServiceUnavailable"), "nor of the session's table")
		front.heal()
		Eventually(w.storeLive).Should(Equal("True Published"), "the service says so again")
		Eventually(w.live(s)).Should(HavePrefix("True"), "of the session's table too")
	})

	It("says that rules or key are others than the live table's", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		w.changeStore(func(store *v1alpha1.ExactMatchDataStore) { store.Spec.Columns[1].IgnoredDelimiters = []string{"-"} })
		Eventually(w.storeLive).Should(Equal("False RulesChanged"), "lookups under the present rules would find nothing")
		w.stays(s, reached(v1alpha1.ReasonCompleted), "nothing is uploaded unasked")
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.RestartToken = "under the new rules" })
		Eventually(w.storeLive).Should(Equal("True Published"), "the table is hashed under the new rules")
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "as the message advised")
	})
})

var _ = Describe("A column that becomes searchable", func() {
	It("is indexed out of what the service has, without an upload", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		w.changeStore(func(store *v1alpha1.ExactMatchDataStore) { store.Spec.Columns[2].IsSearchable = new(true) })
		Eventually(func() *v1alpha1.LiveTable { return w.readStore().Status.Live }).Should(And(
			HaveField("Columns", ContainElement(v1alpha1.LiveColumn{Name: "City", RulesID: "v1:exact:", IsSearchable: true})),
			HaveField("Generation", BeNumerically(">", s.Status.LiveGeneration)),
			HaveField("RemoteID", s.Status.ID),
		), "the service indexes the tokens that it has")
		w.stays(s, reached(v1alpha1.ReasonCompleted), "its table is the same")
		Expect(condition(s.Status.Conditions, v1alpha1.ConditionLive)).To(HavePrefix("True"))
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}))
		Expect(w.readStore().Status.Quota.Remaining).To(BeEquivalentTo(3), "nothing was committed for it")
	})
})

var _ = Describe("A sealed session", func() {
	It("says within a resync that somebody cancelled it", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		Expect(s.Status.SessionExpiryTime).NotTo(BeNil())
		Expect(edmService.Sessions().Cancel(ctx, s.Status.DatastoreID, s.Status.ID)).To(Succeed())
		w.comesTo(s, stuck(v1alpha1.ReasonCancelledRemotely), "nobody changed the object")
	})

	It("says within a resync that the service forgot it", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		Expect(edmService.Sessions().Delete(ctx, s.Status.DatastoreID, s.Status.ID)).To(Succeed())
		w.comesTo(s, stuck(v1alpha1.ReasonForgotten), "nobody changed the object")
	})

	It("is looked at when the service gives it up", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		end := time.Now().Add(3 * time.Second).UTC()
		front.answer(func(rw http.ResponseWriter, r *http.Request) bool {
			answers := rewrite(`"expirationDateTime":"[^"]*"`, `"expirationDateTime":"`+end.Format(time.RFC3339)+`"`)
			one := !strings.HasSuffix(r.URL.Path, "/sessions") && r.Method == http.MethodGet
			if one && time.Now().After(end) { // the listing does not say so yet
				answers = rewrite(`"state":"UploadCompleted"`, `"state":"Expired"`)
			}
			return strings.Contains(r.URL.Path, "/sessions") && answers(rw, r)
		})
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		w.comesTo(s, stuck(v1alpha1.ReasonExpired), "its time has come")
		Expect(message(s)).To(ContainSubstring("restartToken"))
	})

	It("costs no call of its own while it waits", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		var own atomic.Int32
		id := s.Status.ID
		front.answer(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, id) {
				own.Add(1)
			}
			return false
		})
		w.stays(s, reached(v1alpha1.ReasonUploaded), "nothing happens")
		Expect(own.Load()).To(BeZero(), "one listing covers all sealed sessions of a store")
	})
})

var _ = Describe("A session that waits for a repair", func() {
	It("gives up the head of the queue", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		w.configMap(csv(31))
		front.holdBlocks()
		head := w.apply(called("head"), fromConfigMap)
		w.comesTo(head, underWay(v1alpha1.ReasonUploading), "it is admitted")
		w.change(head, func(s *v1alpha1.ExactMatchSession) {
			s.Spec.Source.ConfigMapKeyRef.Name = "missing"
		})
		w.comesTo(head, stuck(v1alpha1.ReasonConfigMapNotFound), "somebody has to make the ConfigMap")
		front.open()
		second := w.apply()
		w.comesTo(second, reached(v1alpha1.ReasonCompleted), "nobody waits for the repair of another object")
	})
})

// rewriteShown changes the service's answers about data stores.
func rewriteShown(pattern, by string) func(http.ResponseWriter, *http.Request) bool {
	answers := rewrite(pattern, by)
	return func(rw http.ResponseWriter, r *http.Request) bool {
		about := r.Method != http.MethodPost && !strings.Contains(r.URL.Path, "/sessions") && strings.Contains(r.URL.Path, "/exactMatchDataStores")
		return about && answers(rw, r)
	}
}

// rewrite answers as the service does, with what matches replaced.
func rewrite(pattern, by string) func(http.ResponseWriter, *http.Request) bool {
	match := regexp.MustCompile(pattern)
	return func(rw http.ResponseWriter, r *http.Request) bool {
		answer := httptest.NewRecorder()
		front.service.ServeHTTP(answer, r)
		for name, values := range answer.Header() {
			if name != "Content-Length" {
				rw.Header()[name] = values
			}
		}
		rw.WriteHeader(answer.Code)
		_, err := rw.Write(match.ReplaceAll(answer.Body.Bytes(), []byte(by)))
		Expect(err).NotTo(HaveOccurred())
		return true
	}
}
