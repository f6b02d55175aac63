package controllers

import (
	"context"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// look is one answer of the service about a data store, and through which upload
// agent it came.
type look struct {
	at         time.Time
	agent      types.UID
	generation int64
}

// looks are the last one of each store. Sessions wake their store at every step,
// and most steps change nothing there. A restart may lose them.
type looks struct {
	mu   sync.Mutex
	last map[types.UID]look
}

func (l *looks) of(store types.UID) look {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last[store]
}

func (l *looks) remember(store types.UID, now look) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		l.last = map[types.UID]look{}
	}
	l.last[store] = now
}

func (l *looks) forget(store types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.last, store)
}

// freshFor returns for how long yet the store's status is as good as another
// look, at most a poll interval; 0 asks for one. When the turn changes hands the
// quota and the live table have changed, so the next holder gets them as they are.
func (r *DataStoreReconciler) freshFor(ctx context.Context, s *storeScope) time.Duration {
	ready := findCondition(s.object.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != s.object.Generation {
		return 0
	}
	if active := s.object.Status.ActiveSession; active != "" && !slices.ContainsFunc(s.sessions, func(one v1alpha1.ExactMatchSession) bool {
		return one.Name == active && needsTurn(&one)
	}) {
		return 0
	}
	last, agent := r.looks.of(s.object.UID), &v1alpha1.ExactMatchUploadAgent{}
	key := client.ObjectKey{Namespace: s.object.Namespace, Name: s.object.Spec.UploadAgentRef.Name}
	if r.Get(ctx, key, agent) != nil || agentProblem(agent) != nil || agent.UID != last.agent || agent.Generation != last.generation {
		return 0
	}
	return max(0, last.at.Add(r.Options.PollInterval).Sub(r.Now()))
}
