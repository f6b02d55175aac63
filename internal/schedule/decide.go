package schedule

import (
	"hash/fnv"
	"time"
)

// Policy says what becomes of a run that is due while an earlier one is unfinished.
type Policy string

// The policies.
const (
	Forbid  Policy = "Forbid"  // it waits for the earlier run
	Replace Policy = "Replace" // the earlier run is cancelled
	Allow   Policy = "Allow"   // it joins the queue of its data store
)

// Facts are what a decision depends on.
type Facts struct {
	Now time.Time
	// Handled is the last scheduled time of which the outcome is known: a run was made, or
	// it was missed or skipped. Before the first it is when the schedule was created.
	Handled time.Time
	// Offset delays each run by the same time (Offset).
	Offset time.Duration
	// Deadline is how late a run may start; 0 is any time.
	Deadline  time.Duration
	Policy    Policy
	Suspended bool
	// Asked: somebody asks for a run now.
	Asked bool
	// Active is the number of unfinished runs.
	Active int
}

// Action is what a decision asks for.
type Action string

// The actions.
const (
	Wait     Action = "Wait"    // nothing is due
	Start    Action = "Start"   // make the run
	Replaced Action = "Replace" // cancel the unfinished runs, and make the run
	Block    Action = "Block"   // the run waits for an unfinished one
	Miss     Action = "Miss"    // it is too late for the run
	Pass     Action = "Pass"    // the schedule is suspended: the time passes
	Rewind   Action = "Rewind"  // Handled lies too far in the future: a wrong clock wrote it
)

// Decision is what to do now.
type Decision struct {
	Action Action
	// At is the scheduled time that the action is about; zero of a run that is asked for.
	At time.Time
	// Missed is the number of times that passed without a run, MostCounted at most for one
	// decision.
	Missed int
	// Next is when the next run is due, its offset included; zero where there is none.
	Next time.Time
}

// longestStep is by how much a clock may be set back without losing runs.
const longestStep = 24 * time.Hour

// Decide is the decision. Of several times that have passed, only the latest gets a run.
func Decide(t Times, f Facts) Decision {
	if f.Handled.Sub(f.Now) > longestStep {
		return Decision{Action: Rewind, At: f.Now, Next: t.due(f.Now, f)}
	}
	elapsed := f.Now.Add(-f.Offset)
	d := Decision{Action: Wait, Next: t.due(later(elapsed, f.Handled), f)}
	at := t.Latest(f.Handled, elapsed)
	switch {
	case f.Suspended && at.IsZero():
	case f.Suspended:
		d.Action, d.At = Pass, at
	case f.Asked:
		d.Action = f.start()
	case at.IsZero():
	case f.Deadline > 0 && f.Now.Sub(at.Add(f.Offset)) > f.Deadline:
		d.Action, d.At, d.Missed = Miss, at, t.Count(f.Handled, at)+1
	default:
		d.Action, d.At, d.Missed = f.start(), at, t.Count(f.Handled, at)
	}
	return d
}

// start is how a run starts beside those that are unfinished.
func (f Facts) start() Action {
	switch {
	case f.Active == 0 || f.Policy == Allow:
		return Start
	case f.Policy == Replace:
		return Replaced
	}
	return Block
}

// due is when the first run after a moment is due.
func (t Times) due(after time.Time, f Facts) time.Time {
	next := t.Next(after)
	if next.IsZero() {
		return next
	}
	return next.Add(f.Offset)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Offset spreads schedules that name the same time: by whole seconds below most, the same
// for the same name.
func Offset(name string, most time.Duration) time.Duration {
	seconds := uint64(most / time.Second)
	if seconds == 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash takes everything
	return time.Duration(h.Sum64()%seconds) * time.Second
}
