package pool

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/progress"
	"exactmatch.dev/operator/internal/upload"
)

// Phase is how far a piece of work is.
type Phase string

// The phases of a piece of work.
const (
	PhaseNone      Phase = "" // the pool does not know the key
	PhasePreparing Phase = "Preparing"
	PhasePrepared  Phase = "Prepared"
	PhaseUploading Phase = "Uploading"
	PhaseStaged    Phase = "Staged"   // by pods; not sealed yet
	PhaseUploaded  Phase = "Uploaded" // sealed
	PhaseFailed    Phase = "Failed"
)

// Status is a snapshot of one piece of work. Err is set where Phase is
// PhaseFailed; Prepared from PhasePrepared on, also where the upload failed.
// Refused: the upload waits for another upload URI than the one it has. Note
// says in words what work in pods waits for, "" where it gets on.
type Status struct {
	Phase    Phase
	Prepared *pipeline.Prepared
	Progress progress.Blocks
	Refused  bool
	Note     string
	Samples  []pipeline.Sample
	Err      error
}

// PoolOptions bound the pool. Parallelism bounds the tables that are read at
// once; Memory is the budget of all text that is read ahead and of all blocks in
// the making, in bytes. Wake is
// called with a work's key when its phase changes and at most every
// WakeInterval while it uploads; it may block.
type PoolOptions struct {
	Parallelism  int
	Memory       int64
	Wake         func(key string)
	WakeInterval time.Duration
}

// Pool runs preparations and uploads in the background, bounded by one budget
// of memory. Blocks of all works wait in one line for memory, so none starves.
// What it knows is lost with the process and can be found out again.
type Pool struct {
	options PoolOptions
	memory  *semaphore.Weighted
	tables  *semaphore.Weighted

	mu      sync.Mutex
	running context.Context // nil before Start and after it returned
	works   map[string]*work
	group   sync.WaitGroup
}

// work is one piece of work under one key.
type work struct {
	key    string
	status Status
	stop   context.CancelFunc
	woken  time.Time
	job    func(context.Context)
	// target is the upload's, refused the URI that the storage took no more.
	target  upload.Target
	refused string
}

// NewPool makes a pool. It does nothing until Start.
func NewPool(o PoolOptions) *Pool {
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
		options: o, memory: semaphore.NewWeighted(o.Memory), tables: semaphore.NewWeighted(int64(o.Parallelism)),
		works: map[string]*work{},
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

// Status returns a snapshot of the work under a key.
func (p *Pool) Status(key string) Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.works[key]
	if w == nil {
		return Status{}
	}
	status := w.status
	status.Refused = status.Phase == PhaseUploading && w.refused != "" && w.refused == w.target.URI()
	return status
}

// Prepare reads the plan's source in the background, unless the key has work.
func (p *Pool) Prepare(key string, plan pipeline.Plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.works[key] != nil {
		return
	}
	w := &work{key: key, status: Status{Phase: PhasePreparing}}
	w.job = func(ctx context.Context) {
		release, err := upload.Reserve(ctx, p.memory, p.options.Memory, pipeline.ReadMemory)
		if err != nil {
			return // cancelled
		}
		defer release()
		prepared, err := pipeline.Prepare(ctx, plan)
		p.done(ctx, w, func(s *Status) { s.Phase, s.Prepared = PhasePrepared, prepared }, err)
	}
	p.works[key] = w
	p.launch(w)
}

// Upload moves the blocks of a prepared plan in the background, unless that is
// being done or is done already.
func (p *Pool) Upload(key string, plan pipeline.Plan, prepared *pipeline.Prepared, target upload.Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.works[key]; w != nil && w.status.Phase != PhasePrepared {
		return
	}
	w := &work{key: key, status: Status{Phase: PhaseUploading, Prepared: prepared, Progress: progress.Blocks{Blocks: prepared.Blocks}}, target: target}
	target.Refused = func(uri string) { p.refuse(w, uri) }
	w.job = func(ctx context.Context) {
		err := upload.Run(ctx, plan, prepared, target, upload.Options{
			Memory: p.memory, MemorySize: p.options.Memory,
			Progress: func(now progress.Blocks) { p.progress(w, now) },
			Sampled:  func(found []pipeline.Sample) { p.sampled(w, found) },
		})
		p.done(ctx, w, func(s *Status) { s.Phase = PhaseUploaded }, err)
	}
	p.works[key] = w
	p.launch(w)
}

// refuse records that the storage takes an upload's URI no more, and wakes its
// object.
func (p *Pool) refuse(w *work, uri string) {
	p.mu.Lock()
	w.refused = uri
	key := w.key
	p.mu.Unlock()
	p.options.Wake(key)
}

// Again puts a work whose upload failed back to where its source was read, so
// that another upload may follow without another reading.
func (p *Pool) Again(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.works[key]
	if w == nil || w.status.Phase != PhaseFailed {
		return
	}
	if w.status.Prepared == nil {
		delete(p.works, key)
		return
	}
	w.status = Status{Phase: PhasePrepared, Prepared: w.status.Prepared}
}

// Rename lets the work under one key go on under another.
func (p *Pool) Rename(from, to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.works[from]; w != nil && from != to {
		delete(p.works, from)
		w.key = to
		p.works[to] = w
	}
}

// CancelOthers stops and forgets the works whose keys begin with prefix, but for
// one key; "" spares none.
func (p *Pool) CancelOthers(prefix, key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, w := range p.works {
		if k == key || !strings.HasPrefix(k, prefix) {
			continue
		}
		if w.stop != nil {
			w.stop()
		}
		delete(p.works, k)
	}
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

// done records how a job ended, unless it was cancelled, and wakes its object.
func (p *Pool) done(ctx context.Context, w *work, success func(*Status), err error) {
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	if err != nil {
		w.status.Phase, w.status.Err = PhaseFailed, err
	} else {
		success(&w.status)
	}
	key := w.key
	p.mu.Unlock()
	p.options.Wake(key)
}

// Samples are those of the uploads whose keys begin with prefix.
func (p *Pool) Samples(prefix string) []pipeline.Sample {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, w := range p.works {
		if strings.HasPrefix(k, prefix) && len(w.status.Samples) > 0 {
			return w.status.Samples
		}
	}
	return nil
}

// Checked is what the uploads whose keys begin with prefix have compared.
func (p *Pool) Checked(prefix string) (all progress.Checked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, w := range p.works {
		if strings.HasPrefix(k, prefix) {
			all.Add(w.status.Progress.Checked)
		}
	}
	return all
}

// sampled keeps the samples of an upload.
func (p *Pool) sampled(w *work, found []pipeline.Sample) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.status.Samples = found
}

// progress records progress and wakes the object now and then.
func (p *Pool) progress(w *work, now progress.Blocks) {
	p.mu.Lock()
	if now.Done >= w.status.Progress.Done {
		w.status.Progress = now
	}
	due := time.Since(w.woken) >= p.options.WakeInterval
	if due {
		w.woken = time.Now()
	}
	key := w.key
	p.mu.Unlock()
	if due {
		p.options.Wake(key)
	}
}
