package controllers

import (
	"context"
	"errors"
	"slices"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/session"
)

func withID(s *v1alpha1.ExactMatchSession) { s.Status.ID = "remote" }

// What is spent while another session is admitted, or under another spec of the store than was
// judged, cannot be taken back: the cache is not believed there.
func TestNothingIsSpentOnACacheThatIsBehind(t *testing.T) {
	behind := map[string]func(*v1alpha1.ExactMatchDataStore){
		"another is admitted":          func(store *v1alpha1.ExactMatchDataStore) { store.Status.ActiveSession = "another" },
		"the store's spec has changed": func(store *v1alpha1.ExactMatchDataStore) { store.Generation = 2 },
	}
	steps := map[string]func(*fakeEnv, *scope) error{
		"plan":   func(e *fakeEnv, s *scope) error { return e.r.planCreate(e.t.Context(), s) },
		"commit": func(e *fakeEnv, s *scope) error { return e.r.commit(e.t.Context(), s) },
	}
	for what, change := range behind {
		for step, do := range steps {
			t.Run(step+" where "+what, func(t *testing.T) {
				e := newFakeEnv(t)
				s, now := e.scope(), e.store()
				change(now)
				if now.Generation != s.store.Generation {
					s.store.Generation = 0 // the API server counts by itself
				} else if err := e.api.Status().Update(t.Context(), now); err != nil {
					t.Fatal(err)
				}
				if err := do(e, s); !errors.Is(err, executor.ErrBehind) {
					t.Errorf("it ends with %v", err)
				}
				if one := e.session(); one.Status.Intent != nil || one.Status.CommitRequestedTime != nil || len(e.service.asked) > 0 {
					t.Errorf("intent %v, commit requested %v, calls %v", one.Status.Intent, one.Status.CommitRequestedTime, e.service.asked)
				}
			})
		}
	}
}

// A crash between the write and the call must find what was asked for.
func TestWhatIsSentIsRecordedBefore(t *testing.T) {
	for call, tc := range map[string]struct {
		step     session.Step
		do       func(*SessionReconciler, context.Context, *scope) error
		recorded func(*v1alpha1.ExactMatchSessionStatus) bool
	}{
		"commit": {session.StepCommit, (*SessionReconciler).commit, func(status *v1alpha1.ExactMatchSessionStatus) bool { return status.CommitRequestedTime != nil }},
		"cancel remote": {session.StepCancel, (*SessionReconciler).cancel, func(status *v1alpha1.ExactMatchSessionStatus) bool {
			return status.CancelRequestedTime != nil
		}},
	} {
		t.Run(call, func(t *testing.T) {
			e := newFakeEnv(t, withID)
			e.service.before = func(now string) error {
				if one := e.session(); now == call && !tc.recorded(&one.Status) {
					t.Errorf("the call is sent and the API server does not know of it: %+v", one.Status)
				}
				return nil
			}
			s := e.scope()
			s.step, s.remote = tc.step, &edm.Session{ID: "remote", State: edm.StateUploadCompleted}
			if err := tc.do(e.r, t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(e.service.asked, call) {
				t.Errorf("the calls are %v", e.service.asked)
			}
		})
		t.Run(call+" that cannot be recorded", func(t *testing.T) {
			e := newFakeEnv(t, withID)
			s := e.scope()
			s.step, s.remote = tc.step, &edm.Session{ID: "remote", State: edm.StateUploadCompleted}
			e.changeStatus(func(status *v1alpha1.ExactMatchSessionStatus) { status.WaitingFor = "somebody wrote meanwhile" })
			if err := tc.do(e.r, t.Context(), s); !apierrors.IsConflict(err) {
				t.Errorf("it ends with %v", err)
			}
			if len(e.service.asked) > 0 {
				t.Errorf("it was sent all the same: %v", e.service.asked)
			}
		})
	}
}

// An intent is spent once, and what the process wrote before it counts.
func TestAnIntentIsWrittenBeforeTheCreate(t *testing.T) {
	e := newFakeEnv(t)
	s := e.scope()
	s.step = session.StepPlan
	if err := e.r.planCreate(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if intent := e.session().Status.Intent; intent == nil || intent.ClientRequestID == "" || intent.Instance != "this" {
		t.Errorf("the API server knows the intent %+v", intent)
	}
	if len(e.service.asked) > 0 {
		t.Errorf("the pass that plans calls %v", e.service.asked)
	}
	if fact := e.r.intentFact(s); fact != session.IntentFresh {
		t.Errorf("the intent is %v, want fresh", fact)
	}
	s.step = session.StepCreate
	if err := e.r.create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if one := e.session(); one.Status.ID != "made" {
		t.Errorf("the id is %q", one.Status.ID)
	}
	s.status().ID = ""
	if fact := e.r.intentFact(s); fact != session.IntentInDoubt {
		t.Errorf("the intent is %v after its create, want it in doubt", fact)
	}
}

// Whether an intent that another process wrote was sent, nobody knows.
func TestAnIntentOfAnotherProcessIsInDoubt(t *testing.T) {
	for instance, want := range map[string]session.Intent{"this": session.IntentFresh, "another": session.IntentInDoubt, "": session.IntentInDoubt} {
		e := newFakeEnv(t, func(s *v1alpha1.ExactMatchSession) {
			s.Status.Intent = &v1alpha1.CreateIntent{ClientRequestID: "uid-1-1", Instance: instance}
		})
		if got := e.r.intentFact(e.scope()); got != want {
			t.Errorf("the intent of %q is %v, want %v", instance, got, want)
		}
	}
}

// Two managers may work on one object for a moment: only one of them writes.
func TestAStatusThatChangedMeanwhileIsNotOverwritten(t *testing.T) {
	e := newFakeEnv(t)
	s := e.scope()
	e.changeStatus(func(status *v1alpha1.ExactMatchSessionStatus) { status.CommitRequestedTime = e.r.stamp() })
	s.status().WaitingFor = "a pass over an old cache"
	if err := e.r.write(t.Context(), s); !apierrors.IsConflict(err) {
		t.Errorf("it ends with %v", err)
	}
	if one := e.session(); one.Status.CommitRequestedTime == nil || one.Status.WaitingFor != "" {
		t.Errorf("the newer status is overwritten: %+v", one.Status)
	}
}

// A remote session whose object cannot have it is cancelled; where it may yet have
// it, it is left to the pass that resolves the intent.
func TestASessionThatNobodyCanHaveIsCancelled(t *testing.T) {
	away := errors.New("the API server is away")
	for name, tc := range map[string]struct {
		meanwhile func(*fakeEnv)
		cancelled bool
	}{
		"the object is gone": {func(e *fakeEnv) {
			one := e.session()
			controllerutil.RemoveFinalizer(one, v1alpha1.Finalizer)
			e.must(e.api.Update(e.t.Context(), one))
			e.must(e.api.Delete(e.t.Context(), one))
		}, true},
		"the object was made anew": {func(e *fakeEnv) {
			one := e.session()
			controllerutil.RemoveFinalizer(one, v1alpha1.Finalizer)
			e.must(e.api.Update(e.t.Context(), one))
			e.must(e.api.Delete(e.t.Context(), one))
			again := &v1alpha1.ExactMatchSession{}
			again.Namespace, again.Name, again.UID = one.Namespace, one.Name, "another"
			e.must(e.api.Create(e.t.Context(), again))
		}, true},
		"it has another session": {func(e *fakeEnv) {
			e.changeStatus(func(status *v1alpha1.ExactMatchSessionStatus) { status.ID = "another" })
		}, true},
		"it has this one": {func(e *fakeEnv) {
			e.changeStatus(func(status *v1alpha1.ExactMatchSessionStatus) { status.ID = "made" })
		}, false},
		"it has another intent": {func(e *fakeEnv) {
			e.changeStatus(func(status *v1alpha1.ExactMatchSessionStatus) { status.Intent.ClientRequestID = "another" })
		}, false},
		"nobody knows": {func(e *fakeEnv) { e.refuses = func(client.Object) error { return away } }, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := newFakeEnv(t, func(s *v1alpha1.ExactMatchSession) {
				s.Status.Intent = &v1alpha1.CreateIntent{ClientRequestID: "uid-1-1", Instance: "this"}
			})
			s := e.scope()
			s.step = session.StepCreate
			tc.meanwhile(e)
			if err := e.r.create(t.Context(), s); err == nil {
				t.Error("a session that could not be claimed is no success")
			}
			if got := slices.Contains(e.service.asked, "cancel made"); got != tc.cancelled {
				t.Errorf("cancelled: %t, want %t; the calls are %v", got, tc.cancelled, e.service.asked)
			}
		})
	}
}

// An object that changed while its create was on its way keeps the session, where
// it still carries the intent.
func TestASessionIsClaimedOverAChangeOfItsObject(t *testing.T) {
	e := newFakeEnv(t, func(s *v1alpha1.ExactMatchSession) {
		s.Status.Intent = &v1alpha1.CreateIntent{ClientRequestID: "uid-1-1", Instance: "this"}
	})
	s := e.scope()
	s.step = session.StepCreate
	one := e.session()
	one.Labels = map[string]string{"changed": "meanwhile"}
	e.must(e.api.Update(t.Context(), one))
	e.must(e.r.create(t.Context(), s))
	if now := e.session(); now.Status.ID != "made" || now.Labels["changed"] == "" {
		t.Errorf("id %q, labels %v", now.Status.ID, now.Labels)
	}
}

func (e *fakeEnv) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}
