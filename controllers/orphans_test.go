package controllers_test

import (
	"net/url"
	"sync"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// managerLog keeps what the manager logs.
type managerLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *managerLog) logger() logr.Logger {
	return funcr.New(func(_, line string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, line)
	}, funcr.Options{})
}

// about are the lines that name something.
func (l *managerLog) about(name string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for _, line := range l.lines {
		if ok, err := ContainSubstring(name).Match(line); ok && err == nil {
			lines = append(lines, line)
		}
	}
	return lines
}

func containAll(words ...string) types.GomegaMatcher {
	var all []types.GomegaMatcher
	for _, w := range words {
		all = append(all, ContainSubstring(w))
	}
	return And(all...)
}

// terminates marks the namespace as a deletion does, and takes what no finalizer
// holds, which the agent notices: from then on no event can be created.
func (w *testEnv) terminates(agent *v1alpha1.ExactMatchUploadAgent) {
	GinkgoHelper()
	for _, name := range []string{"token", "key"} {
		Expect(kube.Delete(w.ctx, &corev1.Secret{ObjectMeta: w.named(name)})).To(Succeed())
	}
	another := w.store() // wakes the agent
	another.Name, another.Spec.DisplayName = "another", w.namespace+"-another"
	Expect(kube.Create(w.ctx, another)).To(Succeed())
	Eventually(w.ready).WithArguments(agent).Should(saying(metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound), "the agent has noticed")
	Expect(kube.Delete(w.ctx, another)).To(Succeed())
	Expect(kube.Delete(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}})).To(Succeed())
}

var _ = Describe("Deletion of a namespace", func() {
	It("cancels what is sealed, although the Secret has gone first", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s, store, agent := w.sealed(), w.store(), w.agent()
		w.terminates(agent)
		for _, o := range []client.Object{agent, store, s} {
			Expect(kube.Delete(ctx, o)).To(Succeed())
		}
		for _, o := range []client.Object{agent, store, s} {
			w.goneSoon(o, "the last client of the agent serves")
		}
		Expect(w.states()).To(Equal([]edm.State{edm.StateCancelled}))
		Expect(managerLines.about(w.namespace)).NotTo(ContainElement(ContainSubstring("was left")))
	})

	It("deletes the remote store that is to be deleted", func(ctx SpecContext) {
		w := newTestEnv(ctx, func(o client.Object) {
			if store, ok := o.(*v1alpha1.ExactMatchDataStore); ok {
				store.Spec.DeletionPolicy = v1alpha1.StoreDeletionPolicyDelete
			}
		})
		store, agent := w.store(), w.agent()
		Eventually(func() (string, error) { err := w.gets(store); return store.Status.ID, err }).ShouldNot(BeEmpty(), "the remote store is there")
		Eventually(func() (string, error) { err := w.gets(agent); return agent.Status.ID, err }).ShouldNot(BeEmpty(), "the remote agent is there")
		w.terminates(agent)
		for _, o := range []client.Object{agent, store} {
			Expect(kube.Delete(ctx, o)).To(Succeed())
		}
		w.goneSoon(store, "the last client of the agent serves")
		w.goneSoon(agent, "the last client of the agent serves")
		stores, err := edmService.Stores().List(ctx, edm.Query{Filter: "displayName eq '" + w.namespace + "'"})
		Expect(err).NotTo(HaveOccurred())
		Expect(stores).To(BeEmpty())
		_, err = edmService.Agents().Get(ctx, agent.Status.ID)
		Expect(edm.IsNotFound(err)).To(BeTrue(), "the remote agent: %v", err)
	})

	It("logs what it leaves where no client of the agent is known", func(ctx SpecContext) {
		w := newTestEnv(ctx, without[*corev1.Secret]("token"), func(o client.Object) {
			if store, ok := o.(*v1alpha1.ExactMatchDataStore); ok {
				store.Spec.DeletionPolicy = v1alpha1.StoreDeletionPolicyDelete
			}
		})
		s, store, agent := w.apply(), w.store(), w.agent()
		for _, o := range []client.Object{s, store, agent} {
			Eventually(func() ([]string, error) { err := w.gets(o); return o.GetFinalizers(), err }).ShouldNot(BeEmpty(), "the manager has seen it")
		}
		// As another process has left them.
		Eventually(func() error {
			s.Status.ID, s.Status.State = "remote-session", string(edm.StateUploadCompleted)
			store.Status.ID, agent.Status.ID = "remote-store", "remote-agent"
			for _, o := range []client.Object{s, store, agent} {
				if err := kube.Status().Update(ctx, o); err != nil {
					_ = w.gets(o)
					return err
				}
			}
			return nil
		}).Should(Succeed(), "nobody else writes the status for long")
		Expect(kube.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}})).To(Succeed())
		for _, o := range []client.Object{agent, store, s} {
			Expect(kube.Delete(ctx, o)).To(Succeed())
		}
		for _, o := range []client.Object{agent, store, s} {
			w.goneSoon(o, "the credentials are gone for good")
		}
		at, err := url.Parse(endpoint)
		Expect(err).NotTo(HaveOccurred())
		Expect(managerLines.about(w.namespace)).To(ContainElements(
			containAll("remote object orphaned", "ExactMatchSession", w.namespace+"/session", "remote-session", at.Host, `Secret \"token\"`),
			containAll("remote object orphaned", "ExactMatchDataStore", w.namespace+"/store", "remote-store", at.Host),
			containAll("remote object orphaned", "ExactMatchUploadAgent", w.namespace+"/agent", "remote-agent", at.Host),
		))
	})
})

var _ = Describe("A session that is deleted", func() {
	It("warns of what it leaves where its agent was removed by force", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s, agent := w.sealed(), w.agent()
		w.removeByForce(agent)
		Expect(kube.Delete(ctx, s)).To(Succeed())
		w.gone(s, "nobody can reach the service any more")
		Eventually(w.events).WithArguments(s).Should(ContainElement(v1alpha1.ReasonRemoteSessionOrphaned), "somebody must be told")
		Expect(w.states()).To(Equal([]edm.State{edm.StateUploadCompleted}))
	})

	It("warns of nothing where nothing remains at the service", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s, agent := w.apply(), w.agent()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		w.removeByForce(agent)
		Expect(kube.Delete(ctx, s)).To(Succeed())
		w.gone(s, "a completed session needs no service")
		never := w.apply(called("never-opened"))
		w.comesTo(never, stuck(v1alpha1.ReasonUploadAgentNotFound), "there is no agent")
		Expect(kube.Delete(ctx, never)).To(Succeed())
		w.gone(never, "nothing was opened")
		Consistently(func() []string { return append(w.events(s), w.events(never)...) }).ShouldNot(ContainElement(v1alpha1.ReasonRemoteSessionOrphaned))
	})
})

// removeByForce deletes an object past its finalizer.
func (w *testEnv) removeByForce(o client.Object) {
	GinkgoHelper()
	Expect(kube.Delete(w.ctx, o)).To(Succeed())
	Eventually(func() error {
		if err := w.gets(o); err != nil {
			return client.IgnoreNotFound(err)
		}
		o.SetFinalizers(nil)
		return kube.Update(w.ctx, o)
	}).Should(Succeed(), "nobody else writes it for long")
	w.gone(o, "nothing holds it")
}
