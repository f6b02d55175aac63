package schedule_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/schedule"
)

func must(t interface{ Fatalf(string, ...any) }, expression, zone string) schedule.Times {
	times, err := schedule.ParseTimes(expression, zone)
	if err != nil {
		t.Fatalf("%q in %q: %v", expression, zone, err)
	}
	return times
}

func at(text string) time.Time {
	got, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return got
}

func TestExpressionsThatAreRefused(t *testing.T) {
	for _, tc := range []struct{ expression, zone, words string }{
		{"0 2 * *", "", "five fields"},
		{"60 2 * * *", "", "60"},
		{"TZ=UTC 0 2 * * *", "", "spec.timeZone"},
		{"CRON_TZ=UTC 0 2 * * *", "", "spec.timeZone"},
		{"@every 1h", "", "no fixed times"},
		{"0 0 30 2 *", "", "no date ever"},
		{"0 2 * * *", "Europe/Atlantis", "Europe/Berlin"},
		{"0 2 * * *", "Local", "of the manager"},
	} {
		if _, err := schedule.ParseTimes(tc.expression, tc.zone); err == nil || !strings.Contains(err.Error(), tc.words) {
			t.Errorf("%q in %q: %v", tc.expression, tc.zone, err)
		}
	}
}

func TestNext(t *testing.T) {
	for _, tc := range []struct{ name, expression, zone, after, want string }{
		{"in UTC", "0 2 * * *", "", "2026-03-04T01:59:59Z", "2026-03-04T02:00:00Z"},
		{"not the moment itself", "0 2 * * *", "", "2026-03-04T02:00:00Z", "2026-03-05T02:00:00Z"},
		{"in a zone", "0 2 * * *", "Asia/Tokyo", "2026-03-04T00:00:00Z", "2026-03-04T17:00:00Z"},
		{"a zone of a quarter hour", "0 2 * * *", "Asia/Kathmandu", "2026-03-04T00:00:00Z", "2026-03-04T20:15:00Z"},
		{"skipped by the clocks", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
		{"on the day after", "30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		{"skipped in part", "20,40 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z"},
		{"after one skipped in part", "20,40 2 * * *", "Australia/Lord_Howe", "2026-10-03T15:30:00Z", "2026-10-03T15:40:00Z"},
		{"repeated by the clocks, first", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		{"repeated by the clocks, once", "30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"every hour in the repeated one", "30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		{"every half hour over the skipped one", "*/30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"},
		{"midnight that is skipped", "0 0 * * *", "America/Asuncion", "2023-09-30T12:00:00Z", "2023-10-01T04:00:00Z"},
		{"29 February", "0 0 29 2 *", "", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"29 February over a century", "0 0 29 2 *", "", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"},
		{"a word", "@daily", "", "2026-03-04T05:00:00Z", "2026-03-05T00:00:00Z"},
	} {
		if got := must(t, tc.expression, tc.zone).Next(at(tc.after)); !got.Equal(at(tc.want)) {
			t.Errorf("%s: got %s, want %s", tc.name, got.Format(time.RFC3339), tc.want)
		}
	}
}

func TestDecide(t *testing.T) {
	daily := must(t, "0 2 * * *", "")
	base := schedule.Facts{Handled: at("2026-03-04T02:00:00Z"), Policy: schedule.Forbid}
	for _, tc := range []struct {
		name, now string
		change    func(*schedule.Facts)
		action    schedule.Action
		at        string
		missed    int
		next      string
	}{
		{"before the time", "2026-03-05T01:59:59Z", nil, schedule.Wait, "", 0, "2026-03-05T02:00:00Z"},
		{"at the time", "2026-03-05T02:00:00Z", nil, schedule.Start, "2026-03-05T02:00:00Z", 0, "2026-03-06T02:00:00Z"},
		{"before the offset", "2026-03-05T02:00:59Z", func(f *schedule.Facts) { f.Offset = time.Minute }, schedule.Wait, "", 0, "2026-03-05T02:01:00Z"},
		{"after the offset", "2026-03-05T02:01:00Z", func(f *schedule.Facts) { f.Offset = time.Minute }, schedule.Start, "2026-03-05T02:00:00Z", 0, "2026-03-06T02:01:00Z"},
		{"one catch-up of four", "2026-03-08T12:00:00Z", nil, schedule.Start, "2026-03-08T02:00:00Z", 3, "2026-03-09T02:00:00Z"},
		{"within the deadline", "2026-03-05T03:00:00Z", func(f *schedule.Facts) { f.Deadline = time.Hour }, schedule.Start, "2026-03-05T02:00:00Z", 0, "2026-03-06T02:00:00Z"},
		{"past the deadline", "2026-03-05T03:00:01Z", func(f *schedule.Facts) { f.Deadline = time.Hour }, schedule.Miss, "2026-03-05T02:00:00Z", 1, "2026-03-06T02:00:00Z"},
		{"four past the deadline", "2026-03-08T12:00:00Z", func(f *schedule.Facts) { f.Deadline = time.Hour }, schedule.Miss, "2026-03-08T02:00:00Z", 4, "2026-03-09T02:00:00Z"},
		{"beside another, forbidden", "2026-03-05T02:00:00Z", func(f *schedule.Facts) { f.Active = 1 }, schedule.Block, "2026-03-05T02:00:00Z", 0, "2026-03-06T02:00:00Z"},
		{"beside another, allowed", "2026-03-05T02:00:00Z", func(f *schedule.Facts) { f.Active, f.Policy = 1, schedule.Allow }, schedule.Start, "2026-03-05T02:00:00Z", 0, "2026-03-06T02:00:00Z"},
		{"in place of another", "2026-03-05T02:00:00Z", func(f *schedule.Facts) { f.Active, f.Policy = 1, schedule.Replace }, schedule.Replaced, "2026-03-05T02:00:00Z", 0, "2026-03-06T02:00:00Z"},
		{"suspended", "2026-03-08T12:00:00Z", func(f *schedule.Facts) { f.Suspended = true }, schedule.Pass, "2026-03-08T02:00:00Z", 0, "2026-03-09T02:00:00Z"},
		{"suspended, nothing due", "2026-03-04T12:00:00Z", func(f *schedule.Facts) { f.Suspended = true }, schedule.Wait, "", 0, "2026-03-05T02:00:00Z"},
		{"asked while suspended", "2026-03-04T12:00:00Z", func(f *schedule.Facts) { f.Suspended, f.Asked = true, true }, schedule.Wait, "", 0, "2026-03-05T02:00:00Z"},
		{"asked", "2026-03-04T12:00:00Z", func(f *schedule.Facts) { f.Asked = true }, schedule.Start, "", 0, "2026-03-05T02:00:00Z"},
		{"asked beside another", "2026-03-04T12:00:00Z", func(f *schedule.Facts) { f.Asked, f.Active = true, 1 }, schedule.Block, "", 0, "2026-03-05T02:00:00Z"},
		{"a clock that was set back an hour", "2026-03-04T01:30:00Z", nil, schedule.Wait, "", 0, "2026-03-05T02:00:00Z"},
		{"a clock that was years ahead", "2025-03-04T01:30:00Z", nil, schedule.Rewind, "2025-03-04T01:30:00Z", 0, "2025-03-04T02:00:00Z"},
	} {
		f := base
		f.Now = at(tc.now)
		if tc.change != nil {
			tc.change(&f)
		}
		want := schedule.Decision{Action: tc.action, Missed: tc.missed, Next: at(tc.next)}
		if tc.at != "" {
			want.At = at(tc.at)
		}
		if got := schedule.Decide(daily, f); got != want {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, want)
		}
	}
}

// A long outage of a schedule of every minute is neither counted nor searched in full.
func TestAnOutageOfYearsIsShort(t *testing.T) {
	f := schedule.Facts{Handled: at("1996-01-01T00:00:00Z"), Now: at("2026-03-04T05:06:07Z"), Policy: schedule.Forbid}
	for _, expression := range []string{"* * * * *", "* 1-23 * * *", "* * * 1 *"} {
		times := must(t, expression, "Europe/Berlin")
		began := time.Now()
		d := schedule.Decide(times, f)
		if d.Action != schedule.Start || d.Missed != schedule.MostCounted || !times.Next(d.At).After(f.Now) {
			t.Errorf("%s: %+v", expression, d)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %s", expression, took)
		}
	}
}

var (
	expressions = []string{"0 2 * * *", "30 2 * * *", "*/15 * * * *", "30 1,2,3 * * *", "0 0 * * 0", "0 0 29 2 *", "* 2 * * *", "15 */6 1 * *", "@hourly"}
	zones       = []string{"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Apia"}
)

func drawn(t *rapid.T) schedule.Times {
	return must(t, rapid.SampledFrom(expressions).Draw(t, "expression"), rapid.SampledFrom(zones).Draw(t, "zone"))
}

func moment(t *rapid.T, name string) time.Time {
	return time.Unix(rapid.Int64Range(1_262_304_000, 2_524_608_000).Draw(t, name), 0).UTC() // 2010 to 2050
}

// Times only go forward, and a later moment never has an earlier next time.
func TestNextIsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times, from := drawn(t), moment(t, "from")
		next := times.Next(from)
		if !next.After(from) || next.Second() != 0 {
			t.Fatalf("after %s comes %s", from, next)
		}
		between := from.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(from))-1).Draw(t, "between")))
		if again := times.Next(between); !again.Equal(next) {
			t.Fatalf("after %s comes %s, after %s %s", from, next, between, again)
		}
	})
}

// The latest time is one of the times, and none lies between it and the end.
func TestLatestIsTheLatest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times, from := drawn(t), moment(t, "from")
		until := from.Add(time.Duration(rapid.Int64Range(0, 40*24*3600).Draw(t, "seconds")) * time.Second)
		want := time.Time{}
		for next := times.Next(from); !next.After(until); next = times.Next(next) {
			want = next
		}
		if got := times.Latest(from, until); !got.Equal(want) {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

// However a manager looks, stops and looks again, no time has two runs, no look has more
// than one, and every time is a run or counted as missed.
func TestNoTimeHasTwoRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times, now := drawn(t), moment(t, "start")
		f := schedule.Facts{Handled: now, Policy: schedule.Allow, Offset: time.Duration(rapid.IntRange(0, 3600).Draw(t, "offset")) * time.Second}
		begin, runs, missed := now, map[time.Time]bool{}, 0
		for range rapid.IntRange(1, 40).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(-3600, 4*3600).Draw(t, "step")) * time.Second)
			f.Now = now
			d := schedule.Decide(times, f)
			if d.Action != schedule.Start {
				continue
			}
			if runs[d.At] || d.At.Add(f.Offset).After(now) || !times.Next(d.At.Add(-time.Second)).Equal(d.At) {
				t.Fatalf("at %s: a run of %s after %v", now, d.At, runs)
			}
			runs[d.At], missed, f.Handled = true, missed+d.Missed, d.At
			if next := schedule.Decide(times, f); next.Action != schedule.Wait {
				t.Fatalf("a second run in one look: %+v", next)
			}
		}
		if all := times.Count(begin, f.Handled.Add(time.Second)); all < schedule.MostCounted && all != len(runs)+missed {
			t.Fatalf("%d times, %d runs, %d missed", all, len(runs), missed)
		}
	})
}

func TestOffset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name, most := rapid.String().Draw(t, "name"), time.Duration(rapid.Int64Range(0, 7200).Draw(t, "most"))*time.Second
		got := schedule.Offset(name, most)
		if got < 0 || got >= max(most, 1) || got != schedule.Offset(name, most) {
			t.Fatalf("%s of %s", got, most)
		}
	})
	if schedule.Offset("a", time.Hour) == schedule.Offset("b", time.Hour) {
		t.Error("two names share an offset")
	}
}
