package v1alpha1

const (
	// Finalizer keeps an object until what it owns at the service is cancelled, deleted
	// or orphaned.
	Finalizer = "exactmatch.dev/remote"
	// WorkerLabel with the value "true" marks a ServiceAccount that the pods of an
	// upload agent may run under.
	WorkerLabel = "exactmatch.dev/worker"
	// ScheduleLabel of a session is the name of the schedule that made it.
	ScheduleLabel = "exactmatch.dev/schedule"
	// ScheduledTimeAnnotation of such a session is its scheduled time, in RFC 3339.
	ScheduledTimeAnnotation = "exactmatch.dev/scheduled-time"
	// RunVersionAnnotation of such a session names the version of its source, without
	// revealing it; absent where that is unknown.
	RunVersionAnnotation = "exactmatch.dev/run-version"
	// RunInputsAnnotation of such a session names what it was made from, without
	// revealing it; absent where the source's version is unknown.
	RunInputsAnnotation = "exactmatch.dev/run-inputs"
)
