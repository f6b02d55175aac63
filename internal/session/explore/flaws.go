package explore

// Flaw is a set of planted errors of the controllers. Each is the lack of one
// habit that the lifecycle's table alone cannot make up for.
type Flaw uint32

// The flaws.
const (
	// CommitsBlindly sends no generation with a commit.
	CommitsBlindly Flaw = 1 << iota
	// SendsOldIntents sends an intent that another process recorded.
	SendsOldIntents
	// CreatesUnrecorded sends a create before its intent is in status.
	CreatesUnrecorded
	// CreatesUnderOutcome sends a create while status still has the outcome that
	// held it: after a crash the object looks finished.
	CreatesUnderOutcome
	// CancelsUnrecorded cancels before status says so.
	CancelsUnrecorded
	// ArchivesFirst forgets the session before it is cancelled.
	ArchivesFirst
	// ArchivesCommitted forgets a session whose cancel came too late.
	ArchivesCommitted
	// TakesEndForRefusal records Rejected where the session had ended before the call.
	TakesEndForRefusal
	// KeepsUpload takes the finished upload of an attempt for that of the next one.
	KeepsUpload
	// StandsByReading commits a sealed session although the source was read with
	// other content since.
	StandsByReading
	// WakesNever looks at no finished object again.
	WakesNever
	// WakesForEndsOnly wakes an object whose sealed session was cancelled or has
	// expired, but none whose session was deleted or committed by somebody else.
	WakesForEndsOnly
	// IgnoresEarlierLoss does not wake an object whose content was live already
	// when that table is lost.
	IgnoresEarlierLoss
	// SweepsPreparedOnly looks for sessions that turned up late by the table that
	// was read last, not by the one that their create was for.
	SweepsPreparedOnly
	// ForgetsAtPlan forgets a create that was given up when other content is planned.
	ForgetsAtPlan
	// ForgetsAtRefusal forgets it when the next create is refused.
	ForgetsAtRefusal
	// ForgetsAtRestart forgets it when an ended session is archived.
	ForgetsAtRestart
	// EndsUnswept records an outcome while its session may be there.
	EndsUnswept
	// RemovesUnswept removes the finalizer while its session may be there.
	RemovesUnswept
	flawsEnd
)

func (m *Model) has(f Flaw) bool { return m.Flaws&f != 0 }
