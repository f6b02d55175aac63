package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ExactMatchScheduleStatus is the observed state of an ExactMatchSchedule.
type ExactMatchScheduleStatus struct {
	// conditions of the schedule: Ready, Reconciling, Stalled, Suspended and
	// LastRunSucceeded.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// observedGeneration is the generation of spec that the status describes; -1
	// before the first reconciliation.
	// +optional
	// +kubebuilder:default=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// nextScheduleTime is when the next run is due, the jitter included.
	// +optional
	NextScheduleTime *metav1.Time `json:"nextScheduleTime,omitempty"`
	// lastScheduleTime is the scheduled time of the last run that was made; of one that
	// spec.runNow requested, when it was made.
	// +optional
	LastScheduleTime *metav1.Time `json:"lastScheduleTime,omitempty"`
	// lastHandledTime is the last scheduled time whose run was made, skipped or missed.
	// +optional
	LastHandledTime *metav1.Time `json:"lastHandledTime,omitempty"`
	// lastRunName is the name of the ExactMatchSession that was made last.
	// +optional
	LastRunName string `json:"lastRunName,omitempty"`
	// lastRunVersion names the version of the source that the last run was made for,
	// without revealing it.
	// +optional
	LastRunVersion string `json:"lastRunVersion,omitempty"`
	// lastSuccessfulTime is the scheduled time of the last run that succeeded.
	// +optional
	LastSuccessfulTime *metav1.Time `json:"lastSuccessfulTime,omitempty"`
	// lastSuccessfulRunName is the name of its ExactMatchSession.
	// +optional
	LastSuccessfulRunName string `json:"lastSuccessfulRunName,omitempty"`
	// lastSuccessfulInputs names what that run was made from (template, version of the
	// source, columns, key), without revealing it.
	// +optional
	LastSuccessfulInputs string `json:"lastSuccessfulInputs,omitempty"`
	// activeRuns are the names of the ExactMatchSessions that are unfinished; at most 10
	// are shown.
	// +optional
	// +listType=atomic
	ActiveRuns []string `json:"activeRuns,omitempty"`
	// missedRuns is the number of scheduled times that passed without a run because the
	// operator was away, or the run was too late. One outage counts 101 at most.
	// +optional
	MissedRuns int64 `json:"missedRuns,omitempty"`
	// observedRunNow is the value of spec.runNow that was honored last.
	// +optional
	ObservedRunNow string `json:"observedRunNow,omitempty"`
}
