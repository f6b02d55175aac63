package faults_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// run goes through one case and asserts how it ends.
func (c matrixCase) run(t *testing.T) {
	w := newTestEnv(t, c.worldly()...)
	if c.disruption.ready != nil {
		c.disruption.ready(w)
	}
	c.step.before(w)
	met := c.arm(w)
	c.step.begin(w)
	if c.step.reached {
		w.Eventually(func() bool { return c.struck(w) && (met == nil || w.proxy.met(met) > 0) }).Should(BeTrue(), "it strikes")
	}
	c.reaches(w)
	w.settle()
	if !c.struck(w) {
		t.Error("nothing was struck, so the case shows nothing")
	}
	if met != nil && w.proxy.met(met) == 0 {
		t.Error("no call met the fault, so the case shows nothing")
	}
	w.Eventually(w.unmet).Should(BeEmpty(), "no call met what was armed in the step")
	if c.step.also != nil && c.fault.ends == "" {
		c.step.also(w)
	}
	c.endsWell(w)
	w.leavesNothing()
}

// struck reports whether what the disruption is has happened.
func (c matrixCase) struck(w *testEnv) bool {
	switch c.disruption.at {
	case atCall:
		return w.proxy.callHookRan()
	case atWrite:
		return w.writeHookRan()
	case atStep:
		return w.proxy.callHookRan() || w.writeHookRan()
	}
	return true
}

// unmet are the faults that were armed in the step and met by nothing yet.
func (w *testEnv) unmet() (names []string) {
	w.mu.Lock()
	owed := w.owed
	w.mu.Unlock()
	for _, armed := range owed {
		if w.proxy.met(armed) == 0 {
			names = append(names, armed.name)
		}
	}
	return names
}

// endsWell asserts what is true at the end of every case.
func (c matrixCase) endsWell(w *testEnv) {
	w.t.Helper()
	w.statusIsTrue()
	if c.disruption.also != nil {
		c.disruption.also(w)
	}
	c.ownSessions(w)
	w.nothingSentTwice(c.disruption)
	w.foreignIsAlone()
	w.lookupsWereWhole(c.step.live)
	w.publishedIsReviewed(c.step.live)
	w.lookupsAreTrue(c.step.live)
	w.nothingLeaked()
}

func (c matrixCase) worldly() []func(*testEnv) {
	changes := []func(*testEnv){func(w *testEnv) { w.inPods, w.orphans = c.step.inPods, c.disruption.orphans }}
	for _, more := range []func(*testEnv){c.fault.arrange, c.disruption.arrange} {
		if more != nil {
			changes = append(changes, more)
		}
	}
	return changes
}

// arm sets the disruption and the fault. A fault alone meets the step's call; with
// a disruption it meets whatever comes after that.
func (c matrixCase) arm(w *testEnv) *armed {
	switch c.disruption.at {
	case atCall:
		w.proxy.aim(&callHook{matches: c.step.call, do: c.disruption.call})
	case atWrite:
		w.await(c.step.write, c.disruption.write)
	case atStep:
		c.armStep(w)
	}
	switch {
	case c.fault.spoil == nil:
		return nil
	case c.disruption.at == nowhere:
		return w.proxy.arm(c.fault, c.step.call)
	}
	return w.proxy.arm(c.fault, func(f *faultProxy, k *call) bool {
		return (f.callHook != nil && f.callHook.done || w.writeHookRan()) && c.step.around(f, k)
	})
}

// armStep lets the disruption happen at the step's call, or at its write where it
// has none.
func (c matrixCase) armStep(w *testEnv) {
	if c.step.call != nil {
		w.proxy.aim(&callHook{matches: c.step.call, do: func(f *faultProxy, rw http.ResponseWriter, k *call) {
			c.disruption.befall(w)
			f.pass(rw, k)
		}})
		return
	}
	w.await(c.step.write, func(ctx context.Context, w *testEnv, _ *managerRun, _ client.Object, write func(context.Context) error) error {
		c.disruption.befall(w)
		return write(ctx)
	})
}

// await runs a hook at the first write that is aimed at.
func (w *testEnv) await(at *aim, do func(context.Context, *testEnv, *managerRun, client.Object, func(context.Context) error) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHook = &writeHook{aim: at, do: do}
}

// reaches waits for the end of the step's way; where the fault ends the session,
// for that, and then for what a restart makes of it.
func (c matrixCase) reaches(w *testEnv) {
	w.t.Helper()
	if c.step.ends == "" {
		w.Eventually(func() bool {
			_, err := w.get()
			return apierrors.IsNotFound(err)
		}).Should(BeTrue(), w.story)
		return
	}
	if c.disruption.person != nil {
		c.isMended(w)
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
	w.proxy.release()
	w.change(func(s *v1alpha1.ExactMatchSession) { s.Spec.RestartToken = "again" })
	if w.live().ContentKey == s.Status.ContentKey {
		w.comesTo(v1alpha1.ReasonAlreadyUploaded) // the session was lost after its table went live
		return
	}
	w.comesTo(c.step.ends)
}

// ownSessions: exactly one remote session per attempt. What an attempt has left is
// in the status or its history; anything else of ours was an orphan, and cancelled.
func (c matrixCase) ownSessions(w *testEnv) {
	w.t.Helper()
	known := map[string]bool{}
	list := &v1alpha1.ExactMatchSessionList{}
	w.Expect(kube.List(w.ctx, list, client.InNamespace(w.namespace))).To(Succeed())
	for _, s := range list.Items {
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
		case r.State.Ended() && c.disruption.remakes, c.disruption.orphans:
		case r.State != edm.StateCancelled:
			w.t.Errorf("remote session %s is %s and nobody claims it\n%s", r.ID, r.State, w.story())
		}
	}
	if c.disruption.judged && c.uncommitted() {
		published := slices.DeleteFunc(slices.Clone(states), func(s edm.State) bool { return s != edm.StateCompleted })
		w.Expect(published).To(HaveLen(1), w.story)
	}
	if c.disruption.remakes {
		w.Expect(states).NotTo(ContainElement(BeElementOf(edm.StateCreated, edm.StateUploadInProgress)), w.story)
		return // what was made before is not known any more
	}
	if c.fault.name == "forgotten" {
		return // the service has lost one: what is left is what the restart made
	}
	w.Expect(states).To(Equal(c.step.states), w.story)
}

// nothingSentTwice: no block that was acknowledged is sent again, unless two
// managers were at work.
func (w *testEnv) nothingSentTwice(d disruption) {
	w.t.Helper()
	w.proxy.mu.Lock()
	defer w.proxy.mu.Unlock()
	for _, block := range w.proxy.again {
		if !d.leaders && !d.orphans && !w.proxy.missed[block] {
			w.t.Errorf("block %s was acknowledged and sent again", block)
		}
	}
}

// foreignIsAlone: another cluster's session of the same content is as it was.
func (w *testEnv) foreignIsAlone() {
	w.t.Helper()
	got, err := w.direct.Sessions().Get(w.ctx, w.store.Status.ID, w.foreign.ID)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(got.State).To(Equal(edm.StateCreated), "another cluster's session is left alone")
}

// lookupsWereWhole: every answer was the old table's or the new one's, and the last
// one is the right one's.
func (w *testEnv) lookupsWereWhole(edition string) {
	w.t.Helper()
	w.Eventually(w.edition).Should(Equal(edition), "lookups answer from the right table in the end: %s", w.reader)
	w.reader.mu.Lock()
	defer w.reader.mu.Unlock()
	if w.reader.wrong != "" {
		w.t.Error(w.reader.wrong)
	}
}

// leavesNothing deletes everything of the case and looks for what is left.
func (w *testEnv) leavesNothing() {
	w.t.Helper()
	w.Expect(kube.DeleteAllOf(w.ctx, &v1alpha1.ExactMatchSession{}, client.InNamespace(w.namespace))).To(Succeed())
	gone := func(o client.Object) func() bool {
		return func() bool { return apierrors.IsNotFound(kube.Get(w.ctx, client.ObjectKeyFromObject(o), o)) }
	}
	for _, s := range []client.Object{w.sessionObject(), w.secondSession()} {
		w.Eventually(gone(s)).Should(BeTrue(), w.story)
	}
	for _, r := range w.remotes() {
		if r.UploadAgentID != w.foreign.UploadAgentID && !r.State.Ended() && !w.orphans {
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

func (f *faultProxy) aim(h *callHook) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.callHook = h
}

func (f *faultProxy) callHookRan() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.callHook != nil && f.callHook.done
}

func (w *testEnv) writeHookRan() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writeHook != nil && w.writeHook.done
}
