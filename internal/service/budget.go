package service

import (
	"context"
	"sync"
)

// uploadBudget shares the memory of the blocks that are received at once among
// sessions. A session that holds some may not take more than its share, and of
// those that wait the one whose session holds the least comes first, so that no
// session keeps the others from uploading.
type uploadBudget struct {
	total int64

	mu      sync.Mutex
	free    int64
	held    map[string]int64
	open    map[string]int // requests, whether they hold memory or not
	waiting []*waiter      // in the order of their coming
}

// waiter is a request that waits for memory.
type waiter struct {
	session string
	bytes   int64
	granted chan struct{}
}

// maxOpenUploads are the requests of one session that may send at once.
const maxOpenUploads = 64

func newUploadBudget(total int64) *uploadBudget {
	return &uploadBudget{total: total, free: total, held: map[string]int64{}, open: map[string]int{}}
}

// enter counts a request that is about to send; false where its session has too
// many. The caller leaves.
func (b *uploadBudget) enter(session string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[session] >= maxOpenUploads {
		return false
	}
	b.open[session]++
	return true
}

func (b *uploadBudget) leave(session string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[session]--; b.open[session] == 0 {
		delete(b.open, session)
	}
}

// acquire waits for memory until ctx ends. The caller releases what it got.
func (b *uploadBudget) acquire(ctx context.Context, session string, bytes int64) error {
	w := &waiter{session, bytes, make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, w)
	b.grant()
	b.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.drop(w) {
		return nil // it was granted just now
	}
	b.grant() // what waited behind it
	return ctx.Err()
}

func (b *uploadBudget) release(session string, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += bytes
	if b.held[session] -= bytes; b.held[session] == 0 {
		delete(b.held, session)
	}
	b.grant()
}

// grant gives memory to those that wait, as long as the next one finds enough. A
// large block is not overtaken: it would wait for ever. b.mu is held.
func (b *uploadBudget) grant() {
	for {
		next := b.next()
		if next == nil || next.bytes > b.free {
			return
		}
		b.drop(next)
		b.free -= next.bytes
		b.held[next.session] += next.bytes
		close(next.granted)
	}
}

// next is the first that waits of the session that holds the least, among those
// that have not had their share.
func (b *uploadBudget) next() (next *waiter) {
	for _, w := range b.waiting {
		held := b.held[w.session]
		if held > 0 && held+w.bytes > b.total/2 {
			continue
		}
		if next == nil || held < b.held[next.session] {
			next = w
		}
	}
	return next
}

// drop takes a waiter off the list; false where it is not there any more.
func (b *uploadBudget) drop(w *waiter) bool {
	for i, one := range b.waiting {
		if one == w {
			b.waiting = append(b.waiting[:i:i], b.waiting[i+1:]...)
			return true
		}
	}
	return false
}
