package controllers

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"exactmatch.dev/operator/api/v1alpha1"
)

// A pass whose status was lost, or has not come to the cache, made the run that is due. It
// is adopted, and not cancelled as one that the due run replaces.
func TestARunDoesNotReplaceItself(t *testing.T) {
	hour := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	object := &v1alpha1.ExactMatchSchedule{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "hourly", UID: "schedule", Generation: 1}}
	object.Spec.Schedule, object.Spec.ConcurrencyPolicy = "0 * * * *", v1alpha1.ConcurrencyPolicyReplace
	object.Spec.SessionTemplate.Spec.DataStoreRef.Name = "store"
	object.Status.LastHandledTime = &metav1.Time{Time: hour.Add(-time.Hour)}
	runAt := func(at time.Time) *v1alpha1.ExactMatchSession {
		return &v1alpha1.ExactMatchSession{ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: fmt.Sprintf("hourly-%d", at.Unix()/60), Labels: map[string]string{v1alpha1.ScheduleLabel: "hourly"},
			Annotations:     map[string]string{v1alpha1.ScheduledTimeAnnotation: at.Format(time.RFC3339Nano)},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ExactMatchSchedule", Name: "hourly", UID: "schedule", Controller: new(true)}},
		}}
	}
	earlier, due := runAt(hour.Add(-time.Hour)), runAt(hour)
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(object, earlier, due).WithStatusSubresource(object).Build()
	r := &ScheduleReconciler{Client: api, Reader: api, Recorder: events.NewFakeRecorder(10), Options: Options{ResyncInterval: time.Minute}, Now: func() time.Time { return hour }}

	if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "ns", Name: "hourly"}}); err != nil {
		t.Fatal(err)
	}
	for one, want := range map[*v1alpha1.ExactMatchSession]v1alpha1.DesiredState{earlier: v1alpha1.DesiredCancelled, due: ""} {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(one), one); err != nil {
			t.Fatal(err)
		}
		if one.Spec.DesiredState != want {
			t.Errorf("%s: desiredState is %q, want %q", one.Name, one.Spec.DesiredState, want)
		}
	}
	if err := api.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		t.Fatal(err)
	}
	if object.Status.LastRunName != due.Name {
		t.Errorf("the last run is %q, want %s", object.Status.LastRunName, due.Name)
	}
}

// Where the key of the data store has not been seen, what a run is made from is unknown: it
// must not seem to be the same as that of another run.
func TestInputsNameTheKey(t *testing.T) {
	s := newScheduleScope(&v1alpha1.ExactMatchSchedule{}, time.Time{})
	if got := s.inputs("version"); got != "" {
		t.Errorf("without a data store they are %q", got)
	}
	s.store = &v1alpha1.ExactMatchDataStore{}
	if got := s.inputs("version"); got != "" {
		t.Errorf("without a key they are %q", got)
	}
	s.store.Status.KeyID = "key"
	first := s.inputs("version")
	s.store.Status.KeyID = "another"
	if second := s.inputs("version"); first == "" || first == second {
		t.Errorf("with another key they are %q, and were %q", second, first)
	}
}
