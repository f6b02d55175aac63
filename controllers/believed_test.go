package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/executor/jobs"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
)

const (
	ourContent   = "content/v2:sha256:01"
	otherContent = "content/v2:sha256:02"
)

// published is a pass over a completed session that the service shows live.
func published(e *fakeEnv) *scope {
	s := e.scope()
	rows := int64(30)
	status := s.status()
	status.ID, status.ContentKey, status.KeyID, status.Rows = "remote", ourContent, "key", &rows
	status.Intent = &v1alpha1.CreateIntent{ContentKey: ourContent}
	s.facts.ContentKey = ourContent
	s.remote = &edm.Session{ID: "remote", State: edm.StateCompleted}
	s.store.Status.Live = &v1alpha1.LiveTable{ContentKey: ourContent}
	s.shown = &edm.DataStore{ID: "remote-store", Live: &edm.Live{SessionID: "remote", ContentKey: ourContent, KeyID: "key", Rows: 30, Generation: 2}}
	return s
}

func TestALiveTableThatContradictsTheUploadIsNotBelieved(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*edm.Live)
		failed bool
		live   metav1.ConditionStatus
	}{
		"ours":              {func(*edm.Live) {}, false, metav1.ConditionTrue},
		"other rows":        {func(l *edm.Live) { l.Rows = 29 }, true, ""},
		"another key":       {func(l *edm.Live) { l.KeyID = "another" }, true, ""},
		"other content":     {func(l *edm.Live) { l.ContentKey = otherContent }, true, ""},
		"another session's": {func(l *edm.Live) { l.SessionID = "another" }, false, metav1.ConditionFalse},
	} {
		t.Run(name, func(t *testing.T) {
			e := newFakeEnv(t)
			s := published(e)
			tc.change(s.shown.Live)
			e.r.Client = noSessions{e.api}
			failed, err := e.r.prove(t.Context(), s)
			if err != nil || (failed != "") != tc.failed {
				t.Errorf("it says %q, %v", failed, err)
			}
			var got metav1.ConditionStatus
			if c := findCondition(s.status().Conditions, v1alpha1.ConditionLive); c != nil {
				got = c.Status
			}
			if got != tc.live {
				t.Errorf("Live is %q, want %q", got, tc.live)
			}
		})
	}
}

// What our own record says is live is asked of the service, and taken for granted
// only where that shows the same content under the same key.
func TestWhatIsLiveIsShownByTheService(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*scope)
		live   bool
	}{
		"shown":                     {func(*scope) {}, true},
		"other content":             {func(s *scope) { s.shown.Live.ContentKey = otherContent }, false},
		"another key":               {func(s *scope) { s.shown.Live.KeyID = "another" }, false},
		"nothing":                   {func(s *scope) { s.shown.Live = nil }, false},
		"our record says otherwise": {func(s *scope) { s.store.Status.Live.ContentKey = otherContent }, false},
		"a key of another version": {func(s *scope) {
			old := "content/v1:sha256:01"
			s.facts.ContentKey, s.store.Status.Live.ContentKey, s.shown.Live.ContentKey = old, old, old
		}, false},
		"its rows were not found before": {func(s *scope) {
			s.status().History = []v1alpha1.HistoryEntry{{Outcome: v1alpha1.ReasonVerificationFailed}}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := newFakeEnv(t)
			s := published(e)
			tc.change(s)
			live, err := e.r.isLive(t.Context(), s)
			if err != nil || live != tc.live {
				t.Errorf("live: %t, %v", live, err)
			}
		})
	}
}

// A cache on the way has old answers: a table that nobody has seen live yet is lost
// only once the service has said so several times.
func TestALostTableIsNotedInTime(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*scope)
		lost   bool
	}{
		"live":                     {func(*scope) {}, false},
		"never seen, first answer": {func(s *scope) { s.shown.Live = nil }, false},
		"never seen, many answers": {func(s *scope) { s.shown.Live, s.status().ConsecutiveFailures = nil, oldAnswers }, true},
		"seen, gone":               {func(s *scope) { s.shown.Live, s.status().LiveGeneration = nil, 2 }, true},
		"seen, an earlier table again": {func(s *scope) {
			s.shown.Live.SessionID, s.shown.Live.Generation, s.status().LiveGeneration = "old", 1, 2
		}, true},
		"seen, a later table": {func(s *scope) {
			s.shown.Live.SessionID, s.shown.Live.Generation, s.status().LiveGeneration = "new", 3, 2
		}, false},
		"a service that shows nothing":  {func(s *scope) { s.shown.Live, s.status().LiveGeneration, s.agent.Status.BlockFormat = nil, 2, "" }, false},
		"known to have been superseded": {func(s *scope) { s.shown.Live, s.status().LiveGeneration = nil, 2; setReplaced(s) }, false},
	} {
		s := published(newFakeEnv(t))
		tc.change(s)
		if got := s.isLost(); got != tc.lost {
			t.Errorf("%s: lost is %t", name, got)
		}
	}
}

func setReplaced(s *scope) {
	setCondition(s, v1alpha1.ConditionLive, metav1.ConditionFalse, v1alpha1.ReasonReplacedBy, "a later table is live")
}

func TestTheOldestIsAdmittedFirst(t *testing.T) {
	waiting := func(name string, age time.Duration) v1alpha1.ExactMatchSession {
		one := v1alpha1.ExactMatchSession{}
		one.Name, one.CreationTimestamp = name, metav1.NewTime(time.Unix(1_000_000, 0).Add(-age))
		one.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionFinished, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonQueued}}
		return one
	}
	s := &storeScope{object: &v1alpha1.ExactMatchDataStore{}}
	s.sessions = []v1alpha1.ExactMatchSession{waiting("young", time.Minute), waiting("old", time.Hour), waiting("middle", 2*time.Minute)}
	r := &DataStoreReconciler{}
	r.admitNext(s)
	if status := s.object.Status; status.ActiveSession != "old" || status.QueuedSessions != 2 {
		t.Errorf("%q is admitted, %d are queued", status.ActiveSession, status.QueuedSessions)
	}
	s.sessions = append(s.sessions, waiting("older", 2*time.Hour))
	r.admitNext(s)
	if status := s.object.Status; status.ActiveSession != "old" || status.QueuedSessions != 3 {
		t.Errorf("%q was admitted too, %d are queued", status.ActiveSession, status.QueuedSessions)
	}
}

// A wait that status names is of the spec that it was written for, and is believed
// for no longer than this process knows it to be.
func TestANextAttemptIsOfItsSpec(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for name, tc := range map[string]struct {
		next     time.Duration
		observed int64
		want     time.Duration
	}{
		"of this spec":    {time.Minute, 1, time.Minute},
		"of another spec": {time.Minute, 2, 0},
		"past":            {-time.Minute, 1, 0},
		"of a wrong clock": {
			365 * 24 * time.Hour, 1, time.Hour,
		},
	} {
		s := newScope(&v1alpha1.ExactMatchSession{})
		s.object.Generation, s.status().ObservedGeneration = 1, tc.observed
		s.status().NextAttemptTime = &metav1.Time{Time: now.Add(tc.next)}
		if waits := s.waits(now, time.Hour); waits != (tc.want > 0) || waits && s.after != tc.want {
			t.Errorf("%s: it waits %t, %s", name, waits, s.after)
		}
	}
}

// An override lets pass the content that it names and no other, and rows that were
// published count although the live table was lost.
func TestAGuardIsReleasedForOneContent(t *testing.T) {
	rows := int64(10)
	for name, tc := range map[string]struct {
		change func(*scope)
		held   bool
	}{
		"fewer than are live":          {func(s *scope) { s.store.Status.Live = &v1alpha1.LiveTable{Rows: 100} }, true},
		"fewer than were published":    {func(s *scope) { s.store.Status.Published = &v1alpha1.LiveTable{Rows: 100} }, true},
		"fewer than the service shows": {func(s *scope) { s.shown = &edm.DataStore{Live: &edm.Live{Rows: 100}} }, true},
		"released": {func(s *scope) {
			s.store.Status.Live, s.object.Spec.GuardOverride = &v1alpha1.LiveTable{Rows: 100}, "this"
		}, false},
		"other content released": {func(s *scope) {
			s.store.Status.Live, s.object.Spec.GuardOverride = &v1alpha1.LiveTable{Rows: 100}, "other"
		}, true},
		"as many": {func(s *scope) { s.store.Status.Live = &v1alpha1.LiveTable{Rows: 20} }, false},
	} {
		s := newScope(&v1alpha1.ExactMatchSession{})
		s.store = &v1alpha1.ExactMatchDataStore{}
		s.store.Spec.Guards.MaxRowDecreasePercent, s.store.Spec.Guards.MaxUnfindablePercent = 50, 100
		s.status().Rows, s.status().PreparedContent = &rows, "this"
		tc.change(s)
		if held := len(guardsAgainst(s)) > 0; held != tc.held {
			t.Errorf("%s: held is %t, want %t", name, held, tc.held)
		}
	}
}

// The store's status may be older than what is live: a commit is judged by what the
// service shows at this moment.
func TestACommitIsJudgedByWhatTheServiceShows(t *testing.T) {
	for name, tc := range map[string]struct {
		rows     int64
		admitted bool
		held     bool
	}{
		"as many rows are live":         {10, true, false},
		"many more are live":            {100, true, true},
		"more, and another is admitted": {100, false, false}, // which is judged when it comes
	} {
		e := newFakeEnv(t, withID)
		e.service.shown = &edm.DataStore{ID: "remote-store", Live: &edm.Live{SessionID: "another", Rows: tc.rows, Generation: 3}}
		s := e.scope()
		rows := int64(10)
		s.store.Spec.Guards.MaxRowDecreasePercent, s.store.Spec.Guards.MaxUnfindablePercent = 50, 100
		s.status().Rows, s.status().Intent = &rows, &v1alpha1.CreateIntent{}
		s.facts.Admitted = tc.admitted
		e.must(e.r.observeSealed(t.Context(), s))
		if s.facts.Guarded != tc.held {
			t.Errorf("%s: held is %t, want %t", name, s.facts.Guarded, tc.held)
		}
	}
}

// inPods makes the environment's agent one whose workers are pods.
func (e *fakeEnv) inPods() (inJobs, *scope) {
	s := e.scope()
	s.agent.Spec.Workers.Mode = v1alpha1.WorkersModeJob
	s.jobs = jobs.Work{Session: s.object, Workers: s.agent.Spec.Workers}
	s.inputs, s.version = "inputs", "version"
	return inJobs{e.r}, s
}

// Names and labels can be given by anybody of the namespace; what pods say counts
// only where the session made them.
func TestOnlyOwnPodsAndJobsAreHeard(t *testing.T) {
	handed := protocol.Report{Prepared: "what was read"}.Text()
	for name, tc := range map[string]struct {
		job, pod func(metav1.Object)
		job0     bool // the Job is heard
		pod0     bool // its pod is
	}{
		"own":           {func(metav1.Object) {}, func(metav1.Object) {}, true, true},
		"another's Job": {func(o metav1.Object) { o.SetOwnerReferences(nil) }, func(metav1.Object) {}, false, false},
		"another's pod": {func(metav1.Object) {}, func(o metav1.Object) { o.SetOwnerReferences(nil) }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := newFakeEnv(t)
			j, s := e.inPods()
			job := s.jobs.Prepare(s.inputs)
			job.UID = "job"
			tc.job(job)
			e.must(e.api.Create(t.Context(), job))
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Namespace: "ns", Name: "pod", Labels: map[string]string{batchv1.JobNameLabel: job.Name},
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))},
			}}
			tc.pod(pod)
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: handed}}}}
			e.must(e.api.Create(t.Context(), pod))
			got, state, err := j.observeJob(t.Context(), s, job.Name)
			if err != nil || (got != nil) != tc.job0 || (state.Prepared != "") != tc.pod0 {
				t.Errorf("Job %v, state %+v, %v", got, state, err)
			}
		})
	}
}

// A Secret that somebody made under the order's name gets no upload URI, and is not
// deleted for it.
func TestASecretOfAnotherIsNotWritten(t *testing.T) {
	e := newFakeEnv(t)
	j, s := e.inPods()
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: s.jobs.SecretName()}, Data: map[string][]byte{"mine": []byte("x")}}
	e.must(e.api.Create(t.Context(), theirs))
	s.order = theirs
	s.plan = pipeline.Plan{Plan: plan.Plan{Store: "store"}}
	err := j.writeOrder(t.Context(), s, nil)
	if p := problem.Of(err); err == nil || p.Remedy != problem.Repair || p.Reason != v1alpha1.ReasonWorkersUnavailable {
		t.Errorf("it ends with %v", err)
	}
	e.must(e.r.dropOrder(t.Context(), s))
	now := &corev1.Secret{}
	e.must(e.api.Get(t.Context(), client.ObjectKeyFromObject(theirs), now))
	if string(now.Data["mine"]) != "x" || len(now.Data) != 1 {
		t.Errorf("it holds %v now", now.Data)
	}
}

// What pods have found out is of the plan that they read by.
func TestAnOrderOfAnotherPlanIsNotTaken(t *testing.T) {
	plan := pipeline.Plan{
		Plan: plan.Plan{
			Store: "store", Columns: []schema.Column{{Name: "ID"}}, RowsPerBlock: 1, BadRows: plan.BadRowsAllowance{MinSample: 1000},
		},
		Source: source.Bytes("t.csv", []byte("ID\n1\n2\n")), Key: []byte("a key for tests that has 32 bytes or more"),
	}
	prepared, err := pipeline.Prepare(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*scope)
		taken  bool
	}{
		"this plan's":       {func(*scope) {}, true},
		"its pin":           {func(s *scope) { s.plan.Pin = prepared.Checksum }, true},
		"another version's": {func(s *scope) { s.version = "another" }, false},
		"another pin":       {func(s *scope) { s.plan.Pin = "sha256:another" }, false},
		"another key's":     {func(s *scope) { s.plan.Key = []byte("another key for tests of 32 bytes or more") }, false},
	} {
		s := newScope(&v1alpha1.ExactMatchSession{})
		s.plan, s.version = plan, "version"
		text, err := json.Marshal(protocol.Order{Prepared: prepared.Handoff()})
		if err != nil {
			t.Fatal(err)
		}
		s.order = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{jobs.VersionAnnotation: "version"}}, Data: map[string][]byte{protocol.OrderFile: text}}
		tc.change(s)
		if got := preparedBy(s) != nil; got != tc.taken {
			t.Errorf("%s: taken is %t", name, got)
		}
	}
}

// noSessions is a client that finds no other session of the store.
type noSessions struct{ client.Client }

func (n noSessions) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("no index in this test")
}
