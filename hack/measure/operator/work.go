package operator

import (
	"context"

	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/pool"
	"exactmatch.dev/operator/internal/pipeline"
)

// The manager's defaults of --transfer-memory and --transfer-parallelism, and of
// an upload agent's parallelism.
const (
	TransferMemory      = 256 << 20
	TransferParallelism = 4
	UploadParallelism   = 4
)

// Guard is that of an agent which may reach this machine.
var Guard = dial.Guard{AllowHosts: []string{"127.0.0.1"}, Policy: dial.Anything}

// Work is one table in a pool as the manager has it.
type Work struct {
	Plan pipeline.Plan
	// Prepared is nil before Prepare.
	Prepared *pipeline.Prepared

	pool  *pool.Pool
	woken chan struct{}
}

// work is what the pool is asked for.
func (w *Work) work(to *executor.Remote) executor.Work {
	return executor.Work{Owner: executor.Owner{Name: "measured"}, Version: "measured", Plan: w.Plan, Parallelism: UploadParallelism, Remote: to}
}

// StartWork starts a pool; stop ends it.
func StartWork(ctx context.Context, plan pipeline.Plan) (w *Work, stop func()) {
	w = &Work{Plan: plan, woken: make(chan struct{}, 1)}
	w.pool = pool.New(pool.Options{Parallelism: TransferParallelism, Memory: TransferMemory, Wake: func(executor.Owner) {
		select {
		case w.woken <- struct{}{}:
		default: // it is awake
		}
	}})
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.pool.Start(ctx) // it never fails
	}()
	return w, func() {
		cancel()
		<-ended
	}
}

// Prepare reads the table.
func (w *Work) Prepare(ctx context.Context) error {
	if err := w.pool.Prepare(ctx, w.work(nil)); err != nil {
		return err
	}
	now, err := w.reach(ctx, executor.PhasePrepared)
	w.Prepared = now.Prepared
	return err
}

// Upload moves the blocks of what is prepared.
func (w *Work) Upload(ctx context.Context, uri string) error {
	to := &executor.Remote{HTTP: Guard.HTTPClient(), URI: func() string { return uri }}
	if err := w.pool.Upload(ctx, w.work(to), w.Prepared); err != nil {
		return err
	}
	_, err := w.reach(ctx, executor.PhaseUploaded)
	return err
}

// reach waits until the work is as far as that, or has failed.
func (w *Work) reach(ctx context.Context, phase executor.Phase) (executor.Status, error) {
	for {
		select {
		case <-w.woken:
		case <-ctx.Done():
			return executor.Status{}, ctx.Err()
		}
		now, err := w.pool.Status(ctx, w.work(nil))
		if err != nil {
			return now, err
		}
		switch now.Phase {
		case executor.PhaseFailed:
			return now, now.Err
		case phase:
			return now, nil
		}
	}
}
