package explore

// others are people and programs beside this object.
var others = []happening{
	{"somebody else cancels the session", Unfair, ends(CancelledThere, Remote.Unfinished)},
	{"somebody else publishes a table", Unfair, func(w *State) bool {
		was := *w
		w.replaceLive(NotOurs)
		return *w != was
	}},
	{"a session that nobody claims expires", Unfair, func(w *State) bool {
		of := Present
		if w.Unclaimed[of] == 0 {
			of = Former
		}
		was := w.Unclaimed[of]
		w.Unclaimed[of]--
		return was > 0
	}},
}

// specChanges are changes of what the user owns, but for spec.desiredState.
var specChanges = []happening{
	{"the bytes of the source change", Unfair, func(w *State) bool {
		w.sourceChanges()
		return true
	}},
	{"spec names another source of other content", Unfair, func(w *State) bool {
		w.sourceChanges()
		return w.mustRead()
	}},
	{"spec.restartToken changes", Unfair, func(w *State) bool {
		w.Restart, w.Spent = true, NoContent
		return w.mustRead()
	}},
}

// mustRead is a spec that nobody has read the source for. It reports whether
// anybody will.
func (w *State) mustRead() bool {
	w.Read, w.Outcome = false, NoOutcome
	w.stopWork()
	return !w.Desired.Deletes()
}

// desiredStateChanges is every change of the desired state. A deletion is not taken back, but
// its policy may change.
func desiredStateChanges(to ...Desired) []happening {
	var all []happening
	for _, desired := range to {
		all = append(all, happening{"the desired state becomes " + desired.String(), Unfair, func(w *State) bool {
			was := w.Desired
			w.Desired, w.Outcome = desired, NoOutcome
			return was != desired && (desired.Deletes() || !was.Deletes())
		}})
	}
	return all
}

// oddities are what few errors need to show.
var oddities = []happening{
	{"somebody else commits the session", Unfair, ends(Processing, func(r Remote) bool { return r == Sealed })},
	{"the session takes a state that nobody documents", Unfair, ends(Unknown, func(r Remote) bool { return r == Open })},
	{"spec names another source of the same content", Unfair, (*State).mustRead},
}

// errands come up while a session is unfinished.
var errands = []happening{
	{"the upload URI is refused", Unfair, errand(URIRefused, Committed)},
	{"spec.fileName changes", Unfair, specErrand(RenameIt, Suspended)},
	{"spec.renewToken changes", Unfair, specErrand(RenewIt, DeleteOrphan)},
}

// errand is a small thing to do from now on, for desired states up to last.
func errand(e Errand, last Desired) func(*State) bool {
	return func(w *State) bool {
		was := w.Errand
		w.Errand = e
		return was == NoErrand && w.Session.Unfinished() && w.Desired <= last
	}
}

func specErrand(e Errand, last Desired) func(*State) bool {
	comesUp := errand(e, last)
	return func(w *State) bool {
		w.Outcome = NoOutcome
		return comesUp(w)
	}
}
