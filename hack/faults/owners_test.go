package faults_test

import (
	"context"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"exactmatch.dev/operator/api/v1alpha1"
)

// owners are others who want the same remote data store, or to be admitted.
func owners() []disruption {
	return []disruption{
		{
			name: "another-cluster", says: "another cluster's data store has the same display name, and a session", at: atStep,
			trouble: trouble{in: from("prepare"), also: rivalGetsNothing},
			befall:  competes("another cluster", ""),
		},
		{
			name: "another-namespace", says: "so has one of another namespace, whose agent's endpoint ends with a slash", at: atStep,
			trouble: trouble{in: from("prepare"), also: rivalGetsNothing},
			befall:  competes("", "/"),
		},
		{
			name: "admission-taken", says: "a second session is admitted while the first one acts, and two managers are at work", at: atStep, leaders: true,
			trouble: trouble{in: from("plan", "look"), remakes: true, person: restartsAfter("nothing"), also: secondEnds},
			befall:  admitAnother,
		},
	}
}

// competes lets a rival come while the call or the write goes on.
func competes(cluster, suffix string) func(*testEnv) {
	return func(w *testEnv) {
		w.begin()
		go func() {
			defer w.end()
			w.compete(cluster, suffix)
		}()
	}
}

// compete makes the objects of the case once more, in another namespace, with a
// manager of their own.
func (w *testEnv) compete(cluster, suffix string) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "rival-"}}
	ctx := context.WithoutCancel(w.ctx)
	if err := kube.Create(ctx, namespace); err != nil {
		w.t.Errorf("make a namespace: %v", err)
		return
	}
	agent := w.agentObject()
	agent.Spec.Endpoint += suffix
	for _, o := range append(w.secrets(), agent, w.storeObject(), w.sessionObject()) {
		o.SetNamespace(namespace.Name)
		if err := kube.Create(ctx, o); err != nil {
			w.t.Errorf("make %T of the rival: %v", o, err)
		}
	}
	l := w.manage("rival", post{namespace.Name, cluster}, func(*managerRun) interceptor.Funcs { return interceptor.Funcs{} })
	w.mu.Lock()
	w.rival = namespace.Name
	w.mu.Unlock()
	w.t.Cleanup(func() {
		l.terminate()
		within(w.t, l.ended, patience, l.name)
	})
}

// rivalGetsNothing: the second owner is told so, opens no session, and its deletion
// leaves the remote store alone.
func rivalGetsNothing(w *testEnv) {
	w.t.Helper()
	w.mu.Lock()
	rival := w.rival
	w.mu.Unlock()
	store, agent, s := w.storeObject(), w.agentObject(), w.sessionObject()
	for _, o := range []client.Object{store, agent, s} {
		o.SetNamespace(rival)
	}
	w.Eventually(func(g Gomega) {
		g.Expect(kube.Get(w.ctx, client.ObjectKeyFromObject(store), store)).To(Succeed())
		g.Expect(says(store.Status.Conditions, v1alpha1.ConditionReady)).To(Equal("False " + v1alpha1.ReasonOwnedElsewhere))
		kstatus(g, store.Generation, store.Status.ObservedGeneration, store.Status.Conditions)
		g.Expect(kube.Get(w.ctx, client.ObjectKeyFromObject(s), s)).To(Succeed())
		g.Expect(says(s.Status.Conditions, v1alpha1.ConditionReady)).To(Equal("False " + v1alpha1.ReasonDataStoreNotReady))
	}).Should(Succeed(), "the second owner is told that the store belongs to another")
	w.Expect(s.Status.ID).To(BeEmpty())
	w.Expect(s.Status.Intent).To(BeNil())
	for _, o := range []client.Object{s, store, agent} {
		w.Expect(kube.Delete(w.ctx, o)).To(Succeed())
		w.gone(o)
	}
	shown, err := w.direct.Stores().Get(w.ctx, w.store.Status.ID)
	w.Expect(err).NotTo(HaveOccurred(), "the remote store outlives the objects of somebody else")
	w.Expect(shown.Owner).To(HaveValue(HaveField("Namespace", w.namespace)))
}

// secondSession is of the same source, in blocks of another size.
func (w *testEnv) secondSession() *v1alpha1.ExactMatchSession {
	s := w.sessionObject()
	s.Name, s.Spec.RowsPerBlock = "second", rowsPerBlock+1
	return s
}

// admitAnother creates another session of the store, and admits it.
func admitAnother(w *testEnv) {
	ctx := context.WithoutCancel(w.ctx)
	second := w.secondSession()
	if err := kube.Create(ctx, second); err != nil {
		w.t.Errorf("make a second session: %v", err)
		return
	}
	w.startManager("another-leader")
	for end := time.Now().Add(time.Second); time.Now().Before(end) && second.StatusReason() != v1alpha1.ReasonQueued; w.pause() {
		if err := kube.Get(ctx, client.ObjectKeyFromObject(second), second); err != nil {
			w.t.Errorf("read the second session: %v", err)
			return
		}
	}
	store := w.storeObject()
	given := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"activeSession":"second"}}`))
	if err := kube.Status().Patch(ctx, store, given); err != nil {
		w.t.Errorf("admit another session: %v", err)
	}
}

// secondEnds: the second session comes to its end too.
func secondEnds(w *testEnv) {
	w.t.Helper()
	second := w.secondSession()
	w.Eventually(func(g Gomega) {
		g.Expect(kube.Get(w.ctx, client.ObjectKeyFromObject(second), second)).To(Succeed())
		g.Expect(says(second.Status.Conditions, v1alpha1.ConditionFinished)).To(Equal("True "+v1alpha1.ReasonCompleted), second.Status.OutcomeMessage)
		kstatus(g, second.Generation, second.Status.ObservedGeneration, second.Status.Conditions)
	}).Should(Succeed(), w.story)
	w.statusIsTrue() // once both have ended
}
