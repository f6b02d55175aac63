package controllers

import (
	"context"
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/tables"
)

// scripted is an executor that says what a test has it say, and keeps what it is
// asked to do. A Status is no such thing: it changes nothing.
type scripted struct {
	says   executor.Status
	fails  error // what acts end with
	acts   []string
	before func() // each act
}

func (x *scripted) act(what string) error {
	x.acts = append(x.acts, what)
	if x.before != nil {
		x.before()
	}
	return x.fails
}

func (x *scripted) Status(context.Context, executor.Work) (executor.Status, error) {
	return x.says, nil
}

func (x *scripted) Prepare(context.Context, executor.Work) error { return x.act("prepare") }

func (x *scripted) Upload(context.Context, executor.Work, *pipeline.Prepared) error {
	return x.act("upload")
}

func (x *scripted) Retry(context.Context, executor.Work) error { return x.act("retry") }

func (x *scripted) Stop(_ context.Context, _ executor.Work, extent executor.Extent) (executor.Findings, error) {
	return executor.Findings{}, x.act("stop " + string(extent))
}

// reads makes the environment's session one of a ConfigMap of ten rows, whose work is
// scripted.
func (e *fakeEnv) reads(x *scripted) {
	e.t.Helper()
	e.r.Executor = x
	plan := tables.Plan(tables.CSV(10), 10)
	for _, o := range []client.Object{
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "people"}, Data: map[string]string{"people.csv": tables.CSV(10)}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "key"}, Data: map[string][]byte{"key": plan.Key}},
	} {
		testkit.Must(e.t, e.api.Create(e.t.Context(), o))
	}
	store := e.store()
	store.Spec.DisplayName, store.Spec.KeySecretRef = plan.Store, v1alpha1.SecretKeyReference{Name: "key", Key: "key"}
	store.Spec.Columns = []v1alpha1.Column{{Name: "ID"}, {Name: "Mail", IsCaseInsensitive: true}}
	testkit.Must(e.t, e.api.Update(e.t.Context(), store))
	one := e.session()
	one.Spec.Source.ConfigMapKeyRef, one.Spec.RowsPerBlock = &v1alpha1.KeyReference{Name: "people", Key: "people.csv"}, 10
	testkit.Must(e.t, e.api.Update(e.t.Context(), one))
}

// pass takes the session one step further.
func (e *fakeEnv) pass() *v1alpha1.ExactMatchSession {
	e.t.Helper()
	_, err := e.r.Reconcile(e.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "ns", Name: "session"}})
	testkit.Must(e.t, err)
	return e.session()
}

// TestAPassActsOnWhatAnExecutorSays holds what a pass has an executor do against what
// the executor says of its work.
func TestAPassActsOnWhatAnExecutorSays(t *testing.T) {
	prepared := tables.Prepare(t, tables.Plan(tables.CSV(10), 10))
	passes := &failure.Error{Reason: failure.SourceUnavailable, Transient: true, Message: "no answer"}
	for name, tc := range map[string]struct {
		says     executor.Status
		acts     []string
		recorded bool
		reason   string
		failures int32
	}{
		"nothing":                   {executor.Status{}, []string{"prepare"}, false, v1alpha1.ReasonPreparing, 0},
		"it reads":                  {executor.Status{Phase: executor.PhasePreparing}, nil, false, v1alpha1.ReasonPreparing, 0},
		"a reading to keep":         {executor.Status{Phase: executor.PhaseReported, Prepared: prepared}, []string{"prepare"}, true, "", 0},
		"a reading":                 {executor.Status{Phase: executor.PhasePrepared, Prepared: prepared}, nil, true, "", 0},
		"a reading, and other work": {executor.Status{Phase: executor.PhasePrepared, Prepared: prepared, Others: 2}, []string{"stop Others"}, true, "", 0},
		"a fault that passes":       {executor.Status{Phase: executor.PhaseFailed, Err: passes}, []string{"stop Running"}, false, v1alpha1.ReasonSourceUnavailable, 1},
		"a fault that stays": {executor.Status{Phase: executor.PhaseFailed, Err: failure.New(failure.EmptyTable, "no row")},
			[]string{"stop Everything"}, false, v1alpha1.ReasonEmptyTable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e, x := newFakeEnv(t), &scripted{says: tc.says}
			e.reads(x)
			one := e.pass()
			if !slices.Equal(x.acts, tc.acts) {
				t.Errorf("it is asked to %q, want %q", x.acts, tc.acts)
			}
			status := one.Status
			if recorded := status.ContentKey == prepared.ContentKey && status.Revision == 1; recorded != tc.recorded {
				t.Errorf("revision %d with the content %q is recorded", status.Revision, status.ContentKey)
			}
			if tc.reason != "" && one.StatusReason() != tc.reason || status.ConsecutiveFailures != tc.failures {
				t.Errorf("STATUS is %s after %d failures", one.StatusReason(), status.ConsecutiveFailures)
			}
		})
	}
}

// A reading is recorded once it is kept: a manager that crashes in between finds the
// report where it was.
func TestAReadingIsKeptBeforeItIsRecorded(t *testing.T) {
	prepared := tables.Prepare(t, tables.Plan(tables.CSV(10), 10))
	e := newFakeEnv(t)
	x := &scripted{says: executor.Status{Phase: executor.PhaseReported, Prepared: prepared}, fails: errors.New("the API server does not answer")}
	x.before = func() {
		if key := e.session().Status.ContentKey; key != "" {
			t.Errorf("%s is recorded before it is kept", key)
		}
	}
	e.reads(x)
	if key := e.pass().Status.ContentKey; key != "" {
		t.Errorf("%s is recorded, and was not kept", key)
	}
}
