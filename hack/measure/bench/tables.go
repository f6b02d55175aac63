package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"exactmatch.dev/operator/hack/measure"
)

// tableCache keeps generated tables in a folder, by shape, rows and seed.
type tableCache struct {
	dir  string
	seed uint64
}

// bytesPerRow is about what a row of each shape takes, for the check of the disk.
var bytesPerRow = map[string]int64{
	shapeMixed: 130, shapeASCII: 130, shapeWide: 520, shapeShort: 65, shapeLong: 1200, shapeFew: 130,
}

// spareDisk is left alone.
const spareDisk = 2 << 30

func (c tableCache) path(t tableSpec) string {
	return filepath.Join(c.dir, fmt.Sprintf("%s-%d-seed%d-v%d.csv", t.Shape, t.Rows, c.seed, generatorVersion))
}

// missing are the tables that are not there, each once.
func (c tableCache) missing(all []tableSpec) []tableSpec {
	var out []tableSpec
	seen := map[string]bool{}
	for _, t := range all {
		path := c.path(t)
		if seen[path] {
			continue
		}
		seen[path] = true
		if _, err := os.Stat(path); err != nil {
			out = append(out, t)
		}
	}
	return out
}

// needs is the disk that a run takes beyond what lies there: missing tables,
// and what the largest case writes, three times for the service's copies.
func (c tableCache) needs(all []tableSpec) int64 {
	var need, work int64
	for _, t := range c.missing(all) {
		need += int64(t.Rows) * bytesPerRow[t.Shape]
	}
	for _, t := range all {
		work = max(work, 3*int64(t.Rows)*int64(t.Fields)*36)
	}
	return need + work
}

// makeAll writes the tables that are missing, once there is room for the run.
func (c tableCache) makeAll(ctx context.Context, all []tableSpec, say func(string, ...any)) error {
	if err := os.MkdirAll(c.dir, 0o750); err != nil {
		return err
	}
	free, err := measure.FreeBytes(c.dir)
	if err != nil {
		return err
	}
	if need := c.needs(all) + spareDisk; free < need {
		return fmt.Errorf("the run needs %d MiB of free disk below %s and there are %d MiB: free some, choose another folder with -out, or fewer rows with -rows",
			need>>20, c.dir, free>>20)
	}
	for _, t := range c.missing(all) {
		say("writing the table %s of %d rows", t.Shape, t.Rows)
		if err := c.make(ctx, t); err != nil {
			return fmt.Errorf("write the table %s of %d rows: %w", t.Shape, t.Rows, err)
		}
	}
	return nil
}

// make writes one table, which appears whole or not at all.
func (c tableCache) make(ctx context.Context, t tableSpec) error {
	f, err := os.CreateTemp(c.dir, "table-*.new")
	if err != nil {
		return err
	}
	err = errors.Join(writeTable(untilDone{ctx, f}, t, c.seed), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), c.path(t))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// untilDone ends a long writing when the run is interrupted.
type untilDone struct {
	ctx context.Context
	w   io.Writer
}

func (u untilDone) Write(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.w.Write(p)
}
