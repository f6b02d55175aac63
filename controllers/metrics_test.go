package controllers_test

import (
	"maps"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"exactmatch.dev/operator/api/v1alpha1"
)

// counted is a counter, or the number of values of a histogram, as a scrape shows it; 0
// where it has no such series yet.
func counted(name string, labels map[string]string) float64 {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && maps.Equal(labelsOf(m), labels) {
				return m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return 0
}

func labelsOf(m *dto.Metric) map[string]string {
	labels := map[string]string{}
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}

var _ = Describe("The manager's counters", func() {
	It("count the blocks and rows of an upload once", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		const sent, stayed = "exactmatch_executor_sent_bytes_total", "exactmatch_session_reason_duration_seconds"
		uploading := map[string]string{"reason": v1alpha1.ReasonUploading}
		bytes, uploads := counted(sent, map[string]string{}), counted(stayed, uploading)
		w.table("table.csv", 30)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		of := map[string]string{"namespace": w.namespace, "datastore": s.Spec.DataStoreRef.Name}
		Eventually(counted).WithArguments("exactmatch_session_published_rows_total", of).Should(BeEquivalentTo(30))
		Expect(counted("exactmatch_session_uploaded_blocks_total", of)).To(BeEquivalentTo(*s.Status.TotalBlockCount), "each block once")
		Expect(counted(sent, map[string]string{})).To(BeNumerically(">", bytes), "what the storage took")
		Expect(counted(stayed, uploading)).To(BeNumerically(">", uploads), "it has uploaded, and does so no more")
	})

	It("count an error for each failure that is tried again", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		const errors, retries = "controller_runtime_reconcile_errors_total", "exactmatch_session_retries_total"
		sessions, reason := map[string]string{"controller": "exactmatchsession"}, map[string]string{"reason": v1alpha1.ReasonServiceUnavailable}
		before, retried := counted(errors, sessions), counted(retries, reason)
		front.answer(refuse(http.StatusServiceUnavailable, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/commit") }))
		w.change(s, desired(v1alpha1.DesiredCommitted))
		w.comesTo(s, underWay(v1alpha1.ReasonServiceUnavailable), "the service does not answer")
		Eventually(counted).WithArguments(errors, sessions).Should(BeNumerically(">", before), "in the metric that dashboards know")
		Eventually(counted).WithArguments(retries, reason).Should(BeNumerically(">", retried))
		front.heal()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "it is tried again")
	})
})
