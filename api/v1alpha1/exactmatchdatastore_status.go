package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Quota is the rolling allowance of commits in 24 hours.
type Quota struct {
	// max is the number of commits that are allowed in 24 hours.
	// +required
	Max int32 `json:"max"`
	// remaining is the number of commits that are left.
	// +required
	Remaining int32 `json:"remaining"`
	// nextSlotTime is when the next commit is allowed, where none is left.
	// +optional
	NextSlotTime *metav1.Time `json:"nextSlotTime,omitempty"`
}

// LiveTable is a published table.
type LiveTable struct {
	// sessionName is the name of the ExactMatchSession that published the table, where
	// one of this data store did.
	// +optional
	SessionName string `json:"sessionName,omitempty"`
	// sessionUID is the UID of that ExactMatchSession.
	// +optional
	SessionUID types.UID `json:"sessionUID,omitempty"`
	// remoteID is the id of the remote session that published the table.
	// +required
	RemoteID string `json:"remoteID"`
	// contentKey names everything that determined the blocks of the table.
	// +optional
	ContentKey string `json:"contentKey,omitempty"`
	// rows is the number of rows of the table.
	// +required
	Rows int64 `json:"rows"`
	// keyID names the key of the table's tokens without revealing it.
	// +optional
	KeyID string `json:"keyID,omitempty"`
	// generation grows with every table that the service publishes in the data store;
	// 0 where the service does not report it.
	// +optional
	Generation int64 `json:"generation,omitempty"`
	// columns of the table, with the rules that their tokens are made under.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Columns []LiveColumn `json:"columns,omitempty"`
	// completionTime is when the service finished indexing the table.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
}

// LiveColumn is a column of a published table.
type LiveColumn struct {
	// name of the column.
	// +required
	Name string `json:"name"`
	// rulesID names the rules that the column's tokens are made under
	// (internal/edm/API.md).
	// +optional
	RulesID string `json:"rulesID,omitempty"`
	// isSearchable says whether the service has the column indexed now.
	// +required
	IsSearchable bool `json:"isSearchable"`
}

// ExactMatchDataStoreStatus is the observed state of an ExactMatchDataStore: what
// the service shows of the remote data store, and which session may upload.
type ExactMatchDataStoreStatus struct {
	// conditions of the data store: Ready, Reconciling, Stalled and Live.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// observedGeneration is the generation of spec that the status describes; -1
	// before the first reconciliation.
	// +optional
	// +kubebuilder:default=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// id of the remote data store.
	// +optional
	ID string `json:"id,omitempty"`
	// displayName of the remote data store.
	// +optional
	DisplayName string `json:"displayName,omitempty"`
	// dataLastUpdatedDateTime is when the data of the remote data store last changed.
	// +optional
	DataLastUpdatedDateTime *metav1.Time `json:"dataLastUpdatedDateTime,omitempty"`
	// keyID names the key in spec.keySecretRef without revealing it.
	// +optional
	KeyID string `json:"keyID,omitempty"`
	// adoptedID is the value of spec.adopt.id that was honored last.
	// +optional
	AdoptedID string `json:"adoptedID,omitempty"`
	// activeSession is the name of the ExactMatchSession that is admitted to upload.
	// +optional
	ActiveSession string `json:"activeSession,omitempty"`
	// queuedSessions is the number of ExactMatchSessions in the queue behind it.
	// +optional
	QueuedSessions int32 `json:"queuedSessions,omitempty"`
	// live is the table that the service shows live; absent where it shows none.
	// +optional
	Live *LiveTable `json:"live,omitempty"`
	// published is the table that was published last, as far as the operator knows.
	// Guards compare with it. Where it is not the live one, the table is lost.
	// +optional
	Published *LiveTable `json:"published,omitempty"`
	// quota is the allowance of commits, where the service reports one.
	// +optional
	Quota *Quota `json:"quota,omitempty"`
	// finalizeDeadline is when the deletion of the object proceeds even though the
	// service does not answer.
	// +optional
	FinalizeDeadline *metav1.Time `json:"finalizeDeadline,omitempty"`
}

// KnownRows is the number of rows that a new table is compared with: the larger one of the
// table that was published last and the live one, 0 where neither is known.
func (s *ExactMatchDataStoreStatus) KnownRows() (rows int64) {
	for _, table := range []*LiveTable{s.Published, s.Live} {
		if table != nil {
			rows = max(rows, table.Rows)
		}
	}
	return rows
}
