// Package roles_test holds the roles of config against what the manager asks of
// the API server: it runs as the ServiceAccount that they are bound to, every
// request is noted, and each verb is taken away once.
package roles_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/testkit/plane"
)

const bearer = "the token of the roles"

var (
	admin    *rest.Config // of an administrator
	scheme   = runtime.NewScheme()
	kube     client.Client
	shared   *service.Service
	keyValue = []byte("32 bytes or more of a key for the roles")
)

func TestMain(m *testing.M) {
	// Managers wait more than they work: several go on at once, whatever the processors.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err) // testing has the flag
	}
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	fail := func(err error) int { fmt.Fprintln(os.Stderr, "roles:", err); return 1 }
	// Not every API server answers a watch with the list: there `list` is asked for.
	if err := os.Setenv("KUBE_FEATURE_WatchListClient", "false"); err != nil {
		return fail(err)
	}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return fail(err)
		}
	}
	environment, err := plane.New()
	if err != nil {
		return fail(err)
	}
	// As OpenShift has it: who sets an owner that blocks deletion must be allowed its finalizers.
	environment.ControlPlane.GetAPIServer().Configure().Append("enable-admission-plugins", "OwnerReferencesPermissionEnforcement")
	config, err := environment.Start()
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err := environment.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "roles:", err)
		}
	}()
	config.QPS = -1
	admin = config
	if kube, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return fail(err)
	}
	stop, err := serve()
	if err != nil {
		return fail(err)
	}
	defer stop()
	return m.Run()
}

// serve runs the self-hosted service for all tests.
func serve() (stop func(), err error) {
	dir, err := os.MkdirTemp("", "roles")
	if err != nil {
		return nil, err
	}
	if shared, err = service.New(service.Config{Dir: dir, Token: func() (string, error) { return bearer, nil }, MaxCommits: 100}); err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- shared.Run(ctx) }()
	return func() {
		end()
		for _, err := range []error{<-ended, shared.Close(), os.RemoveAll(dir)} {
			if err != nil {
				fmt.Fprintln(os.Stderr, "roles:", err)
			}
		}
	}, nil
}
