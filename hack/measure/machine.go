package measure

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Machine is what the figures hold for.
type Machine struct {
	CPU    string   `json:"cpu"`
	Cores  int      `json:"cores"`
	Flags  []string `json:"flags"` // those that decide the paths
	Memory int64    `json:"memory"`
	OS     string   `json:"os"`
	Kernel string   `json:"kernel"`
	Go     string   `json:"go"`
	// Load is the load average when the run began: others were at work where it is not near 0.
	Load     string    `json:"load"`
	Revision string    `json:"revision,omitempty"`
	Date     time.Time `json:"date"`
}

// flagsThatMatter to hashing, scanning and summing.
var flagsThatMatter = []string{
	"sha_ni", "pclmulqdq", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512_vbmi", "avx512_vbmi2", "gfni", "vpclmulqdq", "sha2", "pmull", "sve",
}

// DescribeMachine looks at this one, before the work begins.
func DescribeMachine(ctx context.Context) Machine {
	m := Machine{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Date: time.Now().UTC().Truncate(time.Second)}
	m.CPU, m.Flags = describeCPU(read("/proc/cpuinfo"))
	if _, rest, found := strings.Cut(read("/proc/meminfo"), "MemTotal:"); found {
		// What cannot be read is shown as 0.
		kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		m.Memory = kib << 10
	}
	m.Kernel = strings.TrimSpace(read("/proc/sys/kernel/osrelease"))
	m.Load, _, _ = strings.Cut(read("/proc/loadavg"), " ")
	// Where there is no git, the revision stays empty.
	m.Revision, _ = Output(ctx, ".", "git", "describe", "--always", "--dirty")
	return m
}

// String is a machine and the state that it was in.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, kernel %s, %s, load average %s before the run, %s", m.CPU, m.Cores, m.Kernel, m.Go, m.Load, m.Date.Format(time.DateOnly))
}

// read returns a file of /proc, "" where there is none.
func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

// describeCPU reads the first processor of /proc/cpuinfo. Names of virtual
// machines' processors are vague, so the family and model are added.
func describeCPU(text string) (name string, flags []string) {
	fields := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader([]byte(text)))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() && lines.Text() != "" {
		key, value, _ := strings.Cut(lines.Text(), ":")
		fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	name = fields["model name"]
	if name == "" {
		name = "unknown processor"
	}
	if fields["cpu family"] != "" {
		name += " (family " + fields["cpu family"] + ", model " + fields["model"] + ", stepping " + fields["stepping"] + ")"
	}
	have := strings.Fields(fields["flags"] + " " + fields["Features"])
	for _, flag := range flagsThatMatter {
		if slices.Contains(have, flag) {
			flags = append(flags, flag)
		}
	}
	return name, flags
}
