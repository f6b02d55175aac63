package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"exactmatch.dev/operator/hack/measure"
)

// runner runs cases in rounds, each case in a process of its own.
type runner struct {
	builds []build // this one first
	out    string
	tables tableCache
	peers  peers
	say    func(string, ...any)

	cases   []benchCase
	samples []measure.Sample
	notes   []string
	sums    map[string]string // of the tokens, by table
	dropped map[string]bool   // cases that failed and that the run can do without
}

// rounds runs every case once a round, in an order that the seed shuffles.
func (r *runner) rounds(ctx context.Context, s settings) error {
	order := rand.New(rand.NewPCG(s.Seed, 1)) //nolint:gosec // an order, not a secret
	most := 0
	for _, c := range r.cases {
		most = max(most, c.Rounds)
	}
	for round := range most {
		began, ran := time.Now(), 0
		for _, at := range order.Perm(len(r.cases)) {
			c := r.cases[at]
			if !takesPart(c, round, most) || r.dropped[c.ID] {
				continue
			}
			if err := r.once(ctx, c, round); err != nil {
				return err
			}
			ran++
		}
		r.say("round %d of %d: %d cases in %s", round+1, most, ran, time.Since(began).Round(time.Second))
	}
	return nil
}

// takesPart spreads the rounds of a case evenly over those of the run.
func takesPart(c benchCase, round, most int) bool {
	return round*c.Rounds/most != (round+1)*c.Rounds/most
}

// once runs a case, by each build.
func (r *runner) once(ctx context.Context, c benchCase, round int) error {
	for _, b := range r.turns(c, round) {
		err := r.onceBy(ctx, b, c, round)
		switch {
		case err != nil && ctx.Err() != nil:
			return errors.New("interrupted")
		case err != nil && isPeer(c.Kind):
			r.note("%s is left out: %v", c.ID, err)
			r.dropped[c.ID] = true
		case err != nil:
			return fmt.Errorf("the case %s%s: %w", c.ID, b.suffix, err)
		}
	}
	return nil
}

func isPeer(kind string) bool {
	return slices.Contains([]string{kindDuckDB, kindPython, kindRedis, kindPebble, kindSQLite}, kind)
}

// onceBy runs a case by a build, and checks its tokens the first time.
func (r *runner) onceBy(ctx context.Context, b build, c benchCase, round int) error {
	id := c.ID + b.suffix
	wantsSum := !slices.ContainsFunc(r.samples, func(s measure.Sample) bool { return s.Case == id })
	s, err := r.child(ctx, b, task{Case: c, Sum: wantsSum && summed(c.Kind)})
	if err != nil {
		return err
	}
	s.Case, s.Round = id, round
	if b.suffix == "" {
		s.Kind, s.Size = c.Kind, c.size() // curves are of this build
	}
	r.samples = append(r.samples, *s)
	return r.checkSum(c, s.TokenSum)
}

// summed are the kinds that make our tokens.
func summed(kind string) bool {
	return kind == kindPlain || kind == kindOurs || kind == kindPython
}

// checkSum wants the same tokens of every pipeline over a table: a fast way to
// other tokens is worth nothing.
func (r *runner) checkSum(c benchCase, sum string) error {
	if sum == "" {
		return nil
	}
	table := c.Table.String()
	if known := r.sums[table]; known != "" && known != sum {
		return fmt.Errorf("the case %s makes other tokens than the cases before it on the table %s: compare them by 'go test ./hack/measure/bench ./internal/fingerprint'", c.ID, table)
	}
	r.sums[table] = sum
	return nil
}

func (r *runner) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.notes = append(r.notes, text)
	r.say("%s", text)
}

// child does a task in a process of a build and removes what it wrote.
func (r *runner) child(ctx context.Context, b build, t task) (s *measure.Sample, err error) {
	work, err := os.MkdirTemp(r.out, "case-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	t.Work, t.Service = work, b.operator
	if t.Case.Table.Rows > 0 {
		t.Table = r.tables.path(t.Case.Table)
	}
	switch t.Case.Kind {
	case kindDuckDB:
		return r.peers.duckDB(ctx, t)
	case kindPython:
		return r.peers.python(ctx, t)
	case kindPebble, kindSQLite:
		return r.peers.store(ctx, t)
	}
	s = &measure.Sample{}
	return s, measure.Child(ctx, b.bench, environment(t.Case), t, s)
}

// environment forces a case's path and its cores. A pipeline on one core gets
// one: idle cores would do its collector's work twice over and be counted.
func environment(c benchCase) []string {
	var own []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, cpuVariable+"=") && !strings.HasPrefix(entry, "GOMAXPROCS=") {
			own = append(own, entry)
		}
	}
	if c.Path != "" {
		own = append(own, cpuVariable+"="+c.Path)
	}
	switch c.Kind {
	case kindPlain, kindOurs, kindFloor, kindPrepare, kindSHA256:
		own = append(own, fmt.Sprintf("GOMAXPROCS=%d", c.Workers))
	}
	return own
}

// findPaths asks a process for each path whether it takes it.
func (r *runner) findPaths(ctx context.Context) ([]string, error) {
	var found []string
	for _, path := range allPaths {
		s, err := r.child(ctx, r.builds[0], task{Case: benchCase{Kind: kindProbe, Path: path, Workers: 1}})
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			r.note("the path %s is left out: %v", path, err)
		case s.Text != path:
			r.note("the path %s is left out: this build takes %s instead", path, s.Text)
		default:
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no path of the code runs on this machine: the notes above say why")
	}
	return found, nil
}

// turns are the builds that run a case in a round: they take turns at being first.
// Peers belong to none.
func (r *runner) turns(c benchCase, round int) []build {
	own, others := r.builds[:1], r.builds[1:]
	switch {
	case isPeer(c.Kind):
		return own
	case round%2 == 1:
		return append(append([]build(nil), others...), own...)
	}
	return r.builds
}
