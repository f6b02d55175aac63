package controllers_test

import (
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// scheduleClock is the clock of the suite's schedules. The manager looks at it once a
// resync; everything else has the machine's.
var scheduleClock = clocktesting.NewFakePassiveClock(time.Now())

// clockAt sets the clock of the schedules to the second before they run. The API server's
// clock, which dates them, does not come that far in a spec.
func clockAt() (first time.Time) {
	first = time.Now().Add(30 * time.Minute).Truncate(time.Minute)
	scheduleClock.SetTime(first.Add(-time.Second))
	return first
}

// hourly are the times of every hour from the next second on.
func hourly() string { return fmt.Sprintf("%d * * * *", scheduleClock.Now().Add(time.Second).Minute()) }

// plan makes a schedule of every hour.
func (w *testEnv) plan(change ...func(*v1alpha1.ExactMatchSchedule)) *v1alpha1.ExactMatchSchedule {
	GinkgoHelper()
	s := &v1alpha1.ExactMatchSchedule{
		ObjectMeta: w.named("hourly"),
		Spec: v1alpha1.ExactMatchScheduleSpec{
			Schedule: hourly(), SuccessfulRunsHistoryLimit: 3, FailedRunsHistoryLimit: 1,
			SessionTemplate: v1alpha1.SessionTemplate{
				Metadata: v1alpha1.SessionTemplateMetadata{Labels: map[string]string{"team": "care"}, Annotations: map[string]string{"why": "a test"}},
				Spec:     w.session().Spec,
			},
		},
	}
	for _, c := range change {
		c(s)
	}
	Expect(kube.Create(w.ctx, s)).To(Succeed())
	w.scheduled(s, inForce(), "the schedule is seen before its first time")
	return s
}

// replan patches the spec of a schedule as it is now.
func (w *testEnv) replan(s *v1alpha1.ExactMatchSchedule, change func(*v1alpha1.ExactMatchScheduleSpec)) {
	GinkgoHelper()
	Expect(kube.Get(w.ctx, client.ObjectKeyFromObject(s), s)).To(Succeed())
	before := s.DeepCopy()
	change(&s.Spec)
	Expect(kube.Patch(w.ctx, s, client.MergeFrom(before))).To(Succeed())
}

// scheduleVerdict is what a person, Argo CD and kstatus see of a schedule.
type scheduleVerdict struct {
	Ready, Reconciling, Stalled, Suspended metav1.ConditionStatus
	Reason                                 string
	KStatus                                status.Status
}

// inForce is a schedule that is in force.
func inForce() scheduleVerdict {
	return scheduleVerdict{Ready: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady, KStatus: status.CurrentStatus}
}

// due is a schedule whose run waits.
func due(reason string) scheduleVerdict {
	return scheduleVerdict{Ready: metav1.ConditionUnknown, Reconciling: metav1.ConditionTrue, Reason: reason, KStatus: status.InProgressStatus}
}

// unusable is a schedule that somebody has to change.
func unusable(reason string) scheduleVerdict {
	return scheduleVerdict{Ready: metav1.ConditionFalse, Stalled: metav1.ConditionTrue, Reason: reason, KStatus: status.FailedStatus}
}

// scheduled waits until a schedule has a verdict.
func (w *testEnv) scheduled(s *v1alpha1.ExactMatchSchedule, want scheduleVerdict, because string) {
	GinkgoHelper()
	Eventually(func() (scheduleVerdict, error) {
		if err := kube.Get(w.ctx, client.ObjectKeyFromObject(s), s); err != nil {
			return scheduleVerdict{}, err
		}
		v := scheduleVerdict{KStatus: kstatusOf(s)}
		for kind, to := range map[string]*metav1.ConditionStatus{
			v1alpha1.ConditionReady: &v.Ready, v1alpha1.ConditionReconciling: &v.Reconciling,
			v1alpha1.ConditionStalled: &v.Stalled, v1alpha1.ConditionSuspended: &v.Suspended,
		} {
			if c := meta.FindStatusCondition(s.Status.Conditions, kind); c != nil && c.ObservedGeneration == s.Generation {
				*to, v.Reason = c.Status, c.Reason
			}
		}
		return v, nil
	}).Should(Equal(want), func() string { return fmt.Sprintf("%s\n%+v", because, s.Status) })
}

// runs are the names of a schedule's sessions, oldest first.
func (w *testEnv) runs(s *v1alpha1.ExactMatchSchedule) (names []string) {
	GinkgoHelper()
	list := &v1alpha1.ExactMatchSessionList{}
	Expect(kube.List(w.ctx, list, client.InNamespace(w.namespace), client.MatchingLabels{v1alpha1.ScheduleLabel: s.Name})).To(Succeed())
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	slices.Sort(names)
	return names
}

// run is the name of the run of a time.
func run(at time.Time) string { return fmt.Sprintf("hourly-%d", at.Unix()/60) }

// ran waits until the run of a time has a verdict.
func (w *testEnv) ran(at time.Time, want verdict, because string) *v1alpha1.ExactMatchSession {
	GinkgoHelper()
	one := &v1alpha1.ExactMatchSession{ObjectMeta: w.named(run(at))}
	w.comesTo(one, want, because)
	return one
}

// says waits until the message of Ready says something.
func (w *testEnv) says(s *v1alpha1.ExactMatchSchedule, words string) {
	GinkgoHelper()
	Expect(meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady).Message).To(ContainSubstring(words))
}

// lastRun is the reason of LastRunSucceeded, behind its status.
func (w *testEnv) lastRun(s *v1alpha1.ExactMatchSchedule) func() string {
	return func() string {
		if err := kube.Get(w.ctx, client.ObjectKeyFromObject(s), s); err != nil {
			return err.Error()
		}
		c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionLastRunSucceeded)
		if c == nil {
			return ""
		}
		return string(c.Status) + " " + c.Reason
	}
}
