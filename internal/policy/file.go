package policy

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// recheck is the least time between two looks at the file.
const recheck = time.Second

// File is a policy in a file, such as a mounted ConfigMap. It is read again when it has changed; while what it holds is
// not a policy, the last good one applies, and every refusal says so. The zero value is a policy that permits nothing.
type File struct {
	path string
	log  *slog.Logger
	// reloaded is told the outcome of each reading, nil where it is good; it may be nil itself.
	reloaded func(error)

	mu      sync.Mutex
	looked  time.Time
	text    []byte
	policy  Policy
	problem string
}

// Open reads the file. At the start there is no last good one, so a bad file is an error. An empty path is a policy that
// permits nothing. Each later reading is told to reloaded, unless that is nil.
func Open(path string, log *slog.Logger, reloaded func(error)) (*File, error) {
	f := &File{path: path, log: log, reloaded: reloaded}
	if path == "" {
		return f, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--policy-file: %w", err)
	}
	read, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("--policy-file: %s: %w", path, err)
	}
	f.text, f.policy, f.looked = text, *read, time.Now()
	f.tell(nil)
	return f, nil
}

// Fixed is a policy that no file changes.
func Fixed(p Policy) *File { return &File{policy: p} }

// For is what the policy permits in a namespace now; a nil File permits nothing.
func (f *File) For(namespace string) Permissions {
	if f == nil {
		return (&Policy{}).For(namespace)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path != "" && time.Since(f.looked) >= recheck {
		f.look()
		f.looked = time.Now()
	}
	permitted := f.policy.For(namespace)
	permitted.Network.Note = f.problem
	return permitted
}

// look reads the file again where it has changed. f.mu is held.
func (f *File) look() {
	text, err := os.ReadFile(f.path)
	if err == nil && bytes.Equal(text, f.text) {
		return
	}
	f.text = text // nil where it cannot be read, so that its return is a change
	var read *Policy
	if err == nil {
		read, err = Parse(text)
	}
	if err != nil {
		f.fail(err)
		return
	}
	f.policy, f.problem = *read, ""
	f.log.Info("reloaded the policy file", "path", f.path, "rules", len(read.Rules))
	f.tell(nil)
}

// fail keeps the last good policy and says why, once a problem.
func (f *File) fail(err error) {
	problem := fmt.Sprintf("the policy file cannot be loaded, so an earlier one applies: %v", err)
	if problem == f.problem {
		return
	}
	f.problem = problem
	f.log.Error("the policy file cannot be loaded; the last good one applies", "path", f.path, "error", err)
	f.tell(err)
}

func (f *File) tell(err error) {
	if f.reloaded != nil {
		f.reloaded(err)
	}
}

// ThisMachine is a policy for the demo, the benchmarks and tests, whose services and sources run beside the manager.
var ThisMachine = Policy{APIVersion: APIVersion, Kind: Kind, Rules: []Rule{{
	Namespaces: []string{"*"}, Hosts: []string{"127.0.0.1", "localhost"}, PlainHTTP: []string{"127.0.0.1", "localhost"},
}}}
