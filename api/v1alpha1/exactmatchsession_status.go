package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ClassificationErrorBase mirrors Graph's classifcationErrorBase.
type ClassificationErrorBase struct {
	Code       string                    `json:"code,omitempty"`
	Message    string                    `json:"message,omitempty"`
	Target     string                    `json:"target,omitempty"`
	InnerError *ClassificationInnerError `json:"innerError,omitempty"`
}

// ClassificationError mirrors Graph's classificationError.
type ClassificationError struct {
	ClassificationErrorBase `json:",inline"`
	// +listType=atomic
	Details []ClassificationErrorBase `json:"details,omitempty"`
}

// ClassificationInnerError mirrors Graph's classificationInnerError.
type ClassificationInnerError struct {
	Code            string       `json:"code,omitempty"`
	ErrorDateTime   *metav1.Time `json:"errorDateTime,omitempty"`
	ClientRequestID string       `json:"clientRequestId,omitempty"`
	ActivityID      string       `json:"activityId,omitempty"`
}

// BadRows counts the rows that were left out, and their lines. Samples name
// positions, never values.
type BadRows struct {
	Count int64 `json:"count"`
	// Lines of the rows that were left out.
	Lines int64 `json:"lines"`
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Samples []string `json:"samples,omitempty"`
}

// ColumnQuality is how well a searchable column serves to find a row by, in
// counts of rows (status.rows is all of them). It holds no value of the table.
// Values are counted as the table has them, before the column's rules.
type ColumnQuality struct {
	// Name of the column.
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`
	// Empty rows have nothing but white space in the column. Exact.
	Empty int64 `json:"empty"`
	// Distinct values, the empty one left out: exact up to 4,096, above that an
	// estimate with a standard error of at most 2.2 %.
	Distinct int64 `json:"distinct"`
	// LargestRepetition is how many rows have the most common value, the empty
	// one left out: exact up to 4,096 distinct values, above that at least so
	// many, and usually at most a thousandth of all rows more.
	LargestRepetition int64 `json:"largestRepetition"`
	// Short rows have a value of fewer than 4 characters. Exact.
	Short int64 `json:"short"`
	// Unfindable rows have a value that no message has, since nobody types what it
	// holds; UnfindableKinds says what that is. Exact.
	// +optional
	Unfindable int64 `json:"unfindable,omitempty"`
	// +optional
	UnfindableKinds *UnfindableKinds `json:"unfindableKinds,omitempty"`
	// LineBreaks are the rows with a value of more than one line, and MostLines is
	// how many lines the longest of them has. Exact.
	// +optional
	LineBreaks int64 `json:"lineBreaks,omitempty"`
	// +optional
	MostLines int64 `json:"mostLines,omitempty"`
}

// UnfindableKinds counts unfindable values by what makes them so. A value counts
// once, by the first that applies.
type UnfindableKinds struct {
	// Mojibake is UTF-8 that was read as Windows-1252 or Latin-1.
	// +optional
	Mojibake int64 `json:"mojibake,omitempty"`
	// LostCharacters have become U+FFFD.
	// +optional
	LostCharacters int64 `json:"lostCharacters,omitempty"`
	// InvisibleCharacters are controls, soft hyphens, byte order marks, and
	// zero-width and direction marks where the value's script needs none.
	// +optional
	InvisibleCharacters int64 `json:"invisibleCharacters,omitempty"`
	// SpreadsheetGuards are ="…" and a leading apostrophe.
	// +optional
	SpreadsheetGuards int64 `json:"spreadsheetGuards,omitempty"`
	// ScientificNotation stands in place of an identifier's digits: 8.8E+08.
	// +optional
	ScientificNotation int64 `json:"scientificNotation,omitempty"`
}

// CreateIntent is written before a remote session is created, so that no crash
// can leave one that nobody remembers.
type CreateIntent struct {
	ContentKey      string      `json:"contentKey"`
	Instance        string      `json:"instance"`
	Time            metav1.Time `json:"time"`
	ClientRequestID string      `json:"clientRequestId"`
	// Unanswered: an earlier create of this content was never answered and had
	// shown no effect when it was looked for. Its session may still turn up, so it
	// is looked for again before the commit.
	// +optional
	Unanswered bool `json:"unanswered,omitempty"`
	// Rules that the tokens of each field are made under.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Rules []ColumnRules `json:"rules,omitempty"`
}

// ColumnRules names the rules that a column's tokens are made under
// (internal/edm/API.md).
type ColumnRules struct {
	Name    string `json:"name"`
	RulesID string `json:"rulesID"`
}

// HistoryEntry is an attempt that has ended.
type HistoryEntry struct {
	Revision       int64        `json:"revision"`
	Attempt        int32        `json:"attempt,omitempty"`
	ID             string       `json:"id,omitempty"`
	State          string       `json:"state,omitempty"`
	Outcome        string       `json:"outcome,omitempty"`
	Checksum       string       `json:"checksum,omitempty"`
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
}

// ExactMatchSessionStatus mirrors the remote session under Graph's names and
// adds what the operator knows.
type ExactMatchSessionStatus struct {
	// ObservedGeneration is the spec's generation that the status speaks of; -1 before the first look.
	// +optional
	// +kubebuilder:default=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	ID                           string               `json:"id,omitempty"`
	CreationDateTime             *metav1.Time         `json:"creationDateTime,omitempty"`
	StartDateTime                *metav1.Time         `json:"startDateTime,omitempty"`
	LastUpdatedDateTime          *metav1.Time         `json:"lastUpdatedDateTime,omitempty"`
	CompletionDateTime           *metav1.Time         `json:"completionDateTime,omitempty"`
	UploadCompletionDateTime     *metav1.Time         `json:"uploadCompletionDateTime,omitempty"`
	ProcessingCompletionDateTime *metav1.Time         `json:"processingCompletionDateTime,omitempty"`
	Error                        *ClassificationError `json:"error,omitempty"`
	DatastoreID                  string               `json:"datastoreId,omitempty"`
	UploadAgentID                string               `json:"uploadAgentId,omitempty"`
	// +listType=atomic
	Fields   []string `json:"fields,omitempty"`
	FileName string   `json:"fileName,omitempty"`
	Checksum string   `json:"checksum,omitempty"`
	// DataUploadURI without its query: the query is a bearer capability.
	DataUploadURI       string `json:"dataUploadURI,omitempty"`
	State               string `json:"state,omitempty"`
	RowsPerBlock        *int32 `json:"rowsPerBlock,omitempty"`
	TotalBlockCount     *int32 `json:"totalBlockCount,omitempty"`
	RemainingBlockCount *int32 `json:"remainingBlockCount,omitempty"`
	TotalJobCount       *int32 `json:"totalJobCount,omitempty"`
	RemainingJobCount   *int32 `json:"remainingJobCount,omitempty"`

	// SessionExpiryTime is when the service gives the unfinished remote session up.
	SessionExpiryTime *metav1.Time `json:"sessionExpiryTime,omitempty"`
	// Revision counts contents, Attempt the remote sessions opened for the revision.
	Revision int64 `json:"revision,omitempty"`
	Attempt  int32 `json:"attempt,omitempty"`
	// ContentKey names everything that decides the blocks of this revision.
	ContentKey string `json:"contentKey,omitempty"`
	// PreparedChecksum is the SHA-256 of the stored bytes, PreparedContent that of the cells.
	PreparedChecksum string `json:"preparedChecksum,omitempty"`
	PreparedContent  string `json:"preparedContent,omitempty"`
	PreparedBlocks   int32  `json:"preparedBlocks,omitempty"`
	// KeyID names the key of the tokens without revealing it.
	KeyID string `json:"keyID,omitempty"`
	// Rows that are uploaded; bad rows are not among them.
	Rows    *int64   `json:"rows,omitempty"`
	BadRows *BadRows `json:"badRows,omitempty"`
	// BlankLines of the table hold no value; SkippedLines stand before its header.
	// Every other line is the header's, or belongs to a row or a bad row.
	BlankLines   *int64 `json:"blankLines,omitempty"`
	SkippedLines *int64 `json:"skippedLines,omitempty"`
	// TrailingBytes stand behind the compressed table and were left out.
	TrailingBytes int64 `json:"trailingBytes,omitempty"`
	// Columns are the searchable ones of the fields, once the source is read.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Columns []ColumnQuality `json:"columns,omitempty"`
	// Progress of the upload in percent of acknowledged blocks.
	Progress                string       `json:"progress,omitempty"`
	EstimatedCompletionTime *metav1.Time `json:"estimatedCompletionTime,omitempty"`
	// Leases counts the upload URIs that this attempt has had; LeaseStartTime and
	// LeaseExpiryTime are when the present one was issued and when it ends.
	Leases          int32        `json:"leases,omitempty"`
	LeaseStartTime  *metav1.Time `json:"leaseStartTime,omitempty"`
	LeaseExpiryTime *metav1.Time `json:"leaseExpiryTime,omitempty"`
	// Attempts that failed in a row, and when the next one is.
	Attempts        int32        `json:"attempts,omitempty"`
	NextAttemptTime *metav1.Time `json:"nextAttemptTime,omitempty"`
	WaitingFor      string       `json:"waitingFor,omitempty"`
	// ObservedRenewToken and ObservedRestartToken are the tokens last honoured.
	ObservedRenewToken   string `json:"observedRenewToken,omitempty"`
	ObservedRestartToken string `json:"observedRestartToken,omitempty"`
	// ObservedSpecHash names the inputs of the reading that the status speaks of,
	// PreparedSpecHash those of them that stand in spec: while they are the same, a
	// sealed session is not read again. PreparedSourceVersion names the content of
	// a ConfigMap, or of the Secret that holds the URI, as it was read.
	ObservedSpecHash      string `json:"observedSpecHash,omitempty"`
	PreparedSpecHash      string `json:"preparedSpecHash,omitempty"`
	PreparedSourceVersion string `json:"preparedSourceVersion,omitempty"`
	// ObservedDataStoreGeneration is the generation of the data store that the
	// outcome was judged under.
	ObservedDataStoreGeneration int64 `json:"observedDataStoreGeneration,omitempty"`

	// What is written down before the act.
	Intent              *CreateIntent `json:"intent,omitempty"`
	CommitRequestedTime *metav1.Time  `json:"commitRequestedTime,omitempty"`
	CancelRequestedTime *metav1.Time  `json:"cancelRequestedTime,omitempty"`
	// Outcome is the reason that ended the lifecycle for the observed generation.
	Outcome        string `json:"outcome,omitempty"`
	OutcomeMessage string `json:"outcomeMessage,omitempty"`
	// FinalizeDeadline is when the deletion of the object goes on without the
	// service, where that does not answer.
	FinalizeDeadline *metav1.Time `json:"finalizeDeadline,omitempty"`

	// JudgedGeneration is the generation of the live table that the commit was
	// judged against, 0 where there was none.
	JudgedGeneration int64 `json:"judgedGeneration,omitempty"`
	// LiveGeneration is the generation of the service's live table when this
	// session's was published; 0 where the service does not say it.
	LiveGeneration int64 `json:"liveGeneration,omitempty"`

	// History of ended attempts, newest first.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	History []HistoryEntry `json:"history,omitempty"`
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
