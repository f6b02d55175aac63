package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	steps = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "exactmatch_session_steps_total",
		Help: "Passes of a session's reconcile by the step of the lifecycle that they took.",
	}, []string{"step"})
	outcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "exactmatch_session_outcomes_total",
		Help: "Outcomes of sessions that were recorded, by outcome.",
	}, []string{"outcome"})
)

func init() { metrics.Registry.MustRegister(steps, outcomes) }
