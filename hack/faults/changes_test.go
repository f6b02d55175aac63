package faults_test

import (
	"context"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

const (
	anotherKey    = "another key of 32 bytes or more of the matrix"
	anotherBearer = "the next token of the matrix"
)

// changes are of what a session refers to, in the middle of it.
func changes() []disruption {
	return []disruption{
		change("rule-changed", "a column of the data store is compared under another rule", "Held", func(s *v1alpha1.ExactMatchDataStore) { s.Spec.Columns[0].IsCaseInsensitive = true }),
		change("delimiter-added", "a column of the data store ignores a delimiter", "Held", func(s *v1alpha1.ExactMatchDataStore) { s.Spec.Columns[0].IgnoredDelimiters = []string{"-"} }),
		change("search-changed", "another column of the data store is searchable", "nothing", func(s *v1alpha1.ExactMatchDataStore) { s.Spec.Columns[2].IsSearchable = nil }),
		change("column-removed", "a column of the data store is removed", "Held", func(s *v1alpha1.ExactMatchDataStore) { s.Spec.Columns = s.Spec.Columns[:2] }),
		{
			name: "column-added", says: "a column that the source does not have is added to the data store, and removed once that is complained of", at: atStep,
			trouble: trouble{in: from("prepare"), remakes: true, person: takesColumnBack},
			befall: func(w *testEnv) {
				w.changeStore(func(s *v1alpha1.ExactMatchDataStore) {
					s.Spec.Columns = append(s.Spec.Columns, v1alpha1.Column{Name: "Phone"})
				})
			},
		},
		{
			name: "guard-tightened", says: "a guard of the data store forbids the table, until somebody allows it", at: atStep,
			trouble: trouble{in: from("prepare"), helped: true, arrange: func(w *testEnv) { w.newRows = 20 }, ready: allowsFewer(100), person: allowsWhereHeld},
			befall: func(w *testEnv) {
				w.changeStore(func(s *v1alpha1.ExactMatchDataStore) { s.Spec.Guards.MaxRowDecreasePercent = 10 })
			},
		},
		{
			name: "key-changed", says: "the Secret of the data store's key holds another", at: atStep,
			trouble: trouble{in: from("prepare"), remakes: true, person: restartsAfter("Held")},
			befall: func(w *testEnv) {
				w.keep(anotherKey)
				w.changeSecret("key", anotherKey)
			},
		},
		{
			name: "token-rotated", says: "the service takes another bearer token, and then the agent's Secret holds it", at: atStep,
			trouble: trouble{in: from("prepare"), person: restartsAfter("nothing")},
			befall: func(w *testEnv) {
				w.mu.Lock()
				w.token = anotherBearer
				w.mu.Unlock()
				w.changeSecret("token", anotherBearer)
			},
		},
		{
			name: "endpoint-changed", says: "somebody wants another endpoint of the upload agent, which is refused", at: atStep,
			trouble: trouble{in: from("prepare"), person: restartsAfter("nothing")},
			befall:  wantsAnotherEndpoint,
		},
	}
}

func change(name, says, ends string, to func(*v1alpha1.ExactMatchDataStore)) disruption {
	return disruption{
		name: name, says: says, at: atStep, befall: func(w *testEnv) { w.changeStore(to) },
		trouble: trouble{in: from("prepare"), remakes: true, judged: true, person: restartsAfter(ends)},
	}
}

// changeStore patches the data store's spec.
func (w *testEnv) changeStore(to func(*v1alpha1.ExactMatchDataStore)) {
	store := w.storeObject()
	err := kube.Get(context.WithoutCancel(w.ctx), client.ObjectKeyFromObject(store), store)
	if err == nil {
		before := store.DeepCopy()
		to(store)
		err = kube.Patch(context.WithoutCancel(w.ctx), store, client.MergeFrom(before))
	}
	if err != nil {
		w.t.Errorf("change the data store: %v", err)
	}
}

func (w *testEnv) changeSecret(name, value string) {
	secret := &corev1.Secret{ObjectMeta: w.named(name), Data: map[string][]byte{name: []byte(value)}}
	if err := kube.Update(context.WithoutCancel(w.ctx), secret); err != nil {
		w.t.Errorf("change the Secret %s: %v", name, err)
	}
}

// takesColumnBack is a person who removes the column again where the session
// complains of it, or has gone live without it, and has the source read again then.
func takesColumnBack(w *testEnv, s *v1alpha1.ExactMatchSession) bool {
	store := w.storeObject()
	if kube.Get(w.ctx, client.ObjectKeyFromObject(store), store) != nil {
		return false
	}
	if len(store.Spec.Columns) == len(columns) {
		return restartsAfter(v1alpha1.ReasonMissingColumn)(w, s)
	}
	switch s.Status.Outcome {
	case v1alpha1.ReasonMissingColumn, v1alpha1.ReasonHeld, v1alpha1.ReasonCompleted:
		w.changeStore(func(s *v1alpha1.ExactMatchDataStore) { s.Spec.Columns = s.Spec.Columns[:len(columns)] })
		return true
	}
	return false
}

func allowsFewer(percent int32) func(*testEnv) {
	return func(w *testEnv) {
		w.changeStore(func(s *v1alpha1.ExactMatchDataStore) { s.Spec.Guards.MaxRowDecreasePercent = percent })
		w.Eventually(func(g Gomega) { w.storeIsTrue(g) }).Should(Succeed(), "the change is seen")
	}
}

// allowsWhereHeld is a person who loosens the guard that holds a session.
func allowsWhereHeld(w *testEnv, s *v1alpha1.ExactMatchSession) bool {
	store := w.storeObject()
	if s.Status.Outcome != v1alpha1.ReasonHeld || kube.Get(w.ctx, client.ObjectKeyFromObject(store), store) != nil || store.Spec.Guards.MaxRowDecreasePercent == 100 {
		return false
	}
	w.changeStore(func(s *v1alpha1.ExactMatchDataStore) { s.Spec.Guards.MaxRowDecreasePercent = 100 })
	return true
}

// wantsAnotherEndpoint: the API server refuses another endpoint while a store
// depends on it.
func wantsAnotherEndpoint(w *testEnv) {
	agent := w.agentObject()
	err := kube.Get(w.ctx, client.ObjectKeyFromObject(agent), agent)
	if err == nil {
		before := agent.DeepCopy()
		agent.Spec.Endpoint = w.proxy.second.URL + "/beta"
		err = kube.Patch(w.ctx, agent, client.MergeFrom(before))
	}
	if !apierrors.IsInvalid(err) {
		w.t.Errorf("another endpoint is refused as invalid, not: %v", err)
	}
}
