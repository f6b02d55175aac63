package controllers

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

var (
	steps = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "exactmatch_session_steps_total",
		Help: "Number of reconciliations of sessions, by the step of the lifecycle that they took.",
	}, []string{"step"})
	outcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "exactmatch_session_outcomes_total",
		Help: "Number of recorded outcomes of sessions, by outcome.",
	}, []string{"outcome"})
	retries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "exactmatch_session_retries_total",
		Help: "Number of failures of sessions that are tried again, by reason.",
	}, []string{"reason"})
	uploadedBlocks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "exactmatch_session_uploaded_blocks_total",
		Help: "Number of blocks that the service acknowledged, as status shows them.",
	}, []string{"namespace", "datastore"})
	publishedRows = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "exactmatch_session_published_rows_total",
		Help: "Number of rows of the tables that went live.",
	}, []string{"namespace", "datastore"})
	policyReload = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "exactmatch_policy_last_reload_successful",
		Help: "Whether the last reload of the administrator's policy file succeeded; while it is 0, an earlier policy applies.",
	})
)

// reconcileErrors is controller-runtime's own counter, which every dashboard knows. A
// pass here ends in status and returns no error, so that controller-runtime counts none.
var reconcileErrors = registered(prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "controller_runtime_reconcile_errors_total",
	Help: "Total number of reconciliation errors per controller",
}, []string{"controller"}))

// registered is the counter that has the name already, else this one.
func registered(c *prometheus.CounterVec) *prometheus.CounterVec {
	var taken prometheus.AlreadyRegisteredError
	if !errors.As(metrics.Registry.Register(c), &taken) {
		return c
	}
	if theirs, ok := taken.ExistingCollector.(*prometheus.CounterVec); ok {
		return theirs
	}
	return c
}

// countError counts what failed and is tried again; what needs somebody, and a wait for
// what takes its time, are no errors.
func countError(kind string, met *problem.Problem) {
	if met != nil && met.Err != nil && met.Remedy == problem.Retry {
		reconcileErrors.WithLabelValues(kind).Inc()
	}
}

// The names that controller-runtime gives the controllers: their kinds in lower case.
const (
	sessionController = "exactmatchsession"
	storeController   = "exactmatchdatastore"
	agentController   = "exactmatchuploadagent"
)

func init() {
	metrics.Registry.MustRegister(steps, outcomes, retries, uploadedBlocks, publishedRows, policyReload)
}

// PolicyReloaded records the result of the last reload of the policy file.
func PolicyReloaded(err error) {
	if err != nil {
		policyReload.Set(0)
		return
	}
	policyReload.Set(1)
}

// count counts what a pass over a session came to: first is the status that it began
// with. What another manager wrote in between is counted there.
func count(s *scope) {
	steps.WithLabelValues(string(s.step)).Inc()
	now, store := s.status(), s.object.Spec.DataStoreRef.Name
	if now.ConsecutiveFailures > s.first.ConsecutiveFailures {
		retries.WithLabelValues(s.object.StatusReason()).Inc()
	}
	if n := uploaded(now) - uploaded(&s.first); now.ID == s.first.ID && n > 0 {
		uploadedBlocks.WithLabelValues(s.object.Namespace, store).Add(float64(n))
	}
	if now.Outcome == s.first.Outcome || now.Outcome == "" {
		return
	}
	outcomes.WithLabelValues(now.Outcome).Inc()
	if now.Outcome == v1alpha1.ReasonCompleted && now.Rows != nil {
		publishedRows.WithLabelValues(s.object.Namespace, store).Add(float64(*now.Rows))
	}
}

// uploaded is the number of blocks that the service has acknowledged.
func uploaded(status *v1alpha1.ExactMatchSessionStatus) int32 {
	if status.TotalBlockCount == nil || status.RemainingBlockCount == nil {
		return 0
	}
	return *status.TotalBlockCount - *status.RemainingBlockCount
}
