package controllers

import (
	"context"
	"slices"
	"sync"
	"time"

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

// past is when a store was last shown, and when its remote sessions were last
// listed, however that went since.
type past struct{ seen, listed time.Time }

// looks are the last one of each store. Sessions wake their store at every step,
// and most steps change nothing there. A restart may lose them.
type looks struct {
	mu   sync.Mutex
	last map[types.UID]look
	past map[types.UID]past
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
	l.change(store, func(p *past) { p.seen = now.at })
}

// change alters what is remembered of a store's past; l.mu is held.
func (l *looks) change(store types.UID, do func(*past)) {
	if l.past == nil {
		l.past = map[types.UID]past{}
	}
	p := l.past[store]
	do(&p)
	l.past[store] = p
}

// seen is when the service last showed the store, zero where this process does
// not know.
func (l *looks) seen(store types.UID) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.past[store].seen
}

// mayList reports whether the last listing is so old that another is due: a
// tenth of the interval is left to the jitter of the passes.
func (l *looks) mayList(store types.UID, now time.Time, interval time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !isRecent(l.past[store].listed, now, interval-interval/10)
}

func (l *looks) listed(store types.UID, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.change(store, func(p *past) { p.listed = now })
}

// drop forgets a store that is deleted.
func (l *looks) drop(store types.UID) {
	l.forget(store)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.past, store)
}

func (l *looks) forget(store types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.last, store)
}

// freshFor returns for how long yet the store's status is as good as another
// look, at most a poll interval; 0 asks for one. When another session is admitted, the
// quota and the live table have changed, so that session gets them as they are.
func (r *DataStoreReconciler) freshFor(ctx context.Context, s *storeScope) time.Duration {
	if !isReady(s.object.Status.Conditions, s.object.Generation) {
		return 0
	}
	if active := s.object.Status.ActiveSession; active != "" && !slices.ContainsFunc(s.sessions, func(one v1alpha1.ExactMatchSession) bool {
		return one.Name == active && keepsAdmission(&one)
	}) {
		return 0
	}
	last, agent := r.looks.of(s.object.UID), &v1alpha1.ExactMatchUploadAgent{}
	key := client.ObjectKey{Namespace: s.object.Namespace, Name: s.object.Spec.UploadAgentRef.Name}
	if r.Get(ctx, key, agent) != nil || agentProblem(agent) != nil || agent.UID != last.agent || agent.Generation != last.generation {
		return 0
	}
	if now := r.Now(); isRecent(last.at, now, r.Options.PollInterval) {
		return last.at.Add(r.Options.PollInterval).Sub(now)
	}
	return 0
}
