package controllers

import (
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"exactmatch.dev/operator/api/v1alpha1"
)

// recalls are sessions that have ended and whose remote session was seen to be
// another than their status says. A restart may lose them: the next listing
// finds them again.
type recalls struct {
	wake chan<- event.GenericEvent
	mu   sync.Mutex
	of   map[types.UID]bool
}

func newRecalls(wake chan<- event.GenericEvent) *recalls {
	return &recalls{wake: wake, of: map[types.UID]bool{}}
}

// add wakes a session to be judged again.
func (r *recalls) add(one *v1alpha1.ExactMatchSession) {
	r.mu.Lock()
	r.of[one.UID] = true
	r.mu.Unlock()
	r.wakeUp(one)
}

// wakeUp has a session looked at that is not finished: nothing else may come.
func (r *recalls) wakeUp(one *v1alpha1.ExactMatchSession) {
	r.wake <- event.GenericEvent{Object: &v1alpha1.ExactMatchSession{ObjectMeta: metav1.ObjectMeta{Namespace: one.Namespace, Name: one.Name}}}
}

func (r *recalls) take(uid types.UID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := r.of[uid]
	delete(r.of, uid)
	return is
}
