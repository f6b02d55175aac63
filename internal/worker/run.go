package worker

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/upload"
)

// Report is a worker's last word: its pod's termination message, in JSON. One of
// Prepared, Staged and Problem is set; none where the worker was asked to stop.
type Report struct {
	// Prepared is the handoff of a reading.
	Prepared string `json:"prepared,omitempty"`
	// Staged counts the blocks of a part.
	Staged *Staged `json:"staged,omitempty"`
	// Problem is why it did not get on.
	Problem *Problem `json:"problem,omitempty"`
	// Checked is of the blocks that this worker has sent, also where it failed then.
	Checked *upload.Checked `json:"checked,omitempty"`
}

// Staged counts the blocks of a part: Sent by this worker, or Skipped because
// they were there.
type Staged struct {
	Sent    int `json:"sent"`
	Skipped int `json:"skipped"`
}

// Problem is a failure.Error on its way to the manager. RefusedURI names the
// upload URI (NameURI) that the storage took no more.
type Problem struct {
	Reason            failure.Reason `json:"reason"`
	Message           string         `json:"message"`
	Transient         bool           `json:"transient,omitempty"`
	RetryAfterSeconds int            `json:"retryAfterSeconds,omitempty"`
	RefusedURI        string         `json:"refusedURI,omitempty"`
}

// maxMessage bounds a problem's words, so that a report fits into 4 KiB.
const maxMessage = 1024

// Text is the report as a termination message.
func (r Report) Text() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and numbers marshal
	}
	return string(text)
}

// ParseReport reads a termination message; false where it is no report.
func ParseReport(text string) (Report, bool) {
	r := Report{}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if d.Decode(&r) != nil || r == (Report{}) {
		return Report{}, false
	}
	return r, true
}

// AsError is the problem as the error that it was.
func (p *Problem) AsError() *failure.Error {
	return &failure.Error{Reason: p.Reason, Message: p.Message, Transient: p.Transient, RetryAfter: time.Duration(p.RetryAfterSeconds) * time.Second}
}

// Prepare reads the table of the order in dir once and reports the handoff.
func Prepare(ctx context.Context, dir string) Report {
	_, plan, err := folder(dir).open(ctx)
	if err != nil {
		return failed(ctx, err)
	}
	prepared, err := pipeline.Prepare(ctx, plan)
	if err != nil {
		return failed(ctx, err)
	}
	return Report{Prepared: prepared.Handoff()}
}

// Stage stages the missing blocks of the part that index names, counted from 0.
// It logs its progress now and then.
func Stage(ctx context.Context, dir string, index int, log *slog.Logger) Report {
	d := folder(dir)
	order, plan, err := d.open(ctx)
	if err != nil {
		return failed(ctx, err)
	}
	prepared, err := plan.Receive(order.Prepared)
	if err != nil {
		// The volume may still show the order to read.
		return failed(ctx, &failure.Error{Reason: failure.SourceUnavailable, Transient: true, Message: err.Error()})
	}
	stripes, err := prepared.Share(index, order.Parts)
	if err != nil {
		return failed(ctx, &failure.Error{Reason: failure.SourceInvalid, Message: err.Error()})
	}
	guard, err := d.guard(order)
	if err != nil {
		return failed(ctx, err)
	}
	w := &watch{log: log.With("part", index)}
	memory := semaphore.NewWeighted(order.Memory)
	err = upload.Stage(ctx, plan, prepared, stripes, d.target(order, guard.HTTPClient(), w.refuse),
		upload.Options{Memory: memory, MemorySize: order.Memory, Progress: w.progress})
	if err != nil {
		r := failed(ctx, err)
		if r.Problem != nil && r.Problem.Reason == failure.StorageRefused {
			r.Problem.RefusedURI = w.refused
		}
		return w.complete(r)
	}
	return w.complete(Report{Staged: &Staged{Sent: w.last.Staged, Skipped: w.last.Skipped}})
}

// watch keeps what the end of a part reports.
type watch struct {
	log *slog.Logger

	mu      sync.Mutex
	last    upload.Progress
	logged  time.Time
	refused string
}

// complete adds to a report what was compared of the blocks.
func (w *watch) complete(r Report) Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r != (Report{}) && w.last.Checked != (upload.Checked{}) {
		r.Checked = new(w.last.Checked)
	}
	return r
}

func (w *watch) refuse(uri string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused = NameURI(uri)
	w.log.Info("the storage takes the upload URI no more; waiting for another")
}

// logEvery bounds the lines of progress.
const logEvery = 10 * time.Second

func (w *watch) progress(now upload.Progress) {
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
func failed(ctx context.Context, err error) Report {
	if ctx.Err() != nil {
		return Report{}
	}
	var moved *failure.Error
	var opened *source.Error
	p := &Problem{Reason: failure.SourceUnavailable, Message: err.Error(), Transient: true}
	switch {
	case errors.As(err, &moved):
		p = &Problem{Reason: moved.Reason, Message: moved.Message, Transient: moved.Transient, RetryAfterSeconds: int(moved.RetryAfter / time.Second)}
	case errors.As(err, &opened):
		p = &Problem{Reason: pipeline.ReasonOf(opened), Message: opened.Error(), Transient: opened.Transient()}
	}
	p.Message = strings.ToValidUTF8(p.Message[:min(len(p.Message), maxMessage)], "")
	return Report{Problem: p}
}
