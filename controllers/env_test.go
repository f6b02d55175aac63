package controllers_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	fluxstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// testEnv is one namespace with an agent, a store of three columns and Secrets.
type testEnv struct {
	namespace string
	ctx       context.Context
}

// newTestEnv makes a namespace whose agent and store are ready to work. change
// alters the objects before they are made.
func newTestEnv(ctx context.Context, change ...func(client.Object)) *testEnv {
	GinkgoHelper()
	return newTestEnvOf(ctx, "env-", change...)
}

// newTestEnvOf makes one whose namespace has a prefix of its own: the policy of the
// suite permits the machine itself to "env-" alone.
func newTestEnvOf(ctx context.Context, prefix string, change ...func(client.Object)) *testEnv {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix}}
	Expect(kube.Create(ctx, namespace)).To(Succeed())
	w := &testEnv{namespace: namespace.Name, ctx: ctx}
	DeferCleanup(w.leave)
	Expect(os.Mkdir(w.folder(), 0o750)).To(Succeed())
	for _, o := range []client.Object{
		&corev1.Secret{ObjectMeta: w.named("token"), Data: map[string][]byte{"token": []byte(bearer)}},
		&corev1.Secret{ObjectMeta: w.named("key"), Data: map[string][]byte{"key": []byte("32 bytes or more of a key for tests")}},
		w.agent(), w.store(),
	} {
		for _, c := range change {
			c(o)
		}
		if o.GetName() != "" {
			Expect(kube.Create(ctx, o)).To(Succeed())
		}
	}
	return w
}

// leave deletes what the spec is done with, and waits for nothing: what stays is
// looked at again and again while other specs run.
func (w *testEnv) leave(ctx context.Context) {
	for _, kind := range []client.Object{&v1alpha1.ExactMatchSchedule{}, &v1alpha1.ExactMatchSession{}, &v1alpha1.ExactMatchDataStore{}, &v1alpha1.ExactMatchUploadAgent{}} {
		Expect(client.IgnoreNotFound(kube.DeleteAllOf(ctx, kind, client.InNamespace(w.namespace)))).To(Succeed())
	}
}

func (w *testEnv) folder() string { return filepath.Join(sourceRoot, w.namespace) }

func (w *testEnv) named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: w.namespace, Name: name}
}

func (w *testEnv) agent() *v1alpha1.ExactMatchUploadAgent {
	return &v1alpha1.ExactMatchUploadAgent{
		ObjectMeta: w.named("agent"),
		Spec: v1alpha1.ExactMatchUploadAgentSpec{
			Endpoint: endpoint,
			Auth:     v1alpha1.Auth{BearerTokenSecretRef: &v1alpha1.TokenReference{Name: "token"}},
			Allow:    v1alpha1.Allow{Hosts: []string{"127.0.0.1"}},
		},
	}
}

func (w *testEnv) store() *v1alpha1.ExactMatchDataStore {
	return &v1alpha1.ExactMatchDataStore{
		ObjectMeta: w.named("store"),
		Spec: v1alpha1.ExactMatchDataStoreSpec{
			UploadAgentRef: v1alpha1.LocalReference{Name: "agent"},
			DisplayName:    w.namespace, // the service is one for all
			KeySecretRef:   v1alpha1.SecretKeyReference{Name: "key"},
			Guards:         v1alpha1.Guards{MaxRowDecreasePercent: 50, RequireAllColumns: true, MaxUnfindablePercent: 20},
			Columns: []v1alpha1.Column{
				{Name: "ID"}, {Name: "Email", SourceName: "E-Mail", IsCaseInsensitive: true}, {Name: "City", IsSearchable: new(false)},
			},
		},
	}
}

// table writes a table of n rows where the namespace's file sources lie.
func (w *testEnv) table(name string, rows int) {
	GinkgoHelper()
	var text strings.Builder
	text.WriteString("ID,E-Mail,City\n")
	for n := range rows {
		fmt.Fprintf(&text, "P-%d,p%d@example.com,\"Oslo, %d\"\n", n, n, n%7)
	}
	w.file(name, text.String())
}

func (w *testEnv) file(name, text string) {
	GinkgoHelper()
	Expect(os.WriteFile(filepath.Join(w.folder(), name), []byte(text), 0o600)).To(Succeed())
}

// session is a session of table.csv that a test may change before it is made.
func (w *testEnv) session(change ...func(*v1alpha1.ExactMatchSession)) *v1alpha1.ExactMatchSession {
	s := &v1alpha1.ExactMatchSession{
		ObjectMeta: w.named("session"),
		Spec: v1alpha1.ExactMatchSessionSpec{
			DataStoreRef: v1alpha1.LocalReference{Name: "store"},
			Source:       v1alpha1.Source{URI: "file:///table.csv"},
			RowsPerBlock: 10, DesiredState: v1alpha1.DesiredCommitted,
		},
	}
	for _, c := range change {
		c(s)
	}
	return s
}

// apply makes a session.
func (w *testEnv) apply(change ...func(*v1alpha1.ExactMatchSession)) *v1alpha1.ExactMatchSession {
	GinkgoHelper()
	s := w.session(change...)
	Expect(kube.Create(w.ctx, s)).To(Succeed())
	return s
}

func desired(state v1alpha1.DesiredState) func(*v1alpha1.ExactMatchSession) {
	return func(s *v1alpha1.ExactMatchSession) { s.Spec.DesiredState = state }
}

func called(name string) func(*v1alpha1.ExactMatchSession) {
	return func(s *v1alpha1.ExactMatchSession) { s.Name = name }
}

// change patches the spec of a session as it is now.
func (w *testEnv) change(s *v1alpha1.ExactMatchSession, change func(*v1alpha1.ExactMatchSession)) {
	GinkgoHelper()
	Expect(kube.Get(w.ctx, client.ObjectKeyFromObject(s), s)).To(Succeed())
	before := s.DeepCopy()
	change(s)
	Expect(kube.Patch(w.ctx, s, client.MergeFrom(before))).To(Succeed())
}

// verdict is what a person, kubectl wait and kstatus see of a session.
type verdict struct {
	Ready, Reconciling, Stalled, Suspended, Finished metav1.ConditionStatus
	Reason                                           string
	KStatus                                          status.Status
}

// look reads a session; its conditions count only for the spec as it is.
func (w *testEnv) look(s *v1alpha1.ExactMatchSession) (verdict, error) {
	if err := kube.Get(w.ctx, client.ObjectKeyFromObject(s), s); err != nil {
		return verdict{}, err
	}
	v := verdict{KStatus: kstatusOf(s)}
	for kind, to := range map[string]*metav1.ConditionStatus{
		v1alpha1.ConditionReady: &v.Ready, v1alpha1.ConditionReconciling: &v.Reconciling,
		v1alpha1.ConditionStalled: &v.Stalled, v1alpha1.ConditionSuspended: &v.Suspended, v1alpha1.ConditionFinished: &v.Finished,
	} {
		if c := meta.FindStatusCondition(s.Status.Conditions, kind); c != nil && c.ObservedGeneration == s.Generation {
			*to, v.Reason = c.Status, c.Reason
		}
	}
	return v, nil
}

// kstatusOf is what kstatus says of an object, as kubectl's tools and as Flux
// have it: every state that any spec meets is judged by both.
func kstatusOf(o client.Object) status.Status {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	Expect(err).NotTo(HaveOccurred())
	got, err := status.Compute(&unstructured.Unstructured{Object: content})
	Expect(err).NotTo(HaveOccurred())
	flux, err := fluxstatus.Compute(&unstructured.Unstructured{Object: content})
	Expect(err).NotTo(HaveOccurred())
	Expect(flux.Status).To(BeEquivalentTo(got.Status), "Flux judges by a fork of kstatus")
	judged(o, content, flux.Status)
	return got.Status
}

// reached is a desired state that is reached: Ready, Finished, Current.
func reached(reason string) verdict {
	return verdict{Ready: metav1.ConditionTrue, Finished: metav1.ConditionTrue, Reason: reason, KStatus: status.CurrentStatus}
}

// stuck is what only a person mends: Stalled, Finished, Failed.
func stuck(reason string) verdict {
	return verdict{Ready: metav1.ConditionFalse, Stalled: metav1.ConditionTrue, Finished: metav1.ConditionTrue, Reason: reason, KStatus: status.FailedStatus}
}

// suspended is neither a failure nor something to wait for.
func suspended() verdict {
	return verdict{Suspended: metav1.ConditionTrue, Finished: metav1.ConditionFalse, Reason: v1alpha1.ReasonSuspended, KStatus: status.CurrentStatus}
}

// underWay is everything that passes by itself.
func underWay(reason string) verdict {
	return verdict{Ready: metav1.ConditionUnknown, Reconciling: metav1.ConditionTrue, Finished: metav1.ConditionFalse, Reason: reason, KStatus: status.InProgressStatus}
}

// comesTo waits until a session has a verdict.
func (w *testEnv) comesTo(s *v1alpha1.ExactMatchSession, want verdict, because string) {
	GinkgoHelper()
	Eventually(w.look).WithArguments(s).Should(Equal(want), func() string { return because + "\n" + describe(s) })
}

// stays makes sure that a session keeps a verdict.
func (w *testEnv) stays(s *v1alpha1.ExactMatchSession, want verdict, because string) {
	GinkgoHelper()
	Consistently(w.look).WithArguments(s).Should(Equal(want), func() string { return because + "\n" + describe(s) })
}

func describe(s *v1alpha1.ExactMatchSession) string {
	out := fmt.Sprintf("step %s, state %s, id %s, failures %d", s.StatusReason(), s.Status.State, s.Status.ID, s.Status.ConsecutiveFailures)
	for _, c := range s.Status.Conditions {
		out += fmt.Sprintf("\n  %s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message)
	}
	return out
}

// message is what the Finished condition says, which stands in every state.
func message(s *v1alpha1.ExactMatchSession) string {
	if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionFinished); c != nil {
		return c.Message
	}
	return ""
}

// remotes are the sessions that the service has for the environment's store.
func (w *testEnv) remotes() []edm.Session {
	GinkgoHelper()
	stores, err := edmService.Stores().List(w.ctx, edm.Query{Filter: "displayName eq '" + w.namespace + "'"})
	Expect(err).NotTo(HaveOccurred())
	if len(stores) == 0 {
		return nil
	}
	all, err := edmService.Sessions().List(w.ctx, stores[0].ID, edm.Query{OrderBy: "creationDateTime"})
	Expect(err).NotTo(HaveOccurred())
	return all
}

// states are the states of the remote sessions, oldest first.
func (w *testEnv) states() []edm.State {
	var out []edm.State
	for _, s := range w.remotes() {
		out = append(out, s.State)
	}
	return out
}

// gone waits until an object is deleted.
func (w *testEnv) gone(o client.Object, because string) {
	GinkgoHelper()
	Eventually(func() bool {
		return apierrors.IsNotFound(kube.Get(w.ctx, client.ObjectKeyFromObject(o), o))
	}).Should(BeTrue(), because)
}

// events are the reasons of the events about an object.
func (w *testEnv) events(o client.Object) []string {
	list := &corev1.EventList{}
	if err := kube.List(w.ctx, list, client.InNamespace(w.namespace)); err != nil {
		return nil
	}
	var reasons []string
	for _, e := range list.Items {
		if e.InvolvedObject.UID == o.GetUID() {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}
