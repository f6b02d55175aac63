package v1alpha1

const (
	// Finalizer keeps an object until what it owns at the service is cancelled, deleted
	// or orphaned.
	Finalizer = "exactmatch.dev/remote"
	// WorkerLabel with the value "true" marks a ServiceAccount that the pods of an
	// upload agent may run under.
	WorkerLabel = "exactmatch.dev/worker"
)
