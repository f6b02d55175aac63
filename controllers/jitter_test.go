package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/clients"
	"exactmatch.dev/operator/internal/problem"
)

// exits are the one exit of each reconciler, after a pass that changed nothing and
// met err.
func exits(t *testing.T, err error) map[string]func() (ctrl.Result, error) {
	o := Options{ResyncInterval: time.Hour, AgentInterval: time.Hour, RepairInterval: time.Hour, PollInterval: time.Hour, DependencyGrace: time.Minute}
	points := clients.New(nil, clients.Options{})
	agents := &UploadAgentReconciler{Clients: points, Options: o, Now: time.Now, Recorder: &events.FakeRecorder{}}
	stores := &DataStoreReconciler{Clients: points, Options: o, Now: time.Now, Recorder: &events.FakeRecorder{}}
	sessions := &SessionReconciler{Clients: points, Options: o, Now: time.Now, Recorder: &events.FakeRecorder{}}
	return map[string]func() (ctrl.Result, error){
		"agent": func() (ctrl.Result, error) {
			s := &agentScope{object: &v1alpha1.ExactMatchUploadAgent{}}
			_ = simpleConditions(&s.object.Status.Conditions, 0, "the upload agent is registered", err)
			s.before = s.object.DeepCopy()
			return agents.patchStatus(t.Context(), s, err)
		},
		"store": func() (ctrl.Result, error) {
			s := &storeScope{object: &v1alpha1.ExactMatchDataStore{}}
			_ = simpleConditions(&s.object.Status.Conditions, 0, "the remote data store exists", err)
			s.before = s.object.DeepCopy()
			return stores.patchStatus(t.Context(), s, err)
		},
		"session": func() (ctrl.Result, error) {
			s := newScope(&v1alpha1.ExactMatchSession{})
			s.after = time.Hour
			setConditions(s, err)
			s.before = s.object.DeepCopy()
			return sessions.patchStatus(t.Context(), s, err)
		},
	}
}

func TestIntervalsAreSpread(t *testing.T) {
	for what, err := range map[string]error{"well": nil, "in need of repair": problem.NeedsRepair(v1alpha1.ReasonKeyTooShort, "short")} {
		for name, exit := range exits(t, err) {
			seen := map[time.Duration]bool{}
			for range 50 {
				got, failed := exit()
				if failed != nil || got.RequeueAfter < time.Hour || got.RequeueAfter > time.Hour+6*time.Minute {
					t.Fatalf("%s, %s: %v, %v", name, what, got.RequeueAfter, failed)
				}
				seen[got.RequeueAfter] = true
			}
			if len(seen) < 10 {
				t.Errorf("%s, %s: %d waits of 50 differ", name, what, len(seen))
			}
		}
	}
}

func TestAStatedTimeIsKept(t *testing.T) {
	next := time.Now().Add(time.Hour)
	s := newScope(&v1alpha1.ExactMatchSession{})
	s.status().NextRetryTime = &metav1.Time{Time: next}
	if !s.waits(time.Now(), longestPause) {
		t.Fatal("the next retry lies in the future")
	}
	s.before = s.object.DeepCopy()
	r := &SessionReconciler{Clients: clients.New(nil, clients.Options{}), Now: time.Now}
	got, err := r.patchStatus(t.Context(), s, nil)
	if wait := time.Until(next); err != nil || got.RequeueAfter < wait-time.Second || got.RequeueAfter > wait+time.Second {
		t.Errorf("the next retry is in %v, looked at in %v, %v", wait, got.RequeueAfter, err)
	}
	await := &problem.Problem{Remedy: problem.Await, Reason: v1alpha1.ReasonSecretNotFound, Message: "until then", After: time.Minute}
	if got := requeue(time.Minute, await); got.RequeueAfter != time.Minute {
		t.Errorf("a grace of a minute is looked at in %v", got.RequeueAfter)
	}
}
