// Package problem says why a pass does not reach the desired state: a reason of the API, words
// for a person, and who acts next. It maps the errors of the packages below to
// problems, in the one place that knows them all.
package problem

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/failure"
)

// Remedy says who acts next on a problem.
type Remedy int

const (
	// Retry is for what resolves itself; the object stays Reconciling.
	Retry Remedy = iota
	// Repair is for what a change of another object (a Secret, a store, an agent)
	// resolves. The object is Stalled and checked again every RepairInterval; that
	// does not send refused credentials again (clients.Cache.Open).
	Repair
	// Change is for what a change of this object's spec resolves. It is recorded as
	// the outcome.
	Change
	// Await is for what is missing and may still be created: a grace comes before
	// Repair. The object stays Reconciling, and no failure is counted.
	Await
)

// Problem is why a pass does not reach the desired state: a reason of the API, words for a
// person, and who acts next. It never carries a secret: what it wraps is
// already free of them.
type Problem struct {
	Reason  string
	Message string
	Remedy  Remedy
	// After is the wait that was asked for, 0 where none was.
	After time.Duration
	// Absent says that a referenced object, or a key in it, is missing, which may still
	// be created.
	Absent bool
	Err    error
}

func (p *Problem) Error() string { return p.Reason + ": " + p.Message }
func (p *Problem) Unwrap() error { return p.Err }

// NeedsRepair is a problem that a change of another object resolves.
func NeedsRepair(reason, format string, args ...any) *Problem {
	return &Problem{Reason: reason, Message: fmt.Sprintf(format, args...), Remedy: Repair}
}

// Absent is a problem that an object or a key of one is missing, which may still
// come: what is applied together comes in any order.
func Absent(reason, format string, args ...any) *Problem {
	p := NeedsRepair(reason, format, args...)
	p.Absent = true
	return p
}

// NeedsChange is a problem that only a change of this object's spec resolves.
func NeedsChange(reason, format string, args ...any) *Problem {
	return &Problem{Reason: reason, Message: fmt.Sprintf(format, args...), Remedy: Change}
}

// Passes is a transient problem: it resolves itself.
func Passes(reason string, after time.Duration, format string, args ...any) *Problem {
	return &Problem{Reason: reason, Message: fmt.Sprintf(format, args...), Remedy: Retry, After: after}
}

// WorthDating is the shortest wait whose end the message of a store or an agent
// names: each time is a write.
const WorthDating = time.Minute

// IsAsked reports whether the service asked for so long a wait that it is Dated.
func (p *Problem) IsAsked() bool {
	return p != nil && p.Remedy == Retry && edm.RetryAfter(p.Err) >= WorthDating
}

// Dated names the time until which the service asks a store or an agent to wait.
func Dated(err error, now time.Time) error {
	if err == nil {
		return nil
	}
	p := Of(err)
	if !p.IsAsked() {
		return err
	}
	said := *p
	said.Message += "; next retry at " + Clock(now.Add(p.After), now)
	return &said
}

var (
	clocks  = regexp.MustCompile(`(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d UTC`)
	numbers = regexp.MustCompile(`\d+`)
)

// Gist is the message without what differs from look to look: the times of Clock, and,
// where time solves the problem, every number, such as ports and counts.
func (p *Problem) Gist() string {
	if p.Remedy == Retry {
		return numbers.ReplaceAllString(p.Message, "0")
	}
	return clocks.ReplaceAllString(p.Message, "")
}

// Stalls reports whether only a change by somebody resolves the problem.
func (p *Problem) Stalls() bool { return p.Remedy == Repair || p.Remedy == Change }

// Clock is a time as messages tell it: with its date where that is not today's.
func Clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly) + " UTC"
	}
	return t.Format(time.DateTime) + " UTC"
}

// Of turns any error into a problem. An error that is not classified is retried.
func Of(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var service *edm.Error
	if errors.As(err, &service) {
		return ofService(service)
	}
	var table *failure.Error
	if errors.As(err, &table) {
		return ofTable(table)
	}
	return &Problem{Reason: v1alpha1.ReasonRetrying, Message: Truncate(err.Error()), Remedy: Retry, Err: err}
}

// ofService maps the service's word to a reason.
func ofService(e *edm.Error) *Problem {
	p := &Problem{Message: Truncate(e.Error()), After: e.RetryAfter, Err: e}
	var refused *dial.RefusedError
	if errors.As(e.Err, &refused) && refused.Missing != nil {
		p.Reason, p.Remedy = v1alpha1.ReasonNotPermitted, Repair
		return p
	}
	switch e.Class {
	case edm.Credentials:
		p.Reason, p.Remedy = v1alpha1.ReasonCredentialsRefused, Repair
		p.Message += "; correct spec.auth of the upload agent, or the Secret or identity that it names"
	case edm.Terminal:
		p.Reason, p.Remedy = v1alpha1.ReasonRejected, Change
	default:
		p.Reason, p.Remedy = v1alpha1.ReasonServiceUnavailable, Retry
		if edm.IsThrottled(e) {
			p.Reason = v1alpha1.ReasonQuotaExceeded
		}
	}
	return p
}

// ofTable maps what reading or moving the table met: the reasons of package failure
// are words of the API.
func ofTable(e *failure.Error) *Problem {
	p := &Problem{Reason: string(e.Reason), Message: Truncate(e.Message), Remedy: Change, After: e.RetryAfter, Err: e}
	switch {
	case e.Reason == failure.NotPermitted:
		p.Remedy = Repair
	case e.Transient:
		p.Remedy = Retry
	}
	return p
}

// Truncate cuts a message of a condition to a readable length (the API allows 32
// KiB) and removes invalid UTF-8, which the API server would change.
func Truncate(s string) string {
	const most = 1024
	if len(s) <= most {
		return strings.ToValidUTF8(s, "")
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
