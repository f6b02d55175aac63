// Command limits sends the operator and its service what is too large for them
// (a table of 10 GB, a line of 1 GB, a gzip bomb, 50,000 blocks and the like) and
// says how much memory they took and how they refused it. Who works is a process
// of its own: the service is the operator's binary, tables are read and uploaded
// by the manager's pool under the manager's budget.
package main

import (
	"context"
	"fmt"
	"time"

	"exactmatch.dev/operator/hack/measure"
)

func main() { measure.Main("limits", dispatch) }

// dispatch tells the driver from the process that it starts for each table.
func dispatch(ctx context.Context, args []string) error {
	if err := measure.CheckSystem(); err != nil {
		return err
	}
	if len(args) == 1 && args[0] == measure.ChildArgument {
		return measure.DoTask(ctx, readTable)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	return drive(ctx, o, sizesOf(o))
}

// spareDisk is what a run may take at most, and some more.
const spareDisk = 10 << 30

// drive runs the cases one after another and judges each.
func drive(ctx context.Context, o options, s sizes) error {
	free, err := measure.FreeBytes(o.bin)
	if err != nil {
		return err
	}
	if free < spareDisk && !o.quick {
		return fmt.Errorf("the run wants %d GiB of free disk below %s and there are %d: free some, or run it with -quick", spareDisk>>30, o.bin, free>>30)
	}
	from, err := startOrigin(ctx)
	if err != nil {
		return err
	}
	defer from.stop()
	began, found := time.Now(), &run{Run: measure.Run{Machine: measure.DescribeMachine(ctx)}, Quick: o.quick}
	for _, c := range casesOf(s) {
		if !o.only.MatchString(c.Name) {
			continue
		}
		r, err := runCase(ctx, o, from, c)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = c.judge(r)
		}
		if err != nil {
			r.Fault = err.Error()
		}
		fmt.Println(r.line())
		found.add(r)
	}
	found.Took = time.Since(began)
	return found.report(o)
}
