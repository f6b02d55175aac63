// Command exactmatch is the operator and what comes with it, one binary and one
// image: manager, service, worker, lookup and scan. Under the name kubectl-exactmatch it
// is the plugin of kubectl.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"

	"exactmatch.dev/operator/internal/executor/worker"
	"exactmatch.dev/operator/internal/lookup"
	"exactmatch.dev/operator/internal/manager"
	"exactmatch.dev/operator/internal/plugin"
	"exactmatch.dev/operator/internal/scan"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c, err := program(os.Args[0]).ExecuteContextC(ctx); err != nil {
		if words := err.Error(); words != "" {
			fmt.Fprintf(os.Stderr, "%s: %s\n", c.Root().DisplayName(), words)
		}
		stop()
		os.Exit(exitCode(c, err)) //nolint:gocritic // stop was called
	}
}

// program is the one that was started by this name.
func program(argv0 string) *cobra.Command {
	if plugin.IsName(argv0) {
		return plugin.Root(lookup.Command(), scan.Command(), version.Command())
	}
	return root()
}

// exitCode is 1 for an error, but of lookup, scan and the plugin, whose exit code is an
// answer.
func exitCode(c *cobra.Command, err error) int {
	switch c.Name() {
	case lookup.Name:
		return lookup.ExitCode(err)
	case scan.Name:
		return scan.ExitCode(err)
	}
	if c.Root().Name() == plugin.Binary {
		return plugin.ExitCode(err)
	}
	return 1
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use: "exactmatch", Short: "Exact data match sessions as Kubernetes objects",
		SilenceErrors: true, SilenceUsage: true, Version: version.Text(),
	}
	c.SetVersionTemplate("{{.Version}}")
	var level string
	c.PersistentFlags().StringVar(&level, "log-level", "info", "lowest level of the JSON log on stderr: debug, info, warn or error")
	c.PersistentPreRunE = func(*cobra.Command, []string) error { return startLog(level) }
	c.AddCommand(manager.Command(), service.Command(), worker.Command(), lookup.Command(), scan.Command(), version.Command())
	return c
}

// startLog sends this program's and the libraries' logs to stderr as JSON.
func startLog(level string) error {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return fmt.Errorf("--log-level: %w", err)
	}
	handler := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: least})
	slog.SetDefault(slog.New(handler))
	ctrl.SetLogger(logr.FromSlogHandler(handler))
	return nil
}
