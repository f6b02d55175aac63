package faults_test

import (
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
)

// says is the status and the reason of a condition, "" where it does not stand.
func says(conditions []metav1.Condition, kind string) string {
	if c := meta.FindStatusCondition(conditions, kind); c != nil {
		return string(c.Status) + " " + c.Reason
	}
	return ""
}

// kstatus asserts what tools that wait for objects go by.
func kstatus(g Gomega, generation, observed int64, conditions []metav1.Condition) {
	g.Expect(observed).To(Equal(generation), "the spec as it is was judged")
	is := map[string]metav1.ConditionStatus{}
	for _, c := range conditions {
		is[c.Type] = c.Status
		g.Expect(c.Reason).NotTo(BeEmpty(), c.Type)
		g.Expect(c.Message).NotTo(BeEmpty(), c.Type)
		g.Expect(c.ObservedGeneration).To(BeNumerically("<=", generation), c.Type)
	}
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionSuspended} {
		g.Expect(is[kind]).To(Or(BeEmpty(), Equal(metav1.ConditionTrue)), "%s stands only while it is true", kind)
	}
	working, stuck, ready := is[v1alpha1.ConditionReconciling] != "", is[v1alpha1.ConditionStalled] != "", is[v1alpha1.ConditionReady]
	switch {
	case is[v1alpha1.ConditionSuspended] != "":
		g.Expect([]any{working, stuck, ready}).To(Equal([]any{false, false, metav1.ConditionStatus("")}), "suspended: none of the three stands")
	case working:
		g.Expect([]any{stuck, ready}).To(Equal([]any{false, metav1.ConditionUnknown}), "working: not stalled, and Ready is Unknown")
	case stuck:
		g.Expect(ready).To(Equal(metav1.ConditionFalse), "stalled: Ready is False")
	default:
		g.Expect(ready).To(Equal(metav1.ConditionTrue), "neither working nor stalled: Ready is True")
	}
}
