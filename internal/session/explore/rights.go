package explore

import "exactmatch.dev/operator/internal/session"

// right is when a step may be taken at all, whatever the situation is called.
type right struct {
	holds func(*pass) bool
	// wrong is what the operator does that takes the step without the right.
	wrong string
}

// rights of the steps. What a create, a commit, an outcome and a removal need
// stands in invariants.go.
var rights = map[session.Step]right{
	session.StepNone:            {(*pass).mayPause, "pauses what is not suspended, or is committed"},
	session.StepPrepare:         {(*pass).mayPrepare, "reads a source that need not be read"},
	session.StepQueue:           {(*pass).mayQueue, "queues although it is admitted, or needs no admission"},
	session.StepPlan:            {(*pass).mayPlan, "plans a create that is not desired, or beside another"},
	session.StepResolve:         {(*pass).mayResolve, "resolves a create that is not in doubt, or orphaned"},
	session.StepUpload:          {(*pass).mayUpload, "stages blocks that are not desired, without admission, or for other content"},
	session.StepRename:          {(*pass).mayRename, "renames without need"},
	session.StepRenew:           {(*pass).mayRenew, "renews without need"},
	session.StepWatch:           {(*pass).mayWatch, "watches a session that does nothing"},
	session.StepCancel:          {(*pass).mayCancel, "cancels what is desired, or what has ended"},
	session.StepAbandon:         {(*pass).mayAbandon, "abandons an attempt that can go on"},
	session.StepSupersede:       {(*pass).maySupersede, "replaces a session of the desired content"},
	session.StepRestart:         {(*pass).mayRestart, "restarts what nobody asked for"},
	session.StepDelete:          {(*pass).mayDelete, "deletes what the policy leaves, or nothing"},
	session.StepRemoveFinalizer: {(*pass).mayRemoveFinalizer, "removes the finalizer of an object that is not deleted"},
}

func (p *pass) checkRight() {
	if r, has := rights[p.step]; has && !p.m.Lenient && !r.holds(p) {
		p.breaks("A: the operator " + r.wrong)
	}
}

// works reports whether a session is unfinished and its end is desired.
func (p *pass) works() bool { return p.w.Desired.Uploads() && p.seen.Unfinished() }

// otherContent reports whether the session's content is not the source's.
func (p *pass) otherContent() bool { return p.w.Read && p.w.Prepared != p.w.SessionOf }

// stuck reports whether the source or the upload cannot go on.
func (p *pass) stuck() bool { return p.w.Work == Unreadable || p.w.Work == Broken }

func (p *pass) mayPause() bool { return p.w.Desired == Suspended && p.seen != Processing }

func (p *pass) mayPrepare() bool { return p.w.Desired.Uploads() && !p.w.Read && p.w.Work != Unreadable }

func (p *pass) mayQueue() bool { return p.w.Desired.Uploads() && p.w.Read && !p.w.Admitted }

func (p *pass) mayPlan() bool {
	return p.w.Desired.Uploads() && p.w.Read && p.seen == NoSession && !p.w.inDoubt()
}

func (p *pass) mayResolve() bool { return p.w.inDoubt() && p.w.Desired != DeleteOrphan }

func (p *pass) mayUpload() bool {
	w := &p.w
	return w.Desired.Uploads() && p.seen == Open && w.Admitted && w.SessionOf == w.Prepared && w.Errand == NoErrand
}

func (p *pass) mayRename() bool { return p.works() && p.w.Errand == RenameIt }

func (p *pass) mayRenew() bool {
	return p.works() && (p.w.Errand == RenewIt || p.w.Errand == URIRefused)
}

// mayWatch: indexing is followed also while the object is suspended.
func (p *pass) mayWatch() bool {
	uploads := p.w.Desired.Uploads()
	return p.seen == Processing && (uploads || p.w.Desired == Suspended) || p.seen == Unknown && uploads
}

func (p *pass) mayCancel() bool {
	return p.seen.Unfinished() && (p.w.Desired == Cancelled || p.w.Desired == DeleteCancel)
}

func (p *pass) mayAbandon() bool { return p.works() && p.stuck() }

func (p *pass) maySupersede() bool { return p.works() && p.otherContent() }

// mayRestart: another attempt needs a reason, and the last one an end.
func (p *pass) mayRestart() bool {
	w := &p.w
	if !w.Desired.Uploads() || !w.Read || p.seen == NoSession || p.seen == Processing || p.seen.Unfinished() {
		return false
	}
	lost := p.seen == Completed && w.Desired == Committed && w.Live == MineLost
	cancelled := p.seen == CancelledThere && w.CancelAsked
	return w.Restart || p.otherContent() || cancelled || lost
}

func (p *pass) mayDelete() bool { return p.w.Desired == DeleteRemote && p.seen != NoSession }

func (p *pass) mayRemoveFinalizer() bool { return p.w.Desired.Deletes() }
