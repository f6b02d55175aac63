package plugin

import (
	"context"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// finding is the answer of an inquiry, which prints it in a form of --output. The error is
// also the exit code.
type finding interface {
	print(out io.Writer, output string) error
}

// inquiry is a command that asks something about one session.
func inquiry(f *cluster, use cobra.Command, ask func(ctx context.Context, kube client.Client, namespace, name string) (finding, error)) *cobra.Command {
	var output string
	c := &use
	c.Args, c.ValidArgsFunction = cobra.ExactArgs(1), f.completeSessions
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		kube, namespace, err := f.open()
		if err != nil {
			return err
		}
		found, err := ask(c.Context(), kube, namespace, args[0])
		if err != nil {
			return err
		}
		return found.print(c.OutOrStdout(), output)
	}
	outputFlag(c, &output)
	return c
}
