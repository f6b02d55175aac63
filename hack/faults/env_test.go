package faults_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/testkit/pods"
)

const (
	bearer       = "the token of the matrix"
	storeKey     = "32 bytes or more of a key for the matrix"
	tableRows    = 30
	rowsPerBlock = 5
)

// testEnv is one namespace, one service and the managers of one case.
type testEnv struct {
	Gomega
	t         *testing.T
	ctx       context.Context
	namespace string
	proxy     *faultProxy
	direct    *rest.Client // to the service past the proxy
	host      host         // runs the service
	dir       string       // of the service
	skew      time.Duration
	uriTTL    time.Duration // of an upload URI; 0: the service's default
	qps       int           // of the managers' calls to the service
	// parallelism is of the agent's workers.
	parallelism int32
	// inPods lets workers in pods read and stage; pods runs them then.
	inPods  bool
	pods    *pods.Runner
	files   string // the folder of sources of the scheme file
	orphans bool   // unfinished remote sessions may be left
	newRows int    // of the new table
	token   string // that the service takes; on mu
	keys    map[string][]byte
	// finalizeTimeout is how long a deletion waits for the service.
	finalizeTimeout time.Duration
	store           *v1alpha1.ExactMatchDataStore
	foreign         *edm.Session // of another cluster, with the same content
	old             *edm.Session // whose table was live before
	reader          *reader

	mu       sync.Mutex
	managers []*managerRun
	// going counts hooks that are running and managers that are yet to start.
	going     int
	settled   *sync.Cond // on mu
	writeHook *writeHook
	jumped    time.Duration // of the managers\' clock
	panics    int           // passes that the clock will end
	keyID     string        // of the key that the data store has now
	rival     string        // the namespace of a second owner
	owed      []*armed      // faults that must be met in the end
	// statuses are what managers wrote of the session, oldest first.
	statuses []v1alpha1.ExactMatchSessionStatus
	copy     string        // of the service's data folder
	ahead    time.Duration // of the service's clock, beyond the skew
}

// writeHook runs once, at the first write that it matches.
type writeHook struct {
	*aim
	do   func(ctx context.Context, w *testEnv, l *managerRun, o client.Object, write func(context.Context) error) error
	done bool
}

// newTestEnv makes a namespace whose agent and store are ready, with a table that
// is live already and a session of another cluster. change alters it before.
func newTestEnv(t *testing.T, change ...func(*testEnv)) *testEnv {
	t.Helper()
	w := &testEnv{Gomega: NewWithT(t), t: t, ctx: t.Context(), finalizeTimeout: time.Minute, qps: 10_000, parallelism: 2, newRows: tableRows, token: bearer, keys: map[string][]byte{}}
	w.settled, w.files = sync.NewCond(&w.mu), t.TempDir()
	w.SetDefaultEventuallyTimeout(3 * time.Minute) // on a machine that is busy with other cases
	w.SetDefaultEventuallyPollingInterval(25 * time.Millisecond)
	for _, c := range change {
		c(w)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "case-"}}
	w.Expect(kube.Create(w.ctx, namespace)).To(Succeed())
	w.namespace = namespace.Name
	w.serve()
	if w.inPods {
		w.runPods()
	}
	w.proxy.source = []byte(tableOf("new", w.newRows))
	for _, o := range append(w.secrets(), w.agentObject(), w.storeObject()) {
		w.Expect(kube.Create(w.ctx, o)).To(Succeed())
	}
	t.Cleanup(w.stopManagers)
	w.startManager("manager-1")
	w.store = w.storeObject()
	w.Eventually(func(g Gomega) {
		g.Expect(kube.Get(w.ctx, client.ObjectKeyFromObject(w.store), w.store)).To(Succeed())
		ready := meta.FindStatusCondition(w.store.Status.Conditions, v1alpha1.ConditionReady)
		g.Expect(ready).NotTo(BeNil())
		g.Expect(ready.Status).To(Equal(metav1.ConditionTrue), ready.Message)
	}).Should(Succeed(), "the store is ready before the case begins")
	w.populate()
	return w
}

// serve runs a service for the case alone, behind the proxy.
func (w *testEnv) serve() {
	w.dir = w.t.TempDir()
	w.host.start(w)
	direct := httptest.NewServer(&w.host)
	w.t.Cleanup(func() {
		direct.Close()
		w.host.stop(w)
	})
	var err error
	w.direct, err = rest.New(rest.Options{Endpoint: direct.URL + "/beta", Token: shown{w}, Pace: rest.Unpaced()})
	w.Expect(err).NotTo(HaveOccurred())
	w.proxy = newFaultProxy(w.t, &w.host)
	w.proxy.env = w
	w.keep(storeKey)
}

// serviceNow is the service's clock.
func (w *testEnv) serviceNow() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.skew + w.ahead)
}

// begin and end stand around what the end of a case has to wait for.
func (w *testEnv) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.going++
}

func (w *testEnv) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.going--
	w.settled.Broadcast()
}

// settle waits until no hook is running and no manager is yet to start.
func (w *testEnv) settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.going > 0 {
		w.settled.Wait()
	}
}

// stopManagers stops what still runs.
func (w *testEnv) stopManagers() {
	w.proxy.release()
	w.settle()
	w.proxy.reopen()
	w.mu.Lock()
	runs := w.managers
	w.managers = nil
	w.mu.Unlock()
	for _, l := range runs {
		l.terminate()
	}
	for _, l := range runs {
		within(w.t, l.ended, 30*time.Second, l.name)
	}
}

func (w *testEnv) named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: w.namespace, Name: name}
}

// secrets hold the agent's token and the store's key.
func (w *testEnv) secrets() []client.Object {
	return []client.Object{
		&corev1.Secret{ObjectMeta: w.named("token"), Data: map[string][]byte{"token": []byte(bearer)}},
		&corev1.Secret{ObjectMeta: w.named("key"), Data: map[string][]byte{"key": []byte(storeKey)}},
	}
}

func (w *testEnv) agentObject() *v1alpha1.ExactMatchUploadAgent {
	mode := v1alpha1.WorkersModeManager
	if w.inPods {
		mode = v1alpha1.WorkersModeJob
	}
	return &v1alpha1.ExactMatchUploadAgent{
		ObjectMeta: w.named("agent"),
		Spec: v1alpha1.ExactMatchUploadAgentSpec{
			Endpoint: w.proxy.server.URL + "/beta",
			Auth:     v1alpha1.Auth{BearerTokenSecretRef: &v1alpha1.TokenReference{Name: "token"}},
			Allow:    v1alpha1.Allow{Hosts: []string{"127.0.0.1"}},
			Workers:  v1alpha1.Workers{Mode: mode, Parallelism: w.parallelism},
		},
	}
}

func (w *testEnv) storeObject() *v1alpha1.ExactMatchDataStore {
	return &v1alpha1.ExactMatchDataStore{
		ObjectMeta: w.named("store"),
		Spec: v1alpha1.ExactMatchDataStoreSpec{
			UploadAgentRef: v1alpha1.LocalReference{Name: "agent"},
			DisplayName:    w.namespace,
			KeySecretRef:   v1alpha1.SecretKeyReference{Name: "key"},
			Columns:        []v1alpha1.Column{{Name: "ID"}, {Name: "Email", IsCaseInsensitive: true}, {Name: "City", IsSearchable: new(false)}},
			DeletionPolicy: v1alpha1.StoreDeletionPolicyDelete,
		},
	}
}

// sessionObject is the session of the case.
func (w *testEnv) sessionObject() *v1alpha1.ExactMatchSession {
	return &v1alpha1.ExactMatchSession{
		ObjectMeta: w.named("session"),
		Spec: v1alpha1.ExactMatchSessionSpec{
			DataStoreRef: v1alpha1.LocalReference{Name: "store"},
			Source:       v1alpha1.Source{URI: w.proxy.server.URL + "/source/table.csv"},
			RowsPerBlock: rowsPerBlock, DesiredState: v1alpha1.DesiredCommitted,
		},
	}
}

// tableOf is a table of n rows of one edition: the ids stay, the rest is the
// edition's.
func tableOf(edition string, rows int) string {
	var text strings.Builder
	text.WriteString("ID,Email,City\n")
	for n := range rows {
		fmt.Fprintf(&text, "P-%d,%s%d@example.com,\"%s, %d\"\n", n, edition, n, edition, n)
	}
	return text.String()
}

// get reads the session.
func (w *testEnv) get() (*v1alpha1.ExactMatchSession, error) {
	s := &v1alpha1.ExactMatchSession{}
	err := kube.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "session"}, s)
	return s, err
}

// change patches the session's spec.
func (w *testEnv) change(change func(*v1alpha1.ExactMatchSession)) {
	w.t.Helper()
	s, err := w.get()
	w.Expect(err).NotTo(HaveOccurred())
	before := s.DeepCopy()
	change(s)
	w.Expect(kube.Patch(w.ctx, s, client.MergeFrom(before))).To(Succeed())
}

// outcome is what a person reads of the session: the reason of Finished, once it
// is true for the spec as it is.
func (w *testEnv) outcome() string {
	s, err := w.get()
	if err != nil {
		return err.Error()
	}
	c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionFinished)
	if c == nil || c.ObservedGeneration != s.Generation {
		return "not judged yet: " + s.StatusReason()
	}
	if c.Status != metav1.ConditionTrue {
		return "not finished: " + c.Reason + ": " + c.Message
	}
	return c.Reason
}

// comesTo waits for the session's outcome.
func (w *testEnv) comesTo(reason string) {
	w.t.Helper()
	w.Eventually(w.outcome).Should(Equal(reason), w.story)
}

// story is what to print where a case goes wrong.
func (w *testEnv) story() string {
	s, err := w.get()
	if err != nil {
		return err.Error()
	}
	out := fmt.Sprintf("step %s, id %s, state %s, revision %d, attempt %d, failures %d, intent %+v", s.StatusReason(), s.Status.ID, s.Status.State,
		s.Status.Revision, s.Status.Attempt, s.Status.ConsecutiveFailures, s.Status.Intent)
	for _, c := range s.Status.Conditions {
		out += fmt.Sprintf("\n  %s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message)
	}
	store := w.storeObject()
	if err := kube.Get(w.ctx, client.ObjectKeyFromObject(store), store); err != nil {
		return out + "\n" + err.Error()
	}
	out += fmt.Sprintf("\n  store: active %q, waiting %d, live %+v", store.Status.ActiveSession, store.Status.QueuedSessions, store.Status.Live)
	for _, c := range store.Status.Conditions {
		out += fmt.Sprintf("\n  store %s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message)
	}
	for _, r := range w.remotes() {
		out += fmt.Sprintf("\n  remote %s %s of agent %s", r.ID, r.State, r.UploadAgentID)
	}
	return out
}

// remotes are the service's sessions of the store, oldest first.
func (w *testEnv) remotes() []edm.Session {
	all, err := w.direct.Sessions().List(context.WithoutCancel(w.ctx), w.store.Status.ID, edm.Query{OrderBy: "creationDateTime"})
	if err != nil {
		w.t.Errorf("list the remote sessions: %v", err)
	}
	return all
}
