package controllers_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// twinOf makes an environment whose store means the same remote store as another's, at
// the same endpoint spelled otherwise.
func twinOf(ctx SpecContext, w *testEnv) *testEnv {
	return newTestEnv(ctx, func(o client.Object) {
		switch o := o.(type) {
		case *v1alpha1.ExactMatchDataStore:
			o.Spec.DisplayName = w.namespace
		case *v1alpha1.ExactMatchUploadAgent:
			o.Spec.Endpoint += "/"
		}
	})
}

// stalled is the reason and the message of a store's Stalled condition.
func (w *testEnv) stalled() string {
	store := w.readStore()
	if c := meta.FindStatusCondition(store.Status.Conditions, v1alpha1.ConditionStalled); c != nil {
		return c.Reason + ": " + c.Message
	}
	return ""
}

var _ = Describe("A remote data store", func() {
	It("has one owner, however its endpoint is spelled", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 100)
		w.comesTo(w.apply(), reached(v1alpha1.ReasonCompleted), "a good table goes live")
		twin := twinOf(ctx, w)
		Eventually(twin.stalled).Should(HavePrefix(v1alpha1.ReasonOwnedElsewhere), "a namespace must not replace another's table")
		Expect(twin.stalled()).To(ContainSubstring("spec.adopt.id"))
		Expect(strings.ReplaceAll(twin.stalled(), `"`+w.namespace+`"`, "")).NotTo(ContainSubstring(w.namespace), "the displayName is the twin's own word; the other object stays unnamed")
		twin.table("table.csv", 90)
		s := twin.apply()
		twin.comesTo(s, stuck(v1alpha1.ReasonDataStoreNotReady), "its store cannot be used")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}), "nothing was uploaded there")
		Expect(twin.readStore().Status.ID).To(BeEmpty())
	})

	It("is taken over where spec.adopt names it, and the former owner says so", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 100)
		w.comesTo(w.apply(), reached(v1alpha1.ReasonCompleted), "a good table goes live")
		twin := twinOf(ctx, w)
		Eventually(twin.stalled).Should(HavePrefix(v1alpha1.ReasonOwnedElsewhere), "it belongs to another object")
		id := w.readStore().Status.ID
		twin.changeStore(func(store *v1alpha1.ExactMatchDataStore) { store.Spec.Adopt = &v1alpha1.Adoption{ID: "another"} })
		Consistently(twin.stalled).Should(HavePrefix(v1alpha1.ReasonOwnedElsewhere), "that is another store's id")
		twin.changeStore(func(store *v1alpha1.ExactMatchDataStore) { store.Spec.Adopt = &v1alpha1.Adoption{ID: id} })
		Eventually(twin.stalled).Should(BeEmpty(), "spec says so")
		Eventually(func() string { return twin.readStore().Status.ID }).Should(Equal(id), "it is the same remote store")
		Eventually(w.stalled).Should(HavePrefix(v1alpha1.ReasonOwnedElsewhere), "it belongs to the twin now")
		w.changeStore(func(store *v1alpha1.ExactMatchDataStore) { store.Spec.Adopt = &v1alpha1.Adoption{ID: id} })
		Eventually(twin.stalled).Should(ContainSubstring("took over"), "an adoption is honored once, so two do not take turns")
		Consistently(w.stalled).Should(BeEmpty(), "the last word counts")
	})

	It("is its own again where the object is made anew", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		Eventually(func() string { return w.readStore().Status.ID }).ShouldNot(BeEmpty(), "the remote store is there")
		id := w.readStore().Status.ID
		store := w.store()
		Expect(kube.Delete(ctx, store)).To(Succeed())
		w.gone(store, "nobody uses it")
		Expect(kube.Create(ctx, w.store())).To(Succeed())
		Eventually(func() string { return w.readStore().Status.ID }).Should(Equal(id), "the owner is the same")
	})

	It("belongs to one object of the cluster where the service keeps no owner", func(ctx SpecContext) {
		front.answer(func(rw http.ResponseWriter, r *http.Request) bool {
			front.service.ServeHTTP(formatHider{rw}, r)
			return true
		})
		w := newTestEnv(ctx)
		Eventually(func() string { return w.readStore().Status.ID }).ShouldNot(BeEmpty(), "the remote store is there")
		twin := twinOf(ctx, w)
		Eventually(twin.stalled).Should(HavePrefix(v1alpha1.ReasonOwnedElsewhere), "the other object has it")
		Consistently(w.stalled).Should(BeEmpty())
	})

	It("gets its new columns before a session of them is opened", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		Eventually(func() string { return w.readStore().Status.ID }).ShouldNot(BeEmpty(), "the remote store is there")
		released := make(chan struct{})
		var creates atomic.Int32
		release := sync.OnceFunc(func() { close(released) })
		DeferCleanup(release)
		front.answer(func(rw http.ResponseWriter, r *http.Request) bool {
			switch {
			case r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/exactMatchDataStores/"):
				select {
				case <-released:
				default:
					return refuse(http.StatusServiceUnavailable, func(*http.Request) bool { return true })(rw, r)
				}
			case posts("/sessions")(r):
				creates.Add(1)
			}
			return false
		})
		w.changeStore(func(store *v1alpha1.ExactMatchDataStore) {
			store.Spec.Columns = append(store.Spec.Columns, v1alpha1.Column{Name: "Badge"})
		})
		w.file("table.csv", "ID,E-Mail,City,Badge\nP-1,p1@example.com,Oslo,77\n")
		s := w.apply()
		w.comesTo(s, underWay(v1alpha1.ReasonQueued), "the service does not know the column yet")
		Expect(s.Status.WaitingFor).To(HavePrefix("ExactMatchDataStore store"))
		Expect(creates.Load()).To(BeZero())
		release()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "now it does")
	})
})

var _ = Describe("kubectl get", func() {
	It("fits 80 columns and says why a session failed", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s := w.apply(called("a-name-of-12"), func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///missing.csv" })
		w.comesTo(s, stuck(v1alpha1.ReasonSourceNotFound), "nothing lies there")
		Expect(s.StatusReason()).To(Equal(v1alpha1.ReasonSourceNotFound))
	})
})
