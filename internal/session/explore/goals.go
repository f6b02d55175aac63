package explore

// The invariants that every State must keep, and the ends that every State must
// be able to reach.

// untrue names the invariant that the State itself breaks, "" where it breaks none.
func (m *Model) untrue(w *State) string {
	switch {
	case w.unclaimed() > 1 && !w.GaveUp && w.Desired != DeleteOrphan && w.Gone == Here:
		return "S1: two sessions that nobody claims, and no create was given up"
	case w.hasOutcome() && w.Outcome.Green() && !w.agrees() && !m.woken(w):
		return "I4: green, and the service says otherwise, and nobody will look"
	}
	return ""
}

// agrees reports whether the service says what a green outcome says.
func (w *State) agrees() bool {
	switch w.Outcome {
	case SaysUploaded:
		return w.Session == Sealed
	case SaysCompleted:
		return w.Desired != Committed || w.Live != MineLost
	case AlreadyThere:
		return w.Live != EarlierLost
	case SaysCancelled:
		return !w.Session.Unfinished()
	}
	return true
}

// Goal is something that must stay within reach by fair moves alone.
type Goal struct {
	Invariant string
	Reached   func(*Model, *State) bool
}

// Goals are the ends that every State must be able to reach.
var Goals = []Goal{
	{"P1: no end can be reached", (*Model).ended},
	{"S1: a session that nobody claims is never cancelled", (*Model).tidy},
}

// ended reports whether nothing more will happen until somebody acts.
func (m *Model) ended(w *State) bool {
	switch {
	case w.Desired.Deletes():
		return w.Gone != Here
	case w.Desired == Suspended:
		return !w.inDoubt() && (!w.followsCommit() || w.Outcome == SaysCompleted)
	}
	return w.hasOutcome() && !m.woken(w)
}

// followsCommit: what is committed is followed to its end, suspended or not.
func (w *State) followsCommit() bool {
	return w.Session == Processing || w.Session == Completed && !w.Restart && w.Live != MineLost
}

// tidy reports whether no unclaimed session is unfinished. A suspended object
// does nothing about one, nor does what was orphaned or left with a Warning.
func (m *Model) tidy(w *State) bool {
	return w.unclaimed() == 0 || w.Desired == Suspended || w.Gone == RemovedEarly || w.Desired == DeleteOrphan
}
