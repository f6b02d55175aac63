package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DesiredState is the state that a session is taken to.
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

// SessionDeletionPolicy says what happens to the remote session when the object is
// deleted.
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
	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
}

// KeyReference names one key of a Secret or ConfigMap of the same namespace.
type KeyReference struct {
	// name of the Secret or ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
	// key in its data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`
}

// Source says where to read the table: exactly one of uri, uriSecretRef,
// persistentVolumeClaim and configMapKeyRef.
// +kubebuilder:validation:XValidation:rule="[has(self.uri), has(self.uriSecretRef), has(self.persistentVolumeClaim), has(self.configMapKeyRef)].filter(x, x).size() == 1",message="give exactly one of uri, uriSecretRef, persistentVolumeClaim and configMapKeyRef"
type Source struct {
	// uri of the table: file, https, s3, gs or azblob, as far as the upload agent
	// allows the scheme. Put a URI that contains a credential into a Secret
	// (uriSecretRef).
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z][a-z0-9+.-]*://')",message="must begin with a scheme, as in s3://bucket/table.csv"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[^/]*//[^/?#]*@')",message="must not contain user info; use uriSecretRef or credentialsSecretRef"
	// +kubebuilder:validation:XValidation:rule="!self.matches('(?i)[?&;#]([^=&;]*(signature|token|secret|passw|pwd|credential|auth|jwt|(access|api|account|private)[-_]?key|%)[^=&;]*|sig|se|sp|sv|sr|key|awsaccesskeyid)=')",message="must not contain a signature or credential; use uriSecretRef"
	URI string `json:"uri,omitempty"`
	// uriSecretRef names the key of a Secret that contains the URI, such as a
	// presigned URL.
	// +optional
	URISecretRef *KeyReference `json:"uriSecretRef,omitempty"`
	// persistentVolumeClaim names a claim and a file on its volume. It requires an
	// upload agent whose workers.mode is Job.
	// +optional
	PersistentVolumeClaim *VolumeFile `json:"persistentVolumeClaim,omitempty"`
	// configMapKeyRef names the key of a ConfigMap that contains the table (at most
	// 1 MiB).
	// +optional
	ConfigMapKeyRef *KeyReference `json:"configMapKeyRef,omitempty"`
	// format of the table's bytes.
	// +optional
	// +kubebuilder:default={}
	Format Format `json:"format,omitempty"`
	// credentialsSecretRef names a Secret with the credentials of the server or the
	// object storage.
	// +optional
	CredentialsSecretRef *LocalReference `json:"credentialsSecretRef,omitempty"`
}

// VolumeFile is a file on a PersistentVolumeClaim.
type VolumeFile struct {
	// claimName is the name of the PersistentVolumeClaim. Pods mount it read-only.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	ClaimName string `json:"claimName"`
	// path of the file, relative to the root of the volume.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="must be relative and stay on the volume"
	Path string `json:"path"`
}

// Format says how to read the bytes of a table.
type Format struct {
	// delimiter between cells: one ASCII character; "\t" is a tab. Default: a comma.
	// +optional
	// +kubebuilder:default=","
	// +kubebuilder:validation:XValidation:rule="self.matches('^[\\\\x01-\\\\x7f]$') && !self.matches('^[\"\\r\\n]$')",message="must be one ASCII character, and neither a quote nor a line break; YAML reads a tab as \"\\t\" in double quotes only"
	// +kubebuilder:validation:MaxLength=16
	Delimiter string `json:"delimiter,omitempty"`
	// encoding of the text. Auto reads UTF-8, and UTF-16 with a byte order mark;
	// Windows-1252 is never guessed. Default: Auto.
	// +optional
	// +kubebuilder:default=Auto
	// +kubebuilder:validation:Enum=Auto;UTF-8;UTF-16;Windows-1252
	Encoding string `json:"encoding,omitempty"`
	// compression of the bytes. Auto detects gzip and Zstandard by the first bytes.
	// Default: Auto.
	// +optional
	// +kubebuilder:default=Auto
	// +kubebuilder:validation:Enum=Auto;None;Gzip;Zstd
	Compression string `json:"compression,omitempty"`
	// quoting is the meaning of a quotation mark. RFC4180: a cell that begins with
	// one ends at the next one that is not doubled, even on a later line. None: it is
	// an ordinary character. Auto: as RFC4180, but a row whose quoted cell appears to
	// contain rows of the table is bad. Default: Auto.
	// +optional
	// +kubebuilder:default=Auto
	// +kubebuilder:validation:Enum=Auto;RFC4180;None
	Quoting string `json:"quoting,omitempty"`
	// maxLinesPerRecord is the maximum number of lines of one record; a record with
	// more lines is bad. Default: 100.
	// +optional
	// +kubebuilder:default=100
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	MaxLinesPerRecord int32 `json:"maxLinesPerRecord,omitempty"`
	// skipLines is the number of lines before the header, such as a title, that are
	// skipped. Default: 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	SkipLines int32 `json:"skipLines,omitempty"`
	// shortRows says how to treat rows with fewer cells than the header: Bad counts
	// them as bad rows, Pad takes the missing cells at the end as empty. Default: Bad.
	// +optional
	// +kubebuilder:default=Bad
	// +kubebuilder:validation:Enum=Bad;Pad
	ShortRows string `json:"shortRows,omitempty"`
}

// BadRowsAllowance limits how much of a table may be left out because it cannot
// be read.
type BadRowsAllowance struct {
	// maxPercent is the maximum share of bad rows, in percent of the lines of all
	// rows. Default: 0.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxPercent int32 `json:"maxPercent"`
	// minSample is the number of rows to read before the share is judged; at the end
	// of the table it is judged in any case. Default: 1000.
	// +optional
	// +kubebuilder:default=1000
	// +kubebuilder:validation:Minimum=1
	MinSample int32 `json:"minSample,omitempty"`
}

// ExactMatchSessionSpec is the desired state of an ExactMatchSession: which table
// to upload to which data store, and what state to reach.
type ExactMatchSessionSpec struct {
	// dataStoreRef names the ExactMatchDataStore that the table is uploaded to.
	// Immutable in a session.
	// +required
	DataStoreRef LocalReference `json:"dataStoreRef"`
	// source says where and how to read the table.
	// +required
	Source Source `json:"source"`
	// fileName of the table as the service shows it. Default: the last element of the
	// source.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._ -]{1,128}$`
	FileName string `json:"fileName,omitempty"`
	// checksum pins the stored bytes of the table: "sha256:" followed by their SHA-256
	// in lower-case hexadecimal digits, as sha256sum prints it.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:Pattern=`^sha256:[0-9a-f]{64}$`
	Checksum string `json:"checksum,omitempty"`
	// fields lists the columns of the data store to hash and upload, by name. Default:
	// all columns.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Fields []string `json:"fields,omitempty"`
	// rowsPerBlock is the number of rows in a block of the upload. A table may have at
	// most 50,000 blocks of at most 64 MiB. Default: 100000.
	// +optional
	// +kubebuilder:default=100000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	RowsPerBlock int32 `json:"rowsPerBlock,omitempty"`
	// desiredState is the state to bring the session to: Uploaded stops before the commit,
	// Committed publishes the table, Cancelled cancels what is not committed. Default:
	// Committed.
	// +optional
	// +kubebuilder:default=Committed
	DesiredState DesiredState `json:"desiredState,omitempty"`
	// badRows limits how many rows may be left out because they cannot be read.
	// Default: none.
	// +optional
	// +kubebuilder:default={}
	BadRows BadRowsAllowance `json:"badRows,omitempty"`
	// guardOverride releases one content from the data store's guards: set it to
	// status.preparedContent of a session that is Held.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:Pattern=`^(sha256:[0-9a-f]{64})?$`
	GuardOverride string `json:"guardOverride,omitempty"`
	// renewToken requests a new upload URI whenever its value changes.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	RenewToken string `json:"renewToken,omitempty"`
	// restartToken requests another reading of the source whenever its value changes;
	// a failed session gets a new attempt.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	RestartToken string `json:"restartToken,omitempty"`
	// suspend stops reading and uploading while it is true; the remote session stays
	// as it is. Default: false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
	// deletionPolicy says what happens to the remote session when the object is
	// deleted: Cancel cancels an unfinished one, Delete deletes it, Orphan leaves it as
	// it is. Default: Cancel.
	// +optional
	// +kubebuilder:default=Cancel
	DeletionPolicy SessionDeletionPolicy `json:"deletionPolicy,omitempty"`
}

// ExactMatchSession uploads one table to one data store and publishes it there.
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
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state of the session.
	// +required
	// +kubebuilder:validation:XValidation:rule="self.dataStoreRef == oldSelf.dataStoreRef",fieldPath=".dataStoreRef",message="is immutable; create a new session for another data store"
	Spec ExactMatchSessionSpec `json:"spec"`
	// status is the observed state of the session and of its remote session.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status ExactMatchSessionStatus `json:"status,omitempty"`
}

// ExactMatchSessionList is a list of sessions.
//
// +kubebuilder:object:root=true
type ExactMatchSessionList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of a list.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the sessions.
	// +required
	Items []ExactMatchSession `json:"items"`
}

// StatusReason returns the content of the column STATUS, which is the reason of
// the condition Finished: the current activity, what the session waits for,
// Suspended, or how it ended. It is empty before the first reconciliation.
func (s *ExactMatchSession) StatusReason() string {
	for _, c := range s.Status.Conditions {
		if c.Type == ConditionFinished {
			return c.Reason
		}
	}
	return ""
}
