package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"exactmatch.dev/operator/hack/local"
)

// manager is one process of the operator's binary.
type manager struct {
	stack   *local.Stack
	name    string
	metrics string // address
	started time.Time
}

// startManager starts a manager with its default flags, but for where it listens
// and, as it runs outside a cluster, the namespace of its Lease.
func startManager(stack *local.Stack, name string, more ...string) (*manager, error) {
	port, err := local.FreePort()
	if err != nil {
		return nil, err
	}
	m := &manager{stack: stack, name: name, metrics: fmt.Sprintf("127.0.0.1:%d", port), started: time.Now()}
	return m, stack.Start(name, append([]string{"manager", "--metrics-bind-address", m.metrics, "--metrics-secure=false",
		"--health-probe-bind-address=0", "--policy-file", stack.Policy(), "--leader-election-namespace", namespace}, more...)...)
}

// memory is the resident size of a process, in bytes.
type memory struct {
	Now  int64 `json:"now"`
	Peak int64 `json:"peak"`
}

// usage is what a process has taken so far.
type usage struct {
	memory
	CPU  time.Duration
	Read int64 // bytes, from its connections too
}

// usage reads /proc.
func (m *manager) usage() (u usage, err error) {
	pid, err := m.stack.PID(m.name)
	if err != nil {
		return u, err
	}
	status, err := procFields(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	io, err := procFields(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return u, err
	}
	u.Now, u.Peak, u.Read = status["VmRSS"]<<10, status["VmHWM"]<<10, io["rchar"]
	u.CPU, err = cpuTime(pid)
	return u, err
}

// procFields reads the first numbers of "name: number" lines.
func procFields(path string) (map[string]int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	found := map[string]int64{}
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		words := strings.Fields(value)
		if len(words) == 0 {
			continue
		}
		if n, err := strconv.ParseInt(words[0], 10, 64); err == nil {
			found[name] = n
		}
	}
	return found, lines.Err()
}

// cpuTime is the user and system time of a process. Linux counts it in
// hundredths of a second on every machine that Go runs on.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	words := strings.Fields(rest)
	if len(words) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d words", pid, len(words))
	}
	user, err := strconv.ParseInt(words[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(words[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, err
}

// idle reports whether nothing waits in the manager's queues. A manager that
// does not serve its metrics yet is not idle.
func (m *manager) idle(ctx context.Context) bool {
	now, err := scrape(ctx, m.metrics)
	if err != nil {
		return false
	}
	return now.sum("workqueue_depth", nil) == 0
}
