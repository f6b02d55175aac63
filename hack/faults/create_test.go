package faults_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// TestCreateHealsItself: a crash lies between the effect of the create and the
// write of the id, and the listing shows 0, 1 or 3 sessions that match.
func TestCreateHealsItself(t *testing.T) {
	for _, matching := range []int{0, 1, 3} {
		t.Run(fmt.Sprintf("%d-matching", matching), func(t *testing.T) {
			t.Parallel()
			w := newTestEnv(t)
			loseCreate(w)
			s, err := w.get()
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(s.Status.ID).To(BeEmpty(), "the crash came before the id was written")
			w.Expect(s.Status.Intent).NotTo(BeNil(), "the intent was written before the call")
			ours := w.ours()
			w.Expect(ours).To(HaveLen(1))
			switch matching {
			case 0:
				w.proxy.deleteSession(ours[0].ID)
			case 3:
				for n := range 2 {
					w.duplicate(&ours[0], fmt.Sprint("again-", n))
				}
			}
			w.startManager("manager-2")
			w.comesTo(v1alpha1.ReasonCompleted)
			s, err = w.get()
			w.Expect(err).NotTo(HaveOccurred())
			states := map[edm.State]int{}
			for _, r := range w.ours() {
				states[r.State]++
			}
			switch matching {
			case 0:
				w.Expect(states).To(Equal(map[edm.State]int{edm.StateCompleted: 1}))
				w.Expect(s.Status.Attempt).To(BeEquivalentTo(2), "the first create had no effect that lasted")
			case 1:
				w.Expect(states).To(Equal(map[edm.State]int{edm.StateCompleted: 1}))
				w.Expect(s.Status.ID).To(Equal(ours[0].ID), "what the crash forgot is adopted")
				w.Expect(s.Status.Attempt).To(BeEquivalentTo(1))
			case 3:
				w.Expect(states).To(Equal(map[edm.State]int{edm.StateCompleted: 1, edm.StateCancelled: 2}), "several are reduced to one")
				w.Expect(s.Status.ID).To(Equal(ours[0].ID), "the oldest one stays")
			}
			w.foreignIsAlone()
			w.lookupsWereWhole("new")
		})
	}
}

// ours are the remote sessions of the case's own agent, oldest first.
func (w *testEnv) ours() []edm.Session {
	var out []edm.Session
	for _, r := range w.remotes() {
		if r.UploadAgentID != w.foreign.UploadAgentID {
			out = append(out, r)
		}
	}
	return out
}

// duplicate opens another session just like one.
func (w *testEnv) duplicate(one *edm.Session, requestID string) {
	w.t.Helper()
	_, err := w.direct.Sessions().Create(w.ctx, w.store.Status.ID, edm.Session{
		UploadAgentID: one.UploadAgentID, Fields: one.Fields, FileName: one.FileName, RowsPerBlock: one.RowsPerBlock, TotalBlockCount: one.TotalBlockCount,
		KeyID: one.KeyID, ContentKey: one.ContentKey, Checksum: one.Checksum,
	}, w.namespace+requestID)
	w.Expect(err).NotTo(HaveOccurred())
}

// TestALateCreateIsCancelled: a create lies on its way for longer than anybody
// waits. Its session turns up after another one was opened, and is cancelled
// before the commit.
func TestALateCreateIsCancelled(t *testing.T) {
	t.Parallel()
	w := newTestEnv(t)
	taken := make(chan struct{})
	var late *call
	w.proxy.aim(&callHook{matches: posts("/sessions"), do: func(_ *faultProxy, _ http.ResponseWriter, c *call) {
		late = c
		close(taken)
		panic(http.ErrAbortHandler)
	}})
	w.proxy.hold()
	apply(w)
	within(t, taken, patience, "the create")
	w.Eventually(func() ([]edm.Session, error) { return w.ours(), nil }).Should(HaveLen(1), "another create follows where the first had no effect")
	// The service remembers the request id of the attempt, so the late one is another.
	late.Header.Set("client-request-id", "late-"+w.namespace)
	w.proxy.effect(late)
	w.Expect(w.ours()).To(HaveLen(2))
	w.proxy.release()
	w.comesTo(v1alpha1.ReasonCompleted)
	s, err := w.get()
	w.Expect(err).NotTo(HaveOccurred())
	for _, r := range w.ours() {
		want := edm.StateCancelled
		if r.ID == s.Status.ID {
			want = edm.StateCompleted
		}
		w.Expect(r.State).To(Equal(want), w.story)
	}
	w.foreignIsAlone()
	w.lookupsWereWhole("new")
}

// TestTwoManagersThatBelieveTheyLead work on one object from its beginning to its
// end, and the service sees one session.
func TestTwoManagersThatBelieveTheyLead(t *testing.T) {
	for n := range 8 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			w := newTestEnv(t)
			w.startManager("another-leader")
			apply(w)
			w.comesTo(v1alpha1.ReasonCompleted)
			w.Consistently(w.outcome, 300*time.Millisecond).Should(Equal(v1alpha1.ReasonCompleted), w.story)
			var live int
			for _, r := range w.ours() {
				switch r.State {
				case edm.StateCompleted:
					live++
				case edm.StateCancelled: // an orphan of the one that came too late
				default:
					t.Errorf("remote session %s stays %s", r.ID, r.State)
				}
			}
			w.Expect(live).To(Equal(1))
			w.foreignIsAlone()
			w.lookupsWereWhole("new")
			w.leavesNothing()
		})
	}
}
