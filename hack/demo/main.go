// Command demo runs the main job on this machine: a control plane, the service
// and the manager, a table of 1,000,000 patients, and lookups that prove it.
package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

func main() {
	rows := flag.Int("rows", 1_000_000, "rows of the table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *rows); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// demo is one run with a folder of its own, so that two may run at once.
type demo struct {
	dir     string // holds everything of this run; removed at the end
	bin     string
	kubectl string
	port    int
	running []*exec.Cmd
	plane   *envtest.Environment
	rows    int
}

func run(ctx context.Context, rows int) (err error) {
	bin, err := filepath.Abs("bin")
	if err != nil {
		return err
	}
	d := &demo{bin: bin, rows: rows, kubectl: filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")}
	if d.dir, err = os.MkdirTemp(bin, "demo-"); err != nil {
		return fmt.Errorf("run the demo from the top of the checkout, by make demo: %w", err)
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	// What the control plane keeps in temporary folders stays in ours.
	if err := os.Setenv("TMPDIR", d.dir); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{d.startPlane, d.startService, d.startManager, d.makeTable, d.apply, d.watch, d.prove} {
		if err := step(ctx); err != nil {
			d.logs()
			return err
		}
		if ctx.Err() != nil {
			return errors.New("interrupted; everything is stopped")
		}
	}
	if term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) {
		d.stay(ctx)
	}
	say("Done; stopping everything.")
	return nil
}

func say(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

// startPlane starts etcd and the API server and installs the CRDs.
func (d *demo) startPlane(ctx context.Context) error {
	say("Starting a control plane (etcd, kube-apiserver)")
	d.plane = &envtest.Environment{}
	config, err := d.plane.Start()
	if err != nil {
		return fmt.Errorf("start the control plane: %w", err)
	}
	user, err := d.plane.AddUser(envtest.User{Name: "demo", Groups: []string{"system:masters"}}, config)
	if err != nil {
		return err
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.path("kubeconfig"), kubeconfig, 0o600); err != nil {
		return err
	}
	return d.shown(ctx, "apply", "-f", "config/crd/bases")
}

// startService starts the self-hosted service on a free port.
func (d *demo) startService(context.Context) (err error) {
	say("Starting the exact data match service")
	if d.port, err = freePort(); err != nil {
		return err
	}
	if err := os.WriteFile(d.path("token"), []byte(base64.RawURLEncoding.EncodeToString(random(24))), 0o600); err != nil {
		return err
	}
	return d.start("service", "service", "--listen", fmt.Sprintf("127.0.0.1:%d", d.port),
		"--data-dir", d.path("service"), "--bearer-token-file", d.path("token"))
}

func (d *demo) startManager(context.Context) error {
	say("Starting the manager")
	if err := os.MkdirAll(d.path("sources/default"), 0o750); err != nil {
		return err
	}
	return d.start("manager", "manager", "--leader-elect=false", "--metrics-bind-address=0", "--health-probe-bind-address=0",
		"--source-root", d.path("sources"), "--status-interval=200ms", "--poll-interval=200ms")
}

func (d *demo) makeTable(context.Context) error {
	say("Writing a table of %d patients", d.rows)
	path := d.path("sources/default/patients.csv")
	if err := writePatients(path, d.rows); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Printf("%d rows, %d columns, %d MiB\n", d.rows, len(header), info.Size()>>20)
	return nil
}

// apply makes the Secrets and applies the samples, with the endpoint of this run
// in place of the cluster's.
func (d *demo) apply(ctx context.Context) error {
	say("Applying config/samples")
	if err := os.WriteFile(d.path("patients.key"), random(32), 0o600); err != nil {
		return err
	}
	if err := d.shown(ctx, "create", "secret", "generic", "exactmatch-token", "--from-file=token="+d.path("token")); err != nil {
		return err
	}
	if err := d.shown(ctx, "create", "secret", "generic", "patients-key", "--from-file=key="+d.path("patients.key")); err != nil {
		return err
	}
	const cluster = "exactmatch-service.exactmatch-system.svc"
	for _, name := range []string{"uploadagent.yaml", "datastore_patients.yaml", "session_patients.yaml"} {
		text, err := os.ReadFile(filepath.Join("config/samples", name))
		if err != nil {
			return err
		}
		here := strings.ReplaceAll(string(text), cluster+":8765", fmt.Sprintf("127.0.0.1:%d", d.port))
		here = strings.ReplaceAll(here, cluster, "127.0.0.1")
		if err := os.WriteFile(d.path(name), []byte(here), 0o600); err != nil {
			return err
		}
		if err := d.shown(ctx, "apply", "-f", d.path(name)); err != nil {
			return err
		}
	}
	return nil
}

// watch shows what kubectl shows until nothing more happens.
func (d *demo) watch(ctx context.Context) error {
	say("Watching it")
	fmt.Println("$ kubectl get exactmatchsessions -w")
	watching, stop := context.WithCancel(ctx)
	defer stop()
	shown := d.command(watching, "get", "exactmatchsessions", "-w")
	if err := shown.Start(); err != nil {
		return err
	}
	wait := d.command(ctx, "wait", "--for=condition=Finished", "--timeout=20m", "exactmatchsession/patients")
	wait.Stdout = nil
	err := wait.Run()
	if err == nil {
		// The watch prints the last change about when the wait returns.
		settled, done := context.WithTimeout(ctx, time.Second)
		<-settled.Done()
		done()
	}
	stop()
	_ = shown.Wait() // it was killed
	if err != nil {
		return errors.Join(fmt.Errorf("the session did not finish: %w", err), d.shown(ctx, "describe", "exactmatchsession", "patients"))
	}
	if err := d.shown(ctx, "wait", "--for=condition=Ready", "--timeout=5s", "exactmatchsession/patients"); err != nil {
		return errors.Join(err, d.shown(ctx, "describe", "exactmatchsession", "patients"))
	}
	return d.shown(ctx, "get", "exactmatchdatastores,exactmatchsessions", "-o", "wide")
}

// prove looks up a patient who is in the table and one who is not.
func (d *demo) prove(ctx context.Context) error {
	row := d.rows * 2 / 3
	known := patient(row)
	say("Looking up a number of the table (row %d) with the rest of its row", row)
	out, err := d.lookup(ctx, known[1], "--same-row", "LastName="+known[3], "--same-row", "DateOfBirth="+known[4], "--same-row", "Email="+known[6])
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("1 yes %d DateOfBirth,Email,LastName", row); !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
		return fmt.Errorf("the lookup should have printed %q", want)
	}
	say("Looking up a number that is not in the table")
	if out, err = d.lookup(ctx, socialSecurity(d.rows)); err != nil {
		return err
	}
	if !strings.Contains(strings.Join(strings.Fields(out), " "), "1 no - -") {
		return errors.New("the lookup should have found nothing")
	}
	return nil
}

func (d *demo) lookup(ctx context.Context, value string, more ...string) (string, error) {
	args := append([]string{"lookup", "--endpoint", fmt.Sprintf("http://127.0.0.1:%d/beta", d.port), "--bearer-token-file", d.path("token"),
		"--key-file", d.path("patients.key"), "--store", "patients", "--column", "SSN", "--value", value}, more...)
	fmt.Printf("$ exactmatch lookup --store patients --column SSN --value '%s'", value)
	for _, arg := range more {
		if strings.HasPrefix(arg, "--") {
			fmt.Print(" ", arg)
		} else {
			fmt.Printf(" '%s'", arg)
		}
	}
	fmt.Println()
	c := exec.CommandContext(ctx, filepath.Join(d.bin, "exactmatch"), args...) //nolint:gosec // our own binary
	c.Stderr = os.Stderr
	out, err := c.Output()
	fmt.Print(string(out))
	return string(out), err
}

// stay leaves everything up until the person has seen enough.
func (d *demo) stay(ctx context.Context) {
	say("Everything stays up until you press Ctrl-C. In another terminal, try:")
	fmt.Printf(`export KUBECONFIG=%s PATH=%s:$PATH
kubectl get exactmatch
kubectl describe exactmatchsession patients
kubectl patch exactmatchsession patients --type=merge -p '{"spec":{"restartToken":"again"}}'   # reads it again: AlreadyUploaded
kubectl patch exactmatchsession patients --type=merge -p '{"spec":{"rowsPerBlock":50000}}'     # revision 2, and a new upload
kubectl get exactmatchsessions -w
%s lookup --endpoint http://127.0.0.1:%d/beta --bearer-token-file %s --key-file %s --store patients --column SSN --value '%s'
`, d.path("kubeconfig"), filepath.Dir(d.kubectl), filepath.Join(d.bin, "exactmatch"), d.port, d.path("token"), d.path("patients.key"), socialSecurity(0))
	<-ctx.Done()
}

// start runs the operator's binary in the background with its log in a file.
func (d *demo) start(name string, args ...string) error {
	log, err := os.Create(d.path(name + ".log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()                             // the child has its own handle
	c := exec.Command(filepath.Join(d.bin, "exactmatch"), args...) //nolint:gosec,noctx // our own binary, which stop ends in order
	c.Env = append(os.Environ(), "KUBECONFIG="+d.path("kubeconfig"))
	c.Stdout, c.Stderr, c.SysProcAttr = log, log, ownGroup()
	if err := c.Start(); err != nil {
		return err
	}
	d.running = append(d.running, c)
	return nil
}

// command is a kubectl of this run's cluster.
func (d *demo) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, d.kubectl, args...) //nolint:gosec // the control plane's own kubectl
	c.Env = append(os.Environ(), "KUBECONFIG="+d.path("kubeconfig"))
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	return c
}

// shown runs a command as a person would type it.
func (d *demo) shown(ctx context.Context, args ...string) error {
	short := strings.ReplaceAll(strings.Join(args, " "), d.dir, "$DEMO")
	fmt.Println("$ kubectl", short)
	if err := d.command(ctx, args...).Run(); err != nil {
		return fmt.Errorf("kubectl %s: %w", short, err)
	}
	return nil
}

// logs shows the ends of the logs after a failure.
func (d *demo) logs() {
	for _, name := range []string{"manager.log", "service.log"} {
		text, err := os.ReadFile(d.path(name))
		if err != nil {
			continue // it was not started yet
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		say("The end of %s", name)
		fmt.Println(strings.Join(lines[max(len(lines)-15, 0):], "\n"))
	}
}

// stop ends what runs, last started first, and removes the run's folder.
func (d *demo) stop() (err error) {
	for i := len(d.running) - 1; i >= 0; i-- {
		err = errors.Join(err, terminate(d.running[i]))
	}
	if d.plane != nil {
		err = errors.Join(err, d.plane.Stop())
	}
	return errors.Join(err, os.RemoveAll(d.dir))
}

// terminate asks a child to stop and kills it where it does not.
func terminate(c *exec.Cmd) error {
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timer := time.NewTimer(40 * time.Second)
	defer timer.Stop()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return fmt.Errorf("%s ended with %s", c.Args[1], exit.ProcessState)
		}
		return err
	case <-timer.C:
		return errors.Join(fmt.Errorf("%s did not stop and was killed", c.Args[1]), c.Process.Kill())
	}
}

func random(size int) []byte {
	out := make([]byte, size)
	_, _ = rand.Read(out) // crypto/rand never fails
	return out
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener
	return port, l.Close()
}
