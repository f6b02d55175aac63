package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
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
func TestANextRetryIsOfItsSpec(t *testing.T) {
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
		s.status().NextRetryTime = &metav1.Time{Time: now.Add(tc.next)}
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

// noSessions is a client that finds no other session of the store.
type noSessions struct{ client.Client }

func (n noSessions) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("no index in this test")
}
