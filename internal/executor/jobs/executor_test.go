package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/executortest"
	"exactmatch.dev/operator/internal/executor/jobs"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/pods"
	"exactmatch.dev/operator/internal/testkit/tables"
)

// fakeCluster is an API server in memory, with an executor. Its client, unlike that
// of the executor, is counted by nobody.
type fakeCluster struct {
	client.Client
	t        testing.TB
	Executor jobs.Executor
	// writes counts those of the executor; fails, where it is set, may refuse one
	// before or after it took.
	writes atomic.Int32
	fails  func(n int32, write func() error) error
}

func newFakeCluster(t testing.TB) *fakeCluster {
	t.Helper()
	e := &fakeCluster{t: t, fails: func(_ int32, write func() error) error { return write() }}
	var uids atomic.Int32
	e.Client = fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithStatusSubresource(&batchv1.Job{}, &corev1.Pod{}).
		WithInterceptorFuncs(interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			o.SetUID(types.UID(fmt.Sprintf("uid-%d", uids.Add(1))))
			return c.Create(ctx, o, options...)
		}}).Build()
	testkit.Must(t, e.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "key"}, Data: map[string][]byte{"key": tables.Plan("", 1).Key}}))
	counted := interceptor.NewClient(e.Client.(client.WithWatch), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			return e.write(func() error { return c.Create(ctx, o, options...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.UpdateOption) error {
			return e.write(func() error { return c.Update(ctx, o, options...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
			return e.write(func() error { return c.Delete(ctx, o, options...) })
		},
	})
	e.Executor = jobs.Executor{
		Client: counted, Reader: counted, Lister: counted, Now: time.Now, Created: func(string) {},
		Allow:   protocol.Allow{Hosts: []string{"127.0.0.1"}, PlainHTTP: true, Policy: protocol.Policy(dial.Anything)},
		Builder: jobs.Builder{Workers: v1alpha1.Workers{Parallelism: 2}, Image: "operator:test", Key: v1alpha1.SecretKeyReference{Name: "key", Key: "key"}},
	}
	return e
}

func (e *fakeCluster) write(write func() error) error { return e.fails(e.writes.Add(1), write) }

// work is an owner's work on a table in the ConfigMap of its name. All owners of a
// test share the executor, so their tables lie under one key of one ConfigMap each.
func (e *fakeCluster) work(owner, text string) executor.Work {
	e.t.Helper()
	testkit.Must(e.t, e.Create(e.t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: owner}, Data: map[string]string{"people.csv": text}}))
	e.Executor.Builder.Source = v1alpha1.Source{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: owner, Key: "people.csv"}}
	w := executor.Work{Owner: executor.Owner{Namespace: "ns", Name: owner, UID: owner}, Version: "version of " + owner, Plan: tables.Plan("", 10), Parallelism: 2}
	w.Plan.Source = nil // only pods can open it
	return w
}

// job is the one Job that is there.
func (e *fakeCluster) job() *batchv1.Job {
	e.t.Helper()
	list := &batchv1.JobList{}
	testkit.Must(e.t, e.List(e.t.Context(), list))
	if len(list.Items) != 1 {
		e.t.Fatalf("there are %d Jobs", len(list.Items))
	}
	return &list.Items[0]
}

// run lets pods work until the test ends, and waits until the one Job has ended.
func (e *fakeCluster) run(t testing.TB) {
	t.Helper()
	e.start(t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); len(e.job().Status.Conditions) == 0; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("the Job does not end")
		}
	}
}

// start lets pods work until the test ends.
func (e *fakeCluster) start(t testing.TB) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	runner := pods.New(e.Client, "ns", t.TempDir(), func(err error) { t.Errorf("a pod: %v", err) })
	running.Go(func() { runner.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// byOwner are executors as passes have them: what pods mount is the owner's.
type byOwner map[string]jobs.Executor

func (b byOwner) Status(ctx context.Context, w executor.Work) (executor.Status, error) {
	return b[w.Owner.Name].Status(ctx, w)
}

func (b byOwner) Prepare(ctx context.Context, w executor.Work) error {
	return b[w.Owner.Name].Prepare(ctx, w)
}

func (b byOwner) Upload(ctx context.Context, w executor.Work, prepared *pipeline.Prepared) error {
	return b[w.Owner.Name].Upload(ctx, w, prepared)
}

func (b byOwner) Retry(ctx context.Context, w executor.Work) error {
	return b[w.Owner.Name].Retry(ctx, w)
}

func (b byOwner) Stop(ctx context.Context, w executor.Work, extent executor.Extent) (executor.Findings, error) {
	return b[w.Owner.Name].Stop(ctx, w, extent)
}

func TestExecutor(t *testing.T) {
	executortest.Run(t, func(t *testing.T) executortest.Place {
		e, executors := newFakeCluster(t), byOwner{}
		e.start(t)
		return executortest.Place{
			Executor: executors,
			Work: func(owner, text string) executor.Work {
				w := e.work(owner, text)
				executors[owner] = e.Executor
				return w
			},
			Writes: func() int { return int(e.writes.Load()) },
		}
	})
}

// errCrash ends a manager at a write.
var errCrash = errors.New("the manager has crashed")

// TestWhatAPodReportedOutlivesACrash lets the manager crash before and after each of
// its writes: what a pod has found out is in the task before its Job goes, so nothing
// is read twice.
func TestWhatAPodReportedOutlivesACrash(t *testing.T) {
	for at := int32(1); at <= 4; at++ {
		for _, took := range []string{"before", "after"} {
			t.Run(fmt.Sprintf("%s write %d", took, at), func(t *testing.T) {
				e := newFakeCluster(t)
				w := e.work("one", tables.CSV(100))
				testkit.Must(t, e.Executor.Prepare(t.Context(), w))
				e.run(t)
				first := e.writes.Load()
				e.fails = func(n int32, write func() error) error {
					if n != first+at {
						return write()
					}
					if took == "after" {
						testkit.Must(t, write())
					}
					return errCrash
				}
				for pass := 0; pass < 6; pass++ { // each begins with nothing in memory
					status, err := e.Executor.Status(t.Context(), w)
					testkit.Must(t, err)
					if status.Prepared == nil {
						t.Fatalf("pass %d: what the pod found out is lost, the work is %q", pass, status.Phase)
					}
					if status.Phase == executor.PhaseReported {
						err = e.Executor.Prepare(t.Context(), w)
					} else {
						_, err = e.Executor.Stop(t.Context(), w, executor.Others)
					}
					if err != nil && !errors.Is(err, errCrash) {
						t.Fatal(err)
					}
				}
				status, err := e.Executor.Status(t.Context(), w)
				if testkit.Must(t, err); status.Phase != executor.PhasePrepared || status.Others != 0 {
					t.Errorf("it ends with %+v", status)
				}
			})
		}
	}
}
