// Package live is what the commands that ask a data store have in common: the way to
// the service, the store by its name, and matches that wait as the service asks.
package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"exactmatch.dev/operator/internal/edm"
)

// patience is how long one call waits for a service that asks to wait, and pause
// what is waited where it does not say how long.
const (
	patience = time.Minute
	pause    = time.Second
)

// Match asks again where the service asks to wait. what names the call in the log.
func Match(ctx context.Context, stores edm.Stores, storeID string, request edm.MatchRequest, what slog.Attr) (*edm.MatchResponse, error) {
	for left := patience; ; {
		got, err := stores.Match(ctx, storeID, request)
		wait := waitFor(err)
		if wait == 0 {
			return got, err
		}
		if left -= wait; left < 0 {
			return nil, fmt.Errorf("%w (the service asks to wait %s: ask again then)", err, wait.Round(time.Second))
		}
		slog.Info("waiting, as the service asks", what, "wait", wait)
		if err := Sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// waitFor is how long to wait before the call is repeated, 0 for never.
func waitFor(err error) time.Duration {
	wait := edm.RetryAfter(err)
	if wait == 0 && edm.IsThrottled(err) {
		wait = pause
	}
	return wait
}

// Sleep waits, or returns why ctx ended.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// StoreNamed finds a store by its displayName.
func StoreNamed(ctx context.Context, stores edm.Stores, name string) (*edm.DataStore, error) {
	all, err := stores.List(ctx, edm.Query{})
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(all))
	for i := range all {
		if all[i].DisplayName == name {
			return &all[i], nil
		}
		names = append(names, all[i].DisplayName)
	}
	if len(names) == 0 {
		return nil, errors.New("the service has no data store yet")
	}
	slices.Sort(names)
	return nil, fmt.Errorf("the service has no data store with the displayName %q; it has %s", name, strings.Join(names, ", "))
}

// ColumnNames are the names of columns in a message.
func ColumnNames(columns []edm.Column) string {
	names := make([]string, 0, len(columns))
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}
