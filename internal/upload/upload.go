// Package upload stages the blocks of a prepared table that the service does not have
// yet, and seals the list of its blocks.
package upload

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/progress"
)

// Budget is memory that uploads share, in bytes: a *semaphore.Weighted, or what counts
// beside one.
type Budget interface {
	Acquire(ctx context.Context, n int64) error
	Release(n int64)
}

// Options of an upload. Memory is the budget that all uploads of the process
// share, in bytes; MemorySize its whole size. Progress is called after each
// acknowledged block, Sampled with what was sampled when all blocks are made.
type Options struct {
	Memory     Budget
	MemorySize int64
	Progress   func(progress.Blocks)
	Sampled    func([]pipeline.Sample)
}

// sealTries bounds how often blocks that went missing are staged again.
const sealTries = 3

// Run stages the blocks that the target does not hold yet and seals the
// list. It may be repeated at will: what is there is not sent again. Errors are
// *failure.Error, or the context's.
func Run(ctx context.Context, plan pipeline.Plan, prepared *pipeline.Prepared, target Target, o Options) error {
	u := newUpload(plan, prepared, target, o)
	for range sealTries {
		err := u.run(ctx, prepared.Stripes)
		if err == nil {
			err = u.storage.seal(ctx, context.WithoutCancel(ctx), u.ids)
		}
		if err == nil || !errors.Is(err, errUnsealed) {
			return u.classify(ctx, err)
		}
	}
	return lost()
}

// Stage stages those blocks of some stripes that the target does not hold yet,
// and leaves the list to Seal: several processes may stage at once, even the
// same stripes. Errors are *failure.Error, or the context's.
func Stage(ctx context.Context, plan pipeline.Plan, prepared *pipeline.Prepared, stripes []pipeline.Stripe, target Target, o Options) error {
	u := newUpload(plan, prepared, target, o)
	return u.classify(ctx, u.run(ctx, stripes))
}

// ErrBlocksMissing is the cause of an *failure.Error that only staging again mends.
var ErrBlocksMissing = errors.New("blocks are missing")

// Seal seals the list of the blocks that Stage has staged. Where one is missing the
// *failure.Error wraps ErrBlocksMissing; any other transient one leaves the blocks as they
// are: seal again. It needs an upload URI that permits to list.
func Seal(ctx context.Context, prepared *pipeline.Prepared, target Target) error {
	err := sealStaged(ctx, prepared, target)
	if errors.Is(err, context.DeadlineExceeded) {
		return &failure.Error{Reason: failure.StorageUnavailable, Transient: true, Message: "seal the block list: no response in time"}
	}
	return pipeline.Classify(err)
}

func sealStaged(ctx context.Context, prepared *pipeline.Prepared, target Target) error {
	s := &storage{target: target}
	if !readable(target.URI()) {
		return failure.New(failure.StorageRefused, "the upload URI does not allow listing blocks, which workers in pods require; set spec.workers.mode of the upload agent to Manager")
	}
	there, err := s.staged(ctx)
	if err != nil {
		return err
	}
	ids := make([]string, prepared.Blocks)
	for index, id := range there {
		if index >= len(ids) {
			return failure.New(failure.SourceChanged, "the remote session contains a block %d that the table does not have; a new attempt starts over", index)
		}
		ids[index] = id
	}
	if missing := len(ids) - len(there); missing > 0 {
		return &failure.Error{Reason: failure.StorageUnavailable, Transient: true, Cause: ErrBlocksMissing, Message: fmt.Sprintf("%d of %d blocks are missing after all were staged", missing, len(ids))}
	}
	if err := s.seal(ctx, ctx, ids); !errors.Is(err, errUnsealed) {
		return err
	}
	return lost()
}

func lost() *failure.Error {
	return &failure.Error{Reason: failure.StorageUnavailable, Message: "the storage loses blocks between staging and sealing", Transient: true, Cause: ErrBlocksMissing}
}

// upload is the state of one run.
type upload struct {
	plan     pipeline.Plan
	prepared *pipeline.Prepared
	options  Options
	storage  *storage
	inFlight *semaphore.Weighted // of the blocks that are being sent
	atOnce   int                 // stripes that are read at once
	there    map[int]string
	started  time.Time

	mu      sync.Mutex
	ids     []string
	counted progress.Blocks
}

func newUpload(plan pipeline.Plan, prepared *pipeline.Prepared, target Target, o Options) *upload {
	parallelism := max(target.Parallelism, 1)
	return &upload{
		plan: plan, prepared: prepared, options: o, storage: &storage{target: target}, ids: make([]string, prepared.Blocks),
		inFlight: semaphore.NewWeighted(int64(parallelism)), atOnce: parallelism,
	}
}

func (u *upload) classify(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return pipeline.Classify(err)
}

// run lists, and stages what is absent of the stripes.
func (u *upload) run(ctx context.Context, stripes []pipeline.Stripe) error {
	there, err := u.storage.staged(ctx)
	if err != nil {
		return err
	}
	u.there, u.started, u.counted = there, time.Now(), progress.Blocks{}
	for i := range stripes {
		u.counted.Blocks += stripes[i].Blocks
	}
	making := pipeline.MakeOptions{Stripes: stripes, AtOnce: u.atOnce, Workers: runtime.GOMAXPROCS(0), Reserve: u.reserve, Emit: u.send}
	if u.options.Sampled == nil {
		return pipeline.Make(ctx, u.plan, u.prepared, making)
	}
	sampler := pipeline.NewSampler(u.plan, u.prepared)
	making.Emit = func(ctx context.Context, index int, data []byte) error {
		sampler.Take(index, data)
		return u.send(ctx, index, data)
	}
	err = pipeline.Make(ctx, u.plan, u.prepared, making)
	u.options.Sampled(sampler.Samples())
	return err
}

// reserve takes one block's memory.
func (u *upload) reserve(ctx context.Context) (func(), error) {
	return Reserve(ctx, u.options.Memory, u.options.MemorySize, u.plan.BlockMemory())
}

// Reserve takes memory out of a budget of a size, in bytes. What needs more than
// the whole budget waits until it has it alone.
func Reserve(ctx context.Context, budget Budget, size, weight int64) (release func(), err error) {
	weight = min(weight, size)
	if err := budget.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	return func() { budget.Release(weight) }, nil
}

// send stages a block unless it is there, and counts it.
func (u *upload) send(ctx context.Context, index int, data []byte) error {
	sum := block.Sum(data)
	id := block.ID(index, sum)
	known, isThere := u.there[index]
	switch {
	case isThere && known != id:
		return failure.New(failure.SourceChanged, "block %d differs from the one that was uploaded before: the source changed during the upload; a new attempt reads it again", index)
	case isThere:
		u.count(index, id, progress.Blocks{Done: 1, Skipped: 1})
		return nil
	}
	checked, err := u.stage(ctx, id, sum, data)
	if err != nil {
		return err
	}
	u.count(index, id, progress.Blocks{Done: 1, Staged: 1, BytesSent: int64(len(data)), Checked: checked})
	return nil
}

// stage sends a block once fewer than the allowed number are in flight.
func (u *upload) stage(ctx context.Context, id string, sum uint64, data []byte) (progress.Checked, error) {
	if err := u.inFlight.Acquire(ctx, 1); err != nil {
		return progress.Checked{}, err
	}
	defer u.inFlight.Release(1)
	return u.storage.stage(ctx, id, sum, data)
}

// count records an acknowledged block and what it adds to the progress.
func (u *upload) count(index int, id string, more progress.Blocks) {
	u.mu.Lock()
	u.ids[index] = id
	u.counted.Done += more.Done
	u.counted.Skipped += more.Skipped
	u.counted.Staged += more.Staged
	u.counted.BytesSent += more.BytesSent
	u.counted.Checked.Add(more.Checked)
	if passed := time.Since(u.started).Seconds(); passed > 0 {
		u.counted.BlocksPerSecond = float64(u.counted.Staged) / passed
	}
	now := u.counted
	u.mu.Unlock()
	if u.options.Progress != nil {
		u.options.Progress(now)
	}
}
