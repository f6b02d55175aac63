package measure

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// ResultsFile is where a run's results lie in its folder.
const ResultsFile = "results.json"

// Run is what the results of every measurement hold. A measurement embeds it and
// adds its settings and what it found besides samples.
type Run struct {
	Machine Machine       `json:"machine"`
	Args    []string      `json:"args,omitempty"` // that repeat the run elsewhere
	Took    time.Duration `json:"tookNanoseconds"`
	Notes   []string      `json:"notes,omitempty"`
	Samples []Sample      `json:"samples"`
}

// Sample is one measurement. Rows and Bytes are what the measured section took;
// PeakMemory is of the whole process, in bytes.
type Sample struct {
	Case string `json:"case"`
	// Kind and Size are for curves over cases: Size is what the kind varies.
	Kind       string        `json:"kind,omitempty"`
	Size       int           `json:"size,omitempty"`
	Round      int           `json:"round"`
	Wall       time.Duration `json:"wallNanoseconds"`
	CPU        time.Duration `json:"cpuNanoseconds"`
	Rows       int           `json:"rows,omitempty"`
	Bytes      int64         `json:"bytes,omitempty"`
	PeakMemory int64         `json:"peakMemory"`
	// TokenSum adds up all tokens; "" unless asked for.
	TokenSum string `json:"tokenSum,omitempty"`
	// Parts are further figures of the case, by name.
	Parts map[string]float64 `json:"parts,omitempty"`
	Text  string             `json:"text,omitempty"`
}

// The kinds of cases that the growth is drawn of, and what their Size is.
const (
	KindEndToEnd = "e2e"      // rows of the table
	KindPods     = "pods"     // pods that share an upload
	KindSessions = "sessions" // sessions beside a manager
)

// Parts that the growth is drawn of.
const (
	PartPrepare       = "prepareSeconds"
	PartServiceCPU    = "serviceCPUSeconds"
	PartServiceMemory = "servicePeakMemory"
	PartResident      = "residentMemory"
	PartRead          = "readBytes"
)

// Section runs what is measured and notes what it took. What was made before it is
// collected first, so that it pays for its own garbage only.
func Section(section func() error) (*Sample, error) {
	runtime.GC()
	began, used := time.Now(), CPUTime()
	err := section()
	s := &Sample{Wall: time.Since(began), CPU: CPUTime() - used}
	peak, peakErr := PeakMemory(os.Getpid())
	s.PeakMemory = peak
	return s, errors.Join(err, peakErr)
}

// WriteResults writes a run into a folder.
func WriteResults(dir string, run any) error {
	text, err := json.MarshalIndent(run, "", " ")
	if err != nil {
		return err
	}
	return WriteFiles(dir, map[string][]byte{ResultsFile: text})
}

// ReadResults reads the results of a run.
func ReadResults(path string, run any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, run); err != nil {
		return fmt.Errorf("%s holds no results of a run: %w", path, err)
	}
	return nil
}

// WriteFiles writes files into a folder, which is made where it is missing.
func WriteFiles(dir string, files map[string][]byte) error {
	err := os.MkdirAll(dir, 0o750)
	for name, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	return err
}
