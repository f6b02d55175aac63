package service

import (
	"maps"
	"time"

	"golang.org/x/time/rate"
)

// buckets has one for each asker, of those that are not full: new ones are as full.
type buckets struct {
	of     map[asker]*rate.Limiter
	forgot time.Time
}

func newBuckets() buckets { return buckets{of: map[asker]*rate.Limiter{}} }

// get is one's own; nil where there are too many.
func (b *buckets) get(of asker, limit rate.Limit, burst int, now time.Time) *rate.Limiter {
	if found := b.of[of]; found != nil {
		return found
	}
	if b.forget(now); len(b.of) >= 2*maxAskers {
		return nil
	}
	b.of[of] = rate.NewLimiter(limit, burst)
	return b.of[of]
}

// forget drops the buckets that are full: where there are too many, and seldom, for it
// looks at all of them.
func (b *buckets) forget(now time.Time) {
	if len(b.of) < 2*maxAskers || now.Sub(b.forgot).Abs() < time.Second {
		return
	}
	b.forgot = now
	maps.DeleteFunc(b.of, func(_ asker, one *rate.Limiter) bool { return one.TokensAt(now) >= float64(one.Burst()) })
}
