// Command demo runs the main job on this machine: a control plane, the service
// and the manager, a table of 1,000,000 patients, lookups that prove it, and a scan
// of letters.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"exactmatch.dev/operator/hack/local"
)

// maxRows leaves one number that is in no table.
const maxRows = socialSecurities - 1

func main() {
	rows := flag.Int("rows", 1_000_000, "rows of the table")
	flag.Parse()
	if *rows < 1 || *rows > maxRows || flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: -rows must be from 1 to %d, and is the only argument\n", maxRows)
		os.Exit(2)
	}
	err := runWith(*rows)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	os.Exit(status(err))
}

// demo is one run.
type demo struct {
	*local.Stack
	rows     int
	attended bool // by a person at a terminal
}

// runWith runs it with the output and the signals arranged.
func runWith(rows int) error {
	ctx, lose := stoppable()
	d := &demo{rows: rows}
	if term.IsTerminal(int(os.Stdout.Fd())) {
		d.attended = term.IsTerminal(int(os.Stdin.Fd()))
		return d.run(ctx)
	}
	flush, err := relay(lose)
	if err != nil {
		return err
	}
	defer flush()
	return d.run(ctx)
}

func (d *demo) run(ctx context.Context) (err error) {
	if d.Stack, err = local.New("bin"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Stop()) }()
	ctx, unwatch := d.Watch(ctx)
	defer unwatch()
	for _, step := range []func(context.Context) error{d.start, d.makeTable, d.apply, d.watch, d.prove, d.readLetters} {
		if err := d.do(ctx, step); err != nil {
			return err
		}
	}
	if d.attended {
		return d.stay(ctx)
	}
	say("Done; stopping everything.")
	return nil
}

// do takes a step. Where a process died or the run is stopped meanwhile, that is
// the error, not what the step made of it.
func (d *demo) do(ctx context.Context, step func(context.Context) error) error {
	err := step(ctx)
	if err != nil {
		// What a dead process breaks may fail a moment before its end is noticed.
		moment, done := context.WithTimeout(ctx, time.Second)
		<-moment.Done()
		done()
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		d.logs(err)
		say("Stopping everything: %v", err)
	}
	return err
}

func say(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }

// start brings up the control plane with the CRDs, the service and the manager.
func (d *demo) start(ctx context.Context) error {
	say("Starting a control plane (etcd, kube-apiserver)")
	if err := d.StartPlane(); err != nil {
		return err
	}
	if err := d.shown(ctx, "apply", "-f", "config/crd/bases"); err != nil {
		return err
	}
	if err := d.WaitForCRDs(ctx); err != nil {
		return err
	}
	say("Starting the exact data match service")
	if err := d.StartService(); err != nil {
		return err
	}
	say("Starting the manager")
	return d.StartManager()
}

func (d *demo) makeTable(ctx context.Context) error {
	say("Writing a table of %d patients", d.rows)
	path := filepath.Join(d.Sources(), "patients.csv")
	if err := writePatients(ctx, path, d.rows); err != nil {
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
	if err := os.WriteFile(d.Path("patients.key"), local.Random(32), 0o600); err != nil {
		return err
	}
	if err := d.shown(ctx, "create", "secret", "generic", "exactmatch-token", "--from-file=token="+d.Token); err != nil {
		return err
	}
	if err := d.shown(ctx, "create", "secret", "generic", "patients-key", "--from-file=key="+d.Path("patients.key")); err != nil {
		return err
	}
	for _, name := range []string{"uploadagent.yaml", "datastore_patients.yaml", "session_patients.yaml"} {
		text, err := local.Sample(name, d.Port)
		if err != nil {
			return err
		}
		if err := os.WriteFile(d.Path(name), []byte(text), 0o600); err != nil {
			return err
		}
		if err := d.shown(ctx, "apply", "-f", d.Path(name)); err != nil {
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
	out, err := d.lookup(ctx, 0, known[1], "--same-row", "LastName="+known[3], "--same-row", "DateOfBirth="+known[4], "--same-row", "Email="+known[6])
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("1 yes %d DateOfBirth,Email,LastName", row); !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
		return fmt.Errorf("the lookup should have printed %q", want)
	}
	say("Looking up a number that is not in the table")
	if out, err = d.lookup(ctx, notFound, socialSecurity(d.rows)); err != nil {
		return err
	}
	if !strings.Contains(strings.Join(strings.Fields(out), " "), "1 no - -") {
		return errors.New("the lookup should have found nothing")
	}
	return nil
}

// notFound is the exit code of a lookup that does not find its value.
const notFound = 1

// lookup asks for one value and wants this exit code.
func (d *demo) lookup(ctx context.Context, wanted int, value string, more ...string) (string, error) {
	args := append([]string{"lookup", "--endpoint", d.Endpoint(), "--bearer-token-file", d.Token,
		"--key-file", d.Path("patients.key"), "--store", "patients", "--column", "SSN", "--value", value}, more...)
	fmt.Printf("$ exactmatch lookup --store patients --column SSN --value '%s'", value)
	for _, arg := range more {
		if strings.HasPrefix(arg, "--") {
			fmt.Print(" ", arg)
		} else {
			fmt.Printf(" '%s'", arg)
		}
	}
	fmt.Println()
	c := exec.CommandContext(ctx, d.Binary(), args...) //nolint:gosec // our own binary
	c.Stderr = os.Stderr
	out, err := c.Output()
	fmt.Print(string(out))
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", err
	}
	if code := c.ProcessState.ExitCode(); code != wanted {
		return "", fmt.Errorf("the lookup should have exited with %d, not %d", wanted, code)
	}
	return string(out), nil
}

// stay leaves everything up until the person has seen enough, which a signal says.
func (d *demo) stay(ctx context.Context) error {
	say("Everything stays up until you press Ctrl-C. In another terminal, try:")
	fmt.Printf(`export KUBECONFIG=%s PATH=%s:$PATH
kubectl get exactmatch
kubectl describe exactmatchsession patients
kubectl patch exactmatchsession patients --type=merge -p '{"spec":{"restartToken":"again"}}'   # reads it again: AlreadyUploaded
kubectl patch exactmatchsession patients --type=merge -p '{"spec":{"rowsPerBlock":50000}}'     # revision 2, and a new upload
kubectl get exactmatchsessions -w
%s lookup --endpoint %s --bearer-token-file %s --key-file %s --store patients --column SSN --value '%s'
`, d.Path("kubeconfig"), d.Tools(), d.Binary(), d.Endpoint(), d.Token, d.Path("patients.key"), socialSecurity(0))
	<-ctx.Done()
	var died *local.Died
	if errors.As(context.Cause(ctx), &died) {
		d.logs(died)
		return died
	}
	say("Stopping everything.")
	return nil
}

// command is a kubectl whose output is shown.
func (d *demo) command(ctx context.Context, args ...string) *exec.Cmd {
	c := d.Kubectl(ctx, args...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	return c
}

// shown runs a command as a person would type it.
func (d *demo) shown(ctx context.Context, args ...string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	short := strings.ReplaceAll(strings.Join(args, " "), strings.TrimSuffix(d.Path(""), "/"), "$DEMO")
	fmt.Println("$ kubectl", short)
	if err := d.command(ctx, args...).Run(); err != nil {
		return fmt.Errorf("kubectl %s: %w", short, err)
	}
	return nil
}

// logs shows the ends of the logs that may tell more of an error.
func (d *demo) logs(err error) {
	var died *local.Died
	var early *stopped
	names := []string{"manager", "service"}
	switch {
	case errors.As(err, &early):
		return
	case errors.As(err, &died):
		names = []string{died.Name}
	case !exists(d.Log("service")): // the control plane has not started
		names = []string{"kube-apiserver", "etcd"}
	}
	for _, name := range names {
		text, err := os.ReadFile(d.Log(name))
		if err != nil {
			continue // it was not started yet
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		say("The end of the log of %s", name)
		fmt.Println(strings.Join(lines[max(len(lines)-15, 0):], "\n"))
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
