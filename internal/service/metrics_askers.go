package service

import (
	"sync"

	"exactmatch.dev/operator/internal/service/authn"
)

// maxMeasuredAskers are the callers that have metrics of their own; all others are one.
const maxMeasuredAskers = 1000

// otherAskers is the label of those that have none.
const otherAskers = "others"

// askers are the callers that have metrics of their own.
type askers struct {
	mu    sync.Mutex
	known map[asker]bool
}

// labels are the tenant and the name of a caller.
func (a *askers) labels(c authn.Caller) (tenant, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := asker{c.Tenant, c.Name}
	if a.known == nil {
		a.known = map[asker]bool{}
	}
	if !a.known[of] && len(a.known) >= maxMeasuredAskers {
		return "", otherAskers
	}
	a.known[of] = true
	return of.tenant, of.name
}

// asked counts questions, and whether they were within the limits.
func (m *metrics) asked(c authn.Caller, n int, refused string) {
	counted, other := "answered", "refused"
	if refused != "" {
		counted, other = other, counted
	}
	tenant, name := m.askers.labels(c)
	m.questions.WithLabelValues(tenant, name, other) // from 0 on, as in begin
	m.questions.WithLabelValues(tenant, name, counted).Add(float64(n))
}

func (m *metrics) found(c authn.Caller, rows int) {
	tenant, name := m.askers.labels(c)
	m.rows.WithLabelValues(tenant, name).Add(float64(rows))
}
