package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one program of the run, which is killed and started again under the same name.
type process struct {
	name string
	args []string // with the program first
	env  []string
	log  *os.File

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{}
	// peak is the largest resident size that was seen of any of its lives, in bytes.
	peak  int64
	kills int
}

func newProcess(dir, name string, env []string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &process{name: name, args: args, env: append(os.Environ(), env...), log: log}, nil
}

// start runs the program, unless it runs.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		return nil
	}
	c := exec.Command(p.args[0], p.args[1:]...) //nolint:gosec,noctx // our own programs, which are killed by name
	c.Env, c.Stdout, c.Stderr = p.env, p.log, p.log
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.cmd, p.ended = c, make(chan struct{})
	go func(ended chan struct{}) {
		_ = c.Wait()
		p.mu.Lock()
		if p.cmd == c {
			p.cmd = nil // it ended by itself, as a leader does that woke too late
		}
		p.mu.Unlock()
		close(ended)
	}(p.ended)
	return nil
}

// kill ends the program at once, as a crash of its machine would.
func (p *process) kill() {
	p.mu.Lock()
	c, ended := p.cmd, p.ended
	p.mu.Unlock()
	if c == nil {
		return
	}
	p.measure()
	p.kills++
	_ = c.Process.Kill()
	<-ended
}

// signal sends the program a signal, where it runs.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(s)
	}
}

func (p *process) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil
}

// measure keeps the largest resident size of the life that runs.
func (p *process) measure() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			size, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			p.peak = max(p.peak, size<<10)
		}
	}
}

// takeOver finds a child of this process by its program and makes a process of it: the child ends, and the same command runs under
// our hand from then on.
func takeOver(dir, program string) (*process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		args, ours := commandOf(pid)
		if !ours || filepath.Base(args[0]) != program {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return nil, err
		}
		return newProcess(dir, program, nil, args...)
	}
	return nil, fmt.Errorf("%s does not run", program)
}

// commandOf is the command line of a child of this process.
func commandOf(pid int) (args []string, ours bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, false
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 2 || fields[1] != strconv.Itoa(os.Getpid()) {
		return nil, false
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(line) == 0 {
		return nil, false
	}
	return strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00"), true
}

// eventually asks until an answer is nil, or the time is over.
func eventually(within time.Duration, ask func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("not within %s", within), err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
