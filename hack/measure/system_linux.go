package measure

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticks of the processor time in /proc/<pid>/stat per second, on every Linux.
const ticks = 100

// CheckSystem says where nothing can be measured.
func CheckSystem() error { return nil }

// CPUTime is the processor time that this process has used, user and system.
func CPUTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // its arguments are right
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// PeakMemory is the largest resident size of a process so far, in bytes. The counter
// of getrusage would hold that of the parent at the time of the fork, so the one of
// the address space is read.
func PeakMemory(pid int) (int64, error) {
	status, err := procFields(pid, "status")
	if err == nil && status["VmHWM"] == 0 {
		err = errors.New("/proc has no VmHWM")
	}
	return status["VmHWM"] << 10, err
}

// UsageOf is what another process has taken so far.
func UsageOf(pid int) (u Usage, err error) {
	status, err := procFields(pid, "status")
	if err != nil {
		return u, err
	}
	io, err := procFields(pid, "io")
	if err != nil {
		return u, err
	}
	u.Now, u.Peak, u.Read = status["VmRSS"]<<10, status["VmHWM"]<<10, io["rchar"]
	u.CPU, err = cpuTimeOf(pid)
	return u, err
}

// procFields reads the first numbers of "name: number" lines.
func procFields(pid int, name string) (map[string]int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		return nil, err
	}
	found := map[string]int64{}
	lines := bufio.NewScanner(bytes.NewReader(text))
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

// cpuTimeOf is the processor time that another process has used so far.
func cpuTimeOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold spaces; utime and stime are the 12th and 13th field behind it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("/proc/<pid>/stat is cut off")
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / ticks), errors.Join(err, err2)
}

// FreeBytes of the disk that a folder lies on.
func FreeBytes(dir string) (int64, error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return 0, fmt.Errorf("look at the disk of %s: %w", dir, err)
	}
	return int64(disk.Bavail) * disk.Bsize, nil
}

// DiesWithUs ends a child with us however we end.
func DiesWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// GiveWay has this process run where no other one wants to: it stands for a machine of
// its own.
func GiveWay() error { return syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19) }
