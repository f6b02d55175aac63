// Package local runs the operator on this machine for the demo, the end-to-end tests
// and the benchmark of the control plane: a control plane, and the operator's binary
// as real processes in a folder of their own.
package local

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"exactmatch.dev/operator/internal/policy"
)

// Stack is one run. Its folder holds everything of it and goes with it, so that
// several may run at once.
type Stack struct {
	// Port of the service, Token the file of its bearer token.
	Port  int
	Token string

	dir, binary, assets string
	manager             string // its kubeconfig, "" for the administrator's
	plane               *envtest.Environment
	followed            []chan struct{} // closed once a process of the control plane has ended
	stopping            atomic.Bool
	died                chan *Died // the first

	mu      sync.Mutex
	running []*process
}

type process struct {
	name    string
	cmd     *exec.Cmd
	stopped atomic.Bool   // by us
	ended   chan struct{} // closed once Wait has returned
	err     error
}

// New makes the folder of a run in bin, which holds the operator's binary.
func New(bin string) (*Stack, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	s := &Stack{binary: filepath.Join(bin, "exactmatch"), assets: os.Getenv("KUBEBUILDER_ASSETS"), died: make(chan *Died, 1)}
	if s.dir, err = os.MkdirTemp(bin, "run-"); err != nil {
		return nil, fmt.Errorf("run it by make: %w", err)
	}
	s.Token = s.Path("token")
	// What the control plane keeps in temporary folders stays in ours.
	err = errors.Join(os.Setenv("TMPDIR", s.dir), os.MkdirAll(s.Sources(), 0o750),
		os.WriteFile(s.Token, []byte(base64.RawURLEncoding.EncodeToString(Random(24))), 0o600), s.writePolicy())
	if err == nil {
		s.Port, err = FreePort()
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// writePolicy permits the manager what runs beside it.
func (s *Stack) writePolicy() error {
	text, err := yaml.Marshal(policy.ThisMachine)
	if err != nil {
		return err
	}
	return os.WriteFile(s.Policy(), text, 0o600)
}

// Policy is the file of the administrator's policy.
func (s *Stack) Policy() string { return s.Path("policy.yaml") }

// Path of a file in the folder of the run.
func (s *Stack) Path(name string) string { return filepath.Join(s.dir, name) }

// Config is how the administrator's clients reach the API server.
func (s *Stack) Config() (*rest.Config, error) {
	return clientcmd.BuildConfigFromFlags("", s.Path("kubeconfig"))
}

// Sources is where file sources of the namespace default lie.
func (s *Stack) Sources() string { return s.Path("sources/default") }

// Log is the file that everything of a process' standard error is added to.
func (s *Stack) Log(name string) string { return s.Path(name + ".log") }

// Binary is the operator's.
func (s *Stack) Binary() string { return s.binary }

// Tools is the folder of the control plane's programs, kubectl among them.
func (s *Stack) Tools() string { return s.assets }

// Endpoint of the service.
func (s *Stack) Endpoint() string { return fmt.Sprintf("http://127.0.0.1:%d/beta", s.Port) }

// StartPlane starts etcd and the API server and writes the kubeconfig.
func (s *Stack) StartPlane() error {
	if _, err := os.Stat(filepath.Join(s.assets, "kube-apiserver")); err != nil {
		return fmt.Errorf("run it by make: KUBEBUILDER_ASSETS must name the folder of etcd, kube-apiserver and kubectl: %w", err)
	}
	// On a busy machine an API server with many objects takes its time to stop.
	s.plane = &envtest.Environment{ControlPlaneStopTimeout: time.Minute}
	started, err := s.followPlane()
	if err != nil {
		return err
	}
	config, err := s.plane.Start()
	if err != nil {
		s.stopping.Store(true) // its processes were stopped
	}
	started()
	if err != nil {
		return fmt.Errorf("start the control plane: %w", err)
	}
	user, err := s.plane.AddUser(envtest.User{Name: "local", Groups: []string{"system:masters"}}, config)
	if err != nil {
		return err
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return err
	}
	return os.WriteFile(s.Path("kubeconfig"), kubeconfig, 0o600)
}

// StartService starts the self-hosted service over the data of the run.
func (s *Stack) StartService(more ...string) error {
	return s.Start("service", append([]string{"service", "--listen", fmt.Sprintf("127.0.0.1:%d", s.Port),
		"--data-dir", s.Path("service"), "--bearer-token-file", s.Token}, more...)...)
}

// StartManager starts the manager, which looks and writes often.
func (s *Stack) StartManager(more ...string) error {
	return s.Start("manager", append([]string{"manager", "--leader-elect=false", "--metrics-bind-address=0", "--health-probe-bind-address=0",
		"--policy-file", s.Policy(), "--source-root", s.Path("sources"), "--status-interval=200ms", "--poll-interval=200ms"}, more...)...)
}

// Start runs the operator's binary in the background under a name of the caller's.
func (s *Stack) Start(name string, args ...string) error {
	log, err := s.openLog(name)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()   // the child has its own handle
	c := exec.Command(s.binary, args...) //nolint:gosec,noctx // our own binary, which Stop ends in order
	c.Env = s.environment()
	if name == "manager" && s.manager != "" {
		c.Env = append(c.Env, "KUBECONFIG="+s.manager)
	}
	c.Stdout, c.Stderr, c.SysProcAttr = log, log, ownGroup()
	if err := c.Start(); err != nil {
		return err
	}
	p := &process{name: name, cmd: c, ended: make(chan struct{})}
	s.mu.Lock()
	s.running = append(s.running, p)
	s.mu.Unlock()
	go s.await(p)
	return nil
}

func (s *Stack) openLog(name string) (*os.File, error) {
	return os.OpenFile(s.Log(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// Kill ends a process at once, as a crash of its machine would.
func (s *Stack) Kill(name string) error {
	p, err := s.take(name)
	if err != nil {
		return err
	}
	p.stopped.Store(true)
	err = p.cmd.Process.Kill()
	<-p.ended
	return err
}

// Terminate asks a process to stop, as a rollout does, and wants it to end well.
func (s *Stack) Terminate(name string) error {
	p, err := s.take(name)
	if err != nil {
		return err
	}
	return p.terminate()
}

// PID of a process that runs.
func (s *Stack) PID(name string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.running {
		if p.name == name {
			return p.cmd.Process.Pid, nil
		}
	}
	return 0, fmt.Errorf("%s does not run", name)
}

// take takes a process off those that Stop ends.
func (s *Stack) take(name string) (*process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range s.running {
		if p.name == name {
			s.running = append(s.running[:i], s.running[i+1:]...)
			return p, nil
		}
	}
	return nil, fmt.Errorf("%s does not run", name)
}

// Kubectl is a command of the run's cluster.
func (s *Stack) Kubectl(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(s.assets, "kubectl"), args...) //nolint:gosec // the control plane's own
	c.Env = s.environment()
	return c
}

// Deploy runs make deploy against the run's cluster and waits until its CRDs are
// served. Its pods never start: there is no node.
func (s *Stack) Deploy(ctx context.Context) error {
	c := exec.CommandContext(ctx, "make", "deploy")
	c.Env = append(s.environment(), "PATH="+s.assets+string(os.PathListSeparator)+os.Getenv("PATH"))
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("make deploy: %w: %s", err, out)
	}
	return s.WaitForCRDs(ctx)
}

// ActAs lets the manager run with the rights of a service account and no more.
func (s *Stack) ActAs(ctx context.Context, namespace, account string) error {
	token, err := s.Kubectl(ctx, "-n", namespace, "create", "token", account).Output()
	if err != nil {
		return fmt.Errorf("make a token of %s: %w", account, err)
	}
	config, err := clientcmd.LoadFromFile(s.Path("kubeconfig"))
	if err != nil {
		return err
	}
	user := config.Contexts[config.CurrentContext].AuthInfo
	config.AuthInfos[user] = &api.AuthInfo{Token: strings.TrimSpace(string(token))}
	s.manager = s.Path(account + ".kubeconfig")
	return clientcmd.WriteToFile(*config, s.manager)
}

func (s *Stack) environment() []string {
	// kubectl's cache of discovery would stay in the home folder, for a port that another run may get.
	return append(os.Environ(), "KUBECONFIG="+s.Path("kubeconfig"), "KUBECACHEDIR="+s.Path("kubectl-cache"))
}

// Sample is a manifest of config/samples with the run's endpoint in place of
// the cluster's, port being where the service is spoken to: on this machine by http,
// with a token out of a Secret.
func Sample(name string, port int) (string, error) {
	const cluster = "exactmatch-service.exactmatch-system.svc"
	text, err := os.ReadFile(filepath.Join("config/samples", name))
	here := strings.ReplaceAll(string(text), "https://"+cluster+":8765", fmt.Sprintf("http://127.0.0.1:%d", port))
	here = strings.ReplaceAll(here, "serviceAccount: {name: exactmatch}", "bearerTokenSecretRef: {name: exactmatch-token}")
	return strings.ReplaceAll(here, cluster, "127.0.0.1"), err
}

// Stop ends what runs, last started first, and removes the folder.
func (s *Stack) Stop() (err error) {
	s.stopping.Store(true)
	s.mu.Lock()
	running := slices.Clone(s.running)
	s.mu.Unlock()
	for _, p := range running {
		p.stopped.Store(true)
	}
	for _, p := range slices.Backward(running) {
		err = errors.Join(err, p.terminate())
	}
	if s.plane != nil {
		err = errors.Join(err, s.plane.Stop())
	}
	return errors.Join(err, s.awaitPlane(), os.RemoveAll(s.dir))
}

// terminate asks a child to stop and kills it where it does not.
func (p *process) terminate() error {
	p.stopped.Store(true)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timer := time.NewTimer(40 * time.Second)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		return errors.Join(fmt.Errorf("%s did not stop and was killed", p.name), p.cmd.Process.Kill())
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return fmt.Errorf("%s ended with %s", p.name, exit.ProcessState)
	}
	return p.err
}

// Random bytes for keys and tokens.
func Random(size int) []byte {
	out := make([]byte, size)
	_, _ = rand.Read(out) // crypto/rand never fails
	return out
}

// FreePort is a port of this machine that nobody listens at.
func FreePort() (int, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener
	return port, l.Close()
}
