package session

import (
	"testing"
	"time"
)

// A renewal is due neither late nor so early that a short life is spent on renewals.
func TestAnUploadURIIsRenewedInTime(t *testing.T) {
	for name, tc := range map[string]struct {
		life, left, end time.Duration // of the upload URI, of it now, of the upload from now
		renew           bool
	}{
		"long before":                       {life: 24 * time.Hour, left: time.Hour},
		"at the margin":                     {life: 24 * time.Hour, left: RenewMargin},
		"within the margin":                 {life: 24 * time.Hour, left: RenewMargin - time.Second, renew: true},
		"outlasted, at the time":            {life: 24 * time.Hour, left: RenewAhead, end: 2 * time.Hour},
		"outlasted, within the time":        {life: 24 * time.Hour, left: RenewAhead - time.Second, end: 2 * time.Hour, renew: true},
		"not outlasted":                     {life: 24 * time.Hour, left: RenewAhead - time.Second, end: time.Minute},
		"a third of a short one":            {life: 8 * time.Minute, left: 8 * time.Minute / 3},
		"under a quarter of a short one":    {life: 8 * time.Minute, left: 119 * time.Second, renew: true},
		"half of a short one, outlasted":    {life: 8 * time.Minute, left: 4 * time.Minute, end: time.Hour},
		"under half of a short, outlasted":  {life: 8 * time.Minute, left: 239 * time.Second, end: time.Hour, renew: true},
		"no life by our clock, and past":    {life: 0, left: -time.Second},
		"a negative life by our clock":      {life: -time.Hour, left: time.Second},
		"a life of which nothing is left":   {life: time.Hour, left: -time.Second, renew: true},
		"refused, whatever the clocks say*": {life: 24 * time.Hour, left: 24 * time.Hour, renew: true},
	} {
		f := Facts{UploadURIExpiry: now.Add(tc.left), UploadURIRefused: name == "refused, whatever the clocks say*"}
		f.UploadURIIssued = f.UploadURIExpiry.Add(-tc.life)
		if tc.end > 0 {
			f.EstimatedEnd = now.Add(tc.end)
		}
		if got := f.renewalDue(now); got != tc.renew {
			t.Errorf("%s: renewed is %t", name, got)
		}
	}
}
