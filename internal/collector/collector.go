// Package collector shows what the objects of the cluster say, as Prometheus metrics.
// It reads them from the manager's cache at each scrape, so that no series survives its
// object and none is behind it.
package collector

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// timeout bounds a scrape: the cache answers at once, unless it has not synced.
const timeout = 5 * time.Second

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("exactmatch_"+name, help, labels, nil)
}

// What is shown. Labels name objects of ours and reasons of their conditions, nothing that
// a table or a service says.
var (
	up = desc("collector_up", "Whether the objects could be read at this scrape; without, the metrics of objects are missing.")

	sessions = desc("sessions", "Number of ExactMatchSessions, by data store and by the reason of their condition Finished, which is the column STATUS.",
		"namespace", "datastore", "reason")
	stalledSince = desc("session_stalled_since_timestamp_seconds", "Since when an ExactMatchSession needs somebody to act, in seconds since 1970.",
		"namespace", "datastore", "session", "reason")
	failures = desc("session_consecutive_failures", "Failures in a row of an ExactMatchSession that retries.",
		"namespace", "datastore", "session", "reason")
	remaining = desc("session_remaining_blocks", "Blocks that an ExactMatchSession which uploads has yet to upload.",
		"namespace", "datastore", "session")

	stores = desc("datastores", "Number of ExactMatchDataStores, by the reason of their condition Ready.", "namespace", "reason")
	agents = desc("uploadagents", "Number of ExactMatchUploadAgents, by the reason of their condition Ready.", "namespace", "reason")
	queued = desc("datastore_queued_sessions", "Number of ExactMatchSessions that wait for another one of their data store.", "namespace", "datastore")

	live           = desc("datastore_live", "Whether lookups are answered from the table that was published last, under the data store's rules and key (condition Live); the reason says what else.", "namespace", "datastore", "reason")
	liveRows       = desc("datastore_live_rows", "Rows of the live table.", "namespace", "datastore")
	liveGeneration = desc("datastore_live_generation", "Generation of the live table, as the service counts.", "namespace", "datastore")
	liveSince      = desc("datastore_live_completion_timestamp_seconds", "When the live table was completed, in seconds since 1970.", "namespace", "datastore")
	quotaMax       = desc("datastore_quota_commits", "Commits that the service allows within 24 hours; missing where it sets no limit.", "namespace", "datastore")
	quotaLeft      = desc("datastore_quota_remaining_commits", "Commits that are left within 24 hours.", "namespace", "datastore")
	lastSuccess    = desc("datastore_last_success_timestamp_seconds", "When a session of the data store last ended with its table live, or found it live already, in seconds since 1970.", "namespace", "datastore")

	schedules            = desc("schedules", "Number of ExactMatchSchedules, by the reason of their condition Ready, or Suspended.", "namespace", "reason")
	scheduleStalledSince = desc("schedule_stalled_since_timestamp_seconds", "Since when an ExactMatchSchedule needs somebody to act, in seconds since 1970.",
		"namespace", "schedule", "reason")
	nextRun     = desc("schedule_next_run_timestamp_seconds", "When the next run of an ExactMatchSchedule is due, in seconds since 1970.", "namespace", "schedule")
	lastRun     = desc("schedule_last_run_timestamp_seconds", "When the last run of an ExactMatchSchedule that was made was due, in seconds since 1970.", "namespace", "schedule")
	lastGoodRun = desc("schedule_last_success_timestamp_seconds", "When the last run of an ExactMatchSchedule that succeeded was due, in seconds since 1970.", "namespace", "schedule")
	lastRunGood = desc("schedule_last_run_succeeded", "Whether the last run of an ExactMatchSchedule succeeded (condition LastRunSucceeded); missing while that is unknown. The reason says what became of it.",
		"namespace", "schedule", "reason")
	missedRuns = desc("schedule_missed_runs", "Times of an ExactMatchSchedule that passed without a run since it was created.", "namespace", "schedule")

	all = []*prometheus.Desc{up, sessions, stalledSince, failures, remaining, stores, agents, queued,
		live, liveRows, liveGeneration, liveSince, quotaMax, quotaLeft, lastSuccess,
		schedules, scheduleStalledSince, nextRun, lastRun, lastGoodRun, lastRunGood, missedRuns}
)

// Collector implements prometheus.Collector.
type Collector struct {
	// Reader is the manager's cache.
	Reader client.Reader
	// Elected is closed once this manager leads: replicas in reserve would show everything
	// twice.
	Elected <-chan struct{}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range all {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	select {
	case <-c.Elected:
	default:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	s := scrape{to}
	err := c.read(ctx, s)
	s.show(up, asNumber(err == nil))
}

// read shows all kinds or, where one cannot be read, those before it.
func (c *Collector) read(ctx context.Context, s scrape) error {
	var agents v1alpha1.ExactMatchUploadAgentList
	var stores v1alpha1.ExactMatchDataStoreList
	var sessions v1alpha1.ExactMatchSessionList
	var schedules v1alpha1.ExactMatchScheduleList
	for _, list := range []client.ObjectList{&agents, &stores, &sessions, &schedules} {
		if err := c.Reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return err
		}
	}
	s.agents(agents.Items)
	s.stores(stores.Items)
	s.sessions(sessions.Items)
	s.schedules(schedules.Items)
	return nil
}

// scrape is one answer.
type scrape struct{ to chan<- prometheus.Metric }

func (s scrape) show(d *prometheus.Desc, value float64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

// counts counts objects by their labels.
func (s scrape) counts(d *prometheus.Desc, of map[[3]string]int, labels int) {
	for key, n := range of {
		s.show(d, float64(n), key[:labels]...)
	}
}

func (s scrape) agents(items []v1alpha1.ExactMatchUploadAgent) {
	counts := map[[3]string]int{}
	for i := range items {
		counts[[3]string{items[i].Namespace, reasonOf(items[i].Status.Conditions, v1alpha1.ConditionReady)}]++
	}
	s.counts(agents, counts, 2)
}

func (s scrape) stores(items []v1alpha1.ExactMatchDataStore) {
	counts := map[[3]string]int{}
	for i := range items {
		counts[[3]string{items[i].Namespace, reasonOf(items[i].Status.Conditions, v1alpha1.ConditionReady)}]++
		s.store(&items[i])
	}
	s.counts(stores, counts, 2)
}

func (s scrape) store(one *v1alpha1.ExactMatchDataStore) {
	status := &one.Status
	s.show(queued, float64(status.QueuedSessions), one.Namespace, one.Name)
	s.showCondition(live, meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionLive), one.Namespace, one.Name)
	if table := status.Live; table != nil {
		s.show(liveRows, float64(table.Rows), one.Namespace, one.Name)
		s.show(liveGeneration, float64(table.Generation), one.Namespace, one.Name)
		s.showTime(liveSince, table.CompletionTime, one.Namespace, one.Name)
	}
	if quota := status.Quota; quota != nil && quota.Max > 0 {
		s.show(quotaMax, float64(quota.Max), one.Namespace, one.Name)
		s.show(quotaLeft, float64(quota.Remaining), one.Namespace, one.Name)
	}
}

func (s scrape) sessions(items []v1alpha1.ExactMatchSession) {
	counts, successes := map[[3]string]int{}, map[[2]string]*metav1.Time{}
	for i := range items {
		one := &items[i]
		counts[[3]string{one.Namespace, one.Spec.DataStoreRef.Name, reasonOf(one.Status.Conditions, v1alpha1.ConditionFinished)}]++
		s.session(one)
		store := [2]string{one.Namespace, one.Spec.DataStoreRef.Name}
		successes[store] = later(successes[store], successOf(one))
	}
	s.counts(sessions, counts, 3)
	for store, at := range successes {
		s.showTime(lastSuccess, at, store[:]...)
	}
}

// successOf is when a session last ended with its table live, nil where it never did.
func successOf(one *v1alpha1.ExactMatchSession) (last *metav1.Time) {
	if c := meta.FindStatusCondition(one.Status.Conditions, v1alpha1.ConditionFinished); c != nil && c.Status == metav1.ConditionTrue && isSuccess(c.Reason) {
		last = &c.LastTransitionTime
	}
	for i := range one.Status.History {
		if ended := &one.Status.History[i]; isSuccess(ended.Outcome) {
			last = later(last, ended.CompletionTime)
		}
	}
	return last
}

func isSuccess(outcome string) bool {
	return outcome == v1alpha1.ReasonCompleted || outcome == v1alpha1.ReasonAlreadyUploaded
}

// later is the later one of two times, of which either may be nil.
func later(a, b *metav1.Time) *metav1.Time {
	if a == nil || b != nil && a.Before(b) {
		return b
	}
	return a
}

func (s scrape) session(one *v1alpha1.ExactMatchSession) {
	names, status := []string{one.Namespace, one.Spec.DataStoreRef.Name, one.Name}, &one.Status
	s.showSince(stalledSince, meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled), names...)
	if n := status.ConsecutiveFailures; n > 0 {
		s.show(failures, float64(n), append(names, one.StatusReason())...)
	}
	if one.StatusReason() == v1alpha1.ReasonUploading && status.RemainingBlockCount != nil {
		s.show(remaining, float64(*status.RemainingBlockCount), names...)
	}
}

func (s scrape) schedules(items []v1alpha1.ExactMatchSchedule) {
	counts := map[[3]string]int{}
	for i := range items {
		one := &items[i]
		kind := v1alpha1.ConditionReady
		if one.Spec.Suspend { // which has no Ready
			kind = v1alpha1.ConditionSuspended
		}
		counts[[3]string{one.Namespace, reasonOf(one.Status.Conditions, kind)}]++
		s.schedule(one)
	}
	s.counts(schedules, counts, 2)
}

func (s scrape) schedule(one *v1alpha1.ExactMatchSchedule) {
	names, status := []string{one.Namespace, one.Name}, &one.Status
	s.showSince(scheduleStalledSince, meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled), names...)
	s.showCondition(lastRunGood, meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionLastRunSucceeded), names...)
	s.showTime(nextRun, status.NextScheduleTime, names...)
	s.showTime(lastRun, status.LastScheduleTime, names...)
	s.showTime(lastGoodRun, status.LastSuccessfulTime, names...)
	s.show(missedRuns, float64(status.MissedRuns), names...)
}

// showCondition shows 1 for a condition that is True and 0 for False, with its reason.
func (s scrape) showCondition(d *prometheus.Desc, c *metav1.Condition, labels ...string) {
	if c != nil && c.Status != metav1.ConditionUnknown {
		s.show(d, asNumber(c.Status == metav1.ConditionTrue), append(labels, c.Reason)...)
	}
}

// showSince shows since when a condition has been True, with its reason.
func (s scrape) showSince(d *prometheus.Desc, c *metav1.Condition, labels ...string) {
	if c != nil && c.Status == metav1.ConditionTrue {
		s.showTime(d, &c.LastTransitionTime, append(labels, c.Reason)...)
	}
}

func (s scrape) showTime(d *prometheus.Desc, at *metav1.Time, labels ...string) {
	if at != nil {
		s.show(d, float64(at.Unix()), labels...)
	}
}

// reasonOf is the reason of a condition, Pending where nobody has set it yet.
func reasonOf(conditions []metav1.Condition, kind string) string {
	if c := meta.FindStatusCondition(conditions, kind); c != nil {
		return c.Reason
	}
	return "Pending"
}

func asNumber(yes bool) float64 { //nolint:revive // a value, not a mode
	if yes {
		return 1
	}
	return 0
}
