package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
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
