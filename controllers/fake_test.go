package controllers

import (
	"context"
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/clients"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/executor/pool"
	"exactmatch.dev/operator/internal/policy"
)

// fakeEnv is one session, its store and its agent on an API server and a service in
// memory, for what a whole manager cannot be brought to at the right moment.
type fakeEnv struct {
	t       *testing.T
	api     client.WithWatch
	service *fakeService
	r       *SessionReconciler
	now     time.Time
	// refuses, where it is set, may fail a write of the reconciler.
	refuses func(client.Object) error
	// http is below the clients that are opened.
	http *http.Client
	// answered counts the passes that strangers answered.
	answered int
	// refused counts how often the agent was woken because it is refused.
	refused int
}

func newFakeEnv(t *testing.T, change ...func(*v1alpha1.ExactMatchSession)) *fakeEnv {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	one := &v1alpha1.ExactMatchSession{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "session", UID: "uid", Generation: 1, Finalizers: []string{v1alpha1.Finalizer}}}
	one.Spec.DataStoreRef.Name, one.Spec.DesiredState = "store", v1alpha1.DesiredCommitted
	for _, c := range change {
		c(one)
	}
	store := &v1alpha1.ExactMatchDataStore{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "store", UID: "store", Generation: 1}}
	store.Spec.UploadAgentRef.Name = "agent"
	store.Status.ID, store.Status.ActiveSession = "remote-store", "session"
	agent := &v1alpha1.ExactMatchUploadAgent{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "agent", UID: "agent", Generation: 1}}
	agent.Status.ID, agent.Status.BlockFormat = "remote-agent", edm.BlockFormatV1
	e := &fakeEnv{t: t, service: &fakeService{}, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	e.api = fake.NewClientBuilder().WithScheme(scheme).WithObjects(one, store, agent).WithStatusSubresource(one, store, agent).
		WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: e.patchStatus}).Build()
	options := Options{Instance: "this", RequestTimeout: time.Second, PollInterval: time.Second, Policy: policy.Fixed(policy.ThisMachine)}
	e.r = &SessionReconciler{
		Client: e.api, Reader: e.api, Recorder: events.NewFakeRecorder(100), Pool: pool.New(pool.Options{}),
		Clients: clients.New(e.api, clients.Options{
			QPS: 1000, Burst: 1000, Policy: options.Policy, Refused: func(types.NamespacedName) { e.refused++ },
			HTTPClient: func(dial.Guard) *http.Client { return e.http },
		}), Options: options, Now: func() time.Time { return e.now },
	}
	return e
}

func (e *fakeEnv) patchStatus(ctx context.Context, c client.Client, sub string, o client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	if e.refuses != nil {
		if err := e.refuses(o); err != nil {
			return err
		}
	}
	return c.SubResource(sub).Patch(ctx, o, patch, opts...)
}

// scope is what a pass has read by now.
func (e *fakeEnv) scope() *scope {
	e.t.Helper()
	s := newScope(e.session())
	s.store, s.agent = e.store(), &v1alpha1.ExactMatchUploadAgent{}
	e.get("agent", s.agent)
	s.client = &clients.Client{Service: e.service}
	return s
}

func (e *fakeEnv) get(name string, into client.Object) {
	e.t.Helper()
	if err := e.api.Get(e.t.Context(), client.ObjectKey{Namespace: "ns", Name: name}, into); err != nil {
		e.t.Fatal(err)
	}
}

// session is the object as the API server has it.
func (e *fakeEnv) session() *v1alpha1.ExactMatchSession {
	e.t.Helper()
	one := &v1alpha1.ExactMatchSession{}
	e.get("session", one)
	return one
}

func (e *fakeEnv) store() *v1alpha1.ExactMatchDataStore {
	e.t.Helper()
	store := &v1alpha1.ExactMatchDataStore{}
	e.get("store", store)
	return store
}

// changeStatus changes the session behind the back of a pass.
func (e *fakeEnv) changeStatus(change func(*v1alpha1.ExactMatchSessionStatus)) {
	e.t.Helper()
	one := e.session()
	change(&one.Status)
	if err := e.api.Status().Update(e.t.Context(), one); err != nil {
		e.t.Fatal(err)
	}
}

// fakeService keeps what it is asked. Before each call it does what a test asks.
type fakeService struct {
	edm.Service
	listed []edm.Session
	got    *edm.Session
	shown  *edm.DataStore
	asked  []string
	before func(call string) error
}

// fakeSessions are the calls of a session.
type fakeSessions struct {
	edm.Sessions
	*fakeService
}

// Sessions implements edm.Service.
func (f *fakeService) Sessions() edm.Sessions { return fakeSessions{fakeService: f} }

func (f *fakeService) note(call string) error {
	f.asked = append(f.asked, call)
	if f.before == nil {
		return nil
	}
	return f.before(call)
}

func (f fakeSessions) List(context.Context, string, edm.Query) ([]edm.Session, error) {
	return f.listed, f.note("list")
}

func (f fakeSessions) Get(context.Context, string, string) (*edm.Session, error) {
	return f.got, f.note("get")
}

func (f fakeSessions) Create(_ context.Context, _ string, s edm.Session, _ string) (*edm.Session, error) {
	s.ID = "made"
	return &s, f.note("create")
}

func (f fakeSessions) Commit(context.Context, string, string, *int64) error { return f.note("commit") }

func (f fakeSessions) Cancel(_ context.Context, _, id string) error { return f.note("cancel " + id) }

// fakeStores are the calls of a data store.
type fakeStores struct {
	edm.Stores
	*fakeService
}

// Stores implements edm.Service.
func (f *fakeService) Stores() edm.Stores { return fakeStores{fakeService: f} }

func (f fakeStores) Get(context.Context, string) (*edm.DataStore, error) {
	return f.shown, f.note("get store")
}
