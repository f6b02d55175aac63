package plugin

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// Commands that change one field of a session.

func cancelCommand(f *cluster) *cobra.Command {
	return simple(f, cobra.Command{
		Use: "cancel NAME", Short: "Cancel what is not committed",
		Long: `Set desiredState to Cancelled: the operator cancels the remote session. After the commit it is too late.` +
			fmt.Sprintf(exitCodes, "done", "the table is committed, or the session is cancelled already"),
		Example: "  kubectl exactmatch cancel patients\n  kubectl exactmatch cancel patients --dry-run",
	}, cancellation)
}

func cancellation(o *v1alpha1.ExactMatchSession) (*change, error) {
	switch reasonOf(o) {
	case v1alpha1.ReasonCompleted, v1alpha1.ReasonAlreadyUploaded, v1alpha1.ReasonProcessing, v1alpha1.ReasonTooLate:
		return nil, unless(o, "the table is committed, which nothing takes back")
	}
	if o.Spec.DesiredState == v1alpha1.DesiredCancelled {
		return nil, unless(o, "spec.desiredState is Cancelled already")
	}
	return &change{fields: map[string]any{"desiredState": v1alpha1.DesiredCancelled}, says: "is to be cancelled"}, nil
}

func renewCommand(f *cluster) *cobra.Command {
	return simple(f, cobra.Command{
		Use: "renew NAME", Short: "Request a new upload URI",
		Long: `Change renewToken: the operator requests a new upload URI for the unfinished remote session. It does
so by itself before the URI expires; this is for a URI that somebody else has seen.` +
			fmt.Sprintf(exitCodes, "done", "no remote session is unfinished"),
		Example: "  kubectl exactmatch renew patients",
	}, renewal)
}

func renewal(o *v1alpha1.ExactMatchSession) (*change, error) {
	if o.Status.ID == "" || !isUnfinished(o) {
		return nil, unless(o, "no remote session is unfinished, so there is no upload URI to renew")
	}
	return &change{fields: map[string]any{"renewToken": token(time.Now())}, says: "is to get a new upload URI"}, nil
}

// isUnfinished reports whether the remote session can still be uploaded to or
// committed.
func isUnfinished(o *v1alpha1.ExactMatchSession) bool {
	switch edm.State(o.Status.State) {
	case edm.StateCreated, edm.StateUploadInProgress, edm.StateUploadCompleted:
		return true
	}
	return false
}

func retryCommandOf(f *cluster) *cobra.Command {
	return simple(f, cobra.Command{
		Use: "retry NAME", Short: "Read the source again, with a new attempt where the last one failed",
		Long: `Change restartToken: the operator reads the source again. A failed session gets a new attempt; content
that is live already is not uploaded again. Transient failures are retried without it.

While desiredState is Committed, what is read is published, if the guards let it. To review it first,
set desiredState to Uploaded.` + fmt.Sprintf(exitCodes, "done", "the session is suspended, cancelled, or being indexed"),
		Example: "  kubectl exactmatch retry patients\n  kubectl exactmatch retry patients --dry-run=server",
	}, restart)
}

func restart(o *v1alpha1.ExactMatchSession) (*change, error) {
	switch {
	case o.Spec.Suspend:
		return nil, unless(o, "resume it first")
	case o.Spec.DesiredState == v1alpha1.DesiredCancelled:
		return nil, unless(o, "spec.desiredState is Cancelled; set it to Uploaded or Committed")
	case reasonOf(o) == v1alpha1.ReasonProcessing:
		return nil, unless(o, "the committed table is being indexed; wait until it is live")
	}
	return &change{fields: map[string]any{"restartToken": token(time.Now())}, says: "is to be read again"}, nil
}

// token is another one at each request, and says when it was made.
func token(now time.Time) string { return now.UTC().Format("2006-01-02T15:04:05.000Z") }

func suspendCommand(f *cluster) *cobra.Command {
	return simple(f, cobra.Command{
		Use: "suspend NAME", Short: "Stop reading and uploading; the remote session stays as it is",
		Long: `Set suspend to true. The unfinished remote session stays, and expires where it is not resumed in time.` +
			fmt.Sprintf(exitCodes, "done", "the session is suspended already"),
		Example: "  kubectl exactmatch suspend patients",
	}, func(o *v1alpha1.ExactMatchSession) (*change, error) {
		if o.Spec.Suspend {
			return nil, unless(o, "spec.suspend is true already")
		}
		return &change{fields: map[string]any{"suspend": true}, says: "is suspended"}, nil
	})
}

func resumeCommandOf(f *cluster) *cobra.Command {
	return simple(f, cobra.Command{
		Use: "resume NAME", Short: "Continue what was suspended",
		Long:    `Set suspend to false: the operator continues with the blocks that are missing.` + fmt.Sprintf(exitCodes, "done", "the session is not suspended"),
		Example: "  kubectl exactmatch resume patients",
	}, func(o *v1alpha1.ExactMatchSession) (*change, error) {
		if !o.Spec.Suspend {
			return nil, unless(o, "spec.suspend is not true")
		}
		return &change{fields: map[string]any{"suspend": false}, says: "is resumed"}, nil
	})
}
