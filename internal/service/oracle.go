package service

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/authn"
)

const (
	// leastQuestions is what a limit must allow: the largest batch.
	leastQuestions = 1000
	// maxAskers are those that are bounded and counted one by one.
	maxAskers = 10_000
	// questionsInterval is how often questions are summed up in the log.
	questionsInterval = time.Minute
)

// asker is whose questions are counted together: a caller, or with no name the whole of a tenant.
type asker struct{ tenant, name string }

// asked are the questions of a caller since the last line of the log.
type asked struct {
	calls, questions, refused int64
	found                     int64 // rows that were answered
}

// oracle bounds and counts questions. Each is a test whether a record is there, so that it is questions that
// count, and not calls.
type oracle struct {
	perCaller, perTenant int // a minute

	mu      sync.Mutex
	buckets buckets
	sums    map[asker]*asked
}

func newOracle(perCaller, perTenant int) *oracle {
	return &oracle{perCaller: perCaller, perTenant: perTenant, buckets: newBuckets(), sums: map[asker]*asked{}}
}

// question lets a caller ask n questions, or says when it may. It comes before any record is read. Those without a
// tenant are administrators, who are counted and not bounded.
func (s *Service) question(r *http.Request, n int) error {
	caller := authn.FromContext(r.Context())
	most, flag, wait := s.oracle.take(caller, n, s.now())
	s.metrics.asked(caller, n, flag)
	if flag == "" {
		return nil
	}
	f := fail(http.StatusTooManyRequests, edm.CodeThrottled, "%d questions are more than are left of %d a minute (%s): ask again later, or have the administrator raise it", n, most, flag)
	f.retryAfter = wait
	return f
}

// found counts the rows that a question was answered with.
func (s *Service) found(r *http.Request, rows int) {
	s.metrics.found(authn.FromContext(r.Context()), rows)
	s.oracle.mu.Lock()
	defer s.oracle.mu.Unlock()
	s.oracle.sum(authn.FromContext(r.Context())).found += int64(rows)
}

// take takes n questions out of both buckets, or out of none: then it names the flag of the limit that was met.
func (o *oracle) take(caller authn.Caller, n int, now time.Time) (most int, flag string, wait time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	sum := o.sum(caller)
	sum.calls++
	if caller.Tenant == "" {
		sum.questions += int64(n)
		return 0, "", 0
	}
	own, all := o.bucket(asker{caller.Tenant, caller.Name}, o.perCaller, now), o.bucket(asker{caller.Tenant, ""}, o.perTenant, now)
	most, flag, wait = o.perCaller, "--max-questions-per-minute", shortOf(own, n, now)
	if more := shortOf(all, n, now); more > wait {
		most, flag, wait = o.perTenant, "--max-tenant-questions-per-minute", more
	}
	if wait > 0 {
		sum.refused += int64(n)
		return most, flag, wait
	}
	own.AllowN(now, n)
	all.AllowN(now, n)
	sum.questions += int64(n)
	return 0, "", 0
}

// shortOf is how long it takes until a bucket has n.
func shortOf(bucket *rate.Limiter, n int, now time.Time) time.Duration {
	if bucket == nil {
		return time.Minute
	}
	missing := float64(n) - bucket.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return max(time.Duration(missing/float64(bucket.Limit())*float64(time.Second)), time.Millisecond)
}

// bucket is one's own, which holds the questions of a minute; nil where there are too many. o.mu is held.
func (o *oracle) bucket(of asker, perMinute int, now time.Time) *rate.Limiter {
	return o.buckets.get(of, rate.Limit(float64(perMinute)/60), perMinute, now)
}

// sum is a caller's own; that of all others where there are too many. o.mu is held.
func (o *oracle) sum(caller authn.Caller) *asked {
	of := asker{caller.Tenant, caller.Name}
	if o.sums[of] == nil && len(o.sums) >= maxAskers {
		of = asker{}
	}
	if o.sums[of] == nil {
		o.sums[of] = &asked{}
	}
	return o.sums[of]
}

// taken are the sums so far, which begin again.
func (o *oracle) taken() map[asker]*asked {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.sums
	o.sums = map[asker]*asked{}
	return out
}

// tellQuestions writes a line for each caller that asked something in the last minute, until ctx ends.
func (s *Service) tellQuestions(ctx context.Context) {
	tick := time.NewTicker(questionsInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.sumUp()
			return
		case <-tick.C:
			s.sumUp()
		}
	}
}

func (s *Service) sumUp() {
	sums := s.oracle.taken()
	var all []asker
	for of := range sums {
		all = append(all, of)
	}
	slices.SortFunc(all, func(a, b asker) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.name, b.name))
	})
	for _, of := range all {
		is := sums[of]
		s.config.Log.Info("questions", "caller", cmp.Or(of.name, "others"), "tenant", of.tenant,
			"calls", is.calls, "questions", is.questions, "found", is.found, "refused", is.refused)
	}
}
