// Command uses shows how the files of a package use each other, and checks what
// packages import through others. It runs in the module that it looks at.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

const defaultWalls = "hack/uses/walls.yaml"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "uses:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("uses", flag.ContinueOnError)
	forbidden := flags.Bool("forbidden", false, "check what packages import, also through others, against the table of walls")
	table := flags.String("walls", defaultWalls, "the table of walls")
	names := flags.Bool("names", false, "name what the uses that run back up use")
	revision := flags.String("before", "", "a revision of git to compare with; files that were merged since are listed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *forbidden {
		return checkWalls(ctx, out, *table)
	}
	patterns := flags.Args()
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	if *revision != "" {
		return compareWith(ctx, out, *revision, patterns)
	}
	after, err := load(ctx, ".", patterns)
	if err != nil {
		return err
	}
	r := &report{packages: after}
	if *names {
		r.detail = detailNames
	}
	return r.write(out)
}
