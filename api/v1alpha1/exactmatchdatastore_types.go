package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// StoreDeletionPolicy says what happens to the remote data store when the object
// is deleted.
// +kubebuilder:validation:Enum=Orphan;Delete
type StoreDeletionPolicy string

// The values of a data store's spec.deletionPolicy.
const (
	// StoreDeletionPolicyOrphan leaves the remote store and its live table.
	StoreDeletionPolicyOrphan StoreDeletionPolicy = "Orphan"
	// StoreDeletionPolicyDelete deletes the remote store with its live table.
	StoreDeletionPolicyDelete StoreDeletionPolicy = "Delete"
)

// Column of the schema. The column's key is derived from its name, so a column
// with another name is another column.
type Column struct {
	// name of the column at the service: a letter, followed by up to 63 letters,
	// digits and underscores.
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_]{0,63}$`
	Name string `json:"name"`
	// sourceName is the column's header in the table. Default: the name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	SourceName string `json:"sourceName,omitempty"`
	// isSearchable says whether the service indexes the column. Default: true.
	// +optional
	// +kubebuilder:default=true
	IsSearchable *bool `json:"isSearchable,omitempty"`
	// isCaseInsensitive says whether letter case is folded before hashing. Default:
	// false.
	// +optional
	IsCaseInsensitive bool `json:"isCaseInsensitive,omitempty"`
	// ignoredDelimiters are characters to remove before hashing. They are compared
	// after NFKC, case folding and the normalization of white space; a character that
	// these steps change never matches and is refused.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1
	IgnoredDelimiters []string `json:"ignoredDelimiters,omitempty"`
}

// Searchable reports isSearchable with its default.
func (c Column) Searchable() bool { return c.IsSearchable == nil || *c.IsSearchable }

// Guards hold back content that looks like a mistake.
type Guards struct {
	// maxRowDecreasePercent is by how many percent fewer rows a table may have than
	// the live one. Default: 50.
	// +optional
	// +kubebuilder:default=50
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxRowDecreasePercent int32 `json:"maxRowDecreasePercent"`
	// requireAllColumns holds a session whose fields omit a column. Default: true.
	// +optional
	// +kubebuilder:default=true
	RequireAllColumns bool `json:"requireAllColumns"`
	// maxUnfindablePercent is the maximum share of unfindable values of a searchable
	// column, in percent of its values: beyond it, a lookup that finds nothing means
	// nothing. Default: 20.
	// +optional
	// +kubebuilder:default=20
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxUnfindablePercent int32 `json:"maxUnfindablePercent"`
}

// ExactMatchDataStoreSpec is the desired state of an ExactMatchDataStore: the
// schema, the key and the guards.
// +kubebuilder:validation:XValidation:rule="has(self.displayName) == has(oldSelf.displayName) && (!has(self.displayName) || self.displayName == oldSelf.displayName)",message="displayName is immutable: the columns' keys are derived from it"
type ExactMatchDataStoreSpec struct {
	// uploadAgentRef names the ExactMatchUploadAgent whose endpoint has the data
	// store. Immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="is immutable; create a new data store for another upload agent"
	UploadAgentRef LocalReference `json:"uploadAgentRef"`
	// displayName of the data store at the service. Immutable. Default: metadata.name.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._-]{1,128}$`
	DisplayName string `json:"displayName,omitempty"`
	// description of the data store at the service.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`
	// columns of the schema, in order.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Columns []Column `json:"columns"`
	// keySecretRef names the key of a Secret that contains at least 32 random bytes,
	// with which the cells are hashed.
	// +required
	KeySecretRef SecretKeyReference `json:"keySecretRef"`
	// guards hold back content that looks like a mistake.
	// +optional
	// +kubebuilder:default={}
	Guards Guards `json:"guards,omitempty"`
	// adopt names the remote data store to take over: one with this displayName that
	// belongs to another object, another cluster or nobody.
	// +optional
	Adopt *Adoption `json:"adopt,omitempty"`
	// deletionPolicy says what happens to the remote data store when the object is
	// deleted: Orphan leaves it with its live table, Delete deletes both. Default:
	// Orphan.
	// +optional
	// +kubebuilder:default=Orphan
	DeletionPolicy StoreDeletionPolicy `json:"deletionPolicy,omitempty"`
}

// SecretKeyReference names one key of a Secret of the same namespace.
type SecretKeyReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
	// key in its data. Default: key.
	// +optional
	// +kubebuilder:default=key
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// Adoption names the remote data store to take over.
type Adoption struct {
	// id of the remote data store.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ID string `json:"id"`
}

// ExactMatchDataStore is a schema and the table that is published under it.
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
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state of the data store.
	// +required
	Spec ExactMatchDataStoreSpec `json:"spec"`
	// status is the observed state of the data store.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status ExactMatchDataStoreStatus `json:"status,omitempty"`
}

// ExactMatchDataStoreList is a list of data stores.
//
// +kubebuilder:object:root=true
type ExactMatchDataStoreList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of a list.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the data stores.
	// +required
	Items []ExactMatchDataStore `json:"items"`
}
