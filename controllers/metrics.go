package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
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
	policyReload = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "exactmatch_policy_last_reload_successful",
		Help: "Whether the last reload of the administrator's policy file succeeded; while it is 0, an earlier policy applies.",
	})
)

func init() { metrics.Registry.MustRegister(steps, outcomes, policyReload) }

// PolicyReloaded records the result of the last reload of the policy file.
func PolicyReloaded(err error) {
	if err != nil {
		policyReload.Set(0)
		return
	}
	policyReload.Set(1)
}
