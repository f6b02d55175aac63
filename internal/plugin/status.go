package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

var statusLong = `Show sessions: what the operator does or waits for, or how they ended.

With --watch, progress is followed until every session has reached what its spec wants, is
suspended, or needs somebody. On a terminal each session has a bar, elsewhere each change is a
line. With -o json each change is one JSON object on a line.

The rows of a session are those of the table that was read; LIVE says whether lookups are
answered from it.` + fmt.Sprintf(exitCodes,
	"no session needs somebody",
	"at least one session is stalled: see kubectl exactmatch why")

const statusExample = `  kubectl exactmatch status
  kubectl exactmatch status patients --watch
  kubectl exactmatch status --all-namespaces -o json`

// statusFlags are those of status.
type statusFlags struct {
	*cluster
	all, watch bool
	timeout    time.Duration
	output     string
}

func statusCommand(of *cluster) *cobra.Command {
	f := &statusFlags{cluster: of}
	c := &cobra.Command{
		Use: "status [NAME]", Short: "Show sessions with their progress", Long: statusLong, Example: statusExample,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: of.completeSessions,
		RunE: func(c *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return f.run(c.Context(), name, c.OutOrStdout())
		},
	}
	set := c.Flags()
	set.BoolVarP(&f.all, "all-namespaces", "A", false, "sessions of all namespaces")
	set.BoolVarP(&f.watch, "watch", "w", false, "follow the progress until nothing more happens by itself")
	set.DurationVar(&f.timeout, "timeout", 0, "end --watch with an error after this time; 0 waits for as long as it takes")
	outputFlag(c, &f.output)
	return c
}

// outputFlag adds --output with the forms of all commands.
func outputFlag(c *cobra.Command, output *string) {
	c.Flags().StringVarP(output, "output", "o", "", "json or yaml in place of text")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// checkOutput refuses other values of --output than the forms.
func checkOutput(output string) error {
	switch output {
	case "", "json", "yaml":
		return nil
	}
	return errors.New("--output must be json or yaml")
}

func (f *statusFlags) run(ctx context.Context, name string, out io.Writer) error {
	if name != "" && f.all {
		return errors.New("give NAME or --all-namespaces, not both")
	}
	if err := checkOutput(f.output); err != nil {
		return err
	}
	kube, namespace, err := f.open()
	if err != nil {
		return err
	}
	if f.all {
		namespace = ""
	}
	if f.watch {
		return f.follow(ctx, out, &following{kube: kube, namespace: namespace, name: name, to: f.follower(out)})
	}
	found, err := sessions(ctx, kube, namespace, name)
	if err != nil {
		return err
	}
	if err := f.print(out, found); err != nil {
		return err
	}
	return needsSomebody(found)
}

// sessions are those of a namespace, or the one that is named.
func sessions(ctx context.Context, kube client.Client, namespace, name string) ([]Summary, error) {
	if name != "" {
		one, err := session(ctx, kube, namespace, name)
		if err != nil {
			return nil, err
		}
		return []Summary{summaryOf(one)}, nil
	}
	var list v1alpha1.ExactMatchSessionList
	if err := kube.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, explained(err)
	}
	return summariesOf(list.Items), nil
}

// print prints the sessions as --output says.
func (f *statusFlags) print(out io.Writer, found []Summary) error {
	if f.output != "" {
		return encode(out, f.output, found)
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(out, "no sessions found")
		return err
	}
	return table(out, found, time.Now(), f.scope())
}

// scope says whether lines name the namespace.
func (f *statusFlags) scope() scope {
	if f.all {
		return allNamespaces
	}
	return oneNamespace
}

// follow follows the sessions. Below the bars, a table says how they ended.
func (f *statusFlags) follow(ctx context.Context, out io.Writer, of *following) error {
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("--timeout: not finished after %s", f.timeout))
		defer cancel()
	}
	found, err := of.run(ctx)
	if err != nil {
		return err
	}
	if _, drawn := of.to.(*bars); drawn {
		if err := f.print(out, found); err != nil {
			return err
		}
	}
	return needsSomebody(found)
}

// needsSomebody is the no of sessions of which one is stalled.
func needsSomebody(found []Summary) error {
	stalled := 0
	first := Summary{}
	for _, s := range found {
		if s.Verdict == Stalled {
			if stalled++; stalled == 1 {
				first = s
			}
		}
	}
	switch stalled {
	case 0:
		return nil
	case 1:
		return &noError{fmt.Sprintf("%s is stalled: see kubectl exactmatch why %s -n %s", first.Name, first.Name, first.Namespace)}
	}
	return &noError{fmt.Sprintf("%d sessions are stalled: see kubectl exactmatch why NAME", stalled)}
}
