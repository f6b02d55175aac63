package explore

// The invariants that a pass can break by what it does. What holds in each State
// stands in goals.go.

// checkOutcome: what is recorded is what the service and the source have said.
func (p *pass) checkOutcome(o Outcome) {
	if is, known := truths[o]; !known || !is(p) {
		p.breaks("I4: the outcome says what is not so")
	}
}

// truths are when an outcome may be recorded.
var truths = map[Outcome]func(*pass) bool{
	SaysUploaded: func(p *pass) bool {
		return p.w.Desired == Uploaded && p.seen == Sealed && p.asDesired() && p.w.Errand != RenameIt
	},
	SaysCompleted: (*pass).isCompleted,
	SaysCancelled: func(p *pass) bool {
		return p.w.Desired == Cancelled && !p.seen.Unfinished() && !p.w.inDoubt() && !p.tooLate()
	},
	AlreadyThere: func(p *pass) bool { return p.w.Desired.Uploads() && p.seen == NoSession && p.w.shownLive() },
	Held: func(p *pass) bool {
		return p.guard && p.w.Desired.Uploads() && (p.seen == NoSession || p.seen == Sealed && p.w.Desired == Committed)
	},
	TooLate: func(p *pass) bool { return p.w.Desired == Cancelled && p.tooLate() },
	CancelledByOthers: func(p *pass) bool {
		return p.w.Desired.Uploads() && p.seen == CancelledThere && !p.w.CancelledByUs && p.asDesired()
	},
	SaysFailed: func(p *pass) bool {
		failed := p.seen == Failed || p.seen == Expired || p.seen == Forgotten
		return p.w.Desired.Uploads() && failed && p.asDesired()
	},
	Rejected: func(p *pass) bool { return p.w.Desired.Uploads() && p.stuck() && !p.seen.Unfinished() },
}

// asDesired reports whether the session is that of the content and the attempt
// that spec asks for.
func (p *pass) asDesired() bool {
	return p.w.Read && p.w.Prepared == p.w.SessionOf && !p.w.Restart
}

// tooLate reports whether a cancel comes after the commit. A restart that was
// asked for and is cancelled comes in time: it has not begun.
func (p *pass) tooLate() bool { return p.seen == Processing || p.seen == Completed && !p.w.Restart }

func (p *pass) isCompleted() bool {
	w := &p.w
	if p.seen != Completed {
		return false
	}
	switch w.Desired {
	case Uploaded:
		return p.asDesired()
	case Committed:
		return p.asDesired() && w.Live != MineLost
	case Suspended:
		return !w.Restart && w.Live != MineLost
	}
	return false
}

// require notes the first invariant that does not hold.
func (p *pass) require(all ...assertion) {
	for _, one := range all {
		if !one.holds {
			p.breaks(one.invariant)
			return
		}
	}
}

type assertion struct {
	holds     bool
	invariant string
}

// checkCreate: quota and admission are spent on what is desired, prepared, not held
// and not live, and status tells of it.
func (p *pass) checkCreate() {
	w := &p.w
	p.require(
		assertion{w.Desired.Uploads() && w.Admitted && w.Session == NoSession, "A: a create that nobody desires now"},
		assertion{w.Requested && w.Fresh, "S1: a create for an intent that was sent before"},
		assertion{w.Read && w.Prepared == w.IntentOf, "I2: a create of other content than was prepared"},
		assertion{!p.guard, "I2: a create of what a guard holds"},
		assertion{!w.shownLive(), "S2: a create of what is live"},
	)
}

// checkCommit: what is published is what was prepared, guarded and desired.
func (p *pass) checkCommit() {
	w := &p.w
	p.require(
		assertion{w.Desired == Committed, "I2: published although it is not desired"},
		assertion{w.Read && w.Prepared == w.SessionOf, "I2: published other content than was prepared"},
		assertion{!p.guard, "I2: published what a guard, the pin, the rules or the key forbid"},
		assertion{w.Admitted, "I2: published without admission"},
		assertion{w.Errand != RenameIt, "I2: published under another name than spec.fileName"},
	)
}

// checkRemoval: what the object leaves at the service is what its policy says.
func (p *pass) checkRemoval() {
	w := &p.w
	if w.Desired == DeleteOrphan {
		return
	}
	gone := w.Session == NoSession || w.Session == Forgotten
	p.require(
		assertion{w.Desired.Deletes(), "D: an object that is not deleted loses its finalizer"},
		assertion{!w.Session.Unfinished(), "D: the session stays unfinished after the deletion"},
		assertion{!w.inDoubt(), "D: the deletion does not wait for a create in doubt"},
		assertion{w.unclaimed() == 0, "D: a session that nobody claims stays after the deletion"},
		assertion{w.Flight != CreateOnTheWay, "D: a create is still on its way after the deletion"},
		assertion{w.Desired != DeleteRemote || gone, "D: the session stays under deletionPolicy Delete"},
	)
}
