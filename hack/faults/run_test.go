package faults_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// run lives through one case and asserts how it ends.
func (c matrixCase) run(t *testing.T) {
	w := newWorld(t, c.worldly()...)
	c.step.before(w)
	met := c.arm(w)
	c.step.begin(w)
	c.reaches(w)
	w.settle()
	if c.disruption.at == atCall && !w.front.struckOnce() || c.disruption.at == atWrite && !w.blowLanded() {
		t.Error("nothing was struck, so the case shows nothing")
	}
	if met != nil && w.front.met(met) == 0 {
		t.Error("no call met the fault, so the case shows nothing")
	}
	if c.step.also != nil && c.fault.ends == "" {
		c.step.also(w)
	}
	c.ownSessions(w)
	w.nothingSentTwice(c.disruption)
	w.foreignIsAlone()
	w.lookupsWereWhole(c.step.live)
	w.statusIsTrue()
	w.publishedIsReviewed(c.step.live)
	w.lookupsAreTrue(c.step.live)
	w.nothingLeaked()
	w.leavesNothing()
}

func (c matrixCase) worldly() []func(*world) {
	changes := []func(*world){func(w *world) { w.inPods = c.step.inPods }}
	if c.fault.world != nil {
		changes = append(changes, c.fault.world)
	}
	return changes
}

// arm sets the disruption and the fault. A fault alone meets the step's call; with
// a disruption it meets whatever comes after that.
func (c matrixCase) arm(w *world) *armed {
	switch c.disruption.at {
	case atCall:
		w.front.aim(&strike{matches: c.step.call, do: c.disruption.call})
	case atWrite:
		w.mu.Lock()
		w.blow = &blow{aim: c.step.write, do: c.disruption.write}
		w.mu.Unlock()
	}
	switch {
	case c.fault.spoil == nil:
		return nil
	case c.disruption.at == nowhere:
		return w.front.arm(c.fault, c.step.call)
	}
	return w.front.arm(c.fault, func(f *front, k *call) bool {
		return (f.strike != nil && f.strike.done || w.blowLanded()) && c.step.around(f, k)
	})
}

// reaches waits for the end of the step's way; where the fault ends the session,
// for that, and then for what a restart makes of it.
func (c matrixCase) reaches(w *world) {
	w.t.Helper()
	if c.step.ends == "" {
		w.Eventually(func() bool {
			_, err := w.get()
			return apierrors.IsNotFound(err)
		}).Should(BeTrue(), w.story)
		return
	}
	if c.fault.ends == "" {
		w.comesTo(c.step.ends)
		return
	}
	w.Eventually(w.outcome).Should(MatchRegexp("^(?:"+c.fault.ends+")$"), w.story)
	s, err := w.get()
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(s.Status.OutcomeMessage).NotTo(BeEmpty(), "the condition says why")
	w.front.release()
	w.change(func(s *v1alpha1.ExactMatchSession) { s.Spec.RestartToken = "again" })
	w.comesTo(c.step.ends)
}

// ownSessions: exactly one remote session per attempt. What an attempt has left is
// in the status or its history; anything else of ours was a stray, and cancelled.
func (c matrixCase) ownSessions(w *world) {
	w.t.Helper()
	known := map[string]bool{}
	s, err := w.get()
	if err == nil {
		known[s.Status.ID] = true
		for _, h := range s.Status.History {
			known[h.ID] = true
		}
	}
	var states []edm.State
	for _, r := range w.remotes() {
		switch {
		case r.UploadAgentID == w.foreign.UploadAgentID:
		case known[r.ID]:
			states = append(states, r.State)
		case r.State != edm.StateCancelled:
			w.t.Errorf("remote session %s is %s and nobody claims it\n%s", r.ID, r.State, w.story())
		}
	}
	if c.fault.name == "forgotten" {
		return // the service has lost one: what is left is what the restart made
	}
	w.Expect(states).To(Equal(c.step.states), w.story)
}

// nothingSentTwice: no block that was acknowledged is sent again, unless two
// managers were at work.
func (w *world) nothingSentTwice(d disruption) {
	w.t.Helper()
	w.front.mu.Lock()
	defer w.front.mu.Unlock()
	for _, block := range w.front.again {
		if !d.leaders && !w.front.missed[block] {
			w.t.Errorf("block %s was acknowledged and sent again", block)
		}
	}
}

// foreignIsAlone: another cluster's session of the same content is as it was.
func (w *world) foreignIsAlone() {
	w.t.Helper()
	got, err := w.direct.Sessions().Get(w.ctx, w.store.Status.ID, w.foreign.ID)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(got.State).To(Equal(edm.StateCreated), "another cluster's session is left alone")
}

// lookupsWereWhole: every answer was the old table's or the new one's, and the last
// one is the right one's.
func (w *world) lookupsWereWhole(edition string) {
	w.t.Helper()
	w.Eventually(w.edition).Should(Equal(edition), "lookups answer from the right table in the end")
	w.reader.mu.Lock()
	defer w.reader.mu.Unlock()
	if w.reader.wrong != "" {
		w.t.Error(w.reader.wrong)
	}
}

var secrets = regexp.MustCompile(`sig=|do-not-show|` + regexp.QuoteMeta(bearer) + `|` + regexp.QuoteMeta(storeKey) + `|@example\.com`)

// nothingLeaked: no signature, token, key, cell or stranger's page stands in what
// the objects show.
func (w *world) nothingLeaked() {
	w.t.Helper()
	s, err := w.get()
	if err != nil {
		return
	}
	shown := []any{s.Status}
	if w.inPods {
		shown = append(shown, w.podsShow()...)
	}
	text, err := json.Marshal(shown)
	w.Expect(err).NotTo(HaveOccurred())
	if found := secrets.Find(text); found != nil {
		w.t.Errorf("the objects show %q", found)
	}
}

// leavesNothing deletes everything of the case and looks for what is left.
func (w *world) leavesNothing() {
	w.t.Helper()
	s := w.sessionObject()
	w.Expect(client.IgnoreNotFound(kube.Delete(w.ctx, s))).To(Succeed())
	gone := func(o client.Object) func() bool {
		return func() bool { return apierrors.IsNotFound(kube.Get(w.ctx, client.ObjectKeyFromObject(o), o)) }
	}
	w.Eventually(gone(s)).Should(BeTrue(), w.story)
	for _, r := range w.remotes() {
		if r.UploadAgentID != w.foreign.UploadAgentID && !r.State.Ended() {
			w.t.Errorf("remote session %s stays %s after the deletion", r.ID, r.State)
		}
	}
	if w.inPods {
		w.noPodsLeft()
	}
	w.reader.stop()
	<-w.reader.ended
	for _, o := range []client.Object{w.storeObject(), w.agentObject()} {
		w.Expect(kube.Delete(w.ctx, o)).To(Succeed())
		w.Eventually(gone(o)).Should(BeTrue(), "%T is let go", o)
	}
	for _, folder := range []string{"blocks", "tables"} {
		left, err := os.ReadDir(filepath.Join(w.dir, folder))
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(left).To(BeEmpty(), "the service keeps nothing in %s", folder)
	}
}

func (f *front) aim(s *strike) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.strike = s
}

func (f *front) struckOnce() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.strike != nil && f.strike.done
}

func (w *world) blowLanded() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.blow != nil && w.blow.done
}
