package explore

// open is a create that the service hears while nobody listens to its answer.
func (w *State) open(of Content) string {
	if w.unclaimed() == 2 {
		return "S1: a third session that nobody claims"
	}
	w.Unclaimed[of]++
	return ""
}

// commitArrives is a commit of the session, judged against what is live.
func (w *State) commitArrives() string {
	if w.Session != Sealed {
		return "" // committed already, or too late
	}
	w.Session = Processing
	if w.Spent == w.SessionOf {
		return "S2: a second commit of one content, without a loss or a restart in between"
	}
	w.Spent = w.SessionOf
	return ""
}

func (w *State) cancelArrives() string {
	if w.Session.Unfinished() {
		w.Session, w.CancelledByUs = CancelledThere, true
	}
	return ""
}

// replaceLive changes what is live: the generation that a commit on its way was
// judged against is no longer the live one.
func (w *State) replaceLive(l Live) {
	w.Live = l
	switch w.Flight {
	case CommitOnTheWay:
		w.Flight = CommitOutrun
	case BlindCommit:
		w.Flight = BlindCommitOutrun
	}
}

// land is the late call that arrives; it names the invariant that this breaks.
func (w *State) land() string {
	flight, of := w.Flight, w.FlightOf
	w.Flight, w.FlightOf = NoFlight, NoContent
	switch flight {
	case CreateOnTheWay:
		return w.open(of)
	case CancelOnTheWay:
		return w.cancelArrives()
	case CommitOnTheWay, BlindCommit:
		return w.commitArrives()
	case BlindCommitOutrun:
		if w.Session == Sealed {
			return "I2: published over a table that it was not judged against"
		}
	}
	return "" // CommitOutrun is refused
}
