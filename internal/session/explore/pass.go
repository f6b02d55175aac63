package explore

import "exactmatch.dev/operator/internal/session"

// pass is one pass of the controller. It changes its own State and appends a
// move for each way in which it can come out.
type pass struct {
	m *Model
	// w is the State as the pass has made it; stored is the status that the API
	// server has, which is what a crash leaves.
	w      State
	stored Status
	// seen is the remote session as the pass sees it.
	seen Remote
	// guard: a guard, the pin, the rules or the key forbid the prepared content
	// as things are. Anybody may change that between two passes.
	guard bool
	step  session.Step
	cell  Cell
	// fair is where such a pass is made again and again.
	fair Fairness
	// wrong names the first invariant that the pass breaks.
	wrong string
	all   *[]Move
}

// passes appends what one pass can come to: with the session as it was last
// polled, where that is outdated; as the service shows it; and with a guard on
// and off, where somebody asks.
func (m *Model) passes(w State, all []Move) []Move {
	if w.hasOutcome() && w.Outcome != Held && !m.woken(&w) {
		return all
	}
	p := pass{m: m, w: w, stored: w.Status, seen: w.Outdated, all: &all}
	if w.Outdated != NoSession {
		p.run()
	}
	p.seen, p.w.Outdated, p.fair = w.Session, NoSession, Always
	if w.Desired.Uploads() && (w.Session == NoSession || w.Session == Sealed) {
		p.guard, p.fair = true, Guarded
		p.run()
		p.guard, p.fair = false, Unguarded
	}
	if w.Outcome == Held {
		p.fair = Unfair // it takes somebody to remove what holds it
	}
	p.run()
	if w.Desired.Deletes() {
		p.giveUp()
	}
	return all
}

// run is observe, decide, act, write. It works on a copy of the pass.
func (p pass) run() {
	p.w.Outcome = NoOutcome // judged afresh
	p.decide(p.observe())
	p.checkRight()
	p.carryOut()
}

func (p *pass) decide(facts session.Facts) {
	p.step = p.m.Next(session.Desires[p.w.Desired], facts, now)
	p.cell = CellOf(session.Observe(facts, now), p.w.Desired)
}

// giveUp is the pass of a deletion that the service has not answered until
// finalizeDeadline: it knows nothing of what is there.
func (p pass) giveUp() {
	p.decide(session.Facts{Preparation: session.PreparationReady})
	if p.step == session.StepRemoveFinalizer {
		p.w.Gone = RemovedEarly
		p.emit(", the service did not answer until finalizeDeadline", Unfair, p.w)
	}
}

// emit appends a way to come out.
func (p *pass) emit(how string, fair Fairness, to State) {
	*p.all = append(*p.all, Move{To: to.canonical(), Event: string(p.step), How: how, Fair: fair & p.fair, Wrong: p.wrong, Cell: p.cell})
}

// breaks notes that the pass breaks an invariant.
func (p *pass) breaks(invariant string) {
	if p.wrong == "" {
		p.wrong = invariant
	}
}

// record writes status in the middle of a pass: a crash from here on leaves it.
func (p *pass) record() {
	p.w.Waits = false
	p.stored = p.w.Status
}

// written is the end of a pass whose write of status took.
func (p *pass) written(how string, fair Fairness) {
	to := p.w
	to.Waits = p.step == session.StepQueue
	p.emit(how, fair, to)
}

// crashed is the end of the process: status is what was written, the service is
// as it is, the memory is empty.
func (p *pass) crashed(how string) {
	to := p.w
	to.Status, to.Memory = p.stored, Memory{}
	p.emit(how, Unfair, to)
}

// conflicted is a pass whose last write met a newer object.
func (p *pass) conflicted(how string) {
	to := p.w
	to.Status = p.stored
	p.emit(how, Unfair, to)
}

// call is the one lifecycle call of a pass.
type call struct {
	// late is what it is on its way, where that can outlast the pass.
	late Flight
	// effect is what the service does when it hears it; it names an invariant that
	// this breaks.
	effect func(*State) string
	// done reports whether a session in this state shows the effect.
	done func(Remote) bool
	// then is what the pass does once the effect is sure.
	then func()
}

// send makes the call. A session that has ended otherwise refuses it: the next
// pass judges that.
func (p *pass) send(c call) {
	p.written(", refused", Unfair)
	p.crashed(", crash before the call")
	if c.late != NoFlight && p.w.Flight == NoFlight {
		p.fly(c.late)
	}
	if p.w.Desired == Suspended || p.w.Desired == DeleteOrphan {
		p.breaks("A: a suspended or orphaned object changes something at the service")
	}
	p.w.Outdated = NoSession // looked at again
	if wrong := c.effect(&p.w); wrong != "" {
		p.breaks(wrong)
	}
	p.crashed(", crash after the call")
	p.written(", answer lost", Unfair)
	heard := p.w.Status
	p.answered(c)
	p.written("", Always)
	if p.w.Status != heard {
		p.conflicted(", then a conflict")
	}
}

func (p *pass) answered(c call) {
	switch {
	case c.done(p.w.Session):
		c.then()
	case p.m.has(TakesEndForRefusal):
		p.checkOutcome(Rejected)
		p.w.Outcome = Rejected
	}
}

// fly is a call that stays on its way for longer than anybody waits.
func (p pass) fly(late Flight) {
	p.w.Flight, p.w.Outdated = late, NoSession
	if late == CreateOnTheWay {
		p.w.FlightOf = p.w.IntentOf
	}
	p.written(", unanswered and late", Unfair)
	p.crashed(", crash while the call is on its way")
}
