package transfer

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/table"
)

// Progress counts blocks. Done are acknowledged ones, those found there
// (Skipped) included; BlocksPerSecond is measured over what this run has done.
type Progress struct {
	Blocks, Done, Staged, Skipped int
	BytesSent                     int64
	BlocksPerSecond               float64
}

// Options of an upload. Memory is the budget that all uploads of the process
// share, in bytes; MemorySize its whole size. Progress is called after each
// acknowledged block.
type Options struct {
	Memory     *semaphore.Weighted
	MemorySize int64
	Progress   func(Progress)
}

// sealTries bounds how often blocks that went missing are staged again.
const sealTries = 3

// Upload stages the blocks that the target does not hold yet and seals the
// list. It may be repeated at will: what is there is not sent again. Errors are
// *Error, or the context's.
func Upload(ctx context.Context, plan Plan, prepared *Prepared, target Target, o Options) error {
	lanes := max(target.Parallelism, 1)
	u := &upload{
		plan: plan, prepared: prepared, options: o, storage: &storage{target: target}, ids: make([]string, prepared.Blocks),
		lanes: semaphore.NewWeighted(int64(lanes)), stripes: lanes,
	}
	for range sealTries {
		err := u.run(ctx)
		if err == nil || !errors.Is(err, errUnsealed) {
			return u.settled(ctx, err)
		}
	}
	return &Error{Reason: StorageUnavailable, Message: "the storage loses blocks between staging and sealing", Transient: true}
}

// upload is the state of one run.
type upload struct {
	plan     Plan
	prepared *Prepared
	options  Options
	storage  *storage
	lanes    *semaphore.Weighted // of the blocks on their way
	stripes  int                 // that are read at once
	there    map[int]string
	started  time.Time

	mu       sync.Mutex
	ids      []string
	progress Progress
}

func (u *upload) settled(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return classify(err)
}

// run lists, stages what is absent, and seals.
func (u *upload) run(ctx context.Context) error {
	there, err := u.storage.staged(ctx)
	if err != nil {
		return err
	}
	u.there, u.started = there, time.Now()
	u.progress = Progress{Blocks: u.prepared.Blocks}
	stripes, ctx := errgroup.WithContext(ctx)
	stripes.SetLimit(u.stripes)
	for i := range u.prepared.Stripes {
		stripes.Go(func() error { return u.stripe(ctx, &u.prepared.Stripes[i]) })
	}
	if err := stripes.Wait(); err != nil {
		return err
	}
	return u.storage.seal(context.WithoutCancel(ctx), u.ids)
}

// stripe reads one run of blocks and stages them while it reads on.
func (u *upload) stripe(ctx context.Context, s *Stripe) (err error) {
	rows, body, err := u.open(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	sending, sendCtx := errgroup.WithContext(ctx)
	maker, err := newMaker(u, s)
	if err != nil {
		return err
	}
	readErr := maker.blocks(sendCtx, rows, func(m made) {
		sending.Go(func() error { return u.send(sendCtx, m) })
	})
	if err := sending.Wait(); err != nil {
		return err
	}
	return readErr
}

// open returns the stripe's rows: from its offset, or from the start where the
// stored bytes have to be decoded.
func (u *upload) open(ctx context.Context, s *Stripe) (*table.Reader, io.Closer, error) {
	p := u.prepared
	offset, length := int64(0), source.ToEnd
	if p.striped {
		offset, length = s.Offset, s.Bytes
	}
	body, err := u.plan.Source.Open(ctx, offset, length)
	if err != nil {
		return nil, nil, err
	}
	text := io.Reader(&contextReader{ctx, body})
	if p.striped {
		rows := table.NewReader(text, u.plan.format().Delimiter, u.plan.Limits)
		rows.Resume(p.width, s.Row, s.Offset)
		return rows, body, nil
	}
	rows, err := u.decode(text)
	if err != nil {
		return nil, nil, errors.Join(err, body.Close())
	}
	return rows, body, nil
}

// decode reads a table from its start, up to its first row.
func (u *upload) decode(stored io.Reader) (*table.Reader, error) {
	text, err := table.Decode(stored, u.plan.format(), u.plan.Limits)
	if err != nil {
		return nil, err
	}
	rows := table.NewReader(text, u.plan.format().Delimiter, u.plan.Limits)
	_, err = rows.Header()
	return rows, err
}

// made is a block that is ready to be sent, and the memory that it holds.
type made struct {
	index   int
	data    []byte
	release func()
}

// send stages a block unless it is there, and counts it.
func (u *upload) send(ctx context.Context, m made) error {
	defer m.release()
	sum := block.Sum(m.data)
	id := block.ID(m.index, sum)
	known, isThere := u.there[m.index]
	switch {
	case isThere && known != id:
		return refuse(SourceChanged, "block %d differs from the one that was uploaded before: the source changed during the upload; a new attempt reads it afresh", m.index)
	case !isThere:
		if err := u.stage(ctx, id, sum, m.data); err != nil {
			return err
		}
	}
	u.count(m, id, isThere)
	return nil
}

// stage sends a block once a lane is free.
func (u *upload) stage(ctx context.Context, id string, sum uint64, data []byte) error {
	if err := u.lanes.Acquire(ctx, 1); err != nil {
		return err
	}
	defer u.lanes.Release(1)
	return u.storage.stage(ctx, id, sum, data)
}

// count records an acknowledged block.
func (u *upload) count(m made, id string, skipped bool) { //nolint:revive // a datum
	u.mu.Lock()
	u.ids[m.index] = id
	u.progress.Done++
	if skipped {
		u.progress.Skipped++
	} else {
		u.progress.Staged++
		u.progress.BytesSent += int64(len(m.data))
	}
	if passed := time.Since(u.started).Seconds(); passed > 0 {
		u.progress.BlocksPerSecond = float64(u.progress.Done) / passed
	}
	now := u.progress
	u.mu.Unlock()
	if u.options.Progress != nil {
		u.options.Progress(now)
	}
}
