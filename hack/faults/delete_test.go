package faults_test

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// TestDeleteWithTheServiceAway: the object says what it waits for and until when,
// a restart keeps the deadline, and then it is let go with a warning.
func TestDeleteWithTheServiceAway(t *testing.T) {
	t.Parallel()
	w := newTestEnv(t, func(w *testEnv) { w.finalizeTimeout = 5 * time.Second })
	applyUploaded()(w)
	w.proxy.arm(fault{name: "outage", times: 1 << 30, spoil: answers(http.StatusServiceUnavailable, "ServiceUnavailable", "")}, func(_ *faultProxy, _ *call) bool { return true })
	w.Expect(kube.Delete(w.ctx, w.sessionObject())).To(Succeed())
	w.Eventually(func() (string, error) {
		s, err := w.get()
		return messageOf(s), err
	}).Should(And(ContainSubstring("503"), ContainSubstring("the finalizer is removed at")), "the condition says what is waited for and until when")
	s, err := w.get()
	w.Expect(err).NotTo(HaveOccurred())
	deadline := s.Status.FinalizeDeadline
	w.Expect(deadline).NotTo(BeNil())
	w.die()
	w.settle()
	w.Consistently(func() (*metav1.Time, error) {
		s, err := w.get()
		return s.Status.FinalizeDeadline, err
	}, time.Second).Should(Equal(deadline), "a restart does not begin the wait anew")
	w.gone(s)
	w.Expect(time.Now()).To(BeTemporally(">=", deadline.Time))
	w.warnsOf(s)
}

// TestCancelKeepsItsRequest: a cancel that the service does not hear is tried until
// it does, across a restart.
func TestCancelKeepsItsRequest(t *testing.T) {
	t.Parallel()
	w := newTestEnv(t)
	applyUploaded()(w)
	outage := w.proxy.arm(fault{name: "outage", times: 1 << 30, spoil: answers(http.StatusServiceUnavailable, "ServiceUnavailable", "")}, posts("/cancel"))
	w.change(func(s *v1alpha1.ExactMatchSession) { s.Spec.DesiredState = v1alpha1.DesiredCancelled })
	w.Eventually(func() (bool, error) {
		s, err := w.get()
		return s.Status.CancelRequestedTime != nil && s.Status.ConsecutiveFailures > 0 && s.Status.NextRetryTime != nil, err
	}).Should(BeTrue(), w.story)
	w.die()
	w.settle()
	w.proxy.mu.Lock()
	outage.left = 0
	w.proxy.mu.Unlock()
	w.comesTo(v1alpha1.ReasonCancelled)
	w.Expect(w.ours()).To(HaveExactElements(HaveField("State", edm.StateCancelled)))
}

// needed are the objects that a deletion would need.
var needed = map[string]func(*testEnv) client.Object{
	"secret": func(w *testEnv) client.Object { return &corev1.Secret{ObjectMeta: w.named("token")} },
	"agent":  func(w *testEnv) client.Object { return w.agentObject() },
	"store":  func(w *testEnv) client.Object { return w.storeObject() },
}

// settled are those of them without which the remote session is cancelled all the
// same: the manager still has the client that it had of the agent.
var settled = map[string]bool{"secret": true}

// deleteWithout deletes the session once an object is torn away, and wants it gone:
// with its remote session cancelled, or else with a warning.
func (w *testEnv) deleteWithout(name string) {
	w.t.Helper()
	s, err := w.get()
	w.Expect(err).NotTo(HaveOccurred())
	store := w.storeObject()
	w.Expect(kube.Get(w.ctx, client.ObjectKeyFromObject(store), store)).To(Succeed())
	before := store.DeepCopy()
	store.Spec.DeletionPolicy = v1alpha1.StoreDeletionPolicyOrphan // its sessions can be looked at afterwards
	w.Expect(kube.Patch(w.ctx, store, client.MergeFrom(before))).To(Succeed())
	state := s.Status.State
	w.tear(needed[name](w))
	w.Expect(kube.Delete(w.ctx, w.sessionObject())).To(Succeed())
	w.gone(s)
	if settled[name] {
		w.Expect(w.ours()).To(HaveExactElements(HaveField("State", edm.StateCancelled)))
		return
	}
	w.warnsOf(s)
	w.Expect(w.ours()).To(HaveExactElements(HaveField("State", BeEquivalentTo(state))), "it is left as it was")
}

// TestDeleteWithSomethingGoneFirstEndsPods: whatever is gone, the pods of the
// upload end, and their Jobs and their task go.
func TestDeleteWithSomethingGoneFirstEndsPods(t *testing.T) {
	for name := range needed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTestEnv(t, func(w *testEnv) { w.inPods = true })
			holdUpload(w)
			w.Eventually(w.pods.AtWork).Should(Equal(2), "two stage")
			w.deleteWithout(name)
			w.noPodsLeft()
			w.Eventually(w.pods.AtWork).Should(BeZero(), "no pod is at work")
		})
	}
}

// TestDeleteWithSomethingGoneFirst: where what the finalizer would need is gone for
// good, the object goes at once, with a warning, or with what is remote settled.
func TestDeleteWithSomethingGoneFirst(t *testing.T) {
	for name := range needed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTestEnv(t)
			applyUploaded()(w)
			w.deleteWithout(name)
		})
	}
}

// TestDeleteAfterARestartWithTheSecretGone: a manager that never had the Secret can
// only tell what it leaves.
func TestDeleteAfterARestartWithTheSecretGone(t *testing.T) {
	t.Parallel()
	w := newTestEnv(t)
	applyUploaded()(w)
	s, err := w.get()
	w.Expect(err).NotTo(HaveOccurred())
	w.current(0).terminate()
	within(t, w.current(0).ended, patience, "the first manager")
	w.tear(needed["secret"](w))
	w.Expect(kube.Delete(w.ctx, w.sessionObject())).To(Succeed())
	w.startManager("manager-2")
	w.gone(s)
	w.warnsOf(s)
	w.Expect(w.ours()).To(HaveExactElements(HaveField("State", edm.StateUploadCompleted)), "it is left as it was")
}

// TestDeleteOfTheWholeNamespace: everything is deleted at once, in the order of the
// namespace controller: none of it may hang.
func TestDeleteOfTheWholeNamespace(t *testing.T) {
	t.Parallel()
	w := newTestEnv(t)
	holdUpload(w)
	w.Expect(kube.Delete(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}})).To(Succeed())
	all := []client.Object{
		&corev1.Secret{}, &v1alpha1.ExactMatchUploadAgent{}, &v1alpha1.ExactMatchDataStore{}, &v1alpha1.ExactMatchSession{},
	}
	for _, kind := range all {
		w.Expect(kube.DeleteAllOf(w.ctx, kind, client.InNamespace(w.namespace))).To(Succeed())
	}
	w.proxy.release()
	for _, o := range []client.Object{w.sessionObject(), w.storeObject(), w.agentObject()} {
		w.gone(o)
	}
}

// tear deletes an object at once, whatever holds it.
func (w *testEnv) tear(o client.Object) {
	w.t.Helper()
	w.Eventually(func() error {
		if err := kube.Get(w.ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return client.IgnoreNotFound(err)
		}
		if err := kube.Delete(w.ctx, o); err != nil {
			return client.IgnoreNotFound(err)
		}
		before := o.DeepCopyObject().(client.Object) //nolint:forcetypeassert // of the same type
		o.SetFinalizers(nil)
		return client.IgnoreNotFound(kube.Patch(w.ctx, o, client.MergeFrom(before)))
	}).Should(Succeed())
	w.Eventually(func() bool { return apierrors.IsNotFound(kube.Get(w.ctx, client.ObjectKeyFromObject(o), o)) }).Should(BeTrue(), "it is gone")
}

func (w *testEnv) gone(o client.Object) {
	w.t.Helper()
	w.Eventually(func() bool { return apierrors.IsNotFound(kube.Get(w.ctx, client.ObjectKeyFromObject(o), o)) }).Should(BeTrue(), w.story)
}

// warnsOf wants the event that tells of a remote session that was left.
func (w *testEnv) warnsOf(s *v1alpha1.ExactMatchSession) {
	w.t.Helper()
	w.Eventually(func() ([]string, error) {
		list := &corev1.EventList{}
		err := kube.List(w.ctx, list, client.InNamespace(w.namespace))
		var reasons []string
		for _, e := range list.Items {
			if e.InvolvedObject.UID == s.UID {
				reasons = append(reasons, e.Reason)
			}
		}
		return reasons, err
	}).Should(ContainElement(v1alpha1.ReasonRemoteSessionOrphaned), "somebody must be told")
}

func messageOf(s *v1alpha1.ExactMatchSession) string {
	if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return c.Message
	}
	return ""
}
