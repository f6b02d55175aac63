package faults_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// The client's budget of calls to one endpoint, as the contract's client has it.
const (
	callsPerSecond = 10
	callsAtOnce    = 20
)

// TestTheEndOfAnOutageIsNoStampede: many sessions wait for a service that is away.
// When it is back, it gets no more than the client's budget.
func TestTheEndOfAnOutageIsNoStampede(t *testing.T) {
	t.Parallel()
	stores, sessions, span := 10, 100, 10*time.Second
	if *all {
		stores, sessions, span = 50, 1000, time.Minute
	}
	w := newTestEnv(t, func(w *testEnv) { w.qps = callsPerSecond })
	outage := w.proxy.arm(fault{name: "outage", times: 1 << 30, spoil: answers(http.StatusServiceUnavailable, "ServiceUnavailable", "")}, func(_ *faultProxy, c *call) bool { return !c.isSource() })
	for n := range stores {
		store := w.storeObject()
		store.Name, store.Spec.DisplayName = fmt.Sprint("store-", n), fmt.Sprint(w.namespace, "-", n)
		w.Expect(kube.Create(w.ctx, store)).To(Succeed())
	}
	for n := range sessions {
		s := w.sessionObject()
		s.Name, s.Spec.DataStoreRef.Name = fmt.Sprint("session-", n), fmt.Sprint("store-", n%stores)
		w.Expect(kube.Create(w.ctx, s)).To(Succeed())
	}
	w.Eventually(func() (int, error) {
		list := &v1alpha1.ExactMatchSessionList{}
		err := kube.List(w.ctx, list, client.InNamespace(w.namespace))
		waiting := 0
		for i := range list.Items {
			if list.Items[i].StatusReason() == v1alpha1.ReasonQueued {
				waiting++
			}
		}
		return waiting, err
	}, 3*time.Minute).Should(Equal(sessions), "every session is read and waits")
	calls := w.proxy.watch(func(c *call, _ int) bool { return !c.isSource() && !c.isBlob() })
	w.proxy.mu.Lock()
	outage.left = 0
	w.proxy.mu.Unlock()
	back := time.Now()
	w.Eventually(func() bool { return time.Since(back) >= span }, span+time.Minute, 100*time.Millisecond).Should(BeTrue(), "the time that is looked at has passed")
	times := w.proxy.seen(calls)
	for from := range times {
		for to := from; to < len(times); to++ {
			// A call may take a moment from where it is counted to here.
			passed := times[to].Sub(times[from]) + 500*time.Millisecond
			if most := callsAtOnce + callsPerSecond*passed.Seconds(); float64(to-from+1) > most {
				t.Fatalf("%d calls came within %s; the budget is %.0f", to-from+1, passed, most)
			}
		}
	}
	w.Expect(len(times)).To(BeNumerically(">", callsPerSecond*int(span.Seconds())/4), "the sessions go on")
	t.Logf("%d sessions at %d stores: %d calls in the first %s, the budget is %.0f", sessions, stores, len(times), span, callsAtOnce+callsPerSecond*span.Seconds())
}

// TestRetryAfterHoldsEveryObjectBack: an answer to one agent's call holds back the
// calls of the other objects at the same endpoint, another agent's too.
func TestRetryAfterHoldsEveryObjectBack(t *testing.T) {
	t.Parallel()
	w := newTestEnv(t)
	other := w.agentObject()
	other.Name = "other-agent"
	w.Expect(kube.Create(w.ctx, other)).To(Succeed())
	w.Eventually(func() (string, error) {
		err := kube.Get(w.ctx, client.ObjectKeyFromObject(other), other)
		return other.Status.ID, err
	}).ShouldNot(BeEmpty())
	asked := w.proxy.arm(fault{name: "503", times: 1, spoil: answers(http.StatusServiceUnavailable, "ServiceUnavailable", "4")}, func(_ *faultProxy, c *call) bool { return !c.isSource() && !c.isBlob() })
	calls := w.proxy.watch(func(c *call, status int) bool { return !c.isSource() && !c.isBlob() && status != 0 })
	apply(w)
	w.Eventually(func() int { return w.proxy.met(asked) }).Should(Equal(1))
	held := time.Now()
	w.comesTo(v1alpha1.ReasonCompleted)
	for _, at := range w.proxy.seen(calls) {
		// A call that was on its way when the answer came is not held back, and
		// on a busy machine the way is long.
		if since := at.Sub(held); since > time.Second && since < 3500*time.Millisecond {
			t.Errorf("a call came %s after the service asked for 4 s", since)
		}
	}
}

// TestAttemptsSurviveARestart: what failed, how often and when it is tried again
// stands in status, so a new manager neither begins to count anew nor calls sooner.
func TestAttemptsSurviveARestart(t *testing.T) {
	t.Parallel()
	w := newTestEnv(t)
	trouble := w.proxy.arm(fault{name: "503", times: 3, spoil: answers(http.StatusServiceUnavailable, "ServiceUnavailable", "")}, posts("/sessions"))
	apply(w)
	w.Eventually(func() (int32, error) {
		s, err := w.get()
		return s.Status.ConsecutiveFailures, err
	}).Should(BeEquivalentTo(3), w.story)
	s, err := w.get()
	w.Expect(err).NotTo(HaveOccurred())
	next := s.Status.NextRetryTime
	w.Expect(next).NotTo(BeNil())
	creates := w.proxy.watch(func(c *call, _ int) bool { return posts("/sessions")(nil, c) })
	w.die()
	w.settle()
	w.comesTo(v1alpha1.ReasonCompleted)
	w.Expect(w.proxy.met(trouble)).To(Equal(3))
	for _, at := range w.proxy.seen(creates) {
		w.Expect(at).To(BeTemporally(">=", next.Time), "the successor keeps the time that its predecessor wrote down")
	}
	w.Expect(w.proxy.seen(creates)).To(HaveLen(1))
}
