package session

import "time"

// Situation is a row of the lifecycle's table.
type Situation string

// The situations, in the order in which Observe judges them.
const (
	InDoubt           Situation = "InDoubt"           // a create is unanswered: the service may have created a session
	Invalid           Situation = "Invalid"           // the source cannot become blocks; nothing is open
	InvalidOpen       Situation = "InvalidOpen"       // as Invalid, while an older remote session is unfinished
	Processing        Situation = "Processing"        // committed, being indexed
	Unprepared        Situation = "Unprepared"        // the source was not read for the current spec; nothing is open
	UnpreparedOpen    Situation = "UnpreparedOpen"    // as Unprepared, while a remote session is unfinished
	Outdated          Situation = "Outdated"          // the unfinished remote session has other content
	OutdatedEnded     Situation = "OutdatedEnded"     // the ended remote session had other content, or a restart was requested
	Lost              Situation = "Lost"              // indexed, but the service no longer shows the table, nor a later one
	Completed         Situation = "Completed"         // indexed: the table is live, or a later one replaced it
	CancelledByUs     Situation = "CancelledByUs"     // cancelled, as we asked
	CancelledByOthers Situation = "CancelledByOthers" // cancelled, and we did not ask
	Failed            Situation = "Failed"            // the service reports Failed or Expired, or no longer knows the id
	AlreadyLive       Situation = "AlreadyLive"       // prepared; the service shows this content live
	Guarded           Situation = "Guarded"           // prepared; a guard of the store holds it back
	Queued            Situation = "Queued"            // prepared; another session is admitted
	Ready             Situation = "Ready"             // prepared and admitted; nothing is open
	Intended          Situation = "Intended"          // the intent to create is recorded and not sent
	Broken            Situation = "Broken"            // unfinished, and its upload cannot continue
	SealedGuarded     Situation = "SealedGuarded"     // sealed, and must not be published at present
	QueuedOpen        Situation = "QueuedOpen"        // unfinished; another session is admitted
	Renamed           Situation = "Renamed"           // the unfinished remote session has another file name than the spec
	RenewalDue        Situation = "RenewalDue"        // the upload URI must be renewed, or its renewal was requested
	Open              Situation = "Open"              // blocks are missing
	Sealed            Situation = "Sealed"            // every block is uploaded and the list is sealed
	Unknown           Situation = "Unknown"           // a state that nobody documents
)

// Situations lists the rows in the order of judgement.
var Situations = []Situation{
	InDoubt, Invalid, InvalidOpen, Processing, Unprepared, UnpreparedOpen, Outdated, OutdatedEnded,
	Lost, Completed, CancelledByUs, CancelledByOthers, Failed, AlreadyLive, Guarded, Queued, Ready, Intended,
	Broken, SealedGuarded, QueuedOpen, Renamed, RenewalDue, Open, Sealed, Unknown,
}

// Desires lists the columns in order.
var Desires = []Desired{Uploaded, Committed, Cancelled, Suspended, DeleteCancel, DeleteRemote, DeleteOrphan}

// row is one line of the table, in the order of Desires.
func row(steps ...Step) map[Desired]Step {
	r := make(map[Desired]Step, len(Desires))
	for i, d := range Desires {
		r[d] = steps[i]
	}
	return r
}

// table is the lifecycle. Every cell is asserted by a test and printed in
// STATES.md.
var table = map[Situation]map[Desired]Step{
	//                     Uploaded               Committed              Cancelled      Suspended   DeleteCancel  DeleteRemote DeleteOrphan
	InDoubt:           row(StepResolve, StepResolve, StepResolve, StepResolve, StepResolve, StepResolve, StepRemoveFinalizer),
	Invalid:           row(StepRejectSource, StepRejectSource, StepCancelled, StepNone, StepRemoveFinalizer, StepRemoveFinalizer, StepRemoveFinalizer),
	InvalidOpen:       row(StepAbandon, StepAbandon, StepCancel, StepNone, StepCancel, StepDelete, StepRemoveFinalizer),
	Processing:        row(StepWatch, StepWatch, StepTooLate, StepWatch, StepRemoveFinalizer, StepDelete, StepRemoveFinalizer),
	Unprepared:        row(StepPrepare, StepPrepare, StepCancelled, StepNone, StepRemoveFinalizer, StepRemoveFinalizer, StepRemoveFinalizer),
	UnpreparedOpen:    row(StepPrepare, StepPrepare, StepCancel, StepNone, StepCancel, StepDelete, StepRemoveFinalizer),
	Outdated:          row(StepSupersede, StepSupersede, StepCancel, StepNone, StepCancel, StepDelete, StepRemoveFinalizer),
	OutdatedEnded:     row(StepRestart, StepRestart, StepCancelled, StepNone, StepRemoveFinalizer, StepDelete, StepRemoveFinalizer),
	Lost:              row(StepCompleted, StepRestart, StepTooLate, StepNone, StepRemoveFinalizer, StepDelete, StepRemoveFinalizer),
	Completed:         row(StepCompleted, StepCompleted, StepTooLate, StepCompleted, StepRemoveFinalizer, StepDelete, StepRemoveFinalizer),
	CancelledByUs:     row(StepRestart, StepRestart, StepCancelled, StepNone, StepRemoveFinalizer, StepDelete, StepRemoveFinalizer),
	CancelledByOthers: row(StepCancelledRemotely, StepCancelledRemotely, StepCancelled, StepNone, StepRemoveFinalizer, StepDelete, StepRemoveFinalizer),
	Failed:            row(StepFail, StepFail, StepCancelled, StepNone, StepRemoveFinalizer, StepDelete, StepRemoveFinalizer),
	AlreadyLive:       row(StepAlreadyUploaded, StepAlreadyUploaded, StepCancelled, StepNone, StepRemoveFinalizer, StepRemoveFinalizer, StepRemoveFinalizer),
	Guarded:           row(StepHold, StepHold, StepCancelled, StepNone, StepRemoveFinalizer, StepRemoveFinalizer, StepRemoveFinalizer),
	Queued:            row(StepQueue, StepQueue, StepCancelled, StepNone, StepRemoveFinalizer, StepRemoveFinalizer, StepRemoveFinalizer),
	Ready:             row(StepPlan, StepPlan, StepCancelled, StepNone, StepRemoveFinalizer, StepRemoveFinalizer, StepRemoveFinalizer),
	Intended:          row(StepCreate, StepCreate, StepCancelled, StepNone, StepRemoveFinalizer, StepRemoveFinalizer, StepRemoveFinalizer),
	Broken:            row(StepAbandon, StepAbandon, StepCancel, StepNone, StepCancel, StepDelete, StepRemoveFinalizer),
	SealedGuarded:     row(StepUploaded, StepHold, StepCancel, StepNone, StepCancel, StepDelete, StepRemoveFinalizer),
	QueuedOpen:        row(StepQueue, StepQueue, StepCancel, StepNone, StepCancel, StepDelete, StepRemoveFinalizer),
	Renamed:           row(StepRename, StepRename, StepCancel, StepNone, StepCancel, StepDelete, StepRemoveFinalizer),
	RenewalDue:        row(StepRenew, StepRenew, StepCancel, StepNone, StepCancel, StepDelete, StepRemoveFinalizer),
	Open:              row(StepUpload, StepUpload, StepCancel, StepNone, StepCancel, StepDelete, StepRemoveFinalizer),
	Sealed:            row(StepUploaded, StepCommit, StepCancel, StepNone, StepCancel, StepDelete, StepRemoveFinalizer),
	Unknown:           row(StepWatch, StepWatch, StepCancel, StepNone, StepCancel, StepDelete, StepRemoveFinalizer),
}

// Observe names the situation that the facts amount to. It is total: every
// combination of facts has exactly one situation.
func Observe(f Facts, now time.Time) Situation {
	if f.Intent == IntentInDoubt && f.Remote == RemoteNone {
		return InDoubt
	}
	// The commit cannot be taken back, so what follows it is watched before a
	// changed spec is looked at.
	if f.Remote == RemoteProcessing {
		return Processing
	}
	unfinished := f.Remote.Unfinished()
	switch f.Preparation {
	case PreparationInvalid:
		return either(unfinished, InvalidOpen, Invalid)
	case PreparationNone:
		return either(unfinished, UnpreparedOpen, Unprepared)
	case PreparationReady:
	}
	if f.Remote != RemoteNone && f.RemoteContentKey != f.ContentKey {
		return either(unfinished, Outdated, OutdatedEnded)
	}
	if f.Remote != RemoteNone && !unfinished && f.RestartRequested {
		return OutdatedEnded
	}
	if unfinished {
		return observeUnfinished(f, now)
	}
	return observeIdle(f)
}

// observeIdle names the situation while no remote session is unfinished.
func observeIdle(f Facts) Situation {
	switch f.Remote {
	case RemoteCompleted:
		return either(f.Lost, Lost, Completed)
	case RemoteCancelled:
		return either(f.CancelRequested, CancelledByUs, CancelledByOthers)
	case RemoteFailed, RemoteExpired, RemoteForgotten:
		return Failed
	}
	switch {
	case f.Live:
		return AlreadyLive
	case f.Guarded:
		return Guarded
	case !f.Admitted:
		return Queued
	case f.Intent == IntentFresh && f.RemoteContentKey == f.ContentKey:
		return Intended
	default:
		return Ready
	}
}

// observeUnfinished names the situation of an unfinished session of the
// prepared content.
func observeUnfinished(f Facts, now time.Time) Situation {
	switch {
	case f.Remote == RemoteUnknown:
		return Unknown
	case f.UploadFailed:
		return Broken
	case f.Remote == RemoteSealed && f.Guarded:
		return SealedGuarded
	case !f.Admitted:
		return QueuedOpen
	case f.RenewRequested:
		return RenewalDue
	case f.RenameRequested:
		return Renamed
	case f.Remote == RemoteSealed:
		return Sealed
	case f.renewalDue(now):
		return RenewalDue
	default:
		return Open
	}
}

func either(condition bool, yes, no Situation) Situation { //nolint:revive // a conditional expression, not a mode
	if condition {
		return yes
	}
	return no
}

// Next is the lifecycle: the table's cell for what is desired and observed.
func Next(desired Desired, facts Facts, now time.Time) Step {
	return table[Observe(facts, now)][desired]
}
