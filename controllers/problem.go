package controllers

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/failure"
)

// remedy says who acts next on a problem.
type remedy int

const (
	// retry: it passes by itself; the object goes on Reconciling.
	retry remedy = iota
	// repair: somebody must change another object (a Secret, a store, an agent).
	// The object is Stalled and looked at again every RepairInterval; refused
	// credentials are not sent again by that (endpoints.open).
	repair
	// change: somebody must change this object's spec. Recorded as its outcome.
	change
	// await: what is missing may still come (endpoints.grace). The object goes on
	// Reconciling, and no attempt is counted.
	await
)

// problem is why a pass did not get on: a reason of the API, words for a
// person, and who acts next. It never carries a secret: what it wraps is
// already free of them.
type problem struct {
	reason  string
	message string
	remedy  remedy
	after   time.Duration
	absent  bool // what is missing may still come
	err     error
}

func (p *problem) Error() string { return p.reason + ": " + p.message }
func (p *problem) Unwrap() error { return p.err }

// needsRepair is a problem that another object's change mends.
func needsRepair(reason, format string, args ...any) *problem {
	return &problem{reason: reason, message: fmt.Sprintf(format, args...), remedy: repair}
}

// needsChange is a problem that this object's spec must mend.
func needsChange(reason, format string, args ...any) *problem {
	return &problem{reason: reason, message: fmt.Sprintf(format, args...), remedy: change}
}

// passes is a problem that time mends.
func passes(reason string, after time.Duration, format string, args ...any) *problem {
	return &problem{reason: reason, message: fmt.Sprintf(format, args...), remedy: retry, after: after}
}

// again is when to look again at a store or an agent with the problem.
func (p *problem) again(o Options) time.Duration {
	switch p.remedy {
	case await:
		return p.after
	case retry:
		return max(p.after, o.PollInterval)
	}
	return max(p.after, o.RepairInterval)
}

// worthDating is the shortest wait whose end the message of a store or an agent
// names: each time is a write.
const worthDating = time.Minute

// isAsked reports whether the service asked for so long a wait that it is dated.
func (p *problem) isAsked() bool {
	return p != nil && p.remedy == retry && edm.RetryAfter(p.err) >= worthDating
}

// dated names the time until which the service asks a store or an agent to wait.
func dated(err error, now time.Time) error {
	if err == nil {
		return nil
	}
	p := asProblem(err)
	if !p.isAsked() {
		return err
	}
	said := *p
	said.message += "; next at " + clock(now.Add(p.after), now)
	return &said
}

// stalls reports whether only somebody's change mends the problem.
func (p *problem) stalls() bool { return p.remedy == repair || p.remedy == change }

// clock is a time as messages tell it: with its date where that is not today's.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly) + " UTC"
	}
	return t.Format(time.DateTime) + " UTC"
}

// asProblem turns any error into a problem. What nobody classified is retried.
func asProblem(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var service *edm.Error
	if errors.As(err, &service) {
		return serviceProblem(service)
	}
	var moved *failure.Error
	if errors.As(err, &moved) {
		return transferProblem(moved)
	}
	return &problem{reason: v1alpha1.ReasonRetrying, message: bounded(err.Error()), remedy: retry, err: err}
}

// serviceProblem maps the service's word to a reason.
func serviceProblem(e *edm.Error) *problem {
	p := &problem{message: bounded(e.Error()), after: e.RetryAfter, err: e}
	var refused *dial.RefusedError
	if errors.As(e.Err, &refused) && refused.Missing != nil {
		p.reason, p.remedy = v1alpha1.ReasonNotPermitted, repair
		return p
	}
	switch e.Class {
	case edm.Credentials:
		p.reason, p.remedy = v1alpha1.ReasonCredentialsRefused, repair
		p.message += "; correct spec.auth of the upload agent, or the Secret or identity that it names"
	case edm.Terminal:
		p.reason, p.remedy = v1alpha1.ReasonRejected, change
	default:
		p.reason, p.remedy = v1alpha1.ReasonServiceUnavailable, retry
		if edm.IsThrottled(e) {
			p.reason = v1alpha1.ReasonQuotaExceeded
		}
	}
	return p
}

// transferProblem maps what reading or moving the table met to a reason. The
// reasons of transfer carry the API's names.
func transferProblem(e *failure.Error) *problem {
	p := &problem{reason: string(e.Reason), message: bounded(e.Message), remedy: change, after: e.RetryAfter, err: e}
	switch {
	case e.Reason == failure.NotPermitted:
		p.remedy = repair
	case e.Transient:
		p.remedy = retry
	}
	return p
}

// bounded keeps a message of a condition readable; the API allows 32 KiB. What is
// no UTF-8 would come back from the API server as something else.
func bounded(s string) string {
	const most = 1024
	if len(s) <= most {
		return strings.ToValidUTF8(s, "")
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// backoff is the wait after the given number of failed attempts: 1 s doubling
// to at most 5 min. It is derived from status, so a restart does not forget it.
func backoff(attempts int32) time.Duration {
	const most = 5 * time.Minute
	if attempts > 9 {
		return most
	}
	return min(most, time.Second<<max(attempts-1, 0))
}
