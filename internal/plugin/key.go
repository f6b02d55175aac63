package plugin

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

var rotateLong = `Guide through the rotation of a data store's key: print the steps, which of them are done, and the
command of each. The command itself changes nothing and reads no Secret; run it again after each step.

A new key makes every token new, so the table has to be uploaded again. Until that is live, lookups are
answered from the old table and need the old key; keep both until the last step. Sessions that are
uploaded and not committed are held (KeyChanged) once the store names another key.` + fmt.Sprintf(exitCodes,
	"the live table is under the new key: what remains is to hand it out",
	"steps remain")

const rotateExample = `  kubectl exactmatch key rotate patients --to patients-key-2`

func keyCommand(f *cluster) *cobra.Command {
	c := &cobra.Command{Use: "key", Short: "Guide through work on a data store's key", Long: rotateLong, Example: rotateExample}
	c.AddCommand(rotateCommand(f))
	return c
}

func rotateCommand(f *cluster) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use: "rotate STORE", Short: "Guide through the rotation of a data store's key", Long: rotateLong, Example: rotateExample,
		Args: cobra.ExactArgs(1), ValidArgsFunction: f.completeStores,
		RunE: func(c *cobra.Command, args []string) error {
			kube, namespace, err := f.open()
			if err != nil {
				return err
			}
			store := &v1alpha1.ExactMatchDataStore{}
			if err := kube.Get(c.Context(), client.ObjectKey{Namespace: namespace, Name: args[0]}, store); err != nil {
				return explained(err)
			}
			return writeSteps(c.OutOrStdout(), rotation(store, to))
		},
	}
	c.Flags().StringVar(&to, "to", "", "name of the Secret with the new key (required)")
	_ = c.MarkFlagRequired("to") // the flag is there
	return c
}

// step is a step of a procedure.
type step struct {
	text, command string
	done          bool
}

// rotation is how the key of a data store becomes that of another Secret.
func rotation(o *v1alpha1.ExactMatchDataStore, to string) []step {
	status, ns := &o.Status, o.Namespace
	named := o.Spec.KeySecretRef.Name == to
	current := named && status.ObservedGeneration == o.Generation && status.KeyID != ""
	live := current && status.Live != nil && status.Live.KeyID == status.KeyID
	shown := live && meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionLive)
	return []step{
		{"Make the new key, and keep it as you keep the key of a backup.", "head -c 32 /dev/urandom >" + to + ".key", named},
		{"Store it in a Secret of its own; the old one stays.", fmt.Sprintf("kubectl create secret generic %s -n %s --from-file=key=%s.key", to, ns, to), named},
		{
			"Name the new Secret in the data store (in Git, where Git applies it).",
			fmt.Sprintf(`kubectl patch exactmatchdatastore %s -n %s --type=merge -p '{"spec":{"keySecretRef":{"name":"%s","key":"key"}}}'`, o.Name, ns, to), named,
		},
		{"Wait until the operator has read it.", fmt.Sprintf("kubectl wait --for=condition=Ready exactmatchdatastore/%s -n %s", o.Name, ns), current},
		{"Upload the table again, with the new key.", fmt.Sprintf("kubectl exactmatch retry %s -n %s", publishedBy(o), ns), live},
		{"Wait until lookups are answered from it.", fmt.Sprintf("kubectl wait --for=condition=Live exactmatchdatastore/%s -n %s --timeout=1h", o.Name, ns), shown},
	}
}

// publishedBy is the session to upload the table again.
func publishedBy(o *v1alpha1.ExactMatchDataStore) string {
	for _, table := range []*v1alpha1.LiveTable{o.Status.Live, o.Status.Published} {
		if table != nil && table.SessionName != "" {
			return table.SessionName
		}
	}
	return "SESSION"
}

// writeSteps prints a procedure. The no is that of steps that remain.
func writeSteps(out io.Writer, steps []step) error {
	remain := 0
	for i, s := range steps {
		mark := "done"
		if !s.done {
			mark = "    "
			if remain++; remain == 1 {
				mark = "next"
			}
		}
		if _, err := fmt.Fprintf(out, "%s  %d. %s\n", mark, i+1, s.text); err != nil {
			return err
		}
		if s.done {
			continue
		}
		if _, err := fmt.Fprintf(out, "         %s\n", s.command); err != nil {
			return err
		}
	}
	if remain > 0 {
		return &noError{}
	}
	_, err := fmt.Fprintln(out, "\nHand the new key to those who run lookup and scan; then delete the old Secret, and destroy the old key where no backup needs it.")
	return err
}
