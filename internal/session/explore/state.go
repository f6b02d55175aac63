// Package explore takes the lifecycle of one ExactMatchSession through
// everything that can happen to it. It is a model checker in plain Go: a State
// is one object, the memory of the process that works on it, the service, and
// the data store that sessions share. The controller's passes, the service and
// the environment move it; every State that they can reach is visited, and in
// each the invariants of the design must hold.
//
// Only the decision is real: each pass asks session.Next, or one with a planted
// error. What a step then does is told here once more, as briefly as the
// invariants allow, so a State knows no numbers, times or names. It knows
// whether two contents are the same, whether an answer arrived, whether what
// was live still is.
//
// It leaves out what the lifecycle does not decide: quotas and other waits,
// references that are missing, pods, content keys of another version. Of two
// managers at once it has what the service sees: calls that arrive late.
//
// Read state.go, pass.go and steps.go first; invariants.go and goals.go say what
// must hold; flaws.go says which habits of the controllers that takes.
package explore

// State is everything that decides what can happen next. Two States that are equal
// have the same future, so each is visited once.
type State struct {
	Desired Desired
	Status
	Memory
	Service
	Store
	Ghost
}

// Status is what a crash does not lose.
type Status struct {
	// Restart: spec.restartToken is not honored yet.
	Restart bool
	// Read: the last reading was by the spec as it is, and Prepared is its content.
	Read     bool
	Prepared Content
	// Requested: an intent to create is recorded. GaveUp: an earlier create was
	// never answered, and its session may still turn up. IntentOf is the content of both.
	Requested, GaveUp bool
	IntentOf          Content
	CancelAsked       bool
	// Outcome is that of the spec as it is; one of an older generation is none.
	Outcome Outcome
	// Waits: the last pass asked the store to be admitted.
	Waits bool
	Gone  Gone
}

// Memory is what a crash loses.
type Memory struct {
	// Fresh: this process recorded the intent and has not sent it.
	Fresh  bool
	Work   Work
	WorkOf Content
	// Outdated is the remote session as it was last polled, where the service
	// shows another state by now.
	Outdated Remote
}

// Service is what the other side has of this object.
type Service struct {
	// Session is the one whose id status holds, SessionOf its content.
	Session   Remote
	SessionOf Content
	Errand    Errand
	// Unclaimed counts the unfinished sessions of ours whose id nobody holds, by content.
	Unclaimed [contents]uint8
	// Flight is a call that was sent, whose answer nobody awaits any more, and
	// that has not arrived yet. FlightOf is the content of a create.
	Flight   Flight
	FlightOf Content
}

// Store is what all sessions of a data store share.
type Store struct {
	Live Live
	// Admitted: the store's active session is this one.
	Admitted bool
}

// Ghost is the truth that invariants are held against. No part of the model sees it.
type Ghost struct {
	// Spent is the content that was committed for this desired state. A restart, a loss or
	// other content makes another commit of it legitimate.
	Spent Content
	// CancelledByUs: it was our call that cancelled the session.
	CancelledByUs bool
}

// Start is an object that was just applied.
func Start() State { return State{Desired: Committed} }

// unclaimed counts the unfinished sessions that nobody holds.
func (w *State) unclaimed() uint8 { return w.Unclaimed[Present] + w.Unclaimed[Former] }

// hasOutcome reports whether an outcome is recorded for spec as it is.
func (w *State) hasOutcome() bool { return w.Outcome != NoOutcome && !w.Desired.Deletes() }

// inDoubt reports whether the service may have a session of the intent.
func (w *State) inDoubt() bool { return w.Requested && !w.Fresh && w.Session == NoSession }

// shownLive reports whether the service shows the prepared content live, of an
// earlier session that the store has on record.
func (w *State) shownLive() bool { return w.Prepared != NoContent && w.Live == earlier(w.Prepared) }

func (w *State) stopWork() { w.Work, w.WorkOf = Idle, NoContent }

// sourceChanges renames every content: what the source held is the former one
// now, and what it held before may be what it holds again.
func (w *State) sourceChanges() {
	for _, c := range []*Content{&w.Prepared, &w.IntentOf, &w.WorkOf, &w.SessionOf, &w.FlightOf, &w.Spent} {
		*c = c.other()
	}
	w.Unclaimed[Present], w.Unclaimed[Former] = w.Unclaimed[Former], w.Unclaimed[Present]
	switch w.Live {
	case EarlierPresent:
		w.Live = EarlierFormer
	case EarlierFormer:
		w.Live = EarlierPresent
	}
}

// canonical forgets what cannot matter any more, so that equal futures are equal States.
func (w State) canonical() State {
	if w.Gone != Here {
		return State{Desired: w.Desired, Status: Status{Gone: w.Gone}, Service: Service{Unclaimed: w.Unclaimed}}
	}
	w.forgetIntent()
	w.forgetSession()
	if !w.Read {
		w.Prepared = NoContent
	}
	if !w.Desired.Uploads() {
		w.stopWork() // as the next pass does
	}
	if w.Desired.Deletes() {
		w.Read, w.Prepared, w.Waits, w.Outcome, w.Ghost = false, NoContent, false, NoOutcome, Ghost{}
	}
	if w.Admitted {
		w.Waits = false
	}
	if w.Live == EarlierLost && w.Outcome != AlreadyThere || w.Live != MineLost && w.Desired.Deletes() {
		w.Live = NotOurs
	}
	return w
}

func (w *State) forgetIntent() {
	if w.Session != NoSession {
		w.Requested = false
	}
	if !w.Requested {
		w.Fresh = false
	}
	if w.Session == NoSession && !w.Requested && !w.GaveUp {
		w.IntentOf = NoContent
	}
}

func (w *State) forgetSession() {
	if !w.Session.Unfinished() || w.Errand == URIRefused && w.Session != Open {
		w.Errand = NoErrand
	}
	if f := w.Flight; f > CreateOnTheWay && !w.Session.Unfinished() || f.commits() && w.Session != Sealed {
		w.Flight = NoFlight // it will be refused
	}
	if w.Outdated == w.Session {
		w.Outdated = NoSession
	}
	if w.Session != CancelledThere {
		w.CancelledByUs = false
	}
}
