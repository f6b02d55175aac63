// Package faults_test is the matrix of faults: every step of a session's way, what
// can strike the manager in it, and what can be wrong with the service meanwhile.
// Each case runs against the real API server and the real service, and asserts the
// end: the desired state is reached, or a condition says why not; one remote session per
// attempt; nothing acknowledged is lost; lookups are whole; nothing is left over.
//
// No hook stands in the code that ships. Writes to the API server are struck in
// controller-runtime's client interceptor, its reads and watches in the transport
// of the client's configuration, and calls of the service in a proxy before it.
package faults_test

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/testkit/plane"
)

var (
	admin  *rest.Config
	scheme = runtime.NewScheme()
	kube   client.Client
	// etcdURL is where the API server keeps what it has.
	etcdURL string
	// kubeconfig is the administrator's.
	kubeconfig []byte
)

func TestMain(m *testing.M) {
	// Cases wait more than they work: many go on at once, whatever the processors.
	if err := flag.Set("test.parallel", "10"); err != nil {
		panic(err) // testing has the flag
	}
	flag.Parse()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // the types are compiled in
		}
	}
	if namespace := os.Getenv(deathMark); namespace != "" {
		fmt.Fprintln(os.Stderr, "manager:", die(namespace))
		os.Exit(1)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	listenAt(logged)
	fail := func(err error) int { fmt.Fprintln(os.Stderr, "faults:", err); return 1 }
	environment, err := plane.New()
	if err != nil {
		return fail(err)
	}
	config, err := environment.Start()
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err := environment.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "faults:", err)
		}
	}()
	kubeconfig = environment.KubeConfig
	admin, etcdURL = rest.CopyConfig(config), environment.ControlPlane.Etcd.URL.String()
	config.QPS = -1
	if kube, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return fail(err)
	}
	code := m.Run()
	found := searchProcess()
	fmt.Print(search)
	for _, leak := range found {
		fmt.Fprintln(os.Stderr, "faults: leaked:", leak)
		code = max(code, 1)
	}
	return code
}

// listenAt keeps everything that is logged, so that it can be searched.
func listenAt(w io.Writer) {
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})
	slog.SetDefault(slog.New(handler)) // the standard logger too
	ctrl.SetLogger(logr.FromSlogHandler(handler))
	klog.SetLogger(logr.FromSlogHandler(handler))
}
