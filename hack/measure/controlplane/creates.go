package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"exactmatch.dev/operator/hack/measure"
)

// timeCreates measures sessions that are created while everything else goes on:
// with the manager's own budget of calls of the service, and without one.
func (b *bench) timeCreates(ctx context.Context) error {
	for _, c := range []struct {
		family string
		flags  []string
	}{{"paced", nil}, {"unpaced", quick}} {
		r, err := b.createsOf(ctx, c.family, c.flags)
		if err != nil {
			return err
		}
		b.found.Creates = append(b.found.Creates, *r)
		say("%s: first call about a created session p50 %s, p99 %s", c.family, r.P50.Round(time.Millisecond), r.P99.Round(time.Millisecond))
	}
	return nil
}

// createsOf gives every created session a store of its own that is ready: how
// long a session waits for another says nothing about the manager.
func (b *bench) createsOf(ctx context.Context, family string, flags []string) (*createResult, error) {
	say("creating %d sessions at %d a second, %s", b.Creates, createsPerSecond, family)
	if _, err := startManager(b.Stack, "preparing", quick...); err != nil {
		return nil, err
	}
	if err := b.stores(ctx, family, b.Creates); err != nil {
		return nil, err
	}
	if err := b.Terminate("preparing"); err != nil {
		return nil, err
	}
	m, err := startManager(b.Stack, "manager", flags...)
	if err != nil {
		return nil, err
	}
	if _, err := b.untilSteady(ctx, m); err != nil {
		return nil, err
	}
	if err := pause(ctx, pollInterval); err != nil {
		return nil, err
	}
	r := &createResult{Flags: flags}
	if err := b.createAll(ctx, m, family, r); err != nil {
		return nil, err
	}
	if r.Usage, err = m.usage(); err != nil {
		return nil, err
	}
	return r, b.Terminate("manager")
}

// createAll creates the sessions and waits for the first call about each: the
// POST that opens its remote session.
func (b *bench) createAll(ctx context.Context, m *manager, family string, r *createResult) error {
	before, err := scrape(ctx, m.metrics)
	if err != nil {
		return err
	}
	began, asked := time.Now(), map[string]time.Time{}
	tick := time.NewTicker(time.Second / createsPerSecond)
	defer tick.Stop()
	for n := range b.Creates {
		name := fmt.Sprintf("%s-%s-%03d", roleCreated, family, n)
		asked[name] = time.Now()
		if err := b.Create(ctx, session(name, storeName(family, n))); err != nil {
			return err
		}
		<-tick.C
	}
	took := map[string]time.Duration{}
	err = b.until(ctx, "every created session is open", func() (bool, error) {
		for _, c := range b.proxy.since(began) {
			if at, ours := asked[c.FileName]; ours && c.Kind == http.MethodPost+" exactMatchDataStores/{id}/sessions" && took[c.FileName] == 0 {
				took[c.FileName] = c.At.Sub(at)
			}
		}
		return len(took) == len(asked), nil
	})
	if err != nil {
		return err
	}
	after, err := scrape(ctx, m.metrics)
	if err != nil {
		return err
	}
	all := make([]float64, 0, len(took))
	for _, d := range took {
		all = append(all, float64(d))
	}
	slices.Sort(all)
	r.Count, r.P50, r.P99 = len(all), time.Duration(measure.Quantile(all, 0.5)), time.Duration(measure.Quantile(all, 0.99))
	r.Queue, r.Span = queueBetween(before, after), time.Since(began)
	r.Calls = byKind(b.proxy.since(began))
	return nil
}
