package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/fingerprint"
)

// workerFlags are the flags of the worker command.
type workerFlags struct {
	dir, report string
	index       int
}

// Command is the command worker: what the Jobs of a session run.
func Command() *cobra.Command {
	var f workerFlags
	c := &cobra.Command{Use: protocol.Command, Short: "Work in a pod: what the Jobs of a session run", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	flags := c.PersistentFlags()
	flags.StringVar(&f.dir, "dir", "/worker", "folder of the task and the files beside it")
	flags.StringVar(&f.report, "report", "/dev/termination-log", "file that the report is written to")
	prepare := &cobra.Command{Use: "prepare", Short: "Read the table once and report what was found", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return runWorker(c.Context(), f, func(ctx context.Context) protocol.Report { return Prepare(ctx, f.dir) })
	}}
	stage := &cobra.Command{Use: "stage", Short: "Stage the missing blocks of the stripes of one pod", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		if !c.Flags().Changed("index") {
			var err error
			if f.index, err = strconv.Atoi(os.Getenv("JOB_COMPLETION_INDEX")); err != nil {
				return errors.New("give --index, or run as a pod of an Indexed Job")
			}
		}
		return runWorker(c.Context(), f, func(ctx context.Context) protocol.Report { return Stage(ctx, f.dir, f.index, slog.Default()) })
	}}
	stage.Flags().IntVar(&f.index, "index", 0, "which pod, from 0; default: the pod's completion index")
	c.AddCommand(prepare, stage)
	return c
}

// runWorker works and leaves the report where the kubelet looks for it.
func runWorker(ctx context.Context, f workerFlags, work func(context.Context) protocol.Report) error {
	if err := fingerprint.SelfTest(); err != nil {
		return err
	}
	report := work(ctx)
	if report == (protocol.Report{}) {
		return errors.New("stopped before the end")
	}
	if err := os.WriteFile(f.report, []byte(report.Text()), 0o644); err != nil { //nolint:gosec // the kubelet reads it
		return fmt.Errorf("--report: %w", err)
	}
	if p := report.Problem; p != nil {
		return p.AsError()
	}
	return nil
}
