package main

import (
	"flag"
	"fmt"
	"time"

	"exactmatch.dev/operator/hack/measure"
)

// options are the driver's flags.
type options struct {
	Sessions []int         `json:"sessions"`
	Stores   int           `json:"stores"` // with one active and one waiting session each
	Window   time.Duration `json:"windowNanoseconds"`
	Creates  int           `json:"creates"`

	bin, out, docs string
}

// createsPerSecond is how fast timed sessions are created.
const createsPerSecond = 10

// The manager's defaults that the targets speak of.
const (
	pollInterval   = 10 * time.Second
	statusInterval = 10 * time.Second
)

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("bench-control-plane", flag.ContinueOnError)
	sizes := f.String("sessions", "100,1000,10000", "numbers of sessions to measure at, in rising order")
	f.IntVar(&o.Stores, "stores", 50, "data stores; each has one active and one waiting session")
	f.DurationVar(&o.Window, "window", 2*time.Minute, "how long the manager is watched at the largest number of sessions; half of it at the others")
	f.IntVar(&o.Creates, "creates", 100, "sessions that are created at 10 a second")
	f.StringVar(&o.bin, "bin", "bin", "folder of the operator's binary and of what the run writes")
	f.StringVar(&o.out, "out", "bin/bench-control-plane", "folder of results.json")
	f.StringVar(&o.docs, "docs", "", "file that the report is written to")
	if err := measure.Parse(f, args); err != nil {
		return o, err
	}
	if o.Stores < 1 || o.Creates < 1 || o.Window < pollInterval {
		return o, fmt.Errorf("-stores and -creates are at least 1, -window is at least %s", pollInterval)
	}
	o.Sessions, err = measure.Numbers("-sessions", *sizes, 2*o.Stores)
	return o, err
}
