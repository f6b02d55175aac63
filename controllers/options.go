package controllers

import (
	"cmp"
	"time"

	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/policy"
)

// Options are the manager's flags as far as the reconcilers use them.
type Options struct {
	// SourceRoot is the folder that holds one folder a namespace for sources of
	// the scheme file; "" allows none.
	SourceRoot string
	// TransferMemory is the one budget of all uploads, in bytes.
	TransferMemory int64
	// TransferParallelism bounds the tables that are read at once.
	TransferParallelism int
	// StatusInterval is the minimum time between two writes of a session's status
	// that differ only in numbers.
	StatusInterval time.Duration
	// PollInterval is the interval at which an active remote session is polled.
	PollInterval time.Duration
	// ServiceQPS and ServiceBurst are the budget of calls to one endpoint, which all
	// of its agents share. Default: 100 per second, in bursts of 200.
	ServiceQPS, ServiceBurst int
	// WorkerImage is the image of workers in pods; "" allows none.
	WorkerImage string
	// Policy is what the administrator permits. Default: nothing.
	Policy *policy.File
	// Namespace is the manager's own, in which the Secrets of Policy's authorities
	// are; "" has none.
	Namespace string
	// Proxy is used for calls and sources if it is not nil.
	Proxy *dial.Proxy
	// Cluster distinguishes this cluster from others that share a service.
	Cluster string
	// Instance names this process; an intent of another instance is resolved, not sent.
	Instance string

	// Only tests change the defaults of the following.

	// Now is the manager's clock. Default: time.Now.
	Now func() time.Time
	// ScheduleNow is the clock of the schedules. Default: Now.
	ScheduleNow func() time.Time
	// StallTimeout is how long a request may transfer no byte. Default: 1 min.
	StallTimeout time.Duration
	// RequestTimeout is the timeout of one call to the service. Default: 30 s.
	RequestTimeout time.Duration
	// QueueInterval is how often a queued session checks by itself. Default: 30 s.
	QueueInterval time.Duration
	// ResyncInterval is how often a store is checked, AgentInterval an agent.
	// Default: 5 min.
	ResyncInterval, AgentInterval time.Duration
	// RepairInterval is how often an object that waits for a repair checks for it.
	// Default: 15 s.
	RepairInterval time.Duration
	// DependencyGrace is how long an object waits for a missing object that it refers
	// to before it is Stalled, from when this process first missed it. Default: 1 min.
	DependencyGrace time.Duration
	// FinalizeTimeout is how long a deletion waits for a service that does not answer.
	// Default: 10 min.
	FinalizeTimeout time.Duration
}

// Defaults are the options of a manager that no flag changes. They are the one place
// of every default, those of flags included.
func Defaults() Options {
	return Options{
		TransferMemory: 256 << 20, TransferParallelism: 4, ServiceQPS: 100, ServiceBurst: 200, Now: time.Now,
		StatusInterval: 10 * time.Second, PollInterval: 10 * time.Second, RequestTimeout: 30 * time.Second, QueueInterval: 30 * time.Second,
		ResyncInterval: 5 * time.Minute, RepairInterval: 15 * time.Second, DependencyGrace: time.Minute, FinalizeTimeout: 10 * time.Minute,
	}
}

// withDefaults fills what is zero.
func (o Options) withDefaults() Options {
	d := Defaults()
	if o.Now == nil {
		o.Now = d.Now
	}
	if o.ScheduleNow == nil {
		o.ScheduleNow = o.Now
	}
	if o.ServiceQPS == 0 {
		o.ServiceQPS, o.ServiceBurst = d.ServiceQPS, d.ServiceBurst
	}
	o.StatusInterval, o.PollInterval = cmp.Or(o.StatusInterval, d.StatusInterval), cmp.Or(o.PollInterval, d.PollInterval)
	o.RequestTimeout, o.QueueInterval = cmp.Or(o.RequestTimeout, d.RequestTimeout), cmp.Or(o.QueueInterval, d.QueueInterval)
	o.ResyncInterval = cmp.Or(o.ResyncInterval, d.ResyncInterval)
	o.AgentInterval = cmp.Or(o.AgentInterval, o.ResyncInterval)
	o.RepairInterval, o.DependencyGrace = cmp.Or(o.RepairInterval, d.RepairInterval), cmp.Or(o.DependencyGrace, d.DependencyGrace)
	o.FinalizeTimeout = cmp.Or(o.FinalizeTimeout, d.FinalizeTimeout)
	return o
}

// workersEnabled reports whether workers in pods are allowed: the manager may
// then have Jobs, watch pods and write Secrets.
func (o Options) workersEnabled() bool { return o.WorkerImage != "" }

// Indexes of the cache.
const (
	storeIndex = "spec.dataStoreRef.name"
	agentIndex = "spec.uploadAgentRef.name"
)
