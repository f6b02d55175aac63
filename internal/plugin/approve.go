package plugin

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"exactmatch.dev/operator/api/v1alpha1"
)

var approveLong = `Approve what a session waits to publish.

Of a session that is Uploaded it sets desiredState to Committed and pins the checksum of what was
read, so that exactly those bytes are published. Of a session that is Held by a guard of its data
store it sets guardOverride to the content that was read, which releases that content alone.

Without --apply it prints the patch and changes nothing. What changed since the upload (rules, key,
checksum) cannot be approved: kubectl exactmatch why says what to do.` + fmt.Sprintf(exitCodes,
	"the patch is printed, or applied",
	"there is nothing to approve")

const approveExample = `  kubectl exactmatch diff patients
  kubectl exactmatch approve patients
  kubectl exactmatch approve patients --apply`

func approveCommandOf(f *cluster) *cobra.Command {
	flags := &changeFlags{cluster: f}
	var apply bool
	c := &cobra.Command{
		Use: "approve NAME", Short: "Approve what a session waits to publish: print the patch, or apply it", Long: approveLong, Example: approveExample,
		Args: cobra.ExactArgs(1), ValidArgsFunction: f.completeSessions,
		RunE: func(c *cobra.Command, args []string) error {
			mode := dryRunClient
			if apply {
				mode = dryRunNone
			}
			return flags.run(c, args[0], mode, approval)
		},
	}
	c.Flags().BoolVar(&apply, "apply", false, "apply the patch")
	return c
}

// approval is the change that approves a session as it is now.
func approval(o *v1alpha1.ExactMatchSession) (*change, error) {
	status := &o.Status
	switch reason := reasonOf(o); {
	case status.ObservedGeneration != o.Generation:
		return nil, unless(o, "the operator has not seen the last change of spec yet; try again in a moment")
	case reason == v1alpha1.ReasonSuspended:
		return nil, unless(o, "resume it first")
	case reason == v1alpha1.ReasonUploaded && status.PreparedChecksum != "":
		return &change{
			fields: map[string]any{"desiredState": v1alpha1.DesiredCommitted, "checksum": status.PreparedChecksum},
			says:   "approved: exactly what was uploaded is committed",
		}, nil
	case reason == v1alpha1.ReasonHeld:
		return release(o)
	default:
		return nil, unless(o, "there is nothing to approve")
	}
}

// release is the change that releases the content of a session from the guards.
func release(o *v1alpha1.ExactMatchSession) (*change, error) {
	content := o.Status.PreparedContent
	if changed := namedIn(messageOf(o), objections); len(changed) > 0 {
		return nil, unless(o, "%s cannot be approved; see kubectl exactmatch why %s", strings.Join(changed, ", "), o.Name)
	}
	if content == "" || o.Spec.GuardOverride == content {
		return nil, unless(o, "its content is released already, or was not read; see kubectl exactmatch why %s", o.Name)
	}
	says := "released from the guards of its data store"
	if o.Spec.DesiredState == v1alpha1.DesiredUploaded {
		says += "; it stops before the commit, which needs another approval"
	}
	return &change{fields: map[string]any{"guardOverride": content}, says: says}, nil
}
