// Package plugin is `kubectl exactmatch`: what people ask of sessions, and the changes
// of their spec that they make, from a terminal. It reads what the objects say and
// never speaks to the service.
package plugin

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"exactmatch.dev/operator/internal/version"
)

// Binary is the name under which kubectl finds the program in PATH.
const Binary = "kubectl-exactmatch"

// IsName reports whether a program that was started by this name is the plugin.
func IsName(argv0 string) bool {
	return strings.TrimSuffix(filepath.Base(argv0), ".exe") == Binary
}

// The exit codes of the commands.
const (
	exitNo    = 1
	exitError = 2
)

const exitCodes = `

Exit codes:
  0   %s
  1   %s
  2   an error`

// noError is how a command ends whose answer is a no: its words are on stdout, or in
// the error where it has some.
type noError struct{ words string }

func (e *noError) Error() string { return e.words }

// ExitCode is the exit code for what a command of the plugin returned.
func ExitCode(err error) int {
	var no *noError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &no):
		return exitNo
	default:
		return exitError
	}
}

const long = `Look at exact data match sessions, find out what they wait for, and change what they want.

A session is changed through its spec alone, as by kubectl patch. Where Flux or Argo CD owns
the field, a warning says so: write the change into Git as well.

Environment variables:
  KUBECONFIG   the kubeconfig files, as for kubectl
  NO_COLOR     no progress bars, as if the output were not a terminal

Exit codes of all commands, unless their help says otherwise:
  0   yes, or done
  1   the answer is no: somebody must act, tables differ, there is nothing to approve
  2   an error`

// Root is the plugin's command with those of other packages beside its own.
func Root(others ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: Binary, Short: "Look at exact data match sessions and decide about them", Long: long,
		SilenceErrors: true, SilenceUsage: true, Version: version.Text(),
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl exactmatch"},
	}
	c.SetVersionTemplate("{{.Version}}")
	f := &cluster{}
	f.addTo(c)
	var level string
	c.PersistentFlags().StringVar(&level, "log-level", "error", "lowest level of the log on stderr: debug, info, warn or error")
	c.PersistentPreRunE = func(c *cobra.Command, _ []string) error { return startLog(c, level) }
	c.AddCommand(statusCommand(f), whyCommand(f), diffCommand(f), checkCommand(f), uploadCommand(f), schemaCommand(f), keyCommand(f))
	c.AddCommand(changeCommands(f)...)
	c.AddCommand(others...)
	return c
}

// startLog sends the libraries' logs to stderr as text.
func startLog(c *cobra.Command, level string) error {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return fmt.Errorf("--log-level: %w", err)
	}
	handler := slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: least})
	slog.SetDefault(slog.New(handler))
	ctrl.SetLogger(logr.FromSlogHandler(handler))
	klog.SetSlogLogger(slog.New(handler))
	return nil
}
