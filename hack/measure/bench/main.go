// Command bench measures the operator's way of the data beside what others
// would take, and says which of its targets hold on the machine at hand. All
// ratios come from one run whose cases take turns, each in a process of its own.
package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"exactmatch.dev/operator/hack/measure"
)

func main() { measure.Main("bench", dispatch) }

// dispatch tells the driver from the processes that it starts.
func dispatch(ctx context.Context, args []string) error {
	if err := measure.CheckSystem(); err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == measure.ChildArgument:
		return measure.DoTask(ctx, runTask)
	case len(args) == 1 && args[0] == "sink":
		return runSink(ctx)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.from != "" {
		return redraw(ctx, o)
	}
	return drive(ctx, o)
}

// drive measures everything and writes what it found.
func drive(ctx context.Context, o options) error {
	began := time.Now()
	r, err := newRunner(o)
	if err != nil {
		return err
	}
	found := &run{Run: measure.Run{Machine: measure.DescribeMachine(ctx), Args: o.args}, Settings: o.settings}
	if found.Paths, err = r.findPaths(ctx); err != nil {
		return err
	}
	if err := r.choose(ctx, o, found.Paths); err != nil {
		return err
	}
	found.DuckDB, found.Python, found.Redis = r.peers.DuckDBVersion, r.peers.PyVersion, r.peers.RedisVersion
	if err := r.tables.makeAll(ctx, tablesOf(r.cases), measure.Say); err != nil {
		return err
	}
	measure.Say("%d cases in %d rounds", len(r.cases), o.Rounds)
	if err := r.rounds(ctx, o.settings); err != nil {
		return err
	}
	found.Cases, found.Samples, found.Notes, found.Took = r.cases, r.samples, r.notes, time.Since(began)
	return write(ctx, found, o)
}

// choose finds the cases of the run. Peers are installed where one of them is theirs.
func (r *runner) choose(ctx context.Context, o options, paths []string) error {
	chosen := func(p peers) (cases []benchCase) {
		m := &matrix{settings: o.settings, paths: paths, peers: p}
		for _, c := range m.build() {
			if o.only.MatchString(c.ID) {
				cases = append(cases, c)
			}
		}
		return cases
	}
	wanted := wantedPeers
	if !o.IndexPeers {
		wanted.Stores = ""
	}
	kinds := map[string]bool{}
	for _, c := range chosen(wanted) {
		kinds[c.Kind] = true
	}
	var err error
	if r.peers, err = preparePeers(ctx, filepath.Join(r.out, "peers"), kinds, r.note); err != nil {
		return err
	}
	if r.cases = chosen(r.peers); len(r.cases) == 0 {
		return errors.New("-only leaves no case; the names of cases are those of results.json")
	}
	return nil
}

func newRunner(o options) (*runner, error) {
	builds, err := buildsOf(o)
	if err != nil {
		return nil, err
	}
	out, err := filepath.Abs(o.out)
	if err != nil {
		return nil, err
	}
	return &runner{
		builds: builds, out: out, say: measure.Say, sums: map[string]string{}, dropped: map[string]bool{},
		tables: tableCache{dir: filepath.Join(out, "tables"), seed: o.Seed},
	}, os.MkdirAll(out, 0o750)
}

// redraw writes the report of an earlier run again.
func redraw(ctx context.Context, o options) error {
	found := &run{}
	if err := measure.ReadResults(o.from, found); err != nil {
		return err
	}
	return write(ctx, found, o)
}
