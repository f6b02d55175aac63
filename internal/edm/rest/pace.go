package rest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"exactmatch.dev/operator/internal/edm"
)

// gatePatience is the longest Retry-After that a call waits out by itself.
const gatePatience = 2 * time.Second

// Pace is how fast one endpoint is called, by whatever number of clients: so many
// calls a second in bursts of so many, and none until the time that a Retry-After
// named. It is safe for concurrent use.
type Pace struct {
	limiter *rate.Limiter

	mu    sync.Mutex
	until time.Time
}

// NewPace makes the pace of one endpoint out of its budget of calls a second and
// at once.
func NewPace(perSecond, atOnce int) *Pace {
	return &Pace{limiter: rate.NewLimiter(rate.Limit(perSecond), atOnce)}
}

// Unpaced is for a service of one's own that nobody else waits for: it knows no
// budget, yet heeds a Retry-After.
func Unpaced() *Pace { return &Pace{limiter: rate.NewLimiter(rate.Inf, 1)} }

var errHeldBack = errors.New("the service asked to wait")

// admit waits for the call's turn. A long wait that the service asked for is
// left to the caller, who can do something else.
func (p *Pace) admit(ctx context.Context, k call, sleep func(context.Context, time.Duration) error) error {
	if wait := p.wait(); wait > gatePatience {
		return &edm.Error{Op: k.op, Class: edm.Transient, RetryAfter: wait, RequestID: k.requestID, Err: errHeldBack}
	} else if wait > 0 {
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	return p.limiter.Wait(ctx)
}

func (p *Pace) wait() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.until)
}

// heed holds back every call of the endpoint for as long as an answer asks. The
// spent quota of one data store is that store's own matter.
func (p *Pace) heed(e *edm.Error) {
	if e.RetryAfter <= 0 || ofQuota(e) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(e.RetryAfter); until.After(p.until) {
		p.until = until
	}
}

// ofQuota reports whether the service refused because a data store's commits of
// the day are spent.
func ofQuota(e *edm.Error) bool {
	said, _, _ := strings.Cut(edm.ThrottledMessage, ".")
	return edm.IsThrottled(e) && strings.HasPrefix(e.Message, said)
}
