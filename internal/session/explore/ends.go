package explore

// The steps that bring an attempt, or the object, to its end.

// commit records the request and sends it with the generation that was judged.
func (p *pass) commit() {
	p.checkCommit()
	p.sweep()
	p.record()
	late := CommitOnTheWay
	if p.m.has(CommitsBlindly) {
		late = BlindCommit
	}
	p.send(call{late: late, effect: (*State).commitArrives, done: Remote.committed, then: p.w.stopWork})
}

func (p *pass) cancel() { p.cancelThen(func() {}) }

func (p *pass) supersede() { p.cancelThen(p.archive) }

func (p *pass) abandon() {
	p.cancelThen(func() {
		p.archive()
		p.w.Outcome = Rejected
	})
}

// cancelThen records the request, cancels the session and goes on with then. A
// cancel that comes too late ends the pass: the next one follows the commit.
func (p *pass) cancelThen(then func()) {
	if p.m.has(ArchivesFirst) {
		then()
	}
	p.w.stopWork()
	p.sweep()
	if !p.m.has(CancelsUnrecorded) {
		p.w.CancelAsked = true
		p.record()
	}
	p.send(call{
		late: CancelOnTheWay, effect: (*State).cancelArrives,
		done: func(r Remote) bool {
			return r == CancelledThere || r == Forgotten || r.committed() && p.m.has(ArchivesCommitted)
		},
		then: func() {
			p.w.CancelAsked = true
			then()
		},
	})
}

// restart files an ended attempt and lets the next one begin. What was read
// serves it; what was uploaded does not.
func (p *pass) restart() {
	w := &p.w
	if !p.m.has(ForgetsAtRestart) {
		p.sweep()
	}
	if w.Work == SealedThere && !p.m.has(KeepsUpload) {
		w.Work = Readable
	}
	if w.Restart {
		w.Restart, w.Spent = false, NoContent
	}
	p.archive()
	p.written("", Always)
}

// archive files the attempt in the history and forgets its session.
func (p *pass) archive() {
	w := &p.w
	switch {
	case w.Session.Unfinished():
		p.breaks("S1: an unfinished session is forgotten")
	case w.Session == Processing:
		p.breaks("S1: a committed session is forgotten before its end")
	}
	if w.Read && w.Prepared != w.SessionOf {
		w.Spent = NoContent // other content is another thing to publish
	}
	switch w.Live {
	case Mine:
		w.Live = earlier(w.SessionOf)
	case MineLost:
		w.Live = NotOurs
	}
	w.Requested, w.GaveUp, w.IntentOf, w.CancelAsked = false, false, NoContent, false
	w.Session, w.SessionOf, w.Outdated = NoSession, NoContent, NoSession
	if w.Flight > CreateOnTheWay {
		w.Flight = NoFlight // of a session that has ended
	}
}

// deleteSession deletes the session, then removes the finalizer.
func (p *pass) deleteSession() {
	p.sweep()
	p.send(call{
		effect: func(w *State) string {
			w.Session = Forgotten // its table stays live
			return ""
		},
		done: func(Remote) bool { return true }, then: p.remove,
	})
}

// removeFinalizer ends the deletion: nothing of this object is left at the service.
func (p *pass) removeFinalizer() {
	if p.w.Desired != DeleteOrphan && !p.m.has(RemovesUnswept) {
		p.sweep()
	}
	p.remove()
	p.written("", Always)
}

func (p *pass) remove() {
	p.checkRemoval()
	p.w.Gone = Removed
}
