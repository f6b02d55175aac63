package plugin

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/testkit/plane"
)

// server is one API server for all tests that want one, which is stopped in TestMain.
var server struct {
	once sync.Once
	err  error
	env  *plane.Plane
	kube client.WithWatch
}

func TestMain(m *testing.M) {
	code := m.Run()
	if server.env != nil {
		if err := server.env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func start() error {
	env, err := plane.New()
	if err != nil {
		return err
	}
	server.env = env
	config, err := env.Start()
	if err != nil {
		return err
	}
	kinds := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(kinds); err != nil {
		return err
	}
	if err := v1alpha1.AddToScheme(kinds); err != nil {
		return err
	}
	server.kube, err = client.NewWithWatch(config, client.Options{Scheme: kinds})
	return err
}

// place is a namespace of its own, and a kubeconfig whose context names it.
type place struct {
	t          *testing.T
	namespace  string
	kubeconfig string
	kube       client.WithWatch
}

func newPlace(t *testing.T) *place {
	t.Helper()
	server.once.Do(func() { server.err = start() })
	if server.err != nil {
		t.Fatal(server.err)
	}
	p := &place{t: t, kube: server.kube}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "plugin-"}}
	must(t, p.kube.Create(t.Context(), namespace))
	p.namespace = namespace.Name
	p.kubeconfig = p.configOf("owner", "system:masters")
	return p
}

// configOf is the kubeconfig of a user, in a file.
func (p *place) configOf(user string, groups ...string) string {
	p.t.Helper()
	text, err := plane.Kubeconfig(server.env, user, groups...)
	must(p.t, err)
	path := filepath.Join(p.t.TempDir(), "kubeconfig")
	must(p.t, os.WriteFile(path, text, 0o600))
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs the plugin's command line in the namespace.
func (p *place) run(args ...string) (out, warnings string, err error) {
	p.t.Helper()
	var stdout, stderr bytes.Buffer
	c := Root()
	c.SetArgs(append(args, "--kubeconfig", p.kubeconfig, "-n", p.namespace))
	c.SetOut(&stdout)
	c.SetErr(&stderr)
	err = c.ExecuteContext(p.t.Context())
	return stdout.String(), stderr.String(), err
}

// put creates the captured objects of a file in the namespace, with their status.
func (p *place) put(file string) *v1alpha1.ExactMatchSession {
	p.t.Helper()
	s := captured(p.t, file)
	for _, o := range []client.Object{s.agent, s.store, s.ahead, s.session} {
		if !isNil(o) {
			p.create(o)
		}
	}
	return s.session
}

func isNil(o client.Object) bool {
	switch o := o.(type) {
	case *v1alpha1.ExactMatchSession:
		return o == nil
	case *v1alpha1.ExactMatchDataStore:
		return o == nil
	case *v1alpha1.ExactMatchUploadAgent:
		return o == nil
	}
	return false
}

// create creates an object with its status, which the API server judges by the schema.
func (p *place) create(o client.Object) {
	p.t.Helper()
	with := o.DeepCopyObject().(client.Object)
	o.SetNamespace(p.namespace)
	o.SetResourceVersion("")
	o.SetUID("")
	o.SetManagedFields(nil)
	o.SetFinalizers(nil)
	o.SetDeletionTimestamp(nil)
	must(p.t, p.kube.Create(p.t.Context(), o))
	switch o := o.(type) {
	case *v1alpha1.ExactMatchSession:
		o.Status = with.(*v1alpha1.ExactMatchSession).Status
		o.Status.ObservedGeneration = o.Generation
	case *v1alpha1.ExactMatchDataStore:
		o.Status = with.(*v1alpha1.ExactMatchDataStore).Status
	case *v1alpha1.ExactMatchUploadAgent:
		o.Status = with.(*v1alpha1.ExactMatchUploadAgent).Status
	}
	must(p.t, p.kube.Status().Update(p.t.Context(), o))
}

// get reads a session again.
func (p *place) get(name string) *v1alpha1.ExactMatchSession {
	p.t.Helper()
	o := &v1alpha1.ExactMatchSession{}
	must(p.t, p.kube.Get(p.t.Context(), client.ObjectKey{Namespace: p.namespace, Name: name}, o))
	return o
}

// written is what a command has written so far.
type written struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *written) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await waits until the words were written.
func (w *written) await(t *testing.T, words string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(w.String(), words) {
		select {
		case <-ctx.Done():
			t.Fatalf("%q was not written:\n%s", words, w.String())
		case <-tick.C:
		}
	}
}
