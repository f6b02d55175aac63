package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/progress"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/upload"
)

// Prepare reads the table of the task in dir once and reports what it found.
func Prepare(ctx context.Context, dir string) protocol.Report {
	_, plan, err := folder(dir).open(ctx)
	if err != nil {
		return failed(ctx, err)
	}
	prepared, err := pipeline.Prepare(ctx, plan)
	if err != nil {
		return failed(ctx, err)
	}
	return protocol.Report{Prepared: prepared.Pack()}
}

// Stage stages the missing blocks of the stripes of the pod that index names, counted from 0.
// It logs its progress now and then.
func Stage(ctx context.Context, dir string, index int, log *slog.Logger) protocol.Report {
	d := folder(dir)
	task, plan, err := d.open(ctx)
	if err != nil {
		return failed(ctx, err)
	}
	prepared, err := plan.Unpack(task.Prepared)
	if err != nil {
		// The volume may still show the task to read.
		return failed(ctx, &failure.Error{Reason: failure.SourceUnavailable, Transient: true, Message: err.Error()})
	}
	stripes, err := prepared.StripesOf(index, task.Pods)
	if err != nil {
		return failed(ctx, &failure.Error{Reason: failure.SourceInvalid, Message: err.Error()})
	}
	guard, err := d.guard(task)
	if err != nil {
		return failed(ctx, err)
	}
	w := &watch{log: log.With("index", index)}
	memory := semaphore.NewWeighted(task.Memory)
	err = upload.Stage(ctx, plan, prepared, stripes, d.target(task, guard.HTTPClient(), w.refuse),
		upload.Options{Memory: memory, MemorySize: task.Memory, Progress: w.progress})
	if err != nil {
		r := failed(ctx, err)
		if r.Problem != nil && r.Problem.Reason == failure.StorageRefused {
			r.Problem.RefusedURI = w.refused
		}
		return w.complete(r)
	}
	return w.complete(protocol.Report{Staged: &protocol.Staged{Sent: w.last.Staged, Skipped: w.last.Skipped}})
}

// watch keeps what a pod reports at its end.
type watch struct {
	log *slog.Logger

	mu      sync.Mutex
	last    progress.Blocks
	logged  time.Time
	refused string
}

// complete adds to a report what was compared of the blocks.
func (w *watch) complete(r protocol.Report) protocol.Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r != (protocol.Report{}) && w.last.Checked != (progress.Checked{}) {
		r.Checked = new(w.last.Checked)
	}
	return r
}

func (w *watch) refuse(uri string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused = protocol.NameURI(uri)
	w.log.Info("the storage refuses the upload URI; waiting for a new one")
}

// logEvery bounds the lines of progress.
const logEvery = 10 * time.Second

func (w *watch) progress(now progress.Blocks) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Done > w.last.Done {
		w.last = now
	}
	if time.Since(w.logged) >= logEvery {
		w.logged = time.Now()
		w.log.Info("staging", "blocks", now.Blocks, "done", now.Done, "sent", now.Staged)
	}
}

// failed turns an error into a report. A worker that was asked to stop has none.
func failed(ctx context.Context, err error) protocol.Report {
	if ctx.Err() != nil {
		return protocol.Report{}
	}
	var met *failure.Error
	var opened *source.Error
	switch {
	case errors.As(err, &met):
	case errors.As(err, &opened):
		met = &failure.Error{Reason: opened.Reason, Message: opened.Error(), Transient: opened.Transient()}
	default:
		met = &failure.Error{Reason: failure.SourceUnavailable, Message: err.Error(), Transient: true}
	}
	return protocol.Report{Problem: protocol.NewProblem(met)}
}
