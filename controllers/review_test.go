package controllers_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// csv is a table of n rows of the environment's columns.
func csv(rows int) string {
	var text strings.Builder
	text.WriteString("ID,E-Mail,City\n")
	for n := range rows {
		fmt.Fprintf(&text, "P-%d,p%d@example.com,Oslo\n", n, n)
	}
	return text.String()
}

// configMap makes or changes the ConfigMap that holds a table.
func (w *testEnv) configMap(text string) {
	GinkgoHelper()
	table := &corev1.ConfigMap{ObjectMeta: w.named("table"), Data: map[string]string{"table.csv": text}}
	err := kube.Create(w.ctx, table.DeepCopy())
	if err != nil {
		Expect(kube.Update(w.ctx, table)).To(Succeed())
	}
}

func fromConfigMap(s *v1alpha1.ExactMatchSession) {
	s.Spec.Source = v1alpha1.Source{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "table", Key: "table.csv"}}
}

// changeStore patches the environment's data store.
func (w *testEnv) changeStore(change func(*v1alpha1.ExactMatchDataStore)) {
	GinkgoHelper()
	Eventually(func() error {
		store := w.readStore()
		before := store.DeepCopy()
		change(store)
		return kube.Patch(w.ctx, store, client.MergeFrom(before))
	}).Should(Succeed(), "its reconciler writes too")
}

func (w *testEnv) readStore() *v1alpha1.ExactMatchDataStore {
	GinkgoHelper()
	store := w.store()
	Expect(kube.Get(w.ctx, client.ObjectKeyFromObject(store), store)).To(Succeed())
	return store
}

// condition is the status and the reason of a condition of an object.
func condition(conditions []metav1.Condition, kind string) string {
	if c := meta.FindStatusCondition(conditions, kind); c != nil {
		return string(c.Status) + " " + c.Reason
	}
	return ""
}

// live is what a session says of its table.
func (w *testEnv) live(s *v1alpha1.ExactMatchSession) func() (string, error) {
	return func() (string, error) {
		err := kube.Get(w.ctx, client.ObjectKeyFromObject(s), s)
		return condition(s.Status.Conditions, v1alpha1.ConditionLive), err
	}
}

func (w *testEnv) storeLive() string {
	return condition(w.readStore().Status.Conditions, v1alpha1.ConditionLive)
}

// reviewed brings a session of a ConfigMap of n rows to Uploaded.
func (w *testEnv) reviewed(rows int) *v1alpha1.ExactMatchSession {
	GinkgoHelper()
	w.configMap(csv(rows))
	s := w.apply(desired(v1alpha1.DesiredUploaded), fromConfigMap)
	w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
	return s
}

var _ = Describe("The commit of what was reviewed", func() {
	It("publishes that although the source holds something else", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s := w.reviewed(30)
		id, content := s.Status.ID, s.Status.PreparedContent
		w.configMap(csv(40))
		w.change(s, desired(v1alpha1.DesiredCommitted))
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "what was reviewed is published")
		Expect(s.Status.ID).To(Equal(id))
		Expect(s.Status.PreparedContent).To(Equal(content))
		Expect(s.Status.Revision).To(BeEquivalentTo(1))
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}))
		Expect(condition(s.Status.Conditions, v1alpha1.ConditionSourceChanged)).To(Equal("True ContentChanged"))
		Eventually(func() *v1alpha1.LiveTable { return w.readStore().Status.Live }).Should(HaveValue(HaveField("Rows", BeEquivalentTo(30))), "the reviewed rows are live")
	})

	It("needs neither the source nor the Secret of the key", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s := w.reviewed(30)
		Expect(kube.Delete(ctx, &corev1.ConfigMap{ObjectMeta: w.named("table")})).To(Succeed())
		w.change(s, desired(v1alpha1.DesiredCommitted))
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "nothing is read for a commit")
		Expect(condition(s.Status.Conditions, v1alpha1.ConditionSourceChanged)).To(Equal("True Gone"))
	})

	It("reads again where spec asks for it", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s := w.reviewed(30)
		w.configMap(csv(40))
		w.change(s, func(s *v1alpha1.ExactMatchSession) {
			s.Spec.DesiredState, s.Spec.RestartToken = v1alpha1.DesiredCommitted, "read it again"
		})
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the restart reads the source")
		Expect(*s.Status.Rows).To(BeEquivalentTo(40))
		Expect(w.states()).To(Equal([]edm.State{edm.StateCancelled, edm.StateCompleted}))
		Expect(condition(s.Status.Conditions, v1alpha1.ConditionSourceChanged)).To(BeEmpty())
	})

	It("is held by another pin, and goes on with the right one", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s := w.reviewed(30)
		pin := s.Status.PreparedChecksum
		w.change(s, func(s *v1alpha1.ExactMatchSession) {
			s.Spec.DesiredState, s.Spec.Checksum = v1alpha1.DesiredCommitted, checksumOf("something else")
		})
		w.comesTo(s, stuck(v1alpha1.ReasonHeld), "the pin names something else")
		Expect(message(s)).To(And(ContainSubstring("ChecksumMismatch"), ContainSubstring(pin), ContainSubstring("spec.restartToken")))
		Expect(w.states()).To(Equal([]edm.State{edm.StateUploadCompleted}), "nothing is cancelled")
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Checksum = pin })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the pin is right")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}))
	})

	It("is held by other rules, and goes on when they are back", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s := w.reviewed(30)
		w.changeStore(func(store *v1alpha1.ExactMatchDataStore) { store.Spec.Columns[0].IsCaseInsensitive = true })
		w.change(s, desired(v1alpha1.DesiredCommitted))
		w.comesTo(s, stuck(v1alpha1.ReasonHeld), "its tokens are made under other rules")
		Expect(message(s)).To(And(ContainSubstring("RulesChanged"), ContainSubstring("ID was hashed under v1:exact:"), ContainSubstring("spec.restartToken")))
		Expect(w.states()).To(Equal([]edm.State{edm.StateUploadCompleted}), "nothing is cancelled")
		w.changeStore(func(store *v1alpha1.ExactMatchDataStore) { store.Spec.Columns[0].IsCaseInsensitive = false })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the rules are those of the tokens again")
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}))
	})

	It("is held by another key", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s := w.reviewed(30)
		secret := &corev1.Secret{ObjectMeta: w.named("key"), Data: map[string][]byte{"key": []byte("another key of more than 32 bytes in the tests")}}
		Expect(kube.Update(ctx, secret)).To(Succeed())
		was := s.Status.KeyID
		Eventually(func() string { return w.readStore().Status.KeyID }).ShouldNot(Equal(was), "the store shows the key that it has")
		w.change(s, desired(v1alpha1.DesiredCommitted))
		w.comesTo(s, stuck(v1alpha1.ReasonHeld), "its tokens are made under another key")
		Expect(message(s)).To(And(ContainSubstring("KeyChanged"), ContainSubstring(was)))
		Expect(w.states()).To(Equal([]edm.State{edm.StateUploadCompleted}), "nothing is cancelled")
	})

	It("is judged by the guards against what is live by then", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		few := w.reviewed(10)
		w.table("table.csv", 100)
		w.comesTo(w.apply(called("many")), reached(v1alpha1.ReasonCompleted), "a larger table goes live meanwhile")
		w.change(few, desired(v1alpha1.DesiredCommitted))
		w.comesTo(few, stuck(v1alpha1.ReasonHeld), "a tenth of the live rows looks like a mistake")
		Expect(message(few)).To(ContainSubstring("the table has 10 rows and the live one 100"))
		Expect(w.states()).To(ConsistOf(edm.StateUploadCompleted, edm.StateCompleted))
		w.changeStore(func(store *v1alpha1.ExactMatchDataStore) { store.Spec.Guards.MaxRowDecreasePercent = 100 })
		w.comesTo(few, reached(v1alpha1.ReasonCompleted), "the guard allows it now")
	})

	It("is judged by the guards after the objects were made anew", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 100)
		first := w.apply()
		w.comesTo(first, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		Expect(kube.Delete(ctx, first)).To(Succeed())
		w.gone(first, "nothing is unfinished")
		store := w.store()
		Expect(kube.Delete(ctx, store)).To(Succeed())
		w.gone(store, "nobody uses it")
		Expect(kube.Create(ctx, w.store())).To(Succeed())
		w.table("few.csv", 10)
		few := w.apply(called("few"), func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///few.csv" })
		w.comesTo(few, stuck(v1alpha1.ReasonHeld), "the service knows how many rows are live")
		Expect(message(few)).To(ContainSubstring("the table has 10 rows and the live one 100"))
	})

	It("ends although the source goes while the service indexes", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.configMap(csv(30))
		s := w.apply(fromConfigMap)
		Eventually(func() (*metav1.Time, error) {
			err := kube.Get(ctx, client.ObjectKeyFromObject(s), s)
			return s.Status.CommitRequestedTime, err
		}).ShouldNot(BeNil(), "it is committed")
		Expect(kube.Delete(ctx, &corev1.ConfigMap{ObjectMeta: w.named("table")})).To(Succeed())
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "what is committed needs no source")
	})
})
