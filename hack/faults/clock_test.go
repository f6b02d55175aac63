package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// clocks let the manager's wall clock jump between two passes. Where it jumps back,
// what it has written down and the service's clock jump ahead instead: ages that a
// process remembers are told by the monotonic clock, which no jump moves.
func clocks() []disruption {
	var all []disruption
	for _, by := range []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour} {
		way := "ahead"
		if by < 0 {
			way = "back"
		}
		all = append(all, disruption{
			name: fmt.Sprintf("clock-%s-%.0fh", way, by.Abs().Hours()), at: atStep,
			says:    fmt.Sprintf("the manager's clock jumps %s by %s while the service is away", way, by.Abs()),
			trouble: trouble{in: from("prepare"), person: restartsAfter("nothing")},
			befall:  func(w *testEnv) { w.jump(by) },
		})
	}
	return all
}

// jump lets calls fail until the manager has written down when it tries again, and
// lets its clock jump then.
func (w *testEnv) jump(by time.Duration) {
	outage := w.proxy.arm(fault{name: "outage", times: 3, spoil: answers(http.StatusServiceUnavailable, "ServiceUnavailable", "")},
		func(_ *faultProxy, c *call) bool { return c.isSession() })
	w.begin()
	go func() {
		defer w.end()
		deadline := time.Now().Add(3 * time.Second)
		for time.Now().Before(deadline) && w.ctx.Err() == nil {
			if s, err := w.get(); err == nil && s.Status.NextRetryTime != nil {
				break
			}
			w.pause()
		}
		if by < 0 {
			w.othersJump(-by)
		} else {
			w.mu.Lock()
			w.jumped += by
			w.mu.Unlock()
		}
		w.proxy.mu.Lock()
		outage.left = 0
		w.proxy.mu.Unlock()
	}()
}

// othersJump lets the service's clock and every time in the objects' status jump.
func (w *testEnv) othersJump(by time.Duration) {
	w.proxy.clock(by)
	patience := wait.Backoff{Steps: 20, Duration: 10 * time.Millisecond}
	for _, o := range []client.Object{w.sessionObject(), w.storeObject(), w.agentObject()} {
		if err := retry.OnError(patience, apierrors.IsConflict, func() error { return w.shift(o, by) }); err != nil {
			w.t.Errorf("shift the times of %T: %v", o, err)
		}
	}
}

// shift moves every time in an object's status.
func (w *testEnv) shift(o client.Object, by time.Duration) error {
	ctx := context.WithoutCancel(w.ctx)
	if err := kube.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
		return client.IgnoreNotFound(err)
	}
	whole, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]string{"resourceVersion": o.GetResourceVersion()}, "status": shifted(whole["status"], by),
	})
	if err != nil {
		return err
	}
	return kube.Status().Patch(ctx, o, client.RawPatch(types.MergePatchType, patch))
}

func shifted(value any, by time.Duration) any {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			v[name] = shifted(inner, by)
		}
	case []any:
		for i := range v {
			v[i] = shifted(v[i], by)
		}
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return at.Add(by).UTC().Format(time.RFC3339)
		}
	}
	return value
}

// managerNow is the managers' clock.
func (w *testEnv) managerNow() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.panics > 0 {
		w.panics--
		panic("a planned fault of the clock")
	}
	return time.Now().Add(w.jumped)
}
