package faults_test

import (
	"fmt"
	"net/http"
	"time"
)

// clocks let the manager's wall clock jump between two passes.
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
			befall:  func(w *world) { w.jump(by) },
		})
	}
	return all
}

// jump lets calls fail until the manager has written down when it tries again, and
// lets its clock jump then.
func (w *world) jump(by time.Duration) {
	outage := w.front.arm(fault{name: "outage", times: 3, spoil: answers(http.StatusServiceUnavailable, "ServiceUnavailable", "")},
		func(_ *front, c *call) bool { return c.isSession() })
	w.begin()
	go func() {
		defer w.end()
		deadline := time.Now().Add(3 * time.Second)
		for time.Now().Before(deadline) && w.ctx.Err() == nil {
			if s, err := w.get(); err == nil && s.Status.NextAttemptTime != nil {
				break
			}
			w.pause()
		}
		w.mu.Lock()
		w.jumped += by
		w.mu.Unlock()
		w.front.mu.Lock()
		outage.left = 0
		w.front.mu.Unlock()
	}()
}

// managerNow is the managers' clock.
func (w *world) managerNow() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.jumped)
}
