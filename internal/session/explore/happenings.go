package explore

// happening is something that no pass does. It reports whether it could happen;
// a State that it left half changed is then thrown away.
type happening struct {
	event   string
	fair    Fairness
	happens func(*State) bool
}

// usual and rare are everything that happens. A small exploration does without
// the rare.
var (
	usual = join(workGoesOn, serviceGoesOn, storeGoesOn, faults, others, specChanges, desiredStateChanges(Uploaded, Committed, Cancelled, DeleteCancel))
	rare  = join(oddities, errands, desiredStateChanges(Suspended, DeleteRemote, DeleteOrphan))
)

func join(groups ...[]happening) []happening {
	var all []happening
	for _, group := range groups {
		all = append(all, group...)
	}
	return all
}

// happen appends what no pass does.
func (m *Model) happen(w State, all []Move) []Move {
	groups := [][]happening{usual, rare}
	if m.Small {
		groups = groups[:1]
	}
	for _, group := range groups {
		for i := range group {
			to := w
			if h := &group[i]; h.happens(&to) {
				all = m.noticed(all, &w, &to, Move{Event: h.event, Fair: h.fair})
			}
		}
	}
	if to := w; w.Flight != NoFlight {
		wrong := to.land()
		all = m.noticed(all, &w, &to, Move{Event: "the late call arrives", Fair: Always, Wrong: wrong})
	}
	return all
}

// noticed appends a move that the next poll shows, and, where it changes the
// session, once more as a pass meets it that goes by the last poll.
func (m *Model) noticed(all []Move, from, to *State, move Move) []Move {
	move.To, move.Cell = to.canonical(), noCell
	all = append(all, move)
	polled := from.Session.Unfinished() || from.Session == Processing // what an active object polls
	if m.Small || to.Session == from.Session || !polled || from.Outdated != NoSession {
		return all
	}
	to.Outdated = from.Session
	move.To, move.How, move.Fair = to.canonical(), ", unnoticed as yet", Unfair
	return append(all, move)
}

// workGoesOn is what this process does beside the passes.
var workGoesOn = []happening{
	{"the source is read", Always, func(w *State) bool {
		was := w.Work
		w.Work, w.WorkOf = Readable, Present
		return was == Reading
	}},
	{"the source cannot become blocks", Unfair, work(Reading, Unreadable)},
	{"the upload cannot go on", Unfair, work(Uploading, Broken)},
	{"the list of blocks is sealed", Always, func(w *State) bool {
		could := w.Work == Uploading && w.WorkOf == w.SessionOf && w.Session == Open && w.Errand != URIRefused
		w.Work, w.Session = SealedThere, Sealed
		return could
	}},
}

func work(from, to Work) func(*State) bool {
	return func(w *State) bool {
		was := w.Work
		w.Work = to
		return was == from
	}
}

// serviceGoesOn is what the service does by itself. A cancel does not wait until
// a state that nobody documents has passed.
var serviceGoesOn = []happening{
	{"the table is indexed and published", Always, func(w *State) bool {
		was := w.Session
		w.Session = Completed
		w.replaceLive(Mine)
		return was == Processing
	}},
	{"the unknown state passes", Always, func(w *State) bool {
		was := w.Session
		w.Session = Open
		return was == Unknown && w.Desired.Uploads()
	}},
}

// storeGoesOn is how the store admits sessions, by what it reads in status.
var storeGoesOn = []happening{
	{"the store admits the session", Always, func(w *State) bool {
		was := w.Admitted
		w.Admitted = true
		return !was && w.Waits && w.Desired != Suspended && !w.Desired.Deletes()
	}},
	{"the store admits another session", Unfair, func(w *State) bool {
		was := w.Admitted
		w.Admitted = false
		needed := !w.hasOutcome() && (w.Desired != Suspended || w.Session != NoSession)
		return was && !needed
	}},
}

// faults are crashes, losses and ends that nobody desired.
var faults = []happening{
	{"the manager crashes", Unfair, func(w *State) bool {
		was := w.Memory
		w.Memory = Memory{}
		return was != Memory{}
	}},
	{"the late call is lost", Unfair, func(w *State) bool {
		was := w.Flight
		w.Flight, w.FlightOf = NoFlight, NoContent
		return was != NoFlight
	}},
	{"the session expires", Unfair, ends(Expired, Remote.Unfinished)},
	{"the indexing fails", Unfair, ends(Failed, func(r Remote) bool { return r == Processing })},
	{"the service forgets the session", Unfair, func(w *State) bool {
		was := w.Session
		w.Session, w.Spent = Forgotten, NoContent // a loss: nobody knows of the commit now
		return was != NoSession && was != Processing && was != Forgotten
	}},
	{"the live table is lost or rolled back", Unfair, func(w *State) bool {
		was, to := w.Live, EarlierLost
		if was == Mine {
			to = MineLost
		}
		w.replaceLive(to)
		w.Spent = NoContent
		return was == Mine || was == EarlierPresent || was == EarlierFormer
	}},
}

func ends(as Remote, from func(Remote) bool) func(*State) bool {
	return func(w *State) bool {
		was := w.Session
		w.Session = as
		return from(was)
	}
}
