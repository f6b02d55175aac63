// Package pods stands in for what runs pods, where there is an API server and
// nothing else: the controller of Jobs, the scheduler and the kubelets. It makes
// the pods of a namespace's Jobs, gives each the files of its volumes, works in this
// process as its container does, and writes what became of it.
package pods

import (
	"context"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Runner runs the Jobs of one namespace. Make it with New, let Run work.
type Runner struct {
	client    client.Client
	namespace string
	dir       string
	wrong     func(error)

	mu     sync.Mutex
	faults Faults
	jobs   map[types.UID]context.CancelFunc
	atWork map[types.UID]context.CancelCauseFunc // pods
	ran    []*corev1.Pod
}

// Faults are what a test does to pods. The functions are called by many pods at
// once.
type Faults struct {
	// Hold keeps a pod from its work, without end.
	Hold func(*corev1.Pod) bool
	// Fail ends a pod without any work; nil lets it work.
	Fail func(*corev1.Pod) *corev1.ContainerStateTerminated
}

// New makes a runner. dir has a folder for each claim of the namespace, by its
// name, and gets those of pods. wrong hears of what a cluster would not do, such as
// a status that the API server refuses.
func New(c client.Client, namespace, dir string, wrong func(error)) *Runner {
	return &Runner{
		client: c, namespace: namespace, dir: dir, wrong: wrong,
		jobs: map[types.UID]context.CancelFunc{}, atWork: map[types.UID]context.CancelCauseFunc{},
	}
}

// Inflict sets the faults that pods meet from now on.
func (r *Runner) Inflict(f Faults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = f
}

// Ran are the pods that were made, in that order.
func (r *Runner) Ran() []*corev1.Pod {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*corev1.Pod{}, r.ran...)
}

// AtWork counts the pods that have begun and not ended.
func (r *Runner) AtWork() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.atWork)
}

// Kill ends every pod that is at work as kill -9 does, and reports how many those
// were. Their Jobs make others.
func (r *Runner) Kill() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, kill := range r.atWork {
		kill(errKilled)
	}
	return len(r.atWork)
}

// lookEvery is the time between two looks at the Jobs.
const lookEvery = 20 * time.Millisecond

// Run runs Jobs until ctx ends, and returns when no pod is at work.
func (r *Runner) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		list := &batchv1.JobList{}
		if r.client.List(ctx, list, client.InNamespace(r.namespace)) == nil {
			r.follow(ctx, list.Items, &running)
		}
	}
}

// follow starts the Jobs that are new and ends those that are gone.
func (r *Runner) follow(ctx context.Context, list []batchv1.Job, running *sync.WaitGroup) {
	r.mu.Lock()
	defer r.mu.Unlock()
	there := map[types.UID]bool{}
	for i := range list {
		job := &list[i]
		if !job.DeletionTimestamp.IsZero() {
			continue
		}
		there[job.UID] = true
		if r.jobs[job.UID] == nil {
			of, stop := context.WithCancel(ctx)
			r.jobs[job.UID] = stop
			running.Go(func() { r.runJob(of, job) })
		}
	}
	for uid, stop := range r.jobs {
		if !there[uid] {
			stop()
			delete(r.jobs, uid)
		}
	}
}

// tell passes on what went wrong, unless the object is gone or this runner ends.
func (r *Runner) tell(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		r.wrong(err)
	}
}
