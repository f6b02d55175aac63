package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DesiredState is what a session shall come to.
// +kubebuilder:validation:Enum=Uploaded;Committed;Cancelled
type DesiredState string

// The values of spec.desiredState.
const (
	// DesiredUploaded stops before the commit, so that the commit is a reviewed change.
	DesiredUploaded DesiredState = "Uploaded"
	// DesiredCommitted commits and waits until the table is live.
	DesiredCommitted DesiredState = "Committed"
	// DesiredCancelled cancels what is not committed.
	DesiredCancelled DesiredState = "Cancelled"
)

// SessionDeletionPolicy says what happens to the remote session when the object is deleted.
// +kubebuilder:validation:Enum=Cancel;Delete;Orphan
type SessionDeletionPolicy string

// The values of a session's spec.deletionPolicy.
const (
	// SessionDeletionPolicyCancel cancels an unfinished remote session.
	SessionDeletionPolicyCancel SessionDeletionPolicy = "Cancel"
	// SessionDeletionPolicyDelete deletes the remote session, finished or not.
	SessionDeletionPolicyDelete SessionDeletionPolicy = "Delete"
	// SessionDeletionPolicyOrphan leaves the remote session as it is.
	SessionDeletionPolicyOrphan SessionDeletionPolicy = "Orphan"
)

// LocalReference names an object of the same namespace.
type LocalReference struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
}

// KeyReference names one key of a Secret or ConfigMap of the same namespace.
type KeyReference struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`
}

// Source says where the table lies: exactly one of uri, uriSecretRef,
// persistentVolumeClaim and configMapKeyRef.
// +kubebuilder:validation:XValidation:rule="[has(self.uri), has(self.uriSecretRef), has(self.persistentVolumeClaim), has(self.configMapKeyRef)].filter(x, x).size() == 1",message="give exactly one of uri, uriSecretRef, persistentVolumeClaim and configMapKeyRef"
type Source struct {
	// URI of the table: file, https or a scheme of object storage that the upload
	// agent allows. A URI that carries a credential belongs into a Secret (uriSecretRef).
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z][a-z0-9+.-]*://')",message="must begin with a scheme, as in s3://bucket/table.csv"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[^/]*//[^/?#]*@')",message="must not contain user info; use uriSecretRef or credentialsSecretRef"
	// +kubebuilder:validation:XValidation:rule="!self.matches('(?i)[?&;#]([^=&;]*(signature|token|secret|passw|pwd|credential|auth|jwt|(access|api|account|private)[-_]?key|%)[^=&;]*|sig|se|sp|sv|sr|key|awsaccesskeyid)=')",message="must not contain a signature or credential; use uriSecretRef"
	URI string `json:"uri,omitempty"`
	// URISecretRef names a Secret's key that holds the URI, for presigned URLs.
	// +optional
	URISecretRef *KeyReference `json:"uriSecretRef,omitempty"`
	// PersistentVolumeClaim names a claim and a file on it.
	// +optional
	PersistentVolumeClaim *VolumeFile `json:"persistentVolumeClaim,omitempty"`
	// ConfigMapKeyRef names a ConfigMap's key that holds the table (at most 1 MiB).
	// +optional
	ConfigMapKeyRef *KeyReference `json:"configMapKeyRef,omitempty"`
	// Format of the table.
	// +optional
	// +kubebuilder:default={}
	Format Format `json:"format,omitempty"`
	// CredentialsSecretRef names a Secret with the credentials of the object storage.
	// +optional
	CredentialsSecretRef *LocalReference `json:"credentialsSecretRef,omitempty"`
}

// VolumeFile is a file on a PersistentVolumeClaim.
type VolumeFile struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	ClaimName string `json:"claimName"`
	// Path of the file, relative to the volume's root.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="must be relative and stay on the volume"
	Path string `json:"path"`
}

// Format says how the bytes of a table are read.
type Format struct {
	// Delimiter between cells, one byte; "\t" is a tab.
	// +optional
	// +kubebuilder:default=","
	// +kubebuilder:validation:XValidation:rule="self.matches('^[\\\\x01-\\\\x7f]$') && !self.matches('^[\"\\r\\n]$')",message="must be one ASCII character, and neither a quote nor a line break; YAML takes a tab as \"\\t\" in double quotes only"
	// +kubebuilder:validation:MaxLength=16
	Delimiter string `json:"delimiter,omitempty"`
	// Encoding of the text. Auto takes UTF-8, or UTF-16 with a byte order mark.
	// +optional
	// +kubebuilder:default=Auto
	// +kubebuilder:validation:Enum=Auto;UTF-8;UTF-16;Windows-1252
	Encoding string `json:"encoding,omitempty"`
	// Compression of the bytes. Auto looks at them.
	// +optional
	// +kubebuilder:default=Auto
	// +kubebuilder:validation:Enum=Auto;None;Gzip;Zstd
	Compression string `json:"compression,omitempty"`
	// Quoting is what a quote means. RFC4180 lets a cell that begins with a quote
	// go on until the next quote that is not doubled, over line ends too; None
	// takes a quote as a character. Auto is RFC4180, but a row is bad whose
	// quoted cell seems to hold rows of the table.
	// +optional
	// +kubebuilder:default=Auto
	// +kubebuilder:validation:Enum=Auto;RFC4180;None
	Quoting string `json:"quoting,omitempty"`
	// MaxLinesPerRecord caps the lines of one record; a longer one is bad.
	// +optional
	// +kubebuilder:default=100
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	MaxLinesPerRecord int32 `json:"maxLinesPerRecord,omitempty"`
	// SkipLines is how many lines stand before the header, such as a title.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	SkipLines int32 `json:"skipLines,omitempty"`
	// ShortRows is what becomes of rows with fewer cells than the header: Bad, or
	// Pad, which takes the cells at the end that are not there as empty.
	// +optional
	// +kubebuilder:default=Bad
	// +kubebuilder:validation:Enum=Bad;Pad
	ShortRows string `json:"shortRows,omitempty"`
}

// BadRowsAllowance is how much may be left out because it cannot be read.
type BadRowsAllowance struct {
	// MaxPercent is the most that the lines of bad rows may be of the lines of all rows.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxPercent int32 `json:"maxPercent"`
	// MinSample is how many rows are read before the share is judged.
	// +optional
	// +kubebuilder:default=1000
	// +kubebuilder:validation:Minimum=1
	MinSample int32 `json:"minSample,omitempty"`
}

// ExactMatchSessionSpec is one table to get into one data store.
type ExactMatchSessionSpec struct {
	// DataStoreRef names the ExactMatchDataStore. Immutable.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="is immutable; make a new session for another data store"
	DataStoreRef LocalReference `json:"dataStoreRef"`
	// Source of the table.
	Source Source `json:"source"`
	// FileName as the service shows it; default: the last element of the source.
	// +optional
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._ -]{1,128}$`
	FileName string `json:"fileName,omitempty"`
	// Checksum pins the stored bytes: "sha256:" and what sha256sum prints.
	// +optional
	// +kubebuilder:validation:Pattern=`^sha256:[0-9a-f]{64}$`
	Checksum string `json:"checksum,omitempty"`
	// Fields to hash, by the names of the store's columns; default: all of them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Fields []string `json:"fields,omitempty"`
	// RowsPerBlock of the upload.
	// +optional
	// +kubebuilder:default=100000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	RowsPerBlock int32 `json:"rowsPerBlock,omitempty"`
	// DesiredState is the one knob of the lifecycle.
	// +optional
	// +kubebuilder:default=Committed
	DesiredState DesiredState `json:"desiredState,omitempty"`
	// BadRows is the allowance of rows that cannot be read.
	// +optional
	// +kubebuilder:default={}
	BadRows BadRowsAllowance `json:"badRows,omitempty"`
	// GuardOverride releases exactly this content from the store's guards: status.preparedContent.
	// +optional
	// +kubebuilder:validation:Pattern=`^(sha256:[0-9a-f]{64})?$`
	GuardOverride string `json:"guardOverride,omitempty"`
	// RenewToken renews the upload URI when it changes.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	RenewToken string `json:"renewToken,omitempty"`
	// RestartToken reads the source again when it changes; a failed session gets a new attempt.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	RestartToken string `json:"restartToken,omitempty"`
	// Suspend stops reading and uploading; the remote session stays as it is.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
	// DeletionPolicy says what happens to the remote session when the object is deleted.
	// +optional
	// +kubebuilder:default=Cancel
	DeletionPolicy SessionDeletionPolicy `json:"deletionPolicy,omitempty"`
}

// ExactMatchSession is one table on its way into one data store.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ems,categories=exactmatch
// +kubebuilder:selectablefield:JSONPath=`.spec.dataStoreRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.desiredState`
// +kubebuilder:printcolumn:name="Store",type=string,JSONPath=`.spec.dataStoreRef.name`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Finished")].reason`
// +kubebuilder:printcolumn:name="Progress",type=string,JSONPath=`.status.progress`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Live",type=string,JSONPath=`.status.conditions[?(@.type=="Live")].status`,priority=1
// +kubebuilder:printcolumn:name="Remaining",type=integer,JSONPath=`.status.remainingBlockCount`,priority=1
// +kubebuilder:printcolumn:name="Blocks",type=integer,JSONPath=`.status.totalBlockCount`,priority=1
// +kubebuilder:printcolumn:name="Jobs",type=integer,JSONPath=`.status.remainingJobCount`,priority=1
// +kubebuilder:printcolumn:name="Service-State",type=string,JSONPath=`.status.state`,priority=1
// +kubebuilder:printcolumn:name="ID",type=string,JSONPath=`.status.id`,priority=1
// +kubebuilder:printcolumn:name="Rows",type=integer,JSONPath=`.status.rows`,priority=1
type ExactMatchSession struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ExactMatchSessionSpec `json:"spec"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status ExactMatchSessionStatus `json:"status,omitempty"`
}

// ExactMatchSessionList is a list of sessions.
//
// +kubebuilder:object:root=true
type ExactMatchSessionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ExactMatchSession `json:"items"`
}

// StatusReason is what the column STATUS shows: what is being done or waited
// for, Suspended, or how it ended; "" before the first look.
func (s *ExactMatchSession) StatusReason() string {
	for _, c := range s.Status.Conditions {
		if c.Type == ConditionFinished {
			return c.Reason
		}
	}
	return ""
}
