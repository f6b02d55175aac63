package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// change is a change of a session's spec that a command makes.
type change struct {
	fields map[string]any // of spec, by name
	says   string         // what happens then, after the session's name
}

// changer finds the change for a session as it is now, or says why there is none.
type changer func(*v1alpha1.ExactMatchSession) (*change, error)

// dryRun says what is done with a change.
type dryRun string

const (
	dryRunNone   dryRun = "none"
	dryRunClient dryRun = "client" // print the patch
	dryRunServer dryRun = "server" // have the API server judge it
)

// changeFlags are those of the commands that change a session.
type changeFlags struct {
	*cluster
	dryRun string
}

func (f *changeFlags) addTo(c *cobra.Command) {
	set := c.Flags()
	set.StringVar(&f.dryRun, "dry-run", string(dryRunNone), "none; client prints the patch; server has the API server judge it and keep nothing")
	set.Lookup("dry-run").NoOptDefVal = string(dryRunClient)
	_ = c.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions([]string{"none", "client", "server"}, cobra.ShellCompDirectiveNoFileComp))
}

// mode is what the flag asks for.
func (f *changeFlags) mode() (dryRun, error) {
	switch m := dryRun(f.dryRun); m {
	case dryRunNone, dryRunClient, dryRunServer:
		return m, nil
	}
	return "", errors.New("--dry-run must be none, client or server")
}

// run gets the session, finds the change and makes it.
func (f *changeFlags) run(c *cobra.Command, name string, mode dryRun, find changer) error {
	kube, namespace, err := f.open()
	if err != nil {
		return err
	}
	o, err := session(c.Context(), kube, namespace, name)
	if err != nil {
		return err
	}
	if o.DeletionTimestamp != nil {
		return &noError{fmt.Sprintf("ExactMatchSession %q is being deleted: nothing can be changed any more", name)}
	}
	wanted, err := find(o)
	if err != nil {
		return err
	}
	for _, text := range warnings(o, slices.Sorted(maps.Keys(wanted.fields))) {
		_, _ = fmt.Fprintln(c.ErrOrStderr(), text)
	}
	return wanted.make(c.Context(), kube, o, mode, c.OutOrStdout())
}

// make patches the session, or prints how.
func (w *change) make(ctx context.Context, kube client.Client, o *v1alpha1.ExactMatchSession, mode dryRun, out io.Writer) error {
	patch, err := json.Marshal(map[string]any{"spec": w.fields})
	if err != nil {
		return err
	}
	name := o.Name
	if mode == dryRunClient {
		_, err := fmt.Fprintf(out, "kubectl patch exactmatchsession %s -n %s --type=merge --field-manager=%s -p %s\n",
			name, o.Namespace, fieldManager, quoted(string(patch)))
		return err
	}
	options := []client.PatchOption{client.FieldOwner(fieldManager)}
	note := ""
	if mode == dryRunServer {
		options, note = append(options, client.DryRunAll), " (server dry run)"
	}
	if err := kube.Patch(ctx, o, client.RawPatch(types.MergePatchType, patch), options...); err != nil {
		return refused(err)
	}
	_, err = fmt.Fprintf(out, "exactmatchsession.exactmatch.dev/%s %s%s\n", name, w.says, note)
	return err
}

// quoted is a text as one word of a POSIX shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// refused adds what to do to a refusal of the API server.
func refused(err error) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%w: ask somebody who has the verb patch on exactmatchsessions and, where the approval policy is installed, approve", err)
	}
	return err
}

// changeCommands are the commands that change a session.
func changeCommands(f *cluster) []*cobra.Command {
	return []*cobra.Command{
		approveCommandOf(f), cancelCommand(f), renewCommand(f), retryCommandOf(f), suspendCommand(f), resumeCommandOf(f),
	}
}

// simple is a command that makes one change at once.
func simple(f *cluster, use cobra.Command, find changer) *cobra.Command {
	flags := &changeFlags{cluster: f}
	c := &use
	c.Args, c.ValidArgsFunction = cobra.ExactArgs(1), f.completeSessions
	c.RunE = func(c *cobra.Command, args []string) error {
		mode, err := flags.mode()
		if err != nil {
			return err
		}
		return flags.run(c, args[0], mode, find)
	}
	flags.addTo(c)
	return c
}

// unless is the no of a session for which there is nothing to do.
func unless(o *v1alpha1.ExactMatchSession, format string, args ...any) error {
	return &noError{fmt.Sprintf("ExactMatchSession %q is %s: %s", o.Name, reasonOf(o), fmt.Sprintf(format, args...))}
}
