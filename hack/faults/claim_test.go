package faults_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// TestTwoOwnersAtOnce: two data stores of one display name come in the same moment,
// each with a manager of its own. One gets the remote store, and the other says so.
func TestTwoOwnersAtOnce(t *testing.T) {
	for n, cluster := range []string{"another cluster", "another cluster", "", ""} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			w := newTestEnv(t)
			w.compete(cluster, "/")
			rivalGetsNothing(w)
			var stores []*v1alpha1.ExactMatchDataStore
			agent := w.agentObject()
			agent.SetNamespace(w.rival)
			w.Expect(kube.Create(w.ctx, agent)).To(Succeed())
			var making sync.WaitGroup
			for _, namespace := range []string{w.namespace, w.rival} {
				store := w.storeObject()
				store.Namespace, store.Name, store.Spec.DisplayName = namespace, "both", w.namespace+"-both"
				stores = append(stores, store)
				making.Go(func() {
					if err := kube.Create(w.ctx, store); err != nil {
						t.Error(err)
					}
				})
			}
			making.Wait()
			w.Eventually(func() ([]string, error) { return w.readiness(stores) }).Should(
				ConsistOf("True Ready", "False "+v1alpha1.ReasonOwnedElsewhere), "one of them is the owner")
			for _, store := range stores {
				w.Expect(kube.Delete(w.ctx, store)).To(Succeed())
				w.gone(store)
			}
			w.Expect(kube.Delete(w.ctx, agent)).To(Succeed())
			w.gone(agent)
		})
	}
}

func (w *testEnv) readiness(stores []*v1alpha1.ExactMatchDataStore) ([]string, error) {
	var all []string
	for _, store := range stores {
		if err := kube.Get(w.ctx, client.ObjectKeyFromObject(store), store); err != nil {
			return nil, err
		}
		all = append(all, says(store.Status.Conditions, v1alpha1.ConditionReady))
	}
	return all, nil
}

// TestASealedSessionOutlivesAnothersList: a session that waits for its commit is
// watched by a listing, and one that is not its store's says nothing of it.
func TestASealedSessionOutlivesAnothersList(t *testing.T) {
	t.Parallel()
	w := newTestEnv(t)
	applyUploaded()(w)
	w.statusIsTrue()
	others := w.proxy.arm(anothersList, func(_ *faultProxy, c *call) bool {
		return c.isSession() && c.sessionID() == "" && c.Method == http.MethodGet
	})
	w.Eventually(func() int { return w.proxy.met(others) }).Should(Equal(others.times), "it is listed at every resync")
	w.statusIsTrue()
	w.Expect(w.outcome()).To(Equal(v1alpha1.ReasonUploaded), w.story)
	w.change(func(s *v1alpha1.ExactMatchSession) { s.Spec.DesiredState = v1alpha1.DesiredCommitted })
	w.comesTo(v1alpha1.ReasonCompleted)
	w.foreignIsAlone()
	w.lookupsWereWhole("new")
}
