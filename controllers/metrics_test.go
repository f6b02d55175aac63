package controllers

import (
	"errors"
	"net/http"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

// shownErrors is controller-runtime's counter of errors, as a scrape shows it.
func shownErrors(controller string) float64 {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		if family.GetName() != "controller_runtime_reconcile_errors_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			if has(m, "controller", controller) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func has(m *dto.Metric, name, value string) bool {
	for _, l := range m.GetLabel() {
		if l.GetName() == name && l.GetValue() == value {
			return true
		}
	}
	return false
}

func counted(c *prometheus.CounterVec, labels ...string) func() float64 {
	return func() float64 { return testutil.ToFloat64(c.WithLabelValues(labels...)) }
}

var _ = Describe("The manager's counters", func() {
	It("count the blocks and rows of an upload once", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		store := s.Spec.DataStoreRef.Name
		Eventually(counted(publishedRows, w.namespace, store)).Should(BeEquivalentTo(30))
		Expect(counted(uploadedBlocks, w.namespace, store)()).To(BeEquivalentTo(*s.Status.TotalBlockCount), "each block once")
	})

	It("count an error for each failure that is tried again", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		w.comesTo(w.apply(), reached(v1alpha1.ReasonCompleted), "a good table goes live")
		before, retried := shownErrors(sessionController), counted(retries, v1alpha1.ReasonServiceUnavailable)()
		front.answer(refuse(http.StatusServiceUnavailable, func(*http.Request) bool { return true }))
		w.table("second.csv", 31)
		second := w.apply(called("second"), func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///second.csv" })
		w.comesTo(second, underWay(v1alpha1.ReasonServiceUnavailable), "the service does not answer")
		Eventually(func() float64 { return shownErrors(sessionController) }).Should(BeNumerically(">", before), "in the metric that dashboards know")
		Eventually(counted(retries, v1alpha1.ReasonServiceUnavailable)).Should(BeNumerically(">", retried))
		front.heal()
		w.comesTo(second, reached(v1alpha1.ReasonCompleted), "it is tried again")
	})
})

// TestWhatIsNoError: what a person mends, and what takes its time, is not counted.
func TestWhatIsNoError(t *testing.T) {
	const kind = "test"
	failed := errors.New("refused")
	for name, met := range map[string]*problem.Problem{
		"nothing":              nil,
		"a wait":               problem.Passes(v1alpha1.ReasonQueued, 0, "another session is active"),
		"something to be done": {Reason: v1alpha1.ReasonKeyTooShort, Remedy: problem.Repair, Err: failed},
	} {
		if countError(kind, met); counted(reconcileErrors, kind)() != 0 {
			t.Fatalf("%s is counted as an error", name)
		}
	}
	countError(kind, &problem.Problem{Reason: v1alpha1.ReasonServiceUnavailable, Remedy: problem.Retry, Err: failed})
	if got := counted(reconcileErrors, kind)(); got != 1 {
		t.Errorf("a failure is counted %v times", got)
	}
}
