package controllers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/clients"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/edmtest"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/session"
)

// strangersWay is a step of a session that a stranger answers in the service's
// place, or in the storage's.
type strangersWay struct {
	change func(*v1alpha1.ExactMatchSession)
	step   session.Step
	do     func(context.Context, *fakeEnv, *scope) error
}

func hasRemote(s *v1alpha1.ExactMatchSession) {
	s.Status.ID, s.Status.State = "remote", string(edm.StateCreated)
	s.Status.Intent = &v1alpha1.CreateIntent{ContentKey: "content"}
}

// leaves is a session that is being deleted, whose remote session the policy names.
func leaves(policy v1alpha1.SessionDeletionPolicy, with func(*v1alpha1.ExactMatchSession)) func(*v1alpha1.ExactMatchSession) {
	return func(s *v1alpha1.ExactMatchSession) {
		with(s)
		now := metav1.NewTime(time.Now())
		s.DeletionTimestamp, s.Spec.DeletionPolicy = &now, policy
	}
}

// strangersWays are the calls that a session's outcome depends on.
func strangersWays() map[string]strangersWay {
	fresh := func(s *v1alpha1.ExactMatchSession) {
		s.Status.Intent = &v1alpha1.CreateIntent{ClientRequestID: "uid-1-1", Instance: "this", ContentKey: "content"}
	}
	resolve := func(ctx context.Context, e *fakeEnv, s *scope) error {
		e.r.memory.intentSeen("uid-1-1", e.now.Add(-time.Hour))
		return e.r.resolve(ctx, s)
	}
	get := func(ctx context.Context, e *fakeEnv, s *scope) error { return e.r.observeRemote(ctx, s) }
	return map[string]strangersWay{
		"create": {fresh, session.StepCreate, func(ctx context.Context, e *fakeEnv, s *scope) error { return e.r.create(ctx, s) }},
		"get":    {hasRemote, "", get},
		"list":   {inDoubt, session.StepResolve, resolve},
		"rename": {hasRemote, session.StepRename, func(ctx context.Context, e *fakeEnv, s *scope) error { return e.r.rename(ctx, s) }},
		"renew":  {hasRemote, session.StepRenew, func(ctx context.Context, e *fakeEnv, s *scope) error { return e.r.renew(ctx, s) }},
		"commit": {hasRemote, session.StepCommit, func(ctx context.Context, e *fakeEnv, s *scope) error { return e.r.commit(ctx, s) }},
		"cancel": {hasRemote, session.StepCancel, func(ctx context.Context, e *fakeEnv, s *scope) error { return e.r.cancel(ctx, s) }},
		"match": {hasRemote, session.StepCompleted, func(ctx context.Context, e *fakeEnv, s *scope) error {
			e.r.memory.keepSamples("uid", []pipeline.Sample{{Column: "ID"}})
			failed, err := e.r.verify(ctx, s, &edm.Live{SessionID: "remote"})
			if failed != "" {
				return problem.NeedsChange(v1alpha1.ReasonVerificationFailed, "%s", failed)
			}
			return err
		}},
		"list blocks, then seal": {hasRemote, session.StepUpload, func(ctx context.Context, e *fakeEnv, s *scope) error {
			s.remote = &edm.Session{ID: "remote", DataUploadURI: "http://service/u?sp=rcw&sig=x"}
			s.work = executor.Status{Phase: executor.PhaseStaged, Prepared: &pipeline.Prepared{Blocks: 1}}
			return e.r.sealStaged(ctx, s)
		}},
		"delete: get":     {leaves(v1alpha1.SessionDeletionPolicyCancel, hasRemote), "", func(ctx context.Context, e *fakeEnv, s *scope) error { return e.r.orOrphan(s, get(ctx, e, s)) }},
		"delete: cancel":  {leaves(v1alpha1.SessionDeletionPolicyCancel, hasRemote), session.StepCancel, func(ctx context.Context, e *fakeEnv, s *scope) error { return e.r.cancel(ctx, s) }},
		"delete: delete":  {leaves(v1alpha1.SessionDeletionPolicyDelete, hasRemote), session.StepDelete, func(ctx context.Context, e *fakeEnv, s *scope) error { return e.r.deleteRemote(ctx, s) }},
		"delete: resolve": {leaves(v1alpha1.SessionDeletionPolicyCancel, inDoubt), session.StepResolve, resolve},
	}
}

// TestStrangersEndNoSession lets strangers answer every call that a session's outcome
// depends on: nothing is decided, forgotten or orphaned by what they say.
func TestStrangersEndNoSession(t *testing.T) {
	strangers := slices.DeleteFunc(edmtest.Strangers(), func(s edmtest.Stranger) bool { return len(s.Body) > 1<<20 }) // the client's own test has them
	n, terminal, orphans := 0, 0, 0
	for name, way := range strangersWays() {
		synctest.Test(t, func(t *testing.T) {
			e := newFakeEnv(t, way.change)
			e.r.Options.RequestTimeout, e.r.Options.FinalizeTimeout = time.Minute, time.Hour
			for _, stranger := range strangers {
				n++
				s := answeredBy(e, stranger)
				s.step = way.step
				err := way.do(t.Context(), e, s)
				switch what := decided(e, s, err); {
				case what == "":
				case deleted(s.object):
					orphans++
					t.Errorf("%s answered by %q: %s", name, stranger.Name, what)
				default:
					terminal++
					t.Errorf("%s answered by %q: %s", name, stranger.Name, what)
				}
			}
		})
	}
	t.Logf("%d answers of strangers to %d calls of a session: %d terminal, %d orphans", n, len(strangersWays()), terminal, orphans)
}

// httpOf is an HTTP client that a stranger answers.
func httpOf(stranger edmtest.Stranger) *http.Client {
	return &http.Client{Transport: stranger, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// clientOf is a client of the service that a stranger answers for.
func clientOf(t *testing.T, stranger edmtest.Stranger) *clients.Client {
	t.Helper()
	h := httpOf(stranger)
	service, err := rest.New(rest.Options{Endpoint: "http://service/beta", HTTP: h})
	if err != nil {
		t.Fatal(err)
	}
	return &clients.Client{Service: service, HTTP: h}
}

// answeredBy is a pass whose calls a stranger answers. No two share a pace: what one
// asks to wait holds back no other.
func answeredBy(e *fakeEnv, stranger edmtest.Stranger) *scope {
	s := e.scope()
	e.http, e.refused, e.answered = httpOf(stranger), 0, e.answered+1
	s.agent.Spec.Endpoint = fmt.Sprintf("http://service-%d/beta", e.answered)
	e.r.Clients.Forget(s.agent.UID)
	var err error
	s.client, err = e.r.Clients.Open(e.t.Context(), s.agent, e.r.Clients.Recent("ns"))
	e.must(err)
	return s
}

// decided says what a pass has decided by an answer, "" where it will ask again.
func decided(e *fakeEnv, s *scope, err error) string {
	before := s.first.DeepCopy()
	switch {
	case err == nil:
		return "it is taken for the service's"
	case problem.Of(err).Remedy != problem.Retry:
		return "it is no fault that passes: " + err.Error()
	case e.refused > 0:
		return "the credentials are refused by it"
	}
	e.r.reportFailures(s, err)
	intended := func(status *v1alpha1.ExactMatchSessionStatus) string {
		if status.Intent == nil {
			return ""
		}
		return status.Intent.ClientRequestID
	}
	now := s.status()
	switch {
	case now.Outcome != "":
		return "it ends the session: " + now.Outcome
	case s.orphanReason != "" || s.finalizerRemoved || !slices.Contains(e.session().Finalizers, v1alpha1.Finalizer):
		return "the remote session is orphaned"
	case now.ID != before.ID || now.State != before.State || intended(now) != intended(before):
		return "the remote session, or the intent to make one, is forgotten"
	}
	return ""
}

// TestStrangersChangeNoStoreAndNoAgent lets strangers answer for the remote store and
// the remote agent: neither is found, made, lost or deleted by what they say.
func TestStrangersChangeNoStoreAndNoAgent(t *testing.T) {
	n := 0
	for _, stranger := range edmtest.Strangers() {
		if len(stranger.Body) > 1<<20 {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			e := newFakeEnv(t)
			s, answered := e.scope(), clientOf(t, stranger)
			stores := &DataStoreReconciler{Client: e.api, Options: e.r.Options, Now: e.r.Now}
			agents := &UploadAgentReconciler{Client: e.api, Options: e.r.Options, Now: e.r.Now}
			for name, do := range map[string]func() error{
				"store": func() error {
					_, err := stores.ensureRemote(t.Context(), &storeScope{object: s.store, agent: s.agent, client: answered})
					return err
				},
				"agent": func() error {
					_, err := agents.ensureRemote(t.Context(), &agentScope{object: s.agent}, answered.Service.Agents())
					return agents.noSuchPath(s.agent, err)
				},
				"store's deletion": func() error { return answered.Service.Stores().Delete(t.Context(), "remote-store") },
				"agent's deletion": func() error { return answered.Service.Agents().Delete(t.Context(), "remote-agent") },
			} {
				n++
				if err := do(); err == nil || problem.Of(err).Remedy != problem.Retry {
					t.Errorf("%s answered by %q: %v", name, stranger.Name, err)
				}
			}
		})
	}
	t.Logf("%d answers of strangers for stores and agents", n)
}
