package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// StoreDeletionPolicy says what happens to the remote store when the object is deleted.
// +kubebuilder:validation:Enum=Orphan;Delete
type StoreDeletionPolicy string

// The values of a data store's spec.deletionPolicy.
const (
	// StoreDeletionPolicyOrphan leaves the remote store and its live table.
	StoreDeletionPolicyOrphan StoreDeletionPolicy = "Orphan"
	// StoreDeletionPolicyDelete deletes the remote store with its live table.
	StoreDeletionPolicyDelete StoreDeletionPolicy = "Delete"
)

// Column of the schema. The name decides the column's key: another name is
// another column.
type Column struct {
	// Name of the column at the service.
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_]{0,63}$`
	Name string `json:"name"`
	// SourceName is the column's header in the table; default: the name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	SourceName string `json:"sourceName,omitempty"`
	// IsSearchable columns are indexed by the service.
	// +optional
	// +kubebuilder:default=true
	IsSearchable *bool `json:"isSearchable,omitempty"`
	// IsCaseInsensitive folds letter case before hashing.
	// +optional
	IsCaseInsensitive bool `json:"isCaseInsensitive,omitempty"`
	// IgnoredDelimiters are characters that are left out before hashing, each as
	// NFKC, case folding and white space leave it: one that these change never
	// matches and is refused.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1
	IgnoredDelimiters []string `json:"ignoredDelimiters,omitempty"`
}

// Searchable reports isSearchable with its default.
func (c Column) Searchable() bool { return c.IsSearchable == nil || *c.IsSearchable }

// Guards forbid content that looks like a mistake.
type Guards struct {
	// MaxRowDecreasePercent against the rows that are live.
	// +optional
	// +kubebuilder:default=50
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxRowDecreasePercent int32 `json:"maxRowDecreasePercent"`
	// RequireAllColumns refuses a session whose fields leave a column out.
	// +optional
	// +kubebuilder:default=true
	RequireAllColumns bool `json:"requireAllColumns"`
	// MaxUnfindablePercent of the values of a searchable column: with more that
	// nobody can find, a lookup's "no" means nothing.
	// +optional
	// +kubebuilder:default=20
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxUnfindablePercent int32 `json:"maxUnfindablePercent"`
}

// ExactMatchDataStoreSpec is a schema, its key, and what guards its table.
// +kubebuilder:validation:XValidation:rule="has(self.displayName) == has(oldSelf.displayName) && (!has(self.displayName) || self.displayName == oldSelf.displayName)",message="displayName is immutable: the columns' keys are derived from it"
type ExactMatchDataStoreSpec struct {
	// UploadAgentRef names the ExactMatchUploadAgent whose endpoint holds the store. Immutable.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="is immutable; make a new data store for another upload agent"
	UploadAgentRef LocalReference `json:"uploadAgentRef"`
	// DisplayName at the service; default: metadata.name. Immutable.
	// +optional
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._-]{1,128}$`
	DisplayName string `json:"displayName,omitempty"`
	// Description at the service.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`
	// Columns of the schema, in order.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Columns []Column `json:"columns"`
	// KeySecretRef names the Secret's key that holds at least 32 random bytes.
	KeySecretRef SecretKeyReference `json:"keySecretRef"`
	// Guards hold content that looks like a mistake, before anything is spent.
	// +optional
	// +kubebuilder:default={}
	Guards Guards `json:"guards,omitempty"`
	// Adopt takes over the remote data store with this id, which has the store's
	// displayName and belongs to another object, another cluster or nobody.
	// +optional
	Adopt *Adoption `json:"adopt,omitempty"`
	// DeletionPolicy says what happens to the remote store when the object is deleted.
	// +optional
	// +kubebuilder:default=Orphan
	DeletionPolicy StoreDeletionPolicy `json:"deletionPolicy,omitempty"`
}

// SecretKeyReference names one key of a Secret of the same namespace.
type SecretKeyReference struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
	// +optional
	// +kubebuilder:default=key
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// Quota is the rolling 24-hour allowance of commits.
type Quota struct {
	Max          int32        `json:"max"`
	Remaining    int32        `json:"remaining"`
	NextSlotTime *metav1.Time `json:"nextSlotTime,omitempty"`
}

// LiveTable is a published table.
type LiveTable struct {
	// SessionName and SessionUID name the ExactMatchSession that brought it, where
	// one of this store did.
	// +optional
	SessionName string `json:"sessionName,omitempty"`
	// +optional
	SessionUID types.UID `json:"sessionUID,omitempty"`
	RemoteID   string    `json:"remoteID"`
	// +optional
	ContentKey string `json:"contentKey,omitempty"`
	Rows       int64  `json:"rows"`
	KeyID      string `json:"keyID,omitempty"`
	// Generation grows with every table that the service publishes in the store; 0
	// where the service does not say it.
	// +optional
	Generation int64 `json:"generation,omitempty"`
	// Columns of the table, with the rules of their tokens.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Columns        []LiveColumn `json:"columns,omitempty"`
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
}

// LiveColumn is a column of a published table.
type LiveColumn struct {
	Name string `json:"name"`
	// RulesID names the rules that its tokens were made under (internal/edm/API.md).
	// +optional
	RulesID string `json:"rulesID,omitempty"`
	// IsSearchable as the service has it indexed now.
	IsSearchable bool `json:"isSearchable"`
}

// Adoption names the remote data store to take over.
type Adoption struct {
	// ID of the remote data store.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ID string `json:"id"`
}

// ExactMatchDataStoreStatus mirrors the remote store and says whose turn it is.
type ExactMatchDataStoreStatus struct {
	// +optional
	// +kubebuilder:default=-1
	ObservedGeneration      int64        `json:"observedGeneration,omitempty"`
	ID                      string       `json:"id,omitempty"`
	DisplayName             string       `json:"displayName,omitempty"`
	DataLastUpdatedDateTime *metav1.Time `json:"dataLastUpdatedDateTime,omitempty"`
	// KeyID names the key of the tokens without revealing it.
	KeyID string `json:"keyID,omitempty"`
	// AdoptedID is the spec.adopt.id that was honoured last.
	AdoptedID string `json:"adoptedID,omitempty"`
	// ActiveSession has the turn to upload; WaitingSessions counts those behind it.
	ActiveSession   string `json:"activeSession,omitempty"`
	WaitingSessions int32  `json:"waitingSessions,omitempty"`
	// Live is the table that the service shows live; absent where it shows none.
	// Published is the one that was published last as far as is known: the guards
	// compare with it, and it is lost where it is not the live one.
	Live             *LiveTable   `json:"live,omitempty"`
	Published        *LiveTable   `json:"published,omitempty"`
	Quota            *Quota       `json:"quota,omitempty"`
	FinalizeDeadline *metav1.Time `json:"finalizeDeadline,omitempty"`
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ExactMatchDataStore is a schema and the table that is live under it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=emds,categories=exactmatch
// +kubebuilder:selectablefield:JSONPath=`.spec.uploadAgentRef.name`
// +kubebuilder:printcolumn:name="Active",type=string,JSONPath=`.status.activeSession`
// +kubebuilder:printcolumn:name="Rows",type=integer,JSONPath=`.status.live.rows`
// +kubebuilder:printcolumn:name="Quota",type=integer,JSONPath=`.status.quota.remaining`
// +kubebuilder:printcolumn:name="Updated",type=date,JSONPath=`.status.live.completionTime`
// +kubebuilder:printcolumn:name="Live",type=string,JSONPath=`.status.conditions[?(@.type=="Live")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="ID",type=string,JSONPath=`.status.id`,priority=1
// +kubebuilder:printcolumn:name="Key",type=string,JSONPath=`.status.keyID`,priority=1
type ExactMatchDataStore struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ExactMatchDataStoreSpec `json:"spec"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status ExactMatchDataStoreStatus `json:"status,omitempty"`
}

// ExactMatchDataStoreList is a list of data stores.
//
// +kubebuilder:object:root=true
type ExactMatchDataStoreList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ExactMatchDataStore `json:"items"`
}
