package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/hack/local"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/policy"
)

const namespace = "default"

// stack is what is killed: etcd, the API server, the service and two managers.
type stack struct {
	dir, binary string
	kube        client.Client
	remote      edm.Service
	endpoint    string

	etcd, apiserver, service *process
	managers                 [2]*process
	plane                    *envtest.Environment
}

// newStack starts everything in a folder below bin.
func newStack(bin string) (*stack, error) {
	dir, err := os.MkdirTemp(bin, "soak-")
	if err != nil {
		return nil, err
	}
	s := &stack{dir: dir, binary: filepath.Join(bin, "exactmatch")}
	if err := errors.Join(os.Setenv("TMPDIR", dir), os.MkdirAll(s.sources(), 0o750)); err != nil {
		return s, err
	}
	if err := s.startPlane(); err != nil {
		return s, err
	}
	return s, s.startOperator()
}

// sources is the folder of the file sources of the one namespace.
func (s *stack) sources() string { return filepath.Join(s.dir, "sources", namespace) }

func (s *stack) path(name string) string { return filepath.Join(s.dir, name) }

// startPlane lets envtest bring the control plane up and takes it over.
func (s *stack) startPlane() error {
	s.plane = &envtest.Environment{CRDDirectoryPaths: []string{"config/crd/bases"}, ErrorIfCRDPathMissing: true}
	config, err := s.plane.Start()
	if err != nil {
		return fmt.Errorf("start the control plane: %w", err)
	}
	if err := os.WriteFile(s.path("kubeconfig"), s.plane.KubeConfig, 0o600); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	config.QPS, config.Timeout = -1, 20*time.Second
	if s.kube, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	for program, into := range map[string]**process{"kube-apiserver": &s.apiserver, "etcd": &s.etcd} {
		if *into, err = takeOver(s.dir, program); err != nil {
			return err
		}
	}
	return s.awaitPlane()
}

// awaitPlane waits until the API server answers. It ends where it does not find etcd for long, and is started again then.
func (s *stack) awaitPlane() error {
	return eventually(2*time.Minute, func() error {
		if err := errors.Join(s.etcd.start(), s.apiserver.start()); err != nil {
			return err
		}
		return s.kube.Get(context.Background(), client.ObjectKey{Name: namespace}, &corev1.Namespace{})
	})
}

func (s *stack) startOperator() error {
	port, err := local.FreePort()
	if err != nil {
		return err
	}
	token := base64.RawURLEncoding.EncodeToString(local.Random(24))
	permitted, err := yaml.Marshal(policy.ThisMachine)
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(s.path("token"), []byte(token), 0o600), os.WriteFile(s.path("policy.yaml"), permitted, 0o600),
		os.WriteFile(s.path("key"), local.Random(32), 0o600)); err != nil {
		return err
	}
	s.endpoint = fmt.Sprintf("http://127.0.0.1:%d/beta", port)
	if s.remote, err = rest.New(rest.Options{Endpoint: s.endpoint, Token: rest.StaticToken(token), Pace: rest.Unpaced()}); err != nil {
		return err
	}
	if s.service, err = newProcess(s.dir, "service", nil, s.binary, "service", "--listen", fmt.Sprintf("127.0.0.1:%d", port),
		"--data-dir", s.path("service"), "--bearer-token-file", s.path("token"), "--max-commits-per-day", "100000"); err != nil {
		return err
	}
	for n := range s.managers {
		if s.managers[n], err = newProcess(s.dir, fmt.Sprint("manager-", n), []string{"KUBECONFIG=" + s.path("kubeconfig")}, s.binary, "manager",
			"--leader-election-namespace", namespace, "--metrics-bind-address=0", "--health-probe-bind-address=0", "--policy-file", s.path("policy.yaml"),
			"--source-root", s.path("sources"), "--status-interval=1s", "--poll-interval=1s"); err != nil {
			return err
		}
	}
	return s.startAll()
}

func (s *stack) all() []*process {
	return []*process{s.etcd, s.apiserver, s.service, s.managers[0], s.managers[1]}
}

// startAll starts what does not run, and lets go on what is stopped.
func (s *stack) startAll() error {
	var failed error
	for _, p := range s.all() {
		failed = errors.Join(failed, p.start())
	}
	return failed
}

// stop ends everything and removes the folder, unless it is to be looked at.
func (s *stack) stop(keep string) {
	for _, p := range s.all() {
		if p != nil {
			p.kill()
		}
	}
	if s.plane != nil {
		_ = s.plane.Stop() // its own processes are dead: what is left is its folders
	}
	if keep == "" {
		_ = os.RemoveAll(s.dir)
		return
	}
	fmt.Println("soak: the logs stay in", s.dir)
}
