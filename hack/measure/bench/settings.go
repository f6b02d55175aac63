package main

import (
	"errors"
	"flag"
	"fmt"
	"regexp"
	"slices"

	"exactmatch.dev/operator/hack/measure"
)

// options are the driver's flags.
type options struct {
	settings
	out, docs, from, service, plotter string
	against                           string
	only                              *regexp.Regexp
	args                              []string
}

// run is everything that one run found out; it is what the JSON holds.
type run struct {
	measure.Run
	Settings settings    `json:"settings"`
	Paths    []string    `json:"paths"`
	Cases    []benchCase `json:"cases"`
	DuckDB   string      `json:"duckdb,omitempty"` // versions
	Python   string      `json:"python,omitempty"`
	Redis    string      `json:"redis,omitempty"`
}

// leastRows of a table.
const leastRows = 100

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := f.Bool("quick", false, "3 rounds of short tables, about 2 minutes: the ratios are rough")
	f.IntVar(&o.Rounds, "rounds", 15, "rounds; the median is taken over them")
	f.IntVar(&o.BigRounds, "big-rounds", 5, "rounds of tables over 2,000,000 rows")
	rows := f.String("rows", "100000,1000000,10000000", "rows of the tables of the growth; the base case has 1,000,000 where that is one of them, else the largest")
	f.IntVar(&o.PodRows, "pod-rows", 0, "rows of the table that is uploaded by 1, 2, 4 and 8 workers; 0 leaves that out")
	e2e := f.String("e2e-rows", "1000000", "rows of the tables that go from file to lookup; 10000000 takes minutes a round")
	f.Uint64Var(&o.Seed, "seed", 20260301, "seed of the tables and of the order of the cases")
	f.StringVar(&o.out, "out", "bin/bench", "folder of tables and results")
	f.StringVar(&o.docs, "docs", "", "folder that the report and its plots are copied to")
	f.StringVar(&o.from, "from", "", "results.json of an earlier run: write its report and plots again and measure nothing")
	f.StringVar(&o.plotter, "plotter", "bin/plot", "the program that draws")
	f.StringVar(&o.against, "against", "", "folder with bench and exactmatch of another build, which runs each case right before or after this one")
	f.BoolVar(&o.IndexPeers, "index-peers", false, "build Pebble and SQLite out of hack/measure/peers, which takes a C compiler and minutes, and measure them beside the index")
	f.StringVar(&o.service, "service", "bin/exactmatch", "the operator's binary")
	only := f.String("only", "", "regular expression of the cases to run; what it leaves out is reported as not measured")
	if err := measure.Parse(f, args); err != nil {
		return o, err
	}
	o.args, o.Upload, o.Durable = shownFlags(f), 2<<30, 512<<20
	if *quick {
		o.Upload, o.Durable = 512<<20, 128<<20
		if err := setUnlessGiven(f, map[string]string{"rounds": "3", "big-rounds": "3", "rows": "10000,100000", "e2e-rows": "100000"}); err != nil {
			return o, err
		}
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	if o.Rows, err = measure.Numbers("-rows", *rows, leastRows); err != nil {
		return o, err
	}
	if o.E2ERows, err = measure.Numbers("-e2e-rows", *e2e, leastRows); err != nil {
		return o, err
	}
	o.Base = slices.Max(o.Rows)
	if slices.Contains(o.Rows, mostPeerRows) {
		o.Base = mostPeerRows
	}
	if o.Rounds < 1 || o.BigRounds < 1 {
		return o, errors.New("-rounds and -big-rounds must be at least 1")
	}
	return o, nil
}

// shownFlags are the flags that repeat a run elsewhere: not those that name
// places of this machine.
func shownFlags(f *flag.FlagSet) []string {
	var shown []string
	f.Visit(func(given *flag.Flag) {
		switch given.Name {
		case "out", "docs", "from", "service", "plotter", "against":
		case "only":
			shown = append(shown, "-only='"+given.Value.String()+"'")
		default:
			shown = append(shown, "-"+given.Name+"="+given.Value.String())
		}
	})
	return shown
}

// setUnlessGiven sets flags that the command line does not.
func setUnlessGiven(f *flag.FlagSet, values map[string]string) error {
	f.Visit(func(given *flag.Flag) { delete(values, given.Name) })
	for name, value := range values {
		if err := f.Set(name, value); err != nil {
			return err
		}
	}
	return nil
}
