package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

// task is what a child process is to do: one case, once. It comes as JSON on
// standard input; the sample goes as JSON to standard output.
type task struct {
	Case benchCase `json:"case"`
	// Table is the file of the case's table.
	Table string `json:"table"`
	// Work is a folder for what the case writes.
	Work string `json:"work"`
	// Service is the operator's binary.
	Service string `json:"service"`
	// Sum asks for the sum of the tokens, outside of what is measured.
	Sum bool `json:"sum"`
}

// sample is one measurement. Rows and Bytes are what the measured section
// took; PeakMemory is of the whole process, in bytes.
type sample struct {
	Case       string        `json:"case"`
	Round      int           `json:"round"`
	Wall       time.Duration `json:"wallNanoseconds"`
	CPU        time.Duration `json:"cpuNanoseconds"`
	Rows       int           `json:"rows,omitempty"`
	Bytes      int64         `json:"bytes,omitempty"`
	PeakMemory int64         `json:"peakMemory"`
	// TokenSum adds up all tokens; "" where nobody asked.
	TokenSum string `json:"tokenSum,omitempty"`
	// Parts are further figures of the case, by name.
	Parts map[string]float64 `json:"parts,omitempty"`
	Text  string             `json:"text,omitempty"`
}

// work is how a kind of case runs in its process.
type work func(ctx context.Context, t task) (*sample, error)

var works = map[string]work{
	kindPlain: plainCase, kindOurs: oursCase, kindFloor: floorCase, kindPrepare: prepareCase, kindSHA256: sha256Case,
	kindEndToEnd: endToEndCase, kindPods: podsCase, kindHTTP: httpCase, kindTCP: tcpCase, kindService: serviceCase, kindDisk: diskCase, kindProbe: probeCase,
}

// runChild does the task on standard input.
func runChild(ctx context.Context) error {
	var t task
	if err := json.NewDecoder(os.Stdin).Decode(&t); err != nil {
		return fmt.Errorf("read the task: %w", err)
	}
	if _, err := codePath(); err != nil {
		return err
	}
	do := works[t.Case.Kind]
	if do == nil {
		return fmt.Errorf("no such kind of case: %q", t.Case.Kind)
	}
	s, err := do(ctx, t)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

// measure runs a section and notes what it took. What was made before it is
// collected first, so that it pays for its own garbage only.
func measure(section func() error) (*sample, error) {
	runtime.GC()
	began, used := time.Now(), cpuTime()
	err := section()
	s := &sample{Wall: time.Since(began), CPU: cpuTime() - used}
	peak, peakErr := peakMemory("self")
	s.PeakMemory = peak
	return s, errors.Join(err, peakErr)
}

// probeCase tells the path that the process takes.
func probeCase(context.Context, task) (*sample, error) {
	path, err := codePath()
	return &sample{Text: path}, err
}
