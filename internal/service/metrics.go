package service

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/authn"
)

// metrics counts what the service does. Labels have bounded values: patterns of paths,
// never a path, and no more tenants, callers and data stores than the caps say. None has
// what a caller sent, a token or a displayName.
type metrics struct {
	registry *prometheus.Registry

	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	blocks    prometheus.Counter
	bytes     prometheus.Counter
	jobs      *prometheus.CounterVec
	jobTimes  *prometheus.HistogramVec
	refused   *prometheus.CounterVec
	throttled *prometheus.CounterVec
	questions *prometheus.CounterVec
	rows      *prometheus.CounterVec
	askers    askers
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

var (
	callBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60}
	jobBuckets  = []float64{.1, 1, 5, 15, 60, 300, 900, 3600}
)

func newMetrics(s *Service) *metrics {
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		requests:  counter("exactmatch_service_requests_total", "Calls that were answered, by the pattern of their path.", "method", "route", "code"),
		durations: histogram("exactmatch_service_request_duration_seconds", "Time until a call was answered.", callBuckets, "method", "route"),
		blocks:    prometheus.NewCounter(prometheus.CounterOpts{Name: "exactmatch_service_blocks_staged_total", Help: "Blocks that were acknowledged."}),
		bytes:     prometheus.NewCounter(prometheus.CounterOpts{Name: "exactmatch_service_staged_bytes_total", Help: "Bytes of the blocks that were acknowledged."}),
		jobs:      counter("exactmatch_service_index_jobs_total", "Tables that were indexed, by how that ended.", "kind", "outcome"),
		jobTimes:  histogram("exactmatch_service_index_duration_seconds", "Time that indexing a table took.", jobBuckets, "kind"),
		refused:   counter("exactmatch_service_authentication_failures_total", "Calls whose caller or signature was refused, by the reason.", "reason"),
		throttled: counter("exactmatch_service_throttled_total", "Calls that were told to come again later, by the limit that they met.", "limit"),
		questions: counter("exactmatch_service_questions_total", "Questions of lookup and match, by who asked and whether they were answered or over a limit.", "tenant", "caller", "outcome"),
		rows:      counter("exactmatch_service_rows_found_total", "Rows that questions were answered with.", "tenant", "caller"),
	}
	m.registry.MustRegister(m.requests, m.durations, m.blocks, m.bytes, m.jobs, m.jobTimes, m.refused, m.throttled, m.questions, m.rows,
		&stateMetrics{service: s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.begin()
	return m
}

// begin shows counters as 0 before they count: the increase of a series that begins at 1
// is 0, so that an alert would miss what comes first.
func (m *metrics) begin() {
	for _, limit := range []string{limitCalls, limitCommits, limitQuestions, limitUploads} {
		m.throttled.WithLabelValues(limit)
	}
	for _, kind := range []string{jobSession, jobReindex} {
		for _, outcome := range []string{jobCompleted, jobFailed} {
			m.jobs.WithLabelValues(kind, outcome)
		}
	}
	for _, reason := range []string{refusedMissing, refusedRole, refusedURI} {
		m.refused.WithLabelValues(reason)
	}
	for _, cause := range authn.Causes {
		m.refused.WithLabelValues(string(cause))
	}
}

// Values of labels.
const (
	jobSession   = "session"
	jobReindex   = "reindex"
	jobCompleted = "completed"
	jobFailed    = "failed"

	refusedMissing = "missing"
	refusedRole    = "role"
	refusedURI     = "uploadURI"
)

// The limits that callers meet.
const (
	limitCalls     = "calls"
	limitCommits   = "commits"
	limitQuestions = "questions"
	limitUploads   = "uploads"
)

// answered is a http.ResponseWriter that knows the status.
type answered struct {
	http.ResponseWriter
	status int
}

func (a *answered) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// measured answers a call, and counts it.
func (m *metrics) measured(next http.Handler, w http.ResponseWriter, r *http.Request) {
	began, out := time.Now(), &answered{ResponseWriter: w}
	next.ServeHTTP(out, r)
	method, route := methodLabel(r.Method), routeLabel(r.Pattern)
	if out.status == 0 {
		out.status = http.StatusOK
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(out.status)).Inc()
	m.durations.WithLabelValues(method, route).Observe(time.Since(began).Seconds())
}

var knownMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

func methodLabel(method string) string {
	if slices.Contains(knownMethods, method) {
		return method
	}
	return "other"
}

// routeLabel is the pattern of a path, below Graph's.
func routeLabel(pattern string) string {
	if _, path, found := strings.Cut(pattern, " "); found {
		pattern = path
	}
	if pattern == "/" || pattern == "" {
		return "other"
	}
	return strings.TrimPrefix(pattern, base)
}

// refusal counts a call whose caller was refused, and a limit that was met.
func (m *metrics) refusal(c *call, r *http.Request, err error) {
	var f *failure
	if !errors.As(err, &f) {
		return
	}
	switch {
	case f.limit != "":
		m.throttled.WithLabelValues(f.limit).Inc()
	case f.status == http.StatusTooManyRequests && (strings.HasSuffix(r.Pattern, "/lookup") || strings.HasSuffix(r.Pattern, "/match")):
		m.throttled.WithLabelValues(limitQuestions).Inc()
	case f.status == http.StatusTooManyRequests:
		m.throttled.WithLabelValues(limitCommits).Inc()
	case f.code == codeBusy:
		m.throttled.WithLabelValues(limitUploads).Inc()
	case f.status == http.StatusForbidden && f.code != edm.CodeForbidden:
		m.refused.WithLabelValues(refusedURI).Inc()
	case f.status == http.StatusForbidden && c.proven:
		m.refused.WithLabelValues(refusedRole).Inc()
	case !c.proven && c.cause != "":
		m.refused.WithLabelValues(string(c.cause)).Inc()
	case f.status == http.StatusUnauthorized && strings.Contains(f.challenge, "invalid_token"):
		m.refused.WithLabelValues(string(authn.Unknown)).Inc()
	case f.status == http.StatusUnauthorized && strings.Contains(f.challenge, "invalid_request"):
		m.refused.WithLabelValues(string(authn.Malformed)).Inc()
	case f.status == http.StatusUnauthorized:
		m.refused.WithLabelValues(refusedMissing).Inc()
	}
}

// indexed counts a job that was done.
func (m *metrics) indexed(j job, began time.Time, err error) {
	kind, outcome := jobSession, jobCompleted
	if j.store != "" {
		kind = jobReindex
	}
	if err != nil {
		outcome = jobFailed
	}
	m.jobs.WithLabelValues(kind, outcome).Inc()
	m.jobTimes.WithLabelValues(kind).Observe(time.Since(began).Seconds())
}
