package explore

import "exactmatch.dev/operator/internal/session"

// acts are the steps that do something; outcomes those that only record how it ended.
var (
	acts = map[session.Step]func(*pass){
		session.StepNone: (*pass).wait, session.StepWatch: (*pass).wait, session.StepQueue: (*pass).queue,
		session.StepPrepare: (*pass).prepare, session.StepUpload: (*pass).upload,
		session.StepRename: (*pass).runErrand, session.StepRenew: (*pass).runErrand,
		session.StepPlan: (*pass).plan, session.StepCreate: (*pass).create, session.StepResolve: (*pass).resolve,
		session.StepCommit: (*pass).commit, session.StepCancel: (*pass).cancel, session.StepAbandon: (*pass).abandon,
		session.StepSupersede: (*pass).supersede, session.StepRestart: (*pass).restart,
		session.StepDelete: (*pass).deleteSession, session.StepRemoveFinalizer: (*pass).removeFinalizer,
	}
	outcomes = map[session.Step]Outcome{
		session.StepUploaded: SaysUploaded, session.StepCompleted: SaysCompleted, session.StepCancelled: SaysCancelled,
		session.StepAlreadyUploaded: AlreadyThere, session.StepHold: Held, session.StepTooLate: TooLate,
		session.StepCancelledRemotely: CancelledByOthers, session.StepFail: SaysFailed, session.StepRejectSource: Rejected,
	}
)

// carryOut does what the controllers do for the step.
func (p *pass) carryOut() {
	if act, does := acts[p.step]; does {
		act(p)
		return
	}
	o, ends := outcomes[p.step]
	if !ends {
		p.breaks("A: a step that nobody knows")
	}
	p.checkOutcome(o)
	p.w.stopWork()
	if p.w.Desired != Suspended && !p.m.has(EndsUnswept) {
		p.sweep()
	}
	p.w.Outcome = o
	p.written("", Always)
}

func (p *pass) wait() {
	p.w.stopWork()
	p.written("", Always)
}

// queue waits to be admitted; what was read stays.
func (p *pass) queue() { p.written("", Always) }

// prepare begins the reading; a pass that finds it running waits.
func (p *pass) prepare() {
	if p.w.Work == Idle {
		p.w.Work = Reading
	}
	p.written("", Always)
}

// upload begins to stage the blocks; after a crash the source is read first, and
// may hold other content by now.
func (p *pass) upload() {
	w := &p.w
	switch {
	case w.Work == Idle:
		w.Work = Reading
	case (w.Work == Readable || w.Work == Uploading) && w.WorkOf != w.Prepared:
		p.takePrepared()
	case w.Work == Readable:
		w.Work = Uploading
	}
	p.written("", Always)
}

// runErrand renames the session or fetches a fresh upload URI.
func (p *pass) runErrand() {
	p.send(call{
		effect: func(w *State) string {
			if named := w.Errand == RenameIt; named == (p.step == session.StepRename) {
				w.Errand = NoErrand
			}
			return ""
		},
		done: Remote.Unfinished, then: func() {},
	})
}

// plan records the intent to create.
func (p *pass) plan() {
	w := &p.w
	if !w.Admitted {
		p.conflicted(", the cache is behind")
		return
	}
	if w.IntentOf != w.Prepared {
		if !p.m.has(ForgetsAtPlan) {
			p.sweep()
		}
		w.GaveUp = false
	}
	w.Requested, w.IntentOf, w.Fresh = true, w.Prepared, true
	if p.m.has(CreatesUnrecorded) {
		p.create()
		return
	}
	p.record()
	p.written("", Always)
}

// create spends the intent on one call. Refused, it leaves no intent; unanswered,
// it leaves one that is in doubt.
func (p *pass) create() {
	p.checkCreate()
	if !p.m.has(CreatesUnderOutcome) {
		p.stored.Outcome = NoOutcome // written before the call where there was one
	}
	p.w.Fresh = false
	refused := *p
	refused.w.Requested = false
	refused.w.GaveUp = refused.w.GaveUp && !p.m.has(ForgetsAtRefusal)
	refused.written(", refused", Unfair)
	p.written(", lost on the way", Unfair)
	p.crashed(", crash before the call")
	if p.w.Flight == NoFlight {
		p.fly(CreateOnTheWay)
	}
	heard := *p
	if wrong := heard.w.open(heard.w.IntentOf); wrong != "" {
		heard.breaks(wrong)
	}
	heard.crashed(", crash after the call")
	heard.written(", answer lost", Unfair)
	p.claim()
	p.written("", Always)
}

// claim makes a session of the intent this object's own.
func (p *pass) claim() {
	p.w.Session, p.w.SessionOf = Open, p.w.IntentOf
	p.w.CancelAsked, p.w.Outdated = false, NoSession
}

// resolve finds out what a create in doubt has done: one session is adopted,
// of several the younger ones are cancelled, none allows a new intent.
func (p *pass) resolve() {
	w := &p.w
	p.written(", no answer to the listing", Unfair)
	switch found := p.findable(); {
	case !w.Requested || w.Session != NoSession:
	case found == 0:
		w.Requested, w.GaveUp = false, true
	case found > 1:
		w.Unclaimed[w.IntentOf]--
	default:
		w.Unclaimed[w.IntentOf]--
		p.claim()
	}
	p.written("", Always)
}

// findable counts the sessions that a listing shows as those of the intent.
func (p *pass) findable() uint8 {
	w := &p.w
	if p.m.has(SweepsPreparedOnly) && w.Prepared != NoContent && w.Prepared != w.IntentOf {
		return 0
	}
	return w.Unclaimed[w.IntentOf]
}

// sweep cancels what a create that was given up has made after all. One that
// arrives later still is left to expire at the service, so it is taken not to arrive.
func (p *pass) sweep() {
	w := &p.w
	if !w.GaveUp {
		return
	}
	if found := p.findable(); found > 0 {
		w.Unclaimed[w.IntentOf] -= found
		p.crashed(", crash after the sweep")
	}
	w.GaveUp = false
	if w.Flight == CreateOnTheWay && w.FlightOf == w.IntentOf {
		w.Flight, w.FlightOf = NoFlight, NoContent
	}
}
