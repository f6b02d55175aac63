package controllers

import (
	"maps"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/progress"
)

// cacheCheck is the wait for a cache that does not show our own last write yet.
const cacheCheck = 10 * time.Millisecond

// memory is what one process remembers to be cheap. Nothing in it is a fact
// that a restart may not lose.
type memory struct {
	mu      sync.Mutex
	polled  map[types.UID]poll
	written map[types.UID]write
	spent   map[string]bool // client-request-ids whose POST was sent
	intents map[string]time.Time
	uris    map[types.UID]string // names of upload URIs that were refused
	samples map[types.UID][]pipeline.Sample
	checked map[types.UID]progress.Checked // of the blocks of the present attempt
	pauses  map[types.UID]pause

	readings readings // outlives attempts
}

// poll is the remote session as it was last seen. Without a time it is to be
// looked at again.
type poll struct {
	at     time.Time
	remote *edm.Session
}

// pause is a wait until the next retry, since when by the monotonic clock.
type pause struct {
	since time.Time
	wait  time.Duration
}

// longestPause is how long any wait is at most that another end asks for, or that
// another process wrote down: a spent quota comes back within a day.
const longestPause = 24 * time.Hour

// pauseTo remembers how long an object waits for its next retry.
func (m *memory) pauseTo(uid types.UID, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pauses == nil {
		m.pauses = map[types.UID]pause{}
	}
	m.pauses[uid] = pause{time.Now(), wait}
}

// pauseOf is what is left of an object's wait, whatever the wall clock says: it may
// have been put back meanwhile.
func (m *memory) pauseOf(object client.Object) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.pauses[object.GetUID()]
	if !ok {
		return longestPause
	}
	return known.wait - time.Since(known.since)
}

// isRecent reports whether something happened within an interval. What lies in the
// future happened before the clock was put back, and nobody knows when.
func isRecent(at, now time.Time, interval time.Duration) bool {
	age := now.Sub(at)
	return age >= 0 && age < interval
}

// write is our last write of an object.
type write struct {
	at      time.Time
	version string
}

// behind reports whether the cache shows an object as it was before our own
// last write. A pass over it would take the id of a remote session that has just
// been opened for one that was never answered.
func (m *memory) behind(object client.Object) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, ok := m.written[object.GetUID()]
	if !ok {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(object.GetResourceVersion(), last.version)
	return err == nil && order < 0
}

func (m *memory) setWritten(object client.Object, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.written == nil {
		m.written = map[types.UID]write{}
	}
	m.written[object.GetUID()] = write{at, object.GetResourceVersion()}
}

func (m *memory) lastWrite(uid types.UID) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.written[uid].at
}

func (m *memory) lastPoll(uid types.UID) (poll, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.polled[uid]
	return p, ok
}

func (m *memory) setPoll(uid types.UID, p poll) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.polled == nil {
		m.polled = map[types.UID]poll{}
	}
	m.polled[uid] = p
}

// lookAgain makes the next pass read the remote session, since something was
// changed there. What was seen stays: a running upload needs its URI meanwhile.
func (m *memory) lookAgain(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, ok := m.polled[uid]; ok {
		p.at = time.Time{}
		m.polled[uid] = p
	}
}

// intentSeen returns when this process saw an intent for the first time.
func (m *memory) intentSeen(id string, now time.Time) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.intents == nil {
		m.intents = map[string]time.Time{}
	}
	if _, seen := m.intents[id]; !seen {
		m.intents[id] = now
	}
	return m.intents[id]
}

// refuse remembers that the storage takes an upload URI no more.
func (m *memory) refuse(uid types.UID, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.uris == nil {
		m.uris = map[types.UID]string{}
	}
	m.uris[uid] = name
}

// keepSamples remembers rows of the blocks that this process has uploaded.
func (m *memory) keepSamples(uid types.UID, found []pipeline.Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.samples == nil {
		m.samples = map[types.UID][]pipeline.Sample{}
	}
	m.samples[uid] = found
}

// keepChecked remembers how many blocks of an attempt were compared; none says
// nothing new.
func (m *memory) keepChecked(uid types.UID, checked progress.Checked) {
	if checked == (progress.Checked{}) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.checked == nil {
		m.checked = map[types.UID]progress.Checked{}
	}
	m.checked[uid] = checked
}

func (m *memory) checkedOf(uid types.UID) progress.Checked {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.checked[uid]
}

func (m *memory) samplesOf(uid types.UID) []pipeline.Sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.samples[uid]
}

// refused is the name of the upload URI that was refused last, "" where none was.
func (m *memory) refused(uid types.UID) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.uris[uid]
}

func (m *memory) isSpent(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.spent[id]
}

func (m *memory) spend(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spent == nil {
		m.spent = map[string]bool{}
	}
	m.spent[id] = true
}

// forget drops what the process remembers of an object.
func (m *memory) forget(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.polled, uid)
	delete(m.written, uid)
	delete(m.uris, uid)
	delete(m.samples, uid)
	delete(m.checked, uid)
	delete(m.pauses, uid)
	ofObject := func(id string) bool { return strings.HasPrefix(id, string(uid)) }
	maps.DeleteFunc(m.spent, func(id string, _ bool) bool { return ofObject(id) })
	maps.DeleteFunc(m.intents, func(id string, _ time.Time) bool { return ofObject(id) })
}

// readings are what this process knows of the Secrets that sources were read with.
// A restart may lose them: it costs one more reading.
type readings struct {
	mu       sync.Mutex
	began    map[types.UID]string
	rejected map[types.UID]rejection
}

// rejection is a reading that failed in a way that another Secret may mend.
type rejection struct {
	inputs, secrets string
	problem         *problem.Problem
}

// begin remembers the Secrets that the next reading of an object is made with.
func (r *readings) begin(uid types.UID, secrets string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began == nil {
		r.began = map[types.UID]string{}
	}
	r.began[uid] = secrets
}

// reject remembers that a reading with the Secrets it began with has failed. Where
// those are not known another one is made.
func (r *readings) reject(uid types.UID, inputs string, p *problem.Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rejected == nil {
		r.rejected = map[types.UID]rejection{}
	}
	r.rejected[uid] = rejection{inputs: inputs, secrets: r.began[uid], problem: p}
}

// still returns why the same reading failed before, nil where anything of it is
// another now.
func (r *readings) still(uid types.UID, inputs, secrets string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.rejected[uid]; ok && known.inputs == inputs && known.secrets == secrets {
		return known.problem
	}
	delete(r.rejected, uid)
	return nil
}

func (r *readings) forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.began, uid)
	delete(r.rejected, uid)
}
