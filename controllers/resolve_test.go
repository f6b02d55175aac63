package controllers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/events"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/session"
)

func inDoubt(s *v1alpha1.ExactMatchSession) {
	s.Status.ContentKey, s.Status.PreparedChecksum = "content", "sum"
	s.Status.Intent = &v1alpha1.CreateIntent{ClientRequestID: "uid-1-1", Instance: "another", ContentKey: "content"}
}

// A create in doubt is resolved by the list: what answers to the intent is
// adopted, and whatever else is there is somebody else's.
func TestOnlyOurOwnSessionIsAdopted(t *testing.T) {
	ours := edm.Session{ID: "found", UploadAgentID: "remote-agent", ContentKey: "content", State: edm.StateCreated}
	for name, tc := range map[string]struct {
		change  func(*edm.Session)
		adopted bool
	}{
		"ours":                            {func(*edm.Session) {}, true},
		"of a service without our fields": {func(s *edm.Session) { s.ContentKey, s.Checksum = "", "sum" }, true},
		"of another agent":                {func(s *edm.Session) { s.UploadAgentID = "another" }, false},
		"of other content":                {func(s *edm.Session) { s.ContentKey = "other" }, false},
		"of other bytes":                  {func(s *edm.Session) { s.ContentKey, s.Checksum = "", "other" }, false},
		"ended":                           {func(s *edm.Session) { s.State = edm.StateCancelled }, false},
		"another object's":                {func(s *edm.Session) { s.ID = "claimed" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := newFakeEnv(t, inDoubt)
			other := &v1alpha1.ExactMatchSession{}
			other.Namespace, other.Name, other.UID, other.Status.ID = "ns", "other", "other", "claimed"
			e.must(e.api.Create(t.Context(), other))
			other.Status.ID = "claimed"
			e.must(e.api.Status().Update(t.Context(), other))
			listed := ours
			tc.change(&listed)
			e.service.listed = []edm.Session{listed}
			s := e.scope()
			s.step = session.StepResolve
			e.r.memory.intentSeen("uid-1-1", e.now)
			e.now = e.now.Add(time.Minute)
			e.must(e.r.resolve(t.Context(), s))
			if got := s.status().ID == listed.ID; got != tc.adopted {
				t.Errorf("adopted: %t, want %t", got, tc.adopted)
			}
			if !slices.Equal(e.service.asked, []string{"list"}) {
				t.Errorf("the calls are %v", e.service.asked)
			}
		})
	}
}

// Of several that answer to one intent, all but one are cancelled.
func TestOneOfSeveralIsAdopted(t *testing.T) {
	e := newFakeEnv(t, inDoubt)
	e.service.listed = []edm.Session{
		{ID: "first", UploadAgentID: "remote-agent", ContentKey: "content", State: edm.StateCreated},
		{ID: "second", UploadAgentID: "remote-agent", ContentKey: "content", State: edm.StateCreated},
	}
	s := e.scope()
	e.r.memory.intentSeen("uid-1-1", e.now)
	e.now = e.now.Add(time.Minute)
	e.must(e.r.resolve(t.Context(), s))
	if s.status().ID != "" || !slices.Equal(e.service.asked, []string{"list", "cancel second"}) {
		t.Errorf("id %q, calls %v", s.status().ID, e.service.asked)
	}
}

// A create that is still on its way must not be taken for one that failed.
func TestACreateMayStillBeAnswered(t *testing.T) {
	e := newFakeEnv(t, inDoubt)
	s := e.scope()
	err := e.r.resolve(t.Context(), s)
	if p := problem.Of(err); err == nil || p.After <= 0 || p.Remedy != problem.Retry {
		t.Errorf("it ends with %v", err)
	}
	if len(e.service.asked) > 0 || s.status().Intent.ClientRequestID == "" {
		t.Errorf("the calls are %v, the intent is %+v", e.service.asked, s.status().Intent)
	}
}

// What a create that was given up has made after all is cancelled before anything
// that makes nobody look for it any more.
func TestOrphansAreCancelledFirst(t *testing.T) {
	for name, do := range map[string]func(*SessionReconciler, context.Context, *scope) error{
		"commit": (*SessionReconciler).commit, "cancel": (*SessionReconciler).cancel, "restart": (*SessionReconciler).restart,
		"hold": (*SessionReconciler).hold, "delete": (*SessionReconciler).deleteRemote, "release": (*SessionReconciler).removeFinalizer,
		"other content": (*SessionReconciler).planCreate,
		"an end": func(r *SessionReconciler, ctx context.Context, s *scope) error {
			return r.recordOutcome(ctx, s, v1alpha1.ReasonFailed, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newFakeEnv(t, inDoubt, withID, func(s *v1alpha1.ExactMatchSession) {
				s.Status.Intent.Unanswered, s.Status.PreparedContent = true, "content"
				s.Spec.GuardOverride = "content" // the guards are not what is asked for here
			})
			e.service.listed = []edm.Session{{ID: "orphan", UploadAgentID: "remote-agent", ContentKey: "content", State: edm.StateCreated}}
			away := errors.New("the service is away")
			e.service.before = func(call string) error {
				if call == "cancel orphan" {
					return away
				}
				return nil
			}
			s := e.scope()
			s.remote = &edm.Session{ID: "remote", State: edm.StateUploadCompleted}
			if name == "other content" {
				s.status().ContentKey, s.status().ID, s.remote = "other", "", nil
			}
			if err := do(e.r, t.Context(), s); !errors.Is(err, away) {
				t.Errorf("it goes on without them: %v", err)
			}
			if last := e.service.asked[len(e.service.asked)-1]; last != "cancel orphan" {
				t.Errorf("the calls are %v", e.service.asked)
			}
		})
	}
}

// What did not come to be written was not done: nobody is told of it.
func TestNothingIsToldBeforeItIsWritten(t *testing.T) {
	e := newFakeEnv(t)
	s := e.scope()
	s.step = session.StepUpload
	s.event("Normal", v1alpha1.ReasonUploading, "a block was staged")
	e.changeStatus(func(status *v1alpha1.ExactMatchSessionStatus) { status.WaitingFor = "somebody wrote meanwhile" })
	result, err := e.r.patchStatus(t.Context(), s, nil)
	if err != nil || result.RequeueAfter != conflictRetry {
		t.Errorf("it ends with %+v, %v", result, err)
	}
	select {
	case told := <-e.r.Recorder.(*events.FakeRecorder).Events:
		t.Errorf("it tells %q", told)
	default:
	}
}

// The signature of an upload URI stays out of status.
func TestASignatureIsNoStatus(t *testing.T) {
	for uri, want := range map[string]string{
		"https://host/container?sig=hush": "https://host/container", "https://host/container#hush": "https://host/container", "https://host/container": "https://host/container", "": "",
	} {
		status := &v1alpha1.ExactMatchSessionStatus{}
		mirror(status, &edm.Session{ID: "remote", DataUploadURI: uri})
		if status.DataUploadURI != want || strings.Contains(status.DataUploadURI, "hush") {
			t.Errorf("%q is shown as %q", uri, status.DataUploadURI)
		}
	}
}
