package service

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/authn"
)

// maxCallWait is how long a call waits for its turn before it is refused.
const maxCallWait = time.Second

// callRate spaces the calls of each caller, those of all tenants alike: what one sends
// beyond its rate waits, and so takes no processor from the others.
type callRate struct {
	perSecond int // 0 for any number

	mu  sync.Mutex
	own buckets
}

func newCallRate(perSecond int) *callRate {
	return &callRate{perSecond: perSecond, own: newBuckets()}
}

// turn waits until a caller may call. A call that would wait too long is told when to
// come again; what it had taken is given back.
func (c *callRate) turn(ctx context.Context, caller authn.Caller) error {
	if c.perSecond == 0 {
		return nil
	}
	place := c.reserve(caller)
	if place == nil {
		return c.tooMany(time.Second)
	}
	wait := place.Delay()
	if wait == 0 {
		return nil
	}
	if wait > maxCallWait {
		place.Cancel()
		return c.tooMany(wait)
	}
	due := time.NewTimer(wait)
	defer due.Stop()
	select {
	case <-due.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reserve takes a caller's next place; nil where there are too many callers to tell apart.
func (c *callRate) reserve(caller authn.Caller) *rate.Reservation {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	bucket := c.own.get(asker{caller.Tenant, caller.Name}, rate.Limit(c.perSecond), c.perSecond, now)
	if bucket == nil {
		return nil
	}
	return bucket.ReserveN(now, 1)
}

func (c *callRate) tooMany(wait time.Duration) error {
	f := fail(http.StatusTooManyRequests, edm.CodeThrottled, "the caller sends more than %d calls a second (--max-calls-per-second): ask several questions in one call, or have the administrator raise it", c.perSecond)
	f.retryAfter, f.limit = wait, limitCalls
	return f
}
