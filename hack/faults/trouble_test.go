package faults_test

import (
	"regexp"
	"slices"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// trouble is what a disruption changes beside the manager: what the service, the
// objects or their owners say. Its zero value is none.
type trouble struct {
	// in names the steps in which it makes sense.
	in map[string]bool
	// arrange alters the case from its beginning; ready comes before the step's own.
	arrange, ready func(*testEnv)
	// person does what the session's outcome advises, where that may end it. It
	// reports whether there was something to do.
	person func(*testEnv, *v1alpha1.ExactMatchSession) bool
	// also is asserted at the end.
	also func(*testEnv)
	// remakes: the table may be uploaded anew; orphans: what nobody knows of any
	// more may stay open at the service until it expires.
	remakes, orphans bool
	// judged: before the commit it is seen, so nothing of before goes live. helped:
	// then a person has to do something, too.
	judged, helped bool
}

// crossed are the steps that the troubles strike at.
var crossed = []string{"prepare", "queue", "plan", "create", "upload", "seal", "commit", "watch", "look"}

// from are the crossed steps from one on, but for those that are left out.
func from(first string, without ...string) map[string]bool {
	in := map[string]bool{}
	for _, name := range crossed[slices.Index(crossed, first):] {
		in[name] = !slices.Contains(without, name)
	}
	return in
}

// uncommitted: the step comes before the commit.
func (c matrixCase) uncommitted() bool {
	return slices.Index(crossed, c.step.name) < slices.Index(crossed, "commit")
}

// mostAdvice is how often a person has to do something in one case.
const mostAdvice = 3

// isMended waits for the step's end, while a person does what the outcomes advise:
// each of them once.
func (c matrixCase) isMended(w *testEnv) {
	w.t.Helper()
	done := 0
	w.Eventually(func(g Gomega) {
		s, err := w.get()
		g.Expect(err).NotTo(HaveOccurred())
		finished := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionFinished)
		if finished != nil && finished.Status == "True" && finished.ObservedGeneration == s.Generation && c.disruption.person(w, s) {
			done++
		}
		ends := Equal(c.step.ends)
		if c.disruption.remakes { // what is live is found again
			ends = Or(ends, Equal(v1alpha1.ReasonAlreadyUploaded))
		}
		g.Expect(w.outcome()).To(ends)
		w.storeIsTrue(g)
	}, time.Minute).Should(Succeed(), w.story)
	w.Expect(done).To(BeNumerically("<=", mostAdvice), "the advice helps")
	if c.disruption.helped && c.uncommitted() {
		w.Expect(done).To(BeNumerically(">=", 1), "it was held before somebody allowed it")
	}
}

// restartsAfter is a person who changes spec.restartToken where the outcome is one
// of a few, and where the store says that its live table needs that.
func restartsAfter(outcomes string) func(*testEnv, *v1alpha1.ExactMatchSession) bool {
	ends := regexp.MustCompile("^(?:" + outcomes + ")$")
	return func(w *testEnv, s *v1alpha1.ExactMatchSession) bool {
		store := w.storeObject()
		if kube.Get(w.ctx, client.ObjectKeyFromObject(store), store) != nil {
			return false
		}
		live := says(store.Status.Conditions, v1alpha1.ConditionLive)
		own := store.Status.Live != nil && store.Status.Live.RemoteID == s.Status.ID
		outdated := own && s.Status.Outcome == v1alpha1.ReasonCompleted && (live == "False RulesChanged" || live == "False KeyChanged")
		if !outdated && !ends.MatchString(s.Status.Outcome) {
			return false
		}
		before := s.DeepCopy()
		s.Spec.RestartToken = s.ResourceVersion
		return kube.Patch(w.ctx, s, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})) == nil
	}
}
