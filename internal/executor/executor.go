// Package executor says what a session's work is, wherever it runs: a table is read
// once, and then its blocks are staged. Implementations are in the packages below:
// pool works in this process, jobs in pods. What they do goes on beside the passes of
// the controller; each pass reads its status, and then acts.
//
// executortest is the suite that every implementation passes.
package executor

import (
	"context"
	"errors"
	"net/http"

	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/progress"
	"exactmatch.dev/operator/internal/upload"
)

// Owner is the object that work is done for.
type Owner struct{ Namespace, Name, UID string }

// Work is one reading of a table, and the upload of its blocks, for one owner.
type Work struct {
	Owner Owner
	// Version names what decides the reading but the pin, which is Plan.Pin. Two works
	// of one owner with equal versions read alike. Where it is "", the work names its
	// owner only: all that is at work for it are others.
	Version string
	// Plan is how the source becomes blocks. Its Source is nil where only pods can
	// open it.
	Plan pipeline.Plan
	// Parallelism bounds the stripes that are read and the blocks that are on their way
	// at once, or the pods; at least 1.
	Parallelism int
	// Remote is the open remote session, nil where there is none.
	Remote *Remote
}

// Remote is the remote session that blocks go to.
type Remote struct {
	ID string
	// ContentKey names the content that the session was opened for.
	ContentKey string
	// URI returns the upload URI as it is now: a bearer capability, asked for at each
	// use, and written nowhere but into the Secret of a worker's task.
	URI func() string
	// HTTP is the guarded client of the storage.
	HTTP *http.Client
	// Remaining counts the blocks that the service misses, nil where it does not say.
	Remaining *int
}

// Target is where the blocks go.
func (w Work) Target() upload.Target {
	return upload.Target{HTTP: w.Remote.HTTP, URI: w.Remote.URI, Parallelism: w.Parallelism}
}

// Phase is the stage that a work has reached.
type Phase string

// The phases of a work.
const (
	PhaseNone      Phase = "" // nothing is at work, and nothing is known
	PhasePreparing Phase = "Preparing"
	// PhaseReported: the table was read, and what was found out is lost with the
	// worker that reported it unless Prepare keeps it.
	PhaseReported  Phase = "Reported"
	PhasePrepared  Phase = "Prepared"
	PhaseUploading Phase = "Uploading"
	PhaseStaged    Phase = "Staged"   // by pods; not sealed yet
	PhaseUploaded  Phase = "Uploaded" // sealed
	PhaseFailed    Phase = "Failed"
)

// Status is the state of a work at one moment.
type Status struct {
	Phase Phase
	// Prepared is what the reading found out: set from PhaseReported on, also where
	// the upload failed.
	Prepared *pipeline.Prepared
	Progress progress.Blocks
	// IsRefused: the upload waits for another upload URI than the one it has.
	IsRefused bool
	// IsSerial: the source's volume admits one pod.
	IsSerial bool
	// Note says in words what the work waits for, "" where it goes on.
	Note string
	// Err is why the work failed, set in PhaseFailed: a *failure.Error, mostly.
	Err error
	// Others counts works of the owner that are not this one: of another version, or
	// a step that is over.
	Others int
}

// Extent says what Stop ends.
type Extent string

// The extents of Stop.
const (
	// Others ends every work of the owner but the given one.
	Others Extent = "Others"
	// Running ends all work of the owner. What was read may serve again.
	Running Extent = "Running"
	// Everything also forgets what was read, and takes the upload URI back.
	Everything Extent = "Everything"
)

// Findings are what the uploads that Stop ended have found out.
type Findings struct {
	Samples []pipeline.Sample
	Checked progress.Checked
}

// Executor works for sessions. Errors of its methods are those of the API server,
// ErrBehind, or a *problem.Problem; the caller tries again with its next pass. What
// goes wrong in the work itself is in Status.
type Executor interface {
	// Status returns the state of a work. It changes nothing.
	Status(ctx context.Context, w Work) (Status, error)
	// Prepare begins to read the source, unless that has begun, and keeps what a
	// reading has reported.
	Prepare(ctx context.Context, w Work) error
	// Upload begins to stage the blocks that the remote session misses, and lets an
	// upload that runs know the upload URI as it is now.
	Upload(ctx context.Context, w Work, prepared *pipeline.Prepared) error
	// Retry makes room for another upload after one that failed. What was read serves
	// it.
	Retry(ctx context.Context, w Work) error
	// Stop ends work of the owner.
	Stop(ctx context.Context, w Work, extent Extent) (Findings, error)
}

// ErrBehind says that an act went by a cache that does not show the last write yet.
var ErrBehind = errors.New("the cache is behind")
