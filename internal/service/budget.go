package service

import (
	"cmp"
	"context"
	"sync"

	"exactmatch.dev/operator/internal/service/records"
)

// uploadBudget shares the memory of the blocks that are received at once among
// tenants, and what one has among its sessions. A session that holds some may not
// take more than half of the whole, nor may a tenant as soon as there are others.
// Of those that wait the one whose tenant holds the least comes first, and of these
// the one whose session does, so that neither keeps the others from uploading.
type uploadBudget struct {
	total int64

	mu      sync.Mutex
	free    int64
	held    map[uploader]int64 // by session, and by tenant under one without a session
	open    map[string]int     // requests of a session, whether they hold memory or not
	tenants map[string]bool    // that have uploaded
	waiting []*waiter          // in the order of their coming
}

// uploader is who holds memory.
type uploader struct{ tenant, session string }

func uploaderOf(one *records.Session) uploader { return uploader{one.Tenant, one.ID} }

// whole is the uploader's tenant with all of its sessions.
func (u uploader) whole() uploader { return uploader{tenant: u.tenant} }

// waiter is a request that waits for memory.
type waiter struct {
	uploader
	bytes   int64
	granted chan struct{}
}

// maxOpenUploads are the requests of one session that may send at once.
const maxOpenUploads = 64

func newUploadBudget(total int64) *uploadBudget {
	return &uploadBudget{total: total, free: total, held: map[uploader]int64{}, open: map[string]int{}, tenants: map[string]bool{}}
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
func (b *uploadBudget) acquire(ctx context.Context, by uploader, bytes int64) error {
	w := &waiter{by, bytes, make(chan struct{})}
	b.mu.Lock()
	b.tenants[by.tenant] = true
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

func (b *uploadBudget) release(by uploader, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.take(by, -bytes)
	b.grant()
}

// take gives memory to an uploader; a negative amount gives it back. b.mu is held.
func (b *uploadBudget) take(by uploader, bytes int64) {
	b.free -= bytes
	for _, one := range []uploader{by, by.whole()} {
		if b.held[one] += bytes; b.held[one] == 0 {
			delete(b.held, one)
		}
	}
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
		b.take(next.uploader, next.bytes)
		close(next.granted)
	}
}

// next is the first that waits of the tenant and the session that hold the least,
// among those that have not had their share.
func (b *uploadBudget) next() (next *waiter) {
	for _, w := range b.waiting {
		if b.hadShare(w.uploader, w.bytes) || len(b.tenants) > 1 && b.hadShare(w.whole(), w.bytes) {
			continue
		}
		if next == nil || b.compare(w, next) < 0 {
			next = w
		}
	}
	return next
}

// hadShare reports whether an uploader would have more than half with some bytes
// more. One that holds nothing may have as much as it needs.
func (b *uploadBudget) hadShare(by uploader, bytes int64) bool {
	return b.held[by] > 0 && b.held[by]+bytes > b.total/2
}

// compare says which of two that wait holds less.
func (b *uploadBudget) compare(one, other *waiter) int {
	return cmp.Or(cmp.Compare(b.held[one.whole()], b.held[other.whole()]), cmp.Compare(b.held[one.uploader], b.held[other.uploader]))
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
