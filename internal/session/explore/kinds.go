package explore

import "exactmatch.dev/operator/internal/session"

// Desired is a column of the lifecycle's table: an index into session.Desires.
type Desired uint8

// The desired states, in the order of session.Desires.
const (
	Uploaded Desired = iota
	Committed
	Cancelled
	Suspended
	DeleteCancel
	DeleteRemote
	DeleteOrphan
	desired
)

// Deletes reports whether the object has a deletionTimestamp.
func (w Desired) Deletes() bool { return w >= DeleteCancel }

// Uploads reports whether a table at the service is desired at the service.
func (w Desired) Uploads() bool { return w == Uploaded || w == Committed }

func (w Desired) String() string { return string(session.Desires[w]) }

// Content names the bytes of a table by whether the source holds them. Two are
// enough: everything asks only whether contents are the same.
type Content uint8

// The contents.
const (
	NoContent Content = iota
	Present           // what the source holds now
	Former            // what the source held before
	contents
)

var contentKeys = [contents]string{"", "content/present", "content/former"}

// other is the content's name once the source has changed.
func (c Content) other() Content {
	switch c {
	case Present:
		return Former
	case Former:
		return Present
	}
	return c
}

func (c Content) String() string { return [...]string{"none", "present", "former"}[c] }

// Remote is a state of a remote session, of those that the lifecycle tells apart.
type Remote uint8

// The states.
const (
	NoSession Remote = iota
	Open
	Sealed
	Processing
	Completed
	CancelledThere
	Failed
	Expired
	Forgotten
	Unknown
	remotes
)

var remoteFacts = [remotes]session.Remote{
	session.RemoteNone, session.RemoteOpen, session.RemoteSealed, session.RemoteProcessing, session.RemoteCompleted,
	session.RemoteCancelled, session.RemoteFailed, session.RemoteExpired, session.RemoteForgotten, session.RemoteUnknown,
}

// Unfinished reports whether the session can still be cancelled.
func (r Remote) Unfinished() bool { return r == Open || r == Sealed || r == Unknown }

// committed reports whether the session has passed its commit and not failed.
func (r Remote) committed() bool { return r == Processing || r == Completed }

func (r Remote) String() string {
	if r == NoSession {
		return "none"
	}
	return string(remoteFacts[r])
}

// Work is what goes on in this process beside the passes.
type Work uint8

// What the work can be.
const (
	Idle Work = iota
	Reading
	Readable    // read: WorkOf is known
	Unreadable  // read, and it cannot become blocks
	Uploading   // blocks of WorkOf are staged
	SealedThere // every block is staged and the list is sealed
	Broken      // the upload cannot go on
)

// prepared reports whether the source was read to its end.
func (w Work) prepared() bool { return w >= Readable && w != Unreadable }

func (w Work) String() string {
	return [...]string{"idle", "reading", "read", "unreadable", "uploading", "sealed", "broken"}[w]
}

// Errand is a small thing to do for a session that is unfinished.
type Errand uint8

// The errands.
const (
	NoErrand   Errand = iota
	RenameIt          // spec.fileName is not the session's
	RenewIt           // spec.renewToken is not honored
	URIRefused        // the storage refuses the upload URI
)

func (e Errand) String() string {
	return [...]string{"none", "rename", "renew", "upload URI refused"}[e]
}

// Flight is a call on its way.
type Flight uint8

// The calls that can arrive late.
const (
	NoFlight Flight = iota
	CreateOnTheWay
	CommitOnTheWay // what is live is what it was judged against
	CommitOutrun   // what is live has changed since it was judged
	CancelOnTheWay
	BlindCommit // names no generation: a planted error
	BlindCommitOutrun
)

func (f Flight) commits() bool { return f > CreateOnTheWay && f != CancelOnTheWay }

func (f Flight) String() string {
	return [...]string{"none", "create", "commit", "commit, outrun", "cancel", "blind commit", "blind commit, outrun"}[f]
}

// Live is the table that the store has on record as published last, held
// against what the service shows live.
type Live uint8

// What can be live. A table is lost where the service shows neither it nor a
// later one: nothing, or after a rollback an older one.
const (
	NotOurs        Live = iota // no table of this object, or a later one
	Mine                       // that of Service.Session
	MineLost                   // that one is on record and is lost
	EarlierPresent             // that of an earlier session, of the content Present
	EarlierFormer
	EarlierLost
)

// earlier is Mine after its session was archived.
func earlier(of Content) Live {
	if of == Present {
		return EarlierPresent
	}
	return EarlierFormer
}

func (l Live) String() string {
	return [...]string{"not ours", "ours", "ours, lost", "earlier, present", "earlier, former", "earlier, lost"}[l]
}

// Outcome is what status.outcome says.
type Outcome uint8

// The outcomes. Up to AlreadyThere they are green.
const (
	NoOutcome Outcome = iota
	SaysUploaded
	SaysCompleted
	SaysCancelled
	AlreadyThere
	Held
	TooLate
	CancelledByOthers
	SaysFailed
	Rejected // the source or the upload cannot go on
)

// Green reports whether the outcome makes the object Ready.
func (o Outcome) Green() bool { return o >= SaysUploaded && o <= AlreadyThere }

func (o Outcome) String() string {
	return [...]string{"none", "Uploaded", "Completed", "Cancelled", "AlreadyUploaded", "Held", "TooLate", "CancelledRemotely", "Failed", "Rejected"}[o]
}

// Gone is how the object went.
type Gone uint8

// The ways to go.
const (
	Here Gone = iota
	Removed
	// RemovedEarly: the service did not answer until finalizeDeadline, and a
	// Warning says what stays there.
	RemovedEarly
)

func (g Gone) String() string { return [...]string{"no", "removed", "removed with a Warning"}[g] }
