package controllers

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"exactmatch.dev/operator/api/v1alpha1"
)

// agentIn is a cache that holds one upload agent.
func agentIn(agent *v1alpha1.ExactMatchUploadAgent) client.Client {
	return interceptor.NewClient(nil, interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
			agent.DeepCopyInto(into.(*v1alpha1.ExactMatchUploadAgent))
			return nil
		},
	})
}

func TestAStoreIsLookedAtWhenThatTellsSomething(t *testing.T) {
	began := time.Unix(1_000_000, 0)
	condition := func(status metav1.ConditionStatus) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, ObservedGeneration: 3}}
	}
	for name, c := range map[string]struct {
		change func(*storeScope, *v1alpha1.ExactMatchUploadAgent)
		after  time.Duration
		want   time.Duration
	}{
		"a look that is fresh": {after: 4 * time.Second, want: 6 * time.Second},
		"a look of a poll ago": {after: 10 * time.Second},
		"a look of long ago":   {after: time.Hour},
		"the spec is another":  {change: func(s *storeScope, _ *v1alpha1.ExactMatchUploadAgent) { s.object.Generation = 4 }},
		"the store is not ready": {change: func(s *storeScope, _ *v1alpha1.ExactMatchUploadAgent) {
			s.object.Status.Conditions = condition("False")
		}},
		"never judged":                {change: func(s *storeScope, _ *v1alpha1.ExactMatchUploadAgent) { s.object.Status.Conditions = nil }},
		"the agent's spec is another": {change: func(_ *storeScope, a *v1alpha1.ExactMatchUploadAgent) { a.Generation = 2 }},
		"the agent is another":        {change: func(_ *storeScope, a *v1alpha1.ExactMatchUploadAgent) { a.UID = "b" }},
		"the agent is not registered": {change: func(_ *storeScope, a *v1alpha1.ExactMatchUploadAgent) { a.Status.ID = "" }},
		"another store was looked at": {change: func(s *storeScope, _ *v1alpha1.ExactMatchUploadAgent) { s.object.UID = "other" }},
		"the holder goes on": {want: 10 * time.Second, change: func(s *storeScope, _ *v1alpha1.ExactMatchUploadAgent) {
			s.object.Status.ActiveSession = "one"
		}},
		"the holder is done": {change: func(s *storeScope, _ *v1alpha1.ExactMatchUploadAgent) {
			s.object.Status.ActiveSession = "one"
			s.sessions[0].Status.Outcome = v1alpha1.ReasonCompleted
			s.sessions[0].Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionFinished, Status: "True"}}
		}},
		"the holder is gone": {change: func(s *storeScope, _ *v1alpha1.ExactMatchUploadAgent) { s.object.Status.ActiveSession = "two" }},
	} {
		t.Run(name, func(t *testing.T) {
			agent := &v1alpha1.ExactMatchUploadAgent{}
			agent.UID, agent.Generation, agent.Status.ID = "a", 1, "remote"
			one := v1alpha1.ExactMatchSession{}
			one.Name = "one"
			s := &storeScope{object: &v1alpha1.ExactMatchDataStore{}, sessions: []v1alpha1.ExactMatchSession{one}}
			s.object.UID, s.object.Generation, s.object.Status.Conditions = "store", 3, condition("True")
			r := &DataStoreReconciler{Client: agentIn(agent), Options: Options{PollInterval: 10 * time.Second}, Now: func() time.Time { return began.Add(c.after) }}
			r.looks.remember("store", look{at: began, agent: "a", generation: 1})
			if c.change != nil {
				c.change(s, agent)
			}
			if got := r.freshFor(t.Context(), s); got != c.want {
				t.Errorf("the look serves for %s more, want %s", got, c.want)
			}
		})
	}
	r := &DataStoreReconciler{Client: agentIn(&v1alpha1.ExactMatchUploadAgent{}), Now: time.Now}
	r.looks.remember("store", look{at: began})
	r.looks.forget("store")
	if r.looks.of("store") != (look{}) {
		t.Error("a look that is forgotten is remembered")
	}
}
