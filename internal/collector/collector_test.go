package collector

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"exactmatch.dev/operator/api/v1alpha1"
)

var noon = metav1.NewTime(time.Unix(1_700_000_000, 0))

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "hr", Name: name}
}

func conditions(pairs ...string) (list []metav1.Condition) {
	for i := 0; i < len(pairs); i += 3 {
		list = append(list, metav1.Condition{Type: pairs[i], Status: metav1.ConditionStatus(pairs[i+1]), Reason: pairs[i+2], LastTransitionTime: noon})
	}
	return list
}

func sessionOf(name, store string, change func(*v1alpha1.ExactMatchSessionStatus)) client.Object {
	s := &v1alpha1.ExactMatchSession{ObjectMeta: named(name)}
	s.Spec.DataStoreRef.Name = store
	change(&s.Status)
	return s
}

// objects are of every form that the metrics tell apart.
func objects() []client.Object {
	agent := &v1alpha1.ExactMatchUploadAgent{ObjectMeta: named("service")}
	agent.Status.Conditions = conditions("Ready", "True", "Ready")
	staff := &v1alpha1.ExactMatchDataStore{ObjectMeta: named("staff")}
	staff.Status = v1alpha1.ExactMatchDataStoreStatus{
		Conditions: conditions("Ready", "True", "Ready", "Live", "True", "Published"), QueuedSessions: 2,
		Live: &v1alpha1.LiveTable{Rows: 30, Generation: 7, CompletionTime: &noon}, Quota: &v1alpha1.Quota{Max: 5, Remaining: 1},
	}
	lost := &v1alpha1.ExactMatchDataStore{ObjectMeta: named("lost")}
	lost.Status = v1alpha1.ExactMatchDataStoreStatus{Conditions: conditions("Ready", "False", "OwnedElsewhere", "Live", "False", "TableLost"), Quota: &v1alpha1.Quota{}}
	unknown := &v1alpha1.ExactMatchDataStore{ObjectMeta: named("unknown")}
	unknown.Status.Conditions = conditions("Live", "Unknown", "LiveUnknown")
	nightly := &v1alpha1.ExactMatchSchedule{ObjectMeta: named("nightly")}
	nightly.Status = v1alpha1.ExactMatchScheduleStatus{
		Conditions: conditions("Ready", "True", "Ready", "LastRunSucceeded", "True", "Completed"), MissedRuns: 2,
		NextScheduleTime: new(metav1.NewTime(noon.Add(time.Hour))), LastScheduleTime: &noon, LastSuccessfulTime: new(metav1.NewTime(noon.Add(-time.Hour))),
	}
	paused := &v1alpha1.ExactMatchSchedule{ObjectMeta: named("paused")}
	paused.Spec.Suspend = true
	paused.Status.Conditions = conditions("Suspended", "True", "Suspended", "LastRunSucceeded", "False", "FileLate")
	wrong := &v1alpha1.ExactMatchSchedule{ObjectMeta: named("wrong")}
	wrong.Status.Conditions = conditions("Ready", "False", "ScheduleInvalid", "Stalled", "True", "ScheduleInvalid", "LastRunSucceeded", "Unknown", "RunCreated")
	return []client.Object{
		agent, staff, lost, unknown, nightly, paused, wrong,
		sessionOf("new", "staff", func(*v1alpha1.ExactMatchSessionStatus) {}),
		sessionOf("first", "staff", func(s *v1alpha1.ExactMatchSessionStatus) { s.Conditions = conditions("Finished", "True", "Completed") }),
		sessionOf("second", "staff", func(s *v1alpha1.ExactMatchSessionStatus) { s.Conditions = conditions("Finished", "True", "Completed") }),
		sessionOf("uploads", "staff", func(s *v1alpha1.ExactMatchSessionStatus) {
			s.Conditions, s.RemainingBlockCount = conditions("Finished", "False", "Uploading"), new(int32(12))
		}),
		sessionOf("retries", "lost", func(s *v1alpha1.ExactMatchSessionStatus) {
			s.Conditions, s.ConsecutiveFailures, s.RemainingBlockCount = conditions("Finished", "False", "Retrying"), 3, new(int32(4))
		}),
		sessionOf("held", "lost", func(s *v1alpha1.ExactMatchSessionStatus) {
			s.Conditions = conditions("Finished", "True", "Held", "Stalled", "True", "Held")
			s.History = []v1alpha1.HistoryEntry{
				{Outcome: "Expired", CompletionTime: new(metav1.NewTime(noon.Add(time.Hour)))},
				{Outcome: "AlreadyUploaded", CompletionTime: new(metav1.NewTime(noon.Add(time.Minute)))},
				{Outcome: "Completed", CompletionTime: &noon}, {Outcome: "Completed"},
			}
		}),
	}
}

const shown = `
exactmatch_collector_up 1
exactmatch_datastore_last_success_timestamp_seconds{datastore="lost",namespace="hr"} 1.70000006e+09
exactmatch_datastore_last_success_timestamp_seconds{datastore="staff",namespace="hr"} 1.7e+09
exactmatch_datastore_live{datastore="lost",namespace="hr",reason="TableLost"} 0
exactmatch_datastore_live{datastore="staff",namespace="hr",reason="Published"} 1
exactmatch_datastore_live_completion_timestamp_seconds{datastore="staff",namespace="hr"} 1.7e+09
exactmatch_datastore_live_generation{datastore="staff",namespace="hr"} 7
exactmatch_datastore_live_rows{datastore="staff",namespace="hr"} 30
exactmatch_datastore_queued_sessions{datastore="lost",namespace="hr"} 0
exactmatch_datastore_queued_sessions{datastore="staff",namespace="hr"} 2
exactmatch_datastore_queued_sessions{datastore="unknown",namespace="hr"} 0
exactmatch_datastore_quota_commits{datastore="staff",namespace="hr"} 5
exactmatch_datastore_quota_remaining_commits{datastore="staff",namespace="hr"} 1
exactmatch_datastores{namespace="hr",reason="OwnedElsewhere"} 1
exactmatch_datastores{namespace="hr",reason="Pending"} 1
exactmatch_datastores{namespace="hr",reason="Ready"} 1
exactmatch_schedule_last_run_succeeded{namespace="hr",reason="Completed",schedule="nightly"} 1
exactmatch_schedule_last_run_succeeded{namespace="hr",reason="FileLate",schedule="paused"} 0
exactmatch_schedule_last_run_timestamp_seconds{namespace="hr",schedule="nightly"} 1.7e+09
exactmatch_schedule_last_success_timestamp_seconds{namespace="hr",schedule="nightly"} 1.6999964e+09
exactmatch_schedule_missed_runs{namespace="hr",schedule="nightly"} 2
exactmatch_schedule_missed_runs{namespace="hr",schedule="paused"} 0
exactmatch_schedule_missed_runs{namespace="hr",schedule="wrong"} 0
exactmatch_schedule_next_run_timestamp_seconds{namespace="hr",schedule="nightly"} 1.7000036e+09
exactmatch_schedule_stalled_since_timestamp_seconds{namespace="hr",reason="ScheduleInvalid",schedule="wrong"} 1.7e+09
exactmatch_schedules{namespace="hr",reason="Ready"} 1
exactmatch_schedules{namespace="hr",reason="ScheduleInvalid"} 1
exactmatch_schedules{namespace="hr",reason="Suspended"} 1
exactmatch_session_consecutive_failures{datastore="lost",namespace="hr",reason="Retrying",session="retries"} 3
exactmatch_session_remaining_blocks{datastore="staff",namespace="hr",session="uploads"} 12
exactmatch_session_stalled_since_timestamp_seconds{datastore="lost",namespace="hr",reason="Held",session="held"} 1.7e+09
exactmatch_sessions{datastore="lost",namespace="hr",reason="Held"} 1
exactmatch_sessions{datastore="lost",namespace="hr",reason="Retrying"} 1
exactmatch_sessions{datastore="staff",namespace="hr",reason="Completed"} 2
exactmatch_sessions{datastore="staff",namespace="hr",reason="Pending"} 1
exactmatch_sessions{datastore="staff",namespace="hr",reason="Uploading"} 1
exactmatch_uploadagents{namespace="hr",reason="Ready"} 1
`

func reader(t *testing.T, objects ...client.Object) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
}

func elected() chan struct{} {
	yes := make(chan struct{})
	close(yes)
	return yes
}

func compare(t *testing.T, c *Collector, want string) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	encoder := expfmt.NewEncoder(&got, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for line := range strings.Lines(got.String()) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	if text := strings.Join(lines, "\n"); text != strings.TrimSpace(want) {
		t.Errorf("the scrape shows\n%s\nand should show\n%s", text, want)
	}
	problems, err := testutil.CollectAndLint(c)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestEveryFormIsShown(t *testing.T) {
	compare(t, &Collector{Reader: reader(t, objects()...), Elected: elected()}, shown)
}

func TestAReplicaInReserveShowsNothing(t *testing.T) {
	compare(t, &Collector{Reader: reader(t, objects()...), Elected: make(chan struct{})}, "")
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	broken := interceptor.NewClient(reader(t), interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
		return errors.New("the cache has not synced")
	}})
	compare(t, &Collector{Reader: broken, Elected: elected()}, "exactmatch_collector_up 0")
}

var (
	row     = regexp.MustCompile("(?m)^\\| (`exactmatch_[^|]*) \\|([^|]*)\\|")
	quoted  = regexp.MustCompile("[`\"]([a-z_]+)[`\"]")
	counted = regexp.MustCompile(`Name:\s+"(exactmatch_[a-z_]+)"[^}]*\}(?:,\s+\})?(?:, \[\]string\{([^}]*)\})?`)
	shows   = regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
)

// words are the quoted words of a text, sorted.
func words(text string) string {
	var all []string
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func textOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEveryMetricIsDescribed: SPEC.md has exactly the metrics that are shown, and those
// that the reconcilers count, with their labels. hack/alerts holds the alerts and the
// dashboard against SPEC.md.
func TestEveryMetricIsDescribed(t *testing.T) {
	_, section, _ := strings.Cut(textOf(t, "../../api/v1alpha1/SPEC.md"), "\n## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	described, there := map[string]string{}, map[string]string{}
	for _, m := range row.FindAllStringSubmatch(section, -1) {
		for _, name := range quoted.FindAllStringSubmatch(m[1], -1) {
			described[name[1]] = words(m[2])
		}
	}
	for _, m := range counted.FindAllStringSubmatch(textOf(t, "../../controllers/metrics.go"), -1) {
		there[m[1]] = words(m[2])
	}
	for _, d := range all {
		m := shows.FindStringSubmatch(d.String())
		there[m[1]] = words("`" + strings.ReplaceAll(m[2], ",", "` `") + "`")
	}
	if !strings.Contains(there["exactmatch_session_steps_total"], "step") {
		t.Error("the counters of the reconcilers are not found")
	}
	for name, labels := range there {
		if is, found := described[name]; !found || is != labels {
			t.Errorf("SPEC.md has %q with the labels %q, and the manager %q", name, is, labels)
		}
	}
	for name := range described {
		if _, found := there[name]; !found {
			t.Errorf("SPEC.md describes %s, which nothing shows", name)
		}
	}
}
