package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ConcurrencyPolicy says what becomes of a run that is due while an earlier one is
// unfinished.
// +kubebuilder:validation:Enum=Allow;Forbid;Replace
type ConcurrencyPolicy string

// The values of spec.concurrencyPolicy.
const (
	// ConcurrencyPolicyAllow makes the run: its session joins the queue of the data store.
	ConcurrencyPolicyAllow ConcurrencyPolicy = "Allow"
	// ConcurrencyPolicyForbid has the run wait until the earlier one is finished.
	ConcurrencyPolicyForbid ConcurrencyPolicy = "Forbid"
	// ConcurrencyPolicyReplace cancels the earlier run, unless its commit is requested, and
	// makes the run.
	ConcurrencyPolicyReplace ConcurrencyPolicy = "Replace"
)

// NewerThan is what the version of a source is compared with.
// +kubebuilder:validation:Enum=LastRun
type NewerThan string

// NewerThanLastRun waits for another version than the last run read.
const NewerThanLastRun NewerThan = "LastRun"

// WaitFor has a run wait for a file that comes late.
type WaitFor struct {
	// newerThan says what the version of the source must differ from. LastRun: the
	// version that the last run read. The version is the ETag of the source, else its
	// time of modification; the content of a ConfigMap.
	// +required
	NewerThan NewerThan `json:"newerThan"`
	// timeoutSeconds is how long a run waits from its scheduled time, in seconds. A run
	// that waits longer fails. Default: 3600.
	// +optional
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=604800
	TimeoutSeconds int64 `json:"timeoutSeconds,omitempty"`
}

// SessionTemplateMetadata is the metadata of the sessions that a schedule makes.
type SessionTemplateMetadata struct {
	// labels of the sessions.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Labels map[string]string `json:"labels,omitempty"`
	// annotations of the sessions.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]string `json:"annotations,omitempty"`
}

// SessionTemplate is what the sessions of a schedule are made from.
// +kubebuilder:validation:XValidation:rule="!has(self.spec.desiredState) || self.spec.desiredState != 'Cancelled'",fieldPath=".spec.desiredState",message="must be Uploaded or Committed; set spec.suspend to stop the schedule"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.suspend) || !self.spec.suspend",fieldPath=".spec.suspend",message="must be false; set spec.suspend of the schedule"
type SessionTemplate struct {
	// metadata of the sessions.
	// +optional
	Metadata SessionTemplateMetadata `json:"metadata,omitempty"`
	// spec of the sessions.
	// +required
	Spec ExactMatchSessionSpec `json:"spec"`
}

// ExactMatchScheduleSpec is the desired state of an ExactMatchSchedule: when to make a
// session, and which.
// +kubebuilder:validation:XValidation:rule="!has(self.waitFor) || !has(self.sessionTemplate.spec.source.persistentVolumeClaim)",fieldPath=".waitFor",message="needs a source that the manager can see; a PersistentVolumeClaim is seen by pods only"
type ExactMatchScheduleSpec struct {
	// schedule is a cron expression of five fields (minute, hour, day of month, month,
	// day of week), or @hourly, @daily, @weekly, @monthly, @yearly.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.contains('TZ')",message="must not contain a time zone; use spec.timeZone"
	Schedule string `json:"schedule"`
	// timeZone of the schedule, by its name in the IANA database, such as Europe/Berlin.
	// Default: UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_+/-]*$`
	TimeZone string `json:"timeZone,omitempty"`
	// startingDeadlineSeconds is how late a run may start, in seconds; later, it is
	// missed. Default: no deadline.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=31536000
	StartingDeadlineSeconds int64 `json:"startingDeadlineSeconds,omitempty"`
	// concurrencyPolicy says what becomes of a run that is due while an earlier one is
	// unfinished: Forbid has it wait, Replace cancels the earlier one, Allow makes it,
	// and it joins the queue of the data store. Default: Forbid.
	// +optional
	// +kubebuilder:default=Forbid
	ConcurrencyPolicy ConcurrencyPolicy `json:"concurrencyPolicy,omitempty"`
	// suspend makes no run while it is true; times that pass meanwhile are not made up
	// for. Runs that were made go on. Default: false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
	// jitterSeconds delays each run by a time below this many seconds, which is the same
	// for all runs of the object. Default: 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	JitterSeconds int64 `json:"jitterSeconds,omitempty"`
	// successfulRunsHistoryLimit is how many sessions of runs that succeeded are kept, the
	// live one aside. Default: 3.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	SuccessfulRunsHistoryLimit int32 `json:"successfulRunsHistoryLimit"`
	// failedRunsHistoryLimit is how many sessions of runs that failed are kept. Default: 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	FailedRunsHistoryLimit int32 `json:"failedRunsHistoryLimit"`
	// skipUnchanged makes no session where the source has the version that the last good
	// run read, under the same template, columns and key. Default: false.
	// +optional
	SkipUnchanged bool `json:"skipUnchanged,omitempty"`
	// waitFor has a run wait for a file that comes late.
	// +optional
	WaitFor *WaitFor `json:"waitFor,omitempty"`
	// runNow requests a run at once whenever its value changes.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	RunNow string `json:"runNow,omitempty"`
	// sessionTemplate is what the sessions are made from.
	// +required
	SessionTemplate SessionTemplate `json:"sessionTemplate"`
}

// ExactMatchSchedule makes an ExactMatchSession at the times of a cron expression.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=emsch,categories=exactmatch
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 52",message="metadata.name must have at most 52 characters; the names of the sessions begin with it"
// +kubebuilder:printcolumn:name="Schedule",type=string,JSONPath=`.spec.schedule`
// +kubebuilder:printcolumn:name="Suspended",type=boolean,JSONPath=`.spec.suspend`
// +kubebuilder:printcolumn:name="Next",type=string,JSONPath=`.status.nextScheduleTime`
// +kubebuilder:printcolumn:name="Last",type=date,JSONPath=`.status.lastScheduleTime`
// +kubebuilder:printcolumn:name="Last Good",type=date,JSONPath=`.status.lastSuccessfulTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,priority=1
// +kubebuilder:printcolumn:name="Zone",type=string,JSONPath=`.spec.timeZone`,priority=1
// +kubebuilder:printcolumn:name="Run",type=string,JSONPath=`.status.lastRunName`,priority=1
type ExactMatchSchedule struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state of the schedule.
	// +required
	Spec ExactMatchScheduleSpec `json:"spec"`
	// status is the observed state of the schedule and of its runs.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status ExactMatchScheduleStatus `json:"status,omitempty"`
}

// ExactMatchScheduleList is a list of schedules.
//
// +kubebuilder:object:root=true
type ExactMatchScheduleList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of a list.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the schedules.
	// +required
	Items []ExactMatchSchedule `json:"items"`
}
