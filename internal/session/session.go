// Package session decides what happens next to one ExactMatchSession. It is
// pure: facts go in, a step comes out, and nothing is read, written or kept.
//
// The whole lifecycle is the table in table.go: what was observed (a
// Situation) against what is desired (a Desired) names one Step. Observe turns
// raw facts into a Situation, in the order in which they must be judged.
package session

import "time"

// Desired is the desired state of the object.
type Desired string

// The columns of the lifecycle's table. The three Delete columns are a
// deletionTimestamp read together with spec.deletionPolicy.
const (
	Uploaded     Desired = "Uploaded"
	Committed    Desired = "Committed"
	Cancelled    Desired = "Cancelled"
	Suspended    Desired = "Suspended"
	DeleteCancel Desired = "DeleteCancel"
	DeleteRemote Desired = "DeleteRemote"
	DeleteOrphan Desired = "DeleteOrphan"
)

// Step is what the controller does in one pass.
type Step string

// The steps. Those that say so end the lifecycle until somebody changes
// something; at most one call that changes the remote session is made a step.
const (
	// StepNone does nothing: the object is suspended, or there is nothing to do.
	StepNone Step = "None"
	// StepPrepare reads the source, or waits for the reading that runs.
	StepPrepare Step = "Prepare"
	// StepRejectSource ends: the source cannot become blocks.
	StepRejectSource Step = "RejectSource"
	// StepAlreadyUploaded ends: the service already shows this content live.
	StepAlreadyUploaded Step = "AlreadyUploaded"
	// StepHold ends: a guard of the store holds back this content.
	StepHold Step = "Hold"
	// StepQueue waits until the store admits this session.
	StepQueue Step = "Queue"
	// StepPlan records the intent to create.
	StepPlan Step = "Plan"
	// StepCreate sends the one create of the intent.
	StepCreate Step = "Create"
	// StepResolve finds out what a create in doubt has done.
	StepResolve Step = "Resolve"
	// StepUpload stages the missing blocks and seals the list.
	StepUpload Step = "Upload"
	// StepRename sets the file name of the open remote session to that of the spec.
	StepRename Step = "Rename"
	// StepRenew requests a new upload URI.
	StepRenew Step = "Renew"
	// StepCommit records the request and commits.
	StepCommit Step = "Commit"
	// StepWatch follows the indexing jobs.
	StepWatch Step = "Watch"
	// StepCancel records the request and cancels.
	StepCancel Step = "Cancel"
	// StepAbandon cancels an attempt whose upload cannot continue, then ends.
	StepAbandon Step = "Abandon"
	// StepSupersede cancels a session with older content and begins a revision.
	StepSupersede Step = "Supersede"
	// StepRestart records an ended attempt in the history and begins another.
	StepRestart Step = "Restart"
	// StepDelete deletes the remote session.
	StepDelete Step = "Delete"
	// StepRemoveFinalizer removes the finalizer.
	StepRemoveFinalizer Step = "RemoveFinalizer"

	// StepUploaded ends: sealed, and no commit is desired.
	StepUploaded Step = "Uploaded"
	// StepCompleted ends: the table is live.
	StepCompleted Step = "Completed"
	// StepCancelled ends: cancelled as desired.
	StepCancelled Step = "Cancelled"
	// StepTooLate ends: the cancel came after the commit.
	StepTooLate Step = "TooLate"
	// StepCancelledRemotely ends: somebody else cancelled.
	StepCancelledRemotely Step = "CancelledRemotely"
	// StepFail ends: the service failed, expired or forgot the session.
	StepFail Step = "Fail"
)

// Steps lists every step that a cell of the table can name.
var Steps = []Step{
	StepNone, StepPrepare, StepRejectSource, StepAlreadyUploaded, StepHold, StepQueue, StepPlan, StepCreate, StepResolve,
	StepUpload, StepRename, StepRenew, StepCommit, StepWatch, StepCancel, StepAbandon, StepSupersede, StepRestart,
	StepDelete, StepRemoveFinalizer, StepUploaded, StepCompleted, StepCancelled, StepTooLate, StepCancelledRemotely, StepFail,
}

// Remote is the state of the remote session, reduced to the states that the
// lifecycle distinguishes.
type Remote string

// What a GET of the remote session can show.
const (
	RemoteNone       Remote = ""           // no id is known
	RemoteOpen       Remote = "Open"       // Created, UploadInProgress
	RemoteSealed     Remote = "Sealed"     // UploadCompleted
	RemoteProcessing Remote = "Processing" // committed, being indexed
	RemoteCompleted  Remote = "Completed"
	RemoteCancelled  Remote = "Cancelled"
	RemoteFailed     Remote = "Failed"
	RemoteExpired    Remote = "Expired"
	RemoteForgotten  Remote = "Forgotten" // 404 on our id
	RemoteUnknown    Remote = "Unknown"   // a state that nobody documents
)

// FoldState maps a service's state to a Remote. Graph documents only
// ProcessingInProgress and Completed, so any other word is Unknown.
func FoldState(state string) Remote {
	switch state {
	case "Created", "UploadInProgress":
		return RemoteOpen
	case "UploadCompleted":
		return RemoteSealed
	case "ProcessingInProgress":
		return RemoteProcessing
	case "Completed":
		return RemoteCompleted
	case "Cancelled":
		return RemoteCancelled
	case "Failed":
		return RemoteFailed
	case "Expired":
		return RemoteExpired
	default:
		return RemoteUnknown
	}
}

// Unfinished reports whether the remote session can still be cancelled.
func (r Remote) Unfinished() bool {
	return r == RemoteOpen || r == RemoteSealed || r == RemoteUnknown
}

// Intent is the state of a recorded intent to create.
type Intent string

// What an intent can be.
const (
	IntentNone    Intent = ""
	IntentFresh   Intent = "Fresh"   // ours, not sent
	IntentInDoubt Intent = "InDoubt" // sent without a response, or recorded by another instance
)

// Preparation is how far the reading of the source is, for the spec as it is now.
type Preparation string

// What a preparation can be.
const (
	PreparationNone    Preparation = ""
	PreparationReady   Preparation = "Ready"
	PreparationInvalid Preparation = "Invalid" // terminal: the source cannot become blocks
)

// Facts is everything that the decision rests on.
type Facts struct {
	Preparation Preparation
	// ContentKey names the prepared content, RemoteContentKey that of the remote
	// session or intent.
	ContentKey, RemoteContentKey string
	Remote                       Remote
	Intent                       Intent
	// Live: the service shows ContentKey as the live table of the store.
	Live bool
	// Lost: the remote session is completed, no later table replaced its table,
	// and the service does not show it as the live one.
	Lost bool
	// Guarded: ContentKey must not be published at present. A guard of the store holds
	// it back; once it is sealed, also spec.checksum, or the store's rules or key where
	// they are no longer those of its tokens.
	Guarded bool
	// Admitted: the store's active session is this one.
	Admitted bool
	// CancelRequested: a cancel of this remote session was recorded.
	CancelRequested bool
	// UploadFailed: the upload ended with a permanent error.
	UploadFailed bool
	// RestartRequested: spec.restartToken differs from the one last honored.
	RestartRequested bool
	// RenewRequested: spec.renewToken differs from the one last honored.
	RenewRequested bool
	// RenameRequested: the remote session has another file name than the spec.
	RenameRequested bool
	// UploadURIIssued is when the upload URI was issued, UploadURIExpiry when it
	// expires; zero where unknown.
	UploadURIIssued, UploadURIExpiry time.Time
	// UploadURIRefused: the storage refuses the upload URI, whatever its expiry and the
	// clocks say.
	UploadURIRefused bool
	// EstimatedEnd is when the upload ends at the measured rate, zero where unknown.
	EstimatedEnd time.Time
}

// A renewal of the upload URI is due RenewMargin before it expires, and RenewAhead
// before where the upload is estimated to outlast it. Of a short life of the URI
// they are at most a quarter and a half.
const (
	RenewMargin = 5 * time.Minute
	RenewAhead  = 30 * time.Minute
)

// renewalDue reports whether the upload URI must be renewed now.
func (f Facts) renewalDue(now time.Time) bool {
	if f.UploadURIRefused {
		return true
	}
	if f.UploadURIExpiry.IsZero() {
		return false
	}
	margin, ahead := RenewMargin, RenewAhead
	if !f.UploadURIIssued.IsZero() {
		life := f.UploadURIExpiry.Sub(f.UploadURIIssued)
		if life <= 0 {
			return false // the service's clock is far from ours: the storage will say when it ends
		}
		margin, ahead = min(margin, life/4), min(ahead, life/2)
	}
	left := f.UploadURIExpiry.Sub(now)
	outlasts := f.EstimatedEnd.After(f.UploadURIExpiry.Add(-margin))
	return left < margin || outlasts && left < ahead
}
