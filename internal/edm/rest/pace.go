package rest

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"exactmatch.dev/operator/internal/edm"
)

// gatePatience is the longest Retry-After that a call waits out by itself, and how
// long it waits for the outcome of another's probe.
const gatePatience = 2 * time.Second

// maxHold is how long one Retry-After holds an endpoint back at most: a day may
// be a proxy's idea, or out of date soon. Then one call probes.
const maxHold = 5 * time.Minute

// Pace is how fast one endpoint is called, by whatever number of clients: so many
// calls a second in bursts of so many, and none until the time that a Retry-After
// named. It is safe for concurrent use.
type Pace struct {
	limiter *rate.Limiter

	mu sync.Mutex
	// until is when the hold ends, zero where nobody asked to wait, or the probe
	// came through.
	until time.Time
	// probe is closed when the call that probes has ended; nil where none does.
	probe chan struct{}
}

// NewPace makes the pace of one endpoint out of its budget of calls a second and
// at once.
func NewPace(perSecond, atOnce int) *Pace {
	return &Pace{limiter: rate.NewLimiter(rate.Limit(perSecond), atOnce)}
}

// Unpaced is for a service of one's own that nobody else waits for: it knows no
// budget, yet heeds a Retry-After.
func Unpaced() *Pace { return &Pace{limiter: rate.NewLimiter(rate.Inf, 1)} }

// Apart is a pace that spends the same budget and is held back by itself: what one
// tenant is asked to wait is nothing to another.
func (p *Pace) Apart() *Pace { return &Pace{limiter: p.limiter} }

var errHeldBack = errors.New("the service asked to wait")

// turn is one call that was admitted. probe is not nil where it is the one that
// finds out whether a hold is over.
type turn struct {
	pace  *Pace
	probe chan struct{}
}

// admit waits for the call's turn. A long wait that the service asked for is
// left to the caller, who can do something else.
func (p *Pace) admit(ctx context.Context, k call, sleep func(context.Context, time.Duration) error) (*turn, error) {
	for now := time.Now(); ; {
		admitted, wait, other := p.enter(now)
		switch {
		case admitted != nil:
			return admitted, admitted.orEnd(p.limiter.Wait(ctx))
		case wait > gatePatience:
			return nil, heldBack(k, wait)
		case wait > 0:
			if err := sleep(ctx, wait); err != nil {
				return nil, err
			}
			now = now.Add(wait)
		default:
			if err := outcomeOf(ctx, other); err != nil {
				return nil, cmp.Or(ctx.Err(), heldBack(k, gatePatience))
			}
			now = time.Now()
		}
	}
}

// enter admits a call, or says how long the hold lasts, or whose probe is under way.
func (p *Pace) enter(now time.Time) (admitted *turn, wait time.Duration, other chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.until.IsZero():
		return &turn{pace: p}, 0, nil
	case p.until.After(now):
		return nil, p.until.Sub(now), nil
	case p.probe != nil:
		return nil, 0, p.probe
	}
	p.probe = make(chan struct{})
	return &turn{p, p.probe}, 0, nil
}

// outcomeOf waits until a probe has ended.
func outcomeOf(ctx context.Context, probe chan struct{}) error {
	patience := time.NewTimer(gatePatience)
	defer patience.Stop()
	select {
	case <-probe:
		return nil
	case <-patience.C:
		return errHeldBack
	case <-ctx.Done():
		return ctx.Err()
	}
}

func heldBack(k call, wait time.Duration) error {
	return &edm.Error{Op: k.op, Class: edm.Transient, RetryAfter: wait, RequestID: k.requestID, Err: errHeldBack}
}

// answered takes an answer, e where it is no success: it holds back every call of
// the pace for as long as it asks, and ends the hold that it was the probe of
// where it asks for nothing. The spent quota of one data store is that store's own
// matter.
func (t *turn) answered(e *edm.Error) {
	t.pace.mu.Lock()
	defer t.pace.mu.Unlock()
	if e == nil || e.RetryAfter <= 0 || ofQuota(e) {
		if t.probe != nil {
			t.pace.until = time.Time{}
		}
		return
	}
	if until := time.Now().Add(min(e.RetryAfter, maxHold)); until.After(t.pace.until) {
		t.pace.until = until
	}
}

// end lets the next call probe where this one did and has learnt nothing.
func (t *turn) end() {
	if t.probe == nil {
		return
	}
	t.pace.mu.Lock()
	defer t.pace.mu.Unlock()
	t.pace.probe = nil
	close(t.probe)
}

// orEnd ends the turn of a call that is not sent.
func (t *turn) orEnd(err error) error {
	if err != nil {
		t.end()
	}
	return err
}

// ofQuota reports whether the service refused because a data store's commits of
// the day are spent.
func ofQuota(e *edm.Error) bool {
	said, _, _ := strings.Cut(edm.ThrottledMessage, ".")
	return edm.IsThrottled(e) && strings.HasPrefix(e.Message, said)
}
