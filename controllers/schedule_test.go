package controllers_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

var _ = Describe("A schedule", func() {
	var w *testEnv
	var hour time.Time

	BeforeEach(func() {
		w, hour = newTestEnv(context.Background()), clockAt()
		w.table("table.csv", 30)
	})

	It("makes the session of its template at its time, once", func() {
		s := w.plan()
		Expect(s.Status.NextScheduleTime.Time).To(BeTemporally("==", hour))
		Consistently(func() []string { return w.runs(s) }).Should(BeEmpty(), "nothing is due yet")
		scheduleClock.SetTime(hour)
		one := w.ran(hour, reached(v1alpha1.ReasonCompleted), "the run is due")
		Expect(metav1.IsControlledBy(one, s)).To(BeTrue())
		Expect(one.Labels).To(And(HaveKeyWithValue("team", "care"), HaveKeyWithValue(v1alpha1.ScheduleLabel, "hourly")))
		Expect(one.Annotations).To(And(HaveKeyWithValue("why", "a test"), HaveKeyWithValue(v1alpha1.ScheduledTimeAnnotation, hour.UTC().Format(time.RFC3339))))
		Expect(one.Spec).To(Equal(s.Spec.SessionTemplate.Spec))
		Eventually(w.lastRun(s)).Should(Equal("True Completed"))
		Expect(s.Status.LastSuccessfulTime.Time).To(BeTemporally("==", hour))
		Expect(s.Status.LastScheduleTime.Time).To(BeTemporally("==", hour))
		Expect(s.Status.NextScheduleTime.Time).To(BeTemporally("==", hour.Add(time.Hour)))
		Expect(s.Status.LastRunName).To(Equal(one.Name))
		Expect(s.Status.ActiveRuns).To(BeEmpty())
		Consistently(func() []string { return w.runs(s) }).Should(HaveLen(1))
	})

	It("makes no second session where the manager died before it wrote the status", func() {
		s := w.plan()
		there := w.apply(called(run(hour)), desired(v1alpha1.DesiredUploaded), func(one *v1alpha1.ExactMatchSession) {
			one.Labels = map[string]string{v1alpha1.ScheduleLabel: s.Name}
			one.OwnerReferences = []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ExactMatchSchedule", Name: s.Name, UID: s.UID, Controller: new(true)}}
		})
		w.replan(s, func(spec *v1alpha1.ExactMatchScheduleSpec) { spec.ConcurrencyPolicy = v1alpha1.ConcurrencyPolicyAllow })
		scheduleClock.SetTime(hour)
		Eventually(func() string { _ = kube.Get(w.ctx, client.ObjectKeyFromObject(s), s); return s.Status.LastRunName }).Should(Equal(there.Name))
		Consistently(func() []string { return w.runs(s) }).Should(Equal([]string{there.Name}))
	})

	It("stalls where a session that it did not make has the name of a run", func() {
		s := w.plan()
		w.apply(called(run(hour)))
		scheduleClock.SetTime(hour)
		w.scheduled(s, unusable(v1alpha1.ReasonNameTaken), "it is not overwritten")
		w.says(s, run(hour))
	})

	It("makes up for one run after the manager was away, and counts the others", func() {
		s := w.plan()
		scheduleClock.SetTime(hour.Add(5*time.Hour + time.Minute))
		w.ran(hour.Add(5*time.Hour), reached(v1alpha1.ReasonCompleted), "the latest time has a run")
		w.scheduled(s, inForce(), "nothing else is due")
		Expect(w.runs(s)).To(HaveLen(1))
		Expect(s.Status.MissedRuns).To(BeEquivalentTo(5))
		Eventually(func() []string { return w.events(s) }).Should(ContainElements(v1alpha1.ReasonRunMissed, v1alpha1.ReasonRunCreated))
	})

	It("misses a run that is too late", func() {
		s := w.plan(func(s *v1alpha1.ExactMatchSchedule) { s.Spec.StartingDeadlineSeconds = 60 })
		scheduleClock.SetTime(hour.Add(2 * time.Minute))
		Eventually(func() int64 { _ = kube.Get(w.ctx, client.ObjectKeyFromObject(s), s); return s.Status.MissedRuns }).Should(BeEquivalentTo(1))
		Expect(w.runs(s)).To(BeEmpty())
		Eventually(func() []string { return w.events(s) }).Should(ContainElement(v1alpha1.ReasonRunMissed))
	})

	It("waits for an unfinished run where the policy forbids two", func() {
		s := w.plan(func(s *v1alpha1.ExactMatchSchedule) {
			s.Spec.SessionTemplate.Spec.DesiredState = v1alpha1.DesiredUploaded
		})
		scheduleClock.SetTime(hour)
		first := w.ran(hour, reached(v1alpha1.ReasonUploaded), "it waits for its review")
		scheduleClock.SetTime(hour.Add(time.Hour))
		w.scheduled(s, due(v1alpha1.ReasonWaitingForRun), "the first is unfinished")
		w.says(s, first.Name)
		Expect(s.Status.ActiveRuns).To(Equal([]string{first.Name}))
		w.change(first, func(one *v1alpha1.ExactMatchSession) { one.Spec.DesiredState = v1alpha1.DesiredCommitted })
		w.ran(hour.Add(time.Hour), reached(v1alpha1.ReasonAlreadyUploaded), "the first was reviewed")
	})

	It("replaces an unfinished run where the policy says so", func() {
		s := w.plan(func(s *v1alpha1.ExactMatchSchedule) {
			s.Spec.ConcurrencyPolicy = v1alpha1.ConcurrencyPolicyReplace
			s.Spec.SessionTemplate.Spec.DesiredState = v1alpha1.DesiredUploaded
		})
		scheduleClock.SetTime(hour)
		first := w.ran(hour, reached(v1alpha1.ReasonUploaded), "it waits for its review")
		scheduleClock.SetTime(hour.Add(time.Hour))
		w.ran(hour.Add(time.Hour), reached(v1alpha1.ReasonUploaded), "it takes the place of the first")
		w.comesTo(first, reached(v1alpha1.ReasonCancelled), "there is a later one")
		w.scheduled(s, inForce(), "the run was made")
		Eventually(func() []string { return w.events(s) }).Should(ContainElement(v1alpha1.ReasonRunReplaced))
	})

	It("makes no run while it is suspended, and does not make up for any", func() {
		s := w.plan()
		w.replan(s, func(spec *v1alpha1.ExactMatchScheduleSpec) { spec.Suspend = true; spec.RunNow = "during" })
		suspended := scheduleVerdict{Suspended: metav1.ConditionTrue, Reason: v1alpha1.ReasonSuspended, KStatus: status.CurrentStatus}
		w.scheduled(s, suspended, "as it was asked")
		Expect(s.Status.NextScheduleTime).To(BeNil())
		scheduleClock.SetTime(hour.Add(3 * time.Hour))
		Eventually(func() *metav1.Time {
			_ = kube.Get(w.ctx, client.ObjectKeyFromObject(s), s)
			return s.Status.LastHandledTime
		}).ShouldNot(BeNil())
		Expect(w.runs(s)).To(BeEmpty())
		w.replan(s, func(spec *v1alpha1.ExactMatchScheduleSpec) { spec.Suspend = false; spec.RunNow = "" })
		w.scheduled(s, inForce(), "it is in force again")
		Expect(s.Status.NextScheduleTime.Time).To(BeTemporally("==", hour.Add(4*time.Hour)))
		Consistently(func() []string { return w.runs(s) }).Should(BeEmpty())
		Expect(s.Status.MissedRuns).To(BeZero())
	})

	It("runs at once when it is asked to, once a token", func() {
		s := w.plan()
		w.replan(s, func(spec *v1alpha1.ExactMatchScheduleSpec) { spec.RunNow = "one" })
		Eventually(w.lastRun(s)).Should(Equal("True Completed"))
		Expect(s.Status.ObservedRunNow).To(Equal("one"))
		Expect(s.Status.LastHandledTime).To(BeNil(), "the scheduled time is still to come")
		Consistently(func() []string { return w.runs(s) }).Should(HaveLen(1))
		w.replan(s, func(spec *v1alpha1.ExactMatchScheduleSpec) { spec.RunNow = "two" })
		Eventually(func() []string { return w.runs(s) }).Should(HaveLen(2))
		Eventually(w.lastRun(s)).Should(Equal("True AlreadyUploaded"))
		w.replan(s, func(spec *v1alpha1.ExactMatchScheduleSpec) { spec.RunNow = "one" })
		Eventually(func() []string { return w.runs(s) }).Should(HaveLen(3), "a token that comes back is another request")
	})

	It("says what of its spec cannot be used", func() {
		s := w.plan()
		w.replan(s, func(spec *v1alpha1.ExactMatchScheduleSpec) { spec.Schedule = "61 * * * *" })
		w.scheduled(s, unusable(v1alpha1.ReasonScheduleInvalid), "no hour has 61 minutes")
		w.says(s, "spec.schedule")
		Expect(s.Status.NextScheduleTime).To(BeNil())
		w.replan(s, func(spec *v1alpha1.ExactMatchScheduleSpec) {
			spec.Schedule, spec.TimeZone = hourly(), "Europe/Atlantis"
		})
		Eventually(func() string {
			w.scheduled(s, unusable(v1alpha1.ReasonScheduleInvalid), "no such zone")
			return meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady).Message
		}).Should(ContainSubstring("spec.timeZone"))
		w.replan(s, func(spec *v1alpha1.ExactMatchScheduleSpec) {
			spec.TimeZone, spec.SessionTemplate.Metadata.Labels = "Europe/Berlin", map[string]string{"not a label": "x"}
		})
		w.scheduled(s, inForce(), "the times can be used")
		scheduleClock.SetTime(hour)
		w.scheduled(s, unusable(v1alpha1.ReasonTemplateInvalid), "the API server refuses the label")
		w.says(s, "spec.sessionTemplate")
		w.says(s, "not a label")
		w.replan(s, func(spec *v1alpha1.ExactMatchScheduleSpec) { spec.SessionTemplate.Metadata.Labels = nil })
		w.ran(hour, reached(v1alpha1.ReasonCompleted), "the template was mended")
	})

	It("keeps the history within its limits, and the live session always", func() {
		s := w.plan(func(s *v1alpha1.ExactMatchSchedule) {
			s.Spec.SuccessfulRunsHistoryLimit, s.Spec.FailedRunsHistoryLimit = 0, 1
		})
		scheduleClock.SetTime(hour)
		w.ran(hour, reached(v1alpha1.ReasonCompleted), "the first table")
		w.file("table.csv", "Nothing\n1\n")
		for n := 1; n < 3; n++ {
			at := hour.Add(time.Duration(n) * time.Hour)
			scheduleClock.SetTime(at)
			w.ran(at, stuck(v1alpha1.ReasonMissingColumn), "a bad table")
		}
		Eventually(func() []string { return w.runs(s) }).Should(Equal([]string{run(hour), run(hour.Add(2 * time.Hour))}), "the live one, and the last that failed")
		Expect(w.lastRun(s)()).To(Equal("False MissingColumn"))
		Expect(s.Status.LastSuccessfulTime.Time).To(BeTemporally("==", hour))
		w.table("table.csv", 40)
		scheduleClock.SetTime(hour.Add(3 * time.Hour))
		w.ran(hour.Add(3*time.Hour), reached(v1alpha1.ReasonCompleted), "a good table")
		Eventually(func() []string { return w.runs(s) }).Should(Equal([]string{run(hour.Add(2 * time.Hour)), run(hour.Add(3 * time.Hour))}), "another one is live")
	})

	It("skips a run whose source is that of the last good one", func() {
		Eventually(func() (string, error) {
			store := &v1alpha1.ExactMatchDataStore{}
			err := seen.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: w.session().Spec.DataStoreRef.Name}, store)
			return store.Status.KeyID, err
		}).ShouldNot(BeEmpty(), "the manager knows the key that the inputs name")
		s := w.plan(func(s *v1alpha1.ExactMatchSchedule) { s.Spec.SkipUnchanged = true })
		scheduleClock.SetTime(hour)
		w.ran(hour, reached(v1alpha1.ReasonCompleted), "the first table")
		Eventually(w.lastRun(s)).Should(Equal("True Completed"))
		scheduleClock.SetTime(hour.Add(time.Hour))
		Eventually(func() []string { return w.events(s) }).Should(ContainElement(v1alpha1.ReasonRunUnchanged))
		Expect(w.runs(s)).To(HaveLen(1))
		Eventually(func() time.Time {
			_ = kube.Get(w.ctx, client.ObjectKeyFromObject(s), s)
			return s.Status.LastHandledTime.Time
		}).Should(BeTemporally("==", hour.Add(time.Hour)))
		w.table("table.csv", 31)
		scheduleClock.SetTime(hour.Add(2 * time.Hour))
		w.ran(hour.Add(2*time.Hour), reached(v1alpha1.ReasonCompleted), "the table has changed")
		Eventually(w.lastRun(s)).Should(Equal("True Completed"))
		w.replan(s, func(spec *v1alpha1.ExactMatchScheduleSpec) { spec.SessionTemplate.Spec.RowsPerBlock = 5 })
		scheduleClock.SetTime(hour.Add(3 * time.Hour))
		w.ran(hour.Add(3*time.Hour), reached(v1alpha1.ReasonCompleted), "the template has changed")
	})

	It("waits for a file that comes late, and fails without it", func() {
		s := w.plan(func(s *v1alpha1.ExactMatchSchedule) {
			s.Spec.WaitFor = &v1alpha1.WaitFor{NewerThan: v1alpha1.NewerThanLastRun, TimeoutSeconds: 600}
			s.Spec.SessionTemplate.Spec.Source.URI = "file:///late.csv"
		})
		scheduleClock.SetTime(hour)
		w.scheduled(s, due(v1alpha1.ReasonWaitingForFile), "the file has not arrived")
		w.table("late.csv", 30)
		w.ran(hour, reached(v1alpha1.ReasonCompleted), "the file is there")
		Eventually(w.lastRun(s)).Should(Equal("True Completed"))
		scheduleClock.SetTime(hour.Add(time.Hour))
		w.scheduled(s, due(v1alpha1.ReasonWaitingForFile), "it is the file of the last run")
		scheduleClock.SetTime(hour.Add(time.Hour + 10*time.Minute))
		Eventually(w.lastRun(s)).Should(Equal("False FileLate"))
		w.scheduled(s, inForce(), "the next time comes")
		Eventually(func() []string { return w.events(s) }).Should(ContainElement(v1alpha1.ReasonFileLate))
		Consistently(w.lastRun(s)).Should(Equal("False FileLate"), "the run before it does not hide it")
		Expect(w.runs(s)).To(HaveLen(1))
		w.table("late.csv", 31)
		scheduleClock.SetTime(hour.Add(2 * time.Hour))
		w.ran(hour.Add(2*time.Hour), reached(v1alpha1.ReasonCompleted), "another file is there")
		Eventually(w.lastRun(s)).Should(Equal("True Completed"))
	})

	It("waits for the quota, and says until when", func() {
		for n := range 4 {
			w.table("table.csv", 40+n)
			w.comesTo(w.apply(called(fmt.Sprint("spends-", n))), reached(v1alpha1.ReasonCompleted), "a commit is spent")
		}
		store := w.store()
		Eventually(func() *v1alpha1.Quota {
			_ = kube.Get(w.ctx, client.ObjectKeyFromObject(store), store)
			return store.Status.Quota
		}).Should(
			HaveField("NextSlotTime", Not(BeNil())), "the store shows that no commit is left")
		w.table("table.csv", 50)
		s := w.plan()
		scheduleClock.SetTime(hour)
		w.scheduled(s, due(v1alpha1.ReasonQuotaExceeded), "the create would be refused")
		w.says(s, "the next slot opens at")
		Expect(w.runs(s)).To(BeEmpty())
		scheduleClock.SetTime(store.Status.Quota.NextSlotTime.Add(time.Second))
		Eventually(func() []string { return w.runs(s) }).Should(HaveLen(1), "the slot is open")
	})

	It("ends with its object", func() {
		s := w.plan()
		scheduleClock.SetTime(hour)
		one := w.ran(hour, reached(v1alpha1.ReasonCompleted), "the run is due")
		Expect(one.OwnerReferences).To(ConsistOf(HaveField("UID", s.UID)), "the garbage collector deletes the session")
		Expect(kube.Delete(w.ctx, s)).To(Succeed())
		w.gone(s, "nothing keeps it")
		scheduleClock.SetTime(hour.Add(2 * time.Hour))
		Consistently(func() []string { return w.runs(s) }).Should(HaveLen(1))
	})

	It("is applied by two owners, each with fields of its own", func(ctx SpecContext) {
		s := w.plan()
		patch := func(owner, spec string) error {
			text := `{"apiVersion":"exactmatch.dev/v1alpha1","kind":"ExactMatchSchedule","metadata":{"name":"hourly"},"spec":` + spec + `}`
			return kube.Patch(ctx, s, client.RawPatch("application/apply-patch+yaml", []byte(text)), client.FieldOwner(owner))
		}
		Expect(patch("on-call", `{"runNow":"tonight"}`)).To(Succeed())
		Expect(patch("night-shift", `{"jitterSeconds":0}`)).To(Succeed())
		Eventually(w.lastRun(s)).Should(Equal("True Completed"))
		Expect(patch("on-call", `{"runNow":"tonight"}`)).To(Succeed(), "the operator took none of the fields")
		Expect(s.Spec.RunNow).To(Equal("tonight"))
	})
})
