//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// demoRun is a run of make demo's program with a process group and a pipe of its
// own, as "make demo | tee log" has them.
type demoRun struct {
	cmd    *exec.Cmd
	stdout *os.File
	stderr bytes.Buffer
	seen   strings.Builder // of stdout
	folder string          // of the run
}

func startDemo(t *testing.T, program string) *demoRun {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := runFolders(t)
	d := &demoRun{cmd: exec.Command(program, "-rows", "200000"), stdout: read}
	d.cmd.Stdout, d.cmd.Stderr, d.cmd.SysProcAttr = write, &d.stderr, &syscall.SysProcAttr{Setpgid: true}
	if err := errors.Join(d.cmd.Start(), write.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.stdout.Close()
		_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGTERM) // after a failure alone it still runs
	})
	d.readTo(t, "== ")
	for _, folder := range runFolders(t) {
		if !slices.Contains(before, folder) {
			d.folder = folder
		}
	}
	if d.folder == "" {
		t.Fatal("the demo has no folder in bin")
	}
	return d
}

func runFolders(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("bin/run-*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// readTo reads the output up to a line that holds a text.
func (d *demoRun) readTo(t *testing.T, want string) {
	t.Helper()
	// A byte at a time: what follows the line stays in the pipe.
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := d.stdout.Read(b); err != nil {
			t.Fatalf("the output ends before %q: %v\n%s%s", want, err, d.seen.String(), d.stderr.String())
		}
		d.seen.Write(b)
		if line = append(line, b[0]); b[0] == '\n' {
			if strings.Contains(string(line), want) {
				return
			}
			line = line[:0]
		}
	}
}

// children of the demo by their commands.
func (d *demoRun) children(t *testing.T) map[int]string {
	t.Helper()
	found := map[int]string{}
	for pid, command := range processes(t) {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(d.cmd.Process.Pid) {
			found[pid] = command
		}
	}
	return found
}

// processes of this machine with their commands.
func processes(t *testing.T) map[int]string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil || len(text) == 0 {
			continue // it has ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		found[pid] = strings.ReplaceAll(string(text), "\x00", " ")
	}
	return found
}

// ended waits for the demo and wants nothing of it to be left.
func (d *demoRun) ended(t *testing.T, children map[int]string) (status int) {
	t.Helper()
	_ = d.cmd.Wait() // the state has it
	now := processes(t)
	for pid, command := range children {
		if now[pid] == command {
			t.Errorf("%d still runs: %s", pid, command)
		}
	}
	for pid, command := range now {
		if strings.Contains(command, filepath.Base(d.folder)) {
			t.Errorf("%d still runs: %s", pid, command)
		}
	}
	if _, err := os.Stat(d.folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", d.folder, err)
	}
	return d.cmd.ProcessState.ExitCode()
}

// all of the output that is left, where its reader lives on.
func (d *demoRun) all(t *testing.T) string {
	t.Helper()
	if _, err := io.Copy(&d.seen, bufio.NewReader(d.stdout)); err != nil {
		t.Fatal(err)
	}
	return d.seen.String() + d.stderr.String()
}

func buildDemo(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "demo")
	c := exec.Command("go", "build", "-trimpath", "-o", program, "./hack/demo")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

// TestDemoLeavesNothing interrupts it in the ways that a person does.
func TestDemoLeavesNothing(t *testing.T) {
	program := buildDemo(t)
	for name, c := range map[string]struct {
		at       string
		signal   syscall.Signal // to the process group, 0 for none
		piped    bool           // the reader of the output ends first
		statuses []int
	}{
		"Ctrl-C":               {"Watching it", syscall.SIGINT, false, []int{130}},
		"Ctrl-C, tee first":    {"Watching it", syscall.SIGINT, true, []int{130, 141}},
		"Ctrl-C at once, tee":  {"Starting a control plane", syscall.SIGINT, true, []int{130, 141}},
		"head takes its lines": {"Starting the manager", 0, true, []int{141}},
		"SIGTERM":              {"Writing a table", syscall.SIGTERM, false, []int{143}},
		"the terminal closes":  {"Applying config/samples", syscall.SIGHUP, true, []int{129, 141}},
	} {
		t.Run(name, func(t *testing.T) {
			d := startDemo(t, program)
			if !strings.Contains(d.seen.String(), c.at) {
				d.readTo(t, c.at)
			}
			children := d.children(t)
			if c.piped {
				_ = d.stdout.Close()
			}
			if c.signal != 0 {
				if err := syscall.Kill(-d.cmd.Process.Pid, c.signal); err != nil {
					t.Fatal(err)
				}
			}
			if got := d.ended(t, children); !slices.Contains(c.statuses, got) {
				t.Errorf("exit status %d, want one of %v: %s", got, c.statuses, d.stderr.String())
			}
		})
	}
}

// TestDemoNoticesADeadProcess kills what it depends on.
func TestDemoNoticesADeadProcess(t *testing.T) {
	program := buildDemo(t)
	for name, c := range map[string]struct{ command, says string }{
		"manager":        {"exactmatch manager ", "manager ended by itself: signal: killed"},
		"service":        {"exactmatch service ", "service ended by itself: signal: killed"},
		"kube-apiserver": {"kube-apiserver ", "kube-apiserver ended by itself"},
	} {
		t.Run(name, func(t *testing.T) {
			d := startDemo(t, program)
			d.readTo(t, "Watching it")
			children, killed := d.children(t), 0
			for pid, command := range children {
				if strings.Contains(command, c.command) {
					killed++
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			if killed != 1 {
				t.Fatalf("%d processes are %q: %v", killed, c.command, children)
			}
			out := d.all(t)
			if got := d.ended(t, children); got != 1 {
				t.Errorf("exit status %d, want 1", got)
			}
			for _, want := range []string{"demo: " + c.says, "The end of the log of " + name} {
				if !strings.Contains(out, want) {
					t.Errorf("the output lacks %q:\n%s", want, out)
				}
			}
		})
	}
}
