package explore

import (
	"time"

	"exactmatch.dev/operator/internal/session"
)

// now is every pass's time: what depends on time is an event of its own here.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// observe gathers the facts of a pass. A reading that has finished is taken over,
// so the State may change by it.
func (p *pass) observe() session.Facts {
	w := &p.w
	f := session.Facts{
		Remote:           remoteFacts[p.seen],
		RemoteContentKey: contentKeys[w.IntentOf],
		Intent:           p.intent(),
		CancelRequested:  w.CancelAsked,
		RestartRequested: w.Restart,
		RenewRequested:   w.Errand == RenewIt,
		RenameRequested:  w.Desired.Uploads() && w.Errand == RenameIt,
		Admitted:         w.Admitted,
		Lost:             p.seen == Completed && w.Live == MineLost,
	}
	if !w.Desired.Uploads() || p.stands() {
		// What ends, parks or publishes the session does not depend on its source.
		f.Preparation, f.ContentKey = session.PreparationReady, f.RemoteContentKey
	} else {
		p.observeWork(&f)
	}
	if w.Desired.Uploads() && f.Preparation == session.PreparationReady && p.seen == NoSession {
		f.Live, f.Guarded = w.shownLive(), p.guard
	}
	if w.Desired == Committed && p.seen == Sealed {
		f.Guarded = p.guard
	}
	return f
}

// stands reports whether a sealed session stays as it was reviewed, whatever
// the source holds by now.
func (p *pass) stands() bool {
	return p.seen == Sealed && p.w.Read && (p.w.Prepared == p.w.IntentOf || p.m.has(StandsByReading))
}

// intent judges the recorded intent: only what this very process recorded and
// has not sent may be sent.
func (p *pass) intent() session.Intent {
	switch {
	case !p.w.Requested || p.w.Session != NoSession:
		return session.IntentNone
	case p.w.Fresh || p.m.has(SendsOldIntents):
		return session.IntentFresh
	}
	return session.IntentInDoubt
}

// observeWork judges how far the reading and the upload are.
func (p *pass) observeWork(f *session.Facts) {
	w := &p.w
	if w.Work.prepared() && !w.Read {
		p.takePrepared()
	}
	f.ContentKey = contentKeys[w.Prepared]
	switch {
	case w.Work == Unreadable:
		f.Preparation = session.PreparationInvalid
	case w.Read:
		f.Preparation = session.PreparationReady
	}
	f.UploadFailed = w.Work == Broken
	f.UploadURIRefused = w.Errand == URIRefused
}

// takePrepared records a finished reading.
func (p *pass) takePrepared() {
	p.w.Read, p.w.Prepared = true, p.w.WorkOf
	if p.seen == NoSession || p.seen.Unfinished() {
		p.w.Restart = false // honored by this reading
	}
}

// woken reports whether a finished object is looked at again although its spec
// is as it was, because the service contradicts it.
func (m *Model) woken(w *State) bool {
	if w.Desired == Suspended || m.has(WakesNever) {
		return false
	}
	switch w.Outcome {
	case SaysUploaded:
		ended := w.Session == CancelledThere || w.Session == Expired
		return ended || w.Session != Sealed && !m.has(WakesForEndsOnly)
	case SaysCompleted:
		return w.Desired == Committed && w.Live == MineLost
	case AlreadyThere:
		return w.Live == EarlierLost && !m.has(IgnoresEarlierLoss)
	}
	return false
}
