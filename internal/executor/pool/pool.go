// Package pool works for sessions in this process, within one budget of memory.
package pool

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/progress"
	"exactmatch.dev/operator/internal/upload"
)

// Options bound the pool. Parallelism bounds the tables that are read at once;
// Memory is the budget of all text that is read ahead and of all blocks in the
// making, in bytes. Wake is called with a work's owner when its phase changes and at
// most every WakeInterval while it uploads; it may block.
type Options struct {
	Parallelism  int
	Memory       int64
	Wake         func(executor.Owner)
	WakeInterval time.Duration
}

// Pool runs preparations and uploads in the background, bounded by one budget of
// memory. Blocks of all works wait in one line for memory, so none starves. What it
// knows is lost with the process and can be found out again. It is an
// executor.Executor, with one work an owner; its methods do not fail.
type Pool struct {
	options Options
	memory  *budget
	tables  *semaphore.Weighted
	sent    atomic.Int64

	mu      sync.Mutex
	running context.Context // nil before Start and after it returned
	works   map[executor.Owner]*work
	group   sync.WaitGroup
}

var _ executor.Executor = (*Pool)(nil)

// work is one piece of work. stop is nil before it is launched, job afterwards.
type work struct {
	executor.Work
	status  executor.Status
	samples []pipeline.Sample
	stop    context.CancelFunc
	woken   time.Time
	sent    int64 // bytes that are counted
	job     func(context.Context)
	// target is the upload's, refused the URI that the storage took no more.
	target  upload.Target
	refused string
}

// isFor reports whether a work is the wanted one: it reads alike, under the same
// pin, or under one that what it has read satisfies.
func (w *work) isFor(wanted executor.Work) bool {
	if w.Version != wanted.Version {
		return false
	}
	pin, prepared := wanted.Plan.Pin, w.status.Prepared
	return pin == w.Plan.Pin || prepared != nil && (pin == "" || pin == prepared.Checksum)
}

// New makes a pool. It does nothing until Start.
func New(o Options) *Pool {
	if o.Parallelism < 1 {
		o.Parallelism = 1
	}
	if o.Memory < 1 {
		o.Memory = 256 << 20
	}
	if o.WakeInterval == 0 {
		o.WakeInterval = time.Second
	}
	return &Pool{
		options: o, memory: &budget{Weighted: semaphore.NewWeighted(o.Memory)}, tables: semaphore.NewWeighted(int64(o.Parallelism)),
		works: map[executor.Owner]*work{},
	}
}

// Start runs until ctx ends and then waits for the works to stop. Work that was
// given before begins now.
func (p *Pool) Start(ctx context.Context) error {
	p.mu.Lock()
	p.running = ctx
	for _, w := range p.works {
		p.launch(w)
	}
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.running = nil
	p.mu.Unlock()
	p.group.Wait()
	return nil
}

// Status implements executor.Executor.
func (p *Pool) Status(_ context.Context, wanted executor.Work) (executor.Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.works[wanted.Owner]
	switch {
	case w == nil:
		return executor.Status{}, nil
	case !w.isFor(wanted):
		return executor.Status{Others: 1}, nil
	}
	status := w.status
	status.IsRefused = status.Phase == executor.PhaseUploading && w.refused != "" && w.refused == w.target.URI()
	return status, nil
}

// Prepare implements executor.Executor.
func (p *Pool) Prepare(_ context.Context, wanted executor.Work) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.works[wanted.Owner]; w != nil && w.isFor(wanted) {
		return nil
	}
	w := &work{Work: wanted, status: executor.Status{Phase: executor.PhasePreparing}}
	w.job = func(ctx context.Context) {
		release, err := upload.Reserve(ctx, p.memory, p.options.Memory, pipeline.ReadMemory)
		if err != nil {
			return // cancelled
		}
		defer release()
		prepared, err := pipeline.Prepare(ctx, w.Plan)
		p.done(ctx, w, func(s *executor.Status) { s.Phase, s.Prepared = executor.PhasePrepared, prepared }, err)
	}
	p.replace(w)
	return nil
}

// Upload implements executor.Executor. An upload that runs asks for its URI itself.
func (p *Pool) Upload(_ context.Context, wanted executor.Work, prepared *pipeline.Prepared) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.works[wanted.Owner]; w != nil && w.isFor(wanted) && w.status.Phase != executor.PhasePrepared {
		return nil
	}
	w := &work{Work: wanted, target: wanted.Target(), status: executor.Status{
		Phase: executor.PhaseUploading, Prepared: prepared, Progress: progress.Blocks{Blocks: prepared.Blocks},
	}}
	w.target.Refused = func(uri string) { p.refuse(w, uri) }
	w.job = func(ctx context.Context) {
		err := upload.Run(ctx, w.Plan, prepared, w.target, upload.Options{
			Memory: p.memory, MemorySize: p.options.Memory,
			Progress: func(now progress.Blocks) { p.progress(w, now) },
			Sampled:  func(found []pipeline.Sample) { p.sampled(w, found) },
		})
		p.done(ctx, w, func(s *executor.Status) { s.Phase = executor.PhaseUploaded }, err)
	}
	p.replace(w)
	return nil
}

// Retry implements executor.Executor.
func (p *Pool) Retry(_ context.Context, wanted executor.Work) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.works[wanted.Owner]
	switch {
	case w == nil || w.status.Phase != executor.PhaseFailed:
	case w.status.Prepared == nil:
		delete(p.works, wanted.Owner)
	default:
		w.status = executor.Status{Phase: executor.PhasePrepared, Prepared: w.status.Prepared}
	}
	return nil
}

// Stop implements executor.Executor.
func (p *Pool) Stop(_ context.Context, wanted executor.Work, extent executor.Extent) (executor.Findings, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.works[wanted.Owner]
	if w == nil || extent == executor.Others && w.isFor(wanted) {
		return executor.Findings{}, nil
	}
	p.end(w)
	return executor.Findings{Samples: w.samples, Checked: w.status.Progress.Checked}, nil
}

// replace makes a work the one of its owner; p.mu is held.
func (p *Pool) replace(w *work) {
	if before := p.works[w.Owner]; before != nil {
		p.end(before)
	}
	p.works[w.Owner] = w
	p.launch(w)
}

// end stops a work and forgets it; p.mu is held.
func (p *Pool) end(w *work) {
	if w.stop != nil {
		w.stop()
	}
	delete(p.works, w.Owner)
}

// launch runs a work's job once a table may be read; p.mu is held.
func (p *Pool) launch(w *work) {
	if p.running == nil || w.job == nil {
		return
	}
	ctx, stop := context.WithCancel(p.running)
	job := w.job
	w.stop, w.job = stop, nil
	p.group.Go(func() {
		defer stop()
		if p.tables.Acquire(ctx, 1) != nil {
			return
		}
		defer p.tables.Release(1)
		job(ctx)
	})
}

// done records how a job ended, unless it was cancelled, and wakes its owner.
func (p *Pool) done(ctx context.Context, w *work, success func(*executor.Status), err error) {
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	if err != nil {
		w.status.Phase, w.status.Err = executor.PhaseFailed, err
	} else {
		success(&w.status)
	}
	p.mu.Unlock()
	p.options.Wake(w.Owner)
}

// refuse records that the storage takes an upload's URI no more, and wakes its
// owner.
func (p *Pool) refuse(w *work, uri string) {
	p.mu.Lock()
	w.refused = uri
	p.mu.Unlock()
	p.options.Wake(w.Owner)
}

// sampled keeps the samples of an upload.
func (p *Pool) sampled(w *work, found []pipeline.Sample) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.samples = found
}

// progress records progress and wakes the owner now and then.
func (p *Pool) progress(w *work, now progress.Blocks) {
	p.mu.Lock()
	if now.BytesSent < w.sent { // another run of the same upload
		w.sent = 0
	}
	p.sent.Add(now.BytesSent - w.sent)
	w.sent = now.BytesSent
	if now.Done >= w.status.Progress.Done {
		w.status.Progress = now
	}
	due := time.Since(w.woken) >= p.options.WakeInterval
	if due {
		w.woken = time.Now()
	}
	p.mu.Unlock()
	if due {
		p.options.Wake(w.Owner)
	}
}
