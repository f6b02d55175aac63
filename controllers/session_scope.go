package controllers

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/clients"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/pool"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/session"
)

// scope is what one pass knows. observe fills it, one step reads it,
// patchStatus writes the result.
type scope struct {
	// object is changed by the pass; before is what the API server has.
	object, before *v1alpha1.ExactMatchSession
	// first is the status that the pass began with.
	first v1alpha1.ExactMatchSessionStatus

	// store and agent are what the session refers to; observeStore sets both. They are
	// nil where one of them does not exist and the session is being deleted.
	store *v1alpha1.ExactMatchDataStore
	agent *v1alpha1.ExactMatchUploadAgent
	// client speaks to the service; the first call of service sets it, nil before.
	client *clients.Client

	// plan is how the source becomes blocks; version is the digest of what decides it,
	// and inputs that with a pin that asks for another reading. They are set where the
	// pass looks at the source.
	plan            pipeline.Plan
	version, inputs string
	// keyID names the store's key. sourceVersion names what the source holds, as far as
	// the reference tells.
	keyID, sourceVersion string
	// secrets is a digest of what Secrets say of the source; "" where they say nothing.
	secrets string
	// sourceName is the last element of where the table lies.
	sourceName string
	// work is the state of the work on the plan; elsewhere: there is work of the object
	// that another mode of its agent has begun.
	work      executor.Status
	elsewhere bool
	// remote is the remote session as it was last seen, nil where there is none.
	remote *edm.Session
	// shown is the store as the service showed it in this pass; nil where it was
	// not asked.
	shown *edm.DataStore
	facts session.Facts

	// situation is the row of the lifecycle's table, and step the one step of this
	// pass; "" where none was decided.
	situation session.Situation
	step      session.Step
	// began is when the pass did.
	began time.Time
	// after is when to look again; 0 leaves it to a wake or a watch.
	after time.Duration
	// events go out after the write of status took.
	events []note
	// finalizerRemoved: the object may be gone, so there is nothing left to write.
	finalizerRemoved bool
	// orphanReason says why the finalizer is removed although the remote session
	// stays; "" where it is not.
	orphanReason string
}

// note is one line for `kubectl describe`.
type note struct{ kind, reason, message string }

func newScope(object *v1alpha1.ExactMatchSession) *scope {
	return &scope{object: object.DeepCopy(), before: object.DeepCopy(), first: *object.Status.DeepCopy(), began: time.Now()}
}

// status is the status that the pass writes.
func (s *scope) status() *v1alpha1.ExactMatchSessionStatus { return &s.object.Status }

// deleting reports whether the object is on its way out.
func (s *scope) deleting() bool { return !s.object.DeletionTimestamp.IsZero() }

// hasOutcome reports whether an outcome is recorded for the spec as it is: then
// nothing is observed, so a finished session costs no call.
func (s *scope) hasOutcome() bool {
	return !s.deleting() && s.status().Outcome != "" && s.status().ObservedGeneration == s.object.Generation
}

// waits reports whether the next retry lies in the future, and at most for how
// long that is meant. A changed spec does not wait for the old one's next time. A
// time that no process can have meant, a wrong clock wrote: it is corrected, so that
// no restart believes it anew.
func (s *scope) waits(now time.Time, most time.Duration) bool {
	next := s.status().NextRetryTime
	if next == nil || s.status().ObservedGeneration != s.object.Generation || s.deleting() != deletionSeen(s.status()) {
		return false
	}
	s.after = min(next.Sub(now), most)
	if s.after > 0 && next.Sub(now) > longestPause {
		s.status().NextRetryTime = &metav1.Time{Time: now.Add(s.after).Truncate(time.Second)}
	}
	return s.after > 0
}

// deletionSeen reports whether a pass has already worked on the deletion.
func deletionSeen(status *v1alpha1.ExactMatchSessionStatus) bool {
	return status.FinalizeDeadline != nil
}

// desired is the column of the lifecycle's table.
func (s *scope) desired() session.Desired {
	if s.deleting() {
		return map[v1alpha1.SessionDeletionPolicy]session.Desired{
			v1alpha1.SessionDeletionPolicyDelete: session.DeleteRemote,
			v1alpha1.SessionDeletionPolicyOrphan: session.DeleteOrphan,
			v1alpha1.SessionDeletionPolicyCancel: session.DeleteCancel,
		}[s.object.Spec.DeletionPolicy]
	}
	if s.object.Spec.Suspend {
		return session.Suspended
	}
	return session.Desired(s.object.Spec.DesiredState)
}

// event queues an event.
func (s *scope) event(kind, reason, message string) {
	s.events = append(s.events, note{kind: kind, reason: reason, message: message})
}

// named is the key of an object in the session's namespace.
func (s *scope) named(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: s.object.Namespace, Name: name}
}

// SessionReconciler reconciles an ExactMatchSession: it uploads, commits and cancels
// as its spec says, and mirrors the remote session in its status.
type SessionReconciler struct {
	client.Client
	// Reader bypasses the cache.
	Reader   client.Reader
	Recorder events.EventRecorder
	// Pool is this process. Executor, where it is set, takes the place of it and of
	// pods: tests script it.
	Pool     *pool.Pool
	Executor executor.Executor
	Clients  *clients.Cache
	Recalls  *recalls
	// Wakes are sessions whose work in this process got further, or that are to be
	// judged again.
	Wakes   <-chan event.GenericEvent
	Options Options
	Now     func() time.Time

	memory  memory
	graces  graces
	journal journal
	stays   stays
}

// stateForgotten marks a session that the service knows no more. It never
// stands in status: there the last state that the service gave stays.
const stateForgotten edm.State = "exactmatch.dev/Forgotten"

// remoteFact folds the remote session's state.
func (s *scope) remoteFact() session.Remote {
	switch {
	case s.remote == nil:
		return session.RemoteNone
	case s.remote.State == stateForgotten && s.first.State == string(edm.StateCompleted):
		return session.RemoteCompleted // the service keeps no record of ended sessions for ever
	case s.remote.State == stateForgotten:
		return session.RemoteForgotten
	default:
		return session.FoldState(string(s.remote.State))
	}
}

// intentContentKey names the content of the remote session or of the intent to
// open one.
func (s *scope) intentContentKey() string {
	if s.status().Intent == nil {
		return ""
	}
	return s.status().Intent.ContentKey
}

// pinned reports whether spec.checksum allows the prepared bytes.
func pinned(s *scope) bool {
	return s.object.Spec.Checksum == "" || s.object.Spec.Checksum == s.status().PreparedChecksum
}

// pinOf is the pin as far as it asks for another reading: one that the
// prepared bytes satisfy changes nothing, nor does taking it away.
func pinOf(s *scope) string {
	if pinned(s) {
		return ""
	}
	return s.object.Spec.Checksum
}

// inputsOf names what decides the reading, the pin included while the prepared
// bytes do not satisfy it.
func inputsOf(s *scope) string { return plan.Inputs(s.version, pinOf(s)) }

// judgedAgainst is the generation of the live table that the commit was judged
// against, nil where the service shows none.
func (s *scope) judgedAgainst() *int64 {
	switch {
	case !showsLive(s.agent) || s.shown == nil:
		return nil
	case s.shown.Live == nil:
		return new(int64(0))
	}
	return &s.shown.Live.Generation
}

// isCommitted reports whether a commit was faster than the cancel: the next pass
// follows it to its end before anything else.
func (s *scope) isCommitted() bool {
	remote := s.remoteFact()
	return remote == session.RemoteProcessing || remote == session.RemoteCompleted
}
