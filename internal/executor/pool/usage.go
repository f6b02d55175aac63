package pool

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// Usage is what a pool holds at one moment, and what it has sent since its start.
type Usage struct {
	// Reserved are the bytes of memory that are taken of Limit.
	Reserved, Limit int64
	// SentBytes are those of blocks that the storage acknowledged.
	SentBytes int64
}

// Usage implements the metrics of the manager.
func (p *Pool) Usage() Usage {
	return Usage{Reserved: p.memory.reserved.Load(), Limit: p.options.Memory, SentBytes: p.sent.Load()}
}

// budget is memory of which somebody asks how much is taken.
type budget struct {
	*semaphore.Weighted
	reserved atomic.Int64
}

// Acquire implements upload.Budget.
func (b *budget) Acquire(ctx context.Context, n int64) error {
	err := b.Weighted.Acquire(ctx, n)
	if err == nil {
		b.reserved.Add(n)
	}
	return err
}

// Release implements upload.Budget.
func (b *budget) Release(n int64) {
	b.reserved.Add(-n)
	b.Weighted.Release(n)
}
