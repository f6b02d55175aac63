package controllers

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor/pool"
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
	throttled = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "exactmatch_throttled_total",
		Help: "Number of times that a service, a source or a storage asked to come again later, by controller and reason.",
	}, []string{"controller", "reason"})
	reasonTimes = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "exactmatch_session_reason_duration_seconds",
		Help:    "Time that sessions stayed in a reason of the condition Finished, until the next one.",
		Buckets: []float64{1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600},
	}, []string{"reason"})
	policyReload = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "exactmatch_policy_last_reload_successful",
		Help: "Whether the last reload of the administrator's policy file succeeded; while it is 0, an earlier policy applies.",
	})
)

// running is the pool of this process, nil before there is one.
var running atomic.Pointer[pool.Pool]

// ofPool reads a number of the pool at each scrape.
func ofPool(number func(pool.Usage) int64) func() float64 {
	return func() float64 {
		if p := running.Load(); p != nil {
			return float64(number(p.Usage()))
		}
		return 0
	}
}

var (
	executorMemory = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "exactmatch_executor_memory_bytes",
		Help: "Memory that text and blocks have reserved in this process, of exactmatch_executor_memory_limit_bytes.",
	}, ofPool(func(u pool.Usage) int64 { return u.Reserved }))
	executorLimit = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "exactmatch_executor_memory_limit_bytes",
		Help: "Memory that text and blocks may reserve in this process.",
	}, ofPool(func(u pool.Usage) int64 { return u.Limit }))
	executorSent = prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "exactmatch_executor_sent_bytes_total",
		Help: "Bytes of blocks that this process has sent and the storage acknowledged.",
	}, ofPool(func(u pool.Usage) int64 { return u.SentBytes }))
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
	if met == nil || met.Err == nil || met.Remedy != problem.Retry {
		return
	}
	reconcileErrors.WithLabelValues(kind).Inc()
	if met.After > 0 {
		throttled.WithLabelValues(kind, met.Reason).Inc()
	}
}

// The names that controller-runtime gives the controllers: their kinds in lower case.
const (
	sessionController  = "exactmatchsession"
	storeController    = "exactmatchdatastore"
	agentController    = "exactmatchuploadagent"
	scheduleController = "exactmatchschedule"
)

func init() {
	metrics.Registry.MustRegister(steps, outcomes, retries, uploadedBlocks, publishedRows, throttled, reasonTimes, policyReload,
		executorMemory, executorLimit, executorSent)
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
func (r *SessionReconciler) count(s *scope) {
	if s.finalizerRemoved {
		r.stays.forget(s.object.UID)
	} else if before, took := r.stays.see(s.object.UID, s.object.StatusReason(), time.Now()); before != "" {
		reasonTimes.WithLabelValues(before).Observe(took.Seconds())
	}
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
