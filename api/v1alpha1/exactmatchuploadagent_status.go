package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ExactMatchUploadAgentStatus is the observed state of an ExactMatchUploadAgent.
type ExactMatchUploadAgentStatus struct {
	// conditions of the upload agent: Ready, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// observedGeneration is the generation of spec that the status describes; -1
	// before the first reconciliation.
	// +optional
	// +kubebuilder:default=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// id of the remote upload agent.
	// +optional
	ID string `json:"id,omitempty"`
	// creationDateTime is when the service created the remote upload agent.
	// +optional
	CreationDateTime *metav1.Time `json:"creationDateTime,omitempty"`
	// blockFormat that the service publishes that it reads; empty where it publishes
	// none.
	// +optional
	BlockFormat string `json:"blockFormat,omitempty"`
	// dataStores is the number of ExactMatchDataStores that have a remote store through
	// the upload agent. While it is not 0, spec.endpoint is immutable.
	// +optional
	DataStores int32 `json:"dataStores,omitempty"`
	// finalizeDeadline is when the deletion of the object proceeds even though the
	// service does not answer.
	// +optional
	FinalizeDeadline *metav1.Time `json:"finalizeDeadline,omitempty"`
}
