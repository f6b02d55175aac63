// Package schedule decides, from facts alone, when a run of a schedule is due and what
// becomes of it. It is pure: it has no clock and calls nobody.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the image has no time zones

	"github.com/robfig/cron/v3"
)

// Times are the moments that a cron expression names in a time zone.
//
// An expression that names hours follows the clock on the wall: a time that the clocks
// skip in spring comes when they have skipped it, and one that they repeat in autumn comes
// once. An expression of every hour follows the time that passes.
type Times struct {
	cron cron.Schedule
	zone *time.Location
	// wall: the expression names hours.
	wall bool
}

// ParseTimes reads an expression of five fields, or a descriptor such as @hourly. zone is
// a name of the IANA database; "" is UTC.
func ParseTimes(expression, zone string) (Times, error) {
	location, err := ParseZone(zone)
	if err != nil {
		return Times{}, err
	}
	if strings.Contains(expression, "TZ") {
		return Times{}, errors.New("a time zone does not belong into the expression; name it in spec.timeZone")
	}
	if strings.HasPrefix(strings.TrimSpace(expression), "@every") {
		return Times{}, errors.New("@every has no fixed times; use an expression of five fields, such as \"*/30 * * * *\"")
	}
	parsed, err := cron.ParseStandard(expression)
	if err != nil {
		return Times{}, fmt.Errorf("%w; use five fields: minute, hour, day of month, month, day of week", err)
	}
	const everyHour = 1<<24 - 1
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Times{}, errors.New("it has no fixed times; use an expression of five fields")
	}
	spec.Location = time.UTC
	if spec.Hour&everyHour == everyHour {
		spec.Location = location
	}
	t := Times{cron: spec, zone: location, wall: spec.Hour&everyHour != everyHour}
	if t.Next(time.Unix(0, 0)).IsZero() {
		return Times{}, errors.New("no date ever matches it")
	}
	return t, nil
}

// ParseZone finds a time zone by its name in the IANA database. "Local" is refused: it
// would be the manager's.
func ParseZone(name string) (*time.Location, error) {
	if strings.EqualFold(name, "Local") {
		return nil, errors.New("\"Local\" would be the zone of the manager; name one of the IANA database, such as Europe/Berlin")
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not in the IANA database of time zones; use a name such as Europe/Berlin", name)
	}
	return location, nil
}

// Next is the first of the times after a moment; zero where there is none.
func (t Times) Next(after time.Time) time.Time {
	if !t.wall {
		return t.find(after)
	}
	after = after.In(t.zone)
	wall := time.Date(after.Year(), after.Month(), after.Day(), after.Hour(), after.Minute(), after.Second(), after.Nanosecond(), time.UTC)
	for {
		if wall = t.find(wall); wall.IsZero() {
			return wall
		}
		if at := onWall(wall, t.zone); at.After(after) {
			return at.UTC()
		}
	}
}

// onWall is when the clocks of a zone first show a time, which wall gives in UTC; where
// they skip it, when they do.
func onWall(wall time.Time, zone *time.Location) time.Time {
	_, before := wall.Add(-24 * time.Hour).In(zone).Zone()
	at := wall.Add(-time.Duration(before) * time.Second).In(zone)
	_, now := at.Zone()
	start, _ := at.ZoneBounds()
	switch {
	case now == before:
		return at
	case now > before && at.Sub(start) < time.Duration(now-before)*time.Second:
		return start
	}
	return wall.Add(-time.Duration(now) * time.Second).In(zone)
}

// find asks the expression. It looks five years ahead, and between 2096 and 2104 the
// next 29 February is eight years away.
func (t Times) find(after time.Time) time.Time {
	at := t.cron.Next(after)
	for n := 1; at.IsZero() && n < 3; n++ {
		at = t.cron.Next(after.AddDate(4*n, 0, 0))
	}
	if at.IsZero() {
		return at
	}
	return at.UTC()
}

// Latest is the last of the times after a moment and up to another; zero where there is
// none. It halves the span, so an outage of years costs no more than one of an hour.
func (t Times) Latest(after, until time.Time) time.Time {
	first := t.Next(after)
	if first.IsZero() || first.After(until) {
		return time.Time{}
	}
	low, high := first, until // the times up to low are not all; none comes between high and until
	for high.Sub(low) > time.Second {
		middle := low.Add(high.Sub(low) / 2)
		if next := t.Next(middle); next.IsZero() || next.After(until) {
			high = middle
		} else {
			low = next
		}
	}
	if next := t.Next(low); !next.IsZero() && !next.After(until) {
		return next
	}
	return low
}

// MostCounted is how many times Count counts.
const MostCounted = 100

// Count is the number of times after a moment and before another, MostCounted at most.
func (t Times) Count(after, before time.Time) int {
	n := 0
	for at := t.Next(after); n < MostCounted && !at.IsZero() && at.Before(before); at = t.Next(at) {
		n++
	}
	return n
}
