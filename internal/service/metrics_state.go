package service

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// maxMeasuredStores are the data stores that have metrics of their own: the first ones in the
// order of tenants and ids.
const maxMeasuredStores = 2000

// stateInterval is how long what the records say is not read again for metrics.
const stateInterval = 10 * time.Second

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	sessionsDesc   = desc("exactmatch_service_sessions", "Sessions that have a record, by their state.", "state")
	storesDesc     = desc("exactmatch_service_data_stores", "Data stores, with metrics of their own and without.")
	rowsDesc       = desc("exactmatch_service_store_live_rows", "Rows of the live table of a data store.", "tenant", "store")
	generationDesc = desc("exactmatch_service_store_live_generation", "Generation of the live table of a data store.", "tenant", "store")
	liveTimeDesc   = desc("exactmatch_service_store_live_timestamp_seconds", "When the live table of a data store went live.", "tenant", "store")
	damagedDesc    = desc("exactmatch_service_store_live_damaged", "1 where the live table of a data store is damaged or cannot be opened, and its lookups are refused.", "tenant", "store")
	commitsDesc    = desc("exactmatch_service_store_commits_left", "Commits of a data store that are left of --max-commits-per-day.", "tenant", "store")
	queuedDesc     = desc("exactmatch_service_index_jobs_pending", "Tables that are being indexed or wait for it.")
	freeDesc       = desc("exactmatch_service_disk_free_bytes", "What is free on the disk of the data folder.")
	leastFreeDesc  = desc("exactmatch_service_disk_min_free_bytes", "What must be free on that disk: --min-free-disk.")
	usedDesc       = desc("exactmatch_service_disk_used_bytes", "What tables and blocks count for against --max-disk.")
	mostDesc       = desc("exactmatch_service_disk_max_bytes", "What they may take: --max-disk.")
	readyDesc      = desc("exactmatch_service_ready", "1 where a check of /readyz passes.", "check")
	expiryDesc     = desc("exactmatch_service_served_certificate_expiry_timestamp_seconds", "When the certificate that the service shows expires.")
)

// stateMetrics reads what is there when metrics are asked for. It implements
// prometheus.Collector.
type stateMetrics struct {
	service *Service

	mu   sync.Mutex
	at   time.Time
	last []prometheus.Metric // of the records
}

// Describe implements prometheus.Collector.
func (m *stateMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{sessionsDesc, storesDesc, rowsDesc, generationDesc, liveTimeDesc, damagedDesc, commitsDesc,
		queuedDesc, freeDesc, leastFreeDesc, usedDesc, mostDesc, readyDesc, expiryDesc} {
		to <- d
	}
}

func gauge(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

// Collect implements prometheus.Collector.
func (m *stateMetrics) Collect(to chan<- prometheus.Metric) {
	s := m.service
	pending := 0
	s.queued.Range(func(any, any) bool { pending++; return true })
	to <- gauge(queuedDesc, float64(pending))
	if free, err := s.space.Free(); err == nil {
		to <- gauge(freeDesc, float64(free))
	}
	to <- gauge(leastFreeDesc, float64(s.config.MinFreeDisk))
	if used, err := s.usedSpace(); err == nil {
		to <- gauge(usedDesc, float64(used))
	}
	to <- gauge(mostDesc, float64(s.config.MaxDisk))
	for _, c := range s.checks() {
		to <- gauge(readyDesc, oneIf(c.err == nil), c.name)
	}
	if s.config.Certificate != nil {
		to <- gauge(expiryDesc, float64(s.config.Certificate().Unix()))
	}
	for _, one := range m.ofRecords() {
		to <- one
	}
}

func oneIf(is bool) float64 { //nolint:revive // a value, not a mode
	if is {
		return 1
	}
	return 0
}

// ofRecords are the metrics that the records say, as of a moment ago.
func (m *stateMetrics) ofRecords() []prometheus.Metric {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.at) < stateInterval {
		return m.last
	}
	if out, err := m.read(context.Background()); err == nil {
		m.last, m.at = out, time.Now()
	} else {
		m.service.config.Log.Error("read the records for metrics", "error", err)
	}
	return m.last
}

func (m *stateMetrics) read(ctx context.Context) (out []prometheus.Metric, err error) {
	sessions, err := records.ListAll(ctx, m.service.records, records.Tx.Sessions)
	if err != nil {
		return nil, err
	}
	byState := map[edm.State]int{}
	for _, one := range sessions {
		byState[one.State]++
	}
	for _, state := range sessionStates {
		out = append(out, gauge(sessionsDesc, float64(byState[state]), string(state)))
	}
	stores, err := records.ListAll(ctx, m.service.records, records.Tx.DataStores)
	out = append(out, gauge(storesDesc, float64(len(stores))))
	for _, store := range stores[:min(len(stores), maxMeasuredStores)] {
		out = append(out, m.ofStore(store)...)
	}
	return out, err
}

// sessionStates are those that records have.
var sessionStates = []edm.State{edm.StateCreated, edm.StateUploadInProgress, edm.StateUploadCompleted, edm.StateProcessingInProgress,
	edm.StateCompleted, edm.StateFailed, edm.StateCancelled, edm.StateExpired}

func (m *stateMetrics) ofStore(store *records.DataStore) (out []prometheus.Metric) {
	of := []string{store.Tenant, store.ID}
	if left := m.service.quota(store); left != nil {
		out = append(out, gauge(commitsDesc, float64(left.Remaining), of...))
	}
	live := store.Live
	if live == nil {
		return out
	}
	out = append(out, gauge(rowsDesc, float64(live.Rows), of...), gauge(generationDesc, float64(live.Generation), of...),
		gauge(damagedDesc, oneIf(!m.service.tables.Whole(store.ID)), of...))
	if at := store.DataLastUpdatedDateTime; at != nil {
		out = append(out, gauge(liveTimeDesc, float64(at.UnixMilli())/1000, of...))
	}
	return out
}
