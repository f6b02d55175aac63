package faults_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Kinds of a disruption: where in a step it strikes.
const (
	nowhere = ""
	atCall  = "call"
	atWrite = "write"
	atStep  = "step" // the call, or the write where the step has no call
)

// disruption is what happens to the manager, to its way to the API server, or to
// what both sides know of each other, once, in the middle of a step.
type disruption struct {
	name string
	says string // for the reader of the table
	at   string
	// ofPods: it strikes workers in pods, not the manager.
	ofPods bool
	// leaders: two managers are at work for a while, so that a block may be sent by
	// both.
	leaders bool
	call    func(f *faultProxy, w http.ResponseWriter, c *call)
	// befall is what happens atStep; then the call or the write goes on.
	befall func(w *testEnv)
	trouble
	write func(ctx context.Context, w *testEnv, l *managerRun, o client.Object, write func(context.Context) error) error
}

// managers lists what strikes the manager; the first one is none.
var managers = []disruption{
	{name: "none", says: "the manager is left alone", at: nowhere},
	{name: "crash-before-call", says: "it dies before the service gets the call", at: atCall, call: func(f *faultProxy, _ http.ResponseWriter, _ *call) {
		f.env.die()
		panic(http.ErrAbortHandler)
	}},
	{name: "crash-after-call", says: "it dies after the call's effect, before the answer", at: atCall, call: func(f *faultProxy, _ http.ResponseWriter, c *call) {
		f.effect(c)
		f.env.die()
		panic(http.ErrAbortHandler)
	}},
	{name: "sigterm-in-call", says: "it is asked to stop while the call is on its way", at: atCall, call: func(f *faultProxy, w http.ResponseWriter, c *call) {
		f.env.retire()
		f.pass(w, c)
	}},
	{name: "leader-change-in-call", says: "another manager takes over while the call is on its way; the call comes late, then the old one stops", at: atCall, leaders: true, call: func(f *faultProxy, w http.ResponseWriter, c *call) {
		before := f.env.overtake(c)
		f.pass(w, c)
		before.terminate()
	}},
	{name: "two-leaders-in-call", says: "as before, and both go on to the end", at: atCall, leaders: true, call: func(f *faultProxy, w http.ResponseWriter, c *call) {
		f.env.overtake(c)
		f.pass(w, c)
	}},
	{name: "pod-dies-before-call", says: "the workers' pods are killed before the call is heard", at: atCall, ofPods: true, call: func(f *faultProxy, _ http.ResponseWriter, _ *call) {
		f.podsDie()
		panic(http.ErrAbortHandler)
	}},
	{name: "pod-dies-after-call", says: "they are killed after the call's effect, before the answer", at: atCall, ofPods: true, call: func(f *faultProxy, _ http.ResponseWriter, c *call) {
		f.effect(c)
		f.podsDie()
		panic(http.ErrAbortHandler)
	}},
	{name: "crash-before-write", says: "it dies before the API server gets the write", at: atWrite, write: func(_ context.Context, w *testEnv, _ *managerRun, _ client.Object, _ func(context.Context) error) error {
		w.die()
		return errCrashed
	}},
	{name: "crash-after-write", says: "it dies after the write took, before it learns so", at: atWrite, write: func(ctx context.Context, w *testEnv, _ *managerRun, _ client.Object, write func(context.Context) error) error {
		_ = write(context.WithoutCancel(ctx)) // nobody learns what came of it
		w.die()
		return errCrashed
	}},
	{name: "sigterm-in-write", says: "it is asked to stop in the middle of the patch", at: atWrite, write: func(ctx context.Context, w *testEnv, _ *managerRun, _ client.Object, write func(context.Context) error) error {
		w.retire()
		return write(ctx)
	}},
	{name: "leader-change-in-write", says: "another manager takes over in the middle of the patch", at: atWrite, leaders: true, write: func(ctx context.Context, w *testEnv, l *managerRun, _ client.Object, write func(context.Context) error) error {
		w.overtake(nil)
		defer l.terminate()
		return write(ctx)
	}},
	{name: "two-leaders-in-write", says: "as before, and both go on to the end", at: atWrite, leaders: true, write: func(ctx context.Context, w *testEnv, _ *managerRun, _ client.Object, write func(context.Context) error) error {
		w.overtake(nil)
		return write(ctx)
	}},
	{name: "stale-cache", says: "its cache stands still for half a second after the write", at: atWrite, write: func(ctx context.Context, _ *testEnv, l *managerRun, _ client.Object, write func(context.Context) error) error {
		l.watches.shut()
		time.AfterFunc(500*time.Millisecond, l.watches.open)
		return write(ctx)
	}},
	{name: "conflict", says: "somebody else changes the object just before the write", at: atWrite, write: func(ctx context.Context, w *testEnv, _ *managerRun, o client.Object, write func(context.Context) error) error {
		w.touch(o)
		return write(ctx)
	}},
	{name: "api-server-away", says: "the API server cannot be reached for 0.7 s, watches break", at: atWrite, write: func(ctx context.Context, _ *testEnv, l *managerRun, _ client.Object, write func(context.Context) error) error {
		l.away.Store(true)
		time.AfterFunc(700*time.Millisecond, func() { l.away.Store(false) })
		return write(ctx)
	}},
	{name: "api-server-answer-lost", says: "the write takes, and its answer is lost", at: atWrite, write: func(ctx context.Context, _ *testEnv, _ *managerRun, _ client.Object, write func(context.Context) error) error {
		_ = write(ctx) // it took, and nobody learns of it
		return errAway
	}},
}

// disruptions are all of them.
var disruptions = slices.Concat(managers, mixups(), backups(), clocks(), changes(), owners())

// die crashes the newest manager; its successor starts once nothing of it is left.
func (w *testEnv) die() {
	l := w.newest()
	w.proxy.shut()
	l.crash()
	w.succeed(l)
}

// retire asks the newest manager to stop, and lets its successor follow.
func (w *testEnv) retire() {
	l := w.newest()
	l.terminate()
	w.succeed(l)
}

// succeed starts the next manager when one has ended.
func (w *testEnv) succeed(l *managerRun) {
	n := w.count() + 1
	w.begin()
	go func() {
		defer w.end()
		within(w.t, l.ended, patience, l.name)
		w.proxy.reopen()
		w.startManager(fmt.Sprintf("manager-%d", n))
	}()
}

// overtake starts another manager while the first is in the middle of something,
// and gives it time to look around.
func (w *testEnv) overtake(c *call) (before *managerRun) {
	before = w.newest()
	w.startManager(fmt.Sprintf("manager-%d", w.count()+1))
	if c == nil {
		w.pause()
		return before
	}
	pause(c, 500*time.Millisecond) // the caller may give up meanwhile: the call comes late then
	return before
}

// touch changes an object as somebody else would.
func (w *testEnv) touch(o client.Object) {
	other := o.DeepCopyObject().(client.Object) //nolint:forcetypeassert // of the same type
	if err := kube.Get(w.ctx, client.ObjectKeyFromObject(o), other); err != nil {
		w.t.Errorf("touch %s: %v", o.GetName(), err)
		return
	}
	before := other.DeepCopyObject().(client.Object) //nolint:forcetypeassert // of the same type
	other.SetAnnotations(map[string]string{"touched": "by somebody else"})
	if err := kube.Patch(w.ctx, other, client.MergeFrom(before)); err != nil {
		w.t.Errorf("touch %s: %v", o.GetName(), err)
	}
}

func (w *testEnv) newest() *managerRun { return w.current(w.count() - 1) }

func (w *testEnv) current(n int) *managerRun {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.managers[n]
}

func (w *testEnv) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.managers)
}

// patience is how long anything of a case may take.
const patience = 30 * time.Second

// pause is a moment between two looks.
func (w *testEnv) pause() {
	timer := time.NewTimer(50 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.ctx.Done():
	}
}
