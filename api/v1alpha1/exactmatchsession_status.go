package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ClassificationErrorBase mirrors Graph's classifcationErrorBase.
type ClassificationErrorBase struct {
	// code names the kind of the error.
	// +optional
	Code string `json:"code,omitempty"`
	// message describes the error in the words of the service.
	// +optional
	Message string `json:"message,omitempty"`
	// target is what the error concerns, such as a property of the request.
	// +optional
	Target string `json:"target,omitempty"`
	// innerError identifies the request at the service.
	// +optional
	InnerError *ClassificationInnerError `json:"innerError,omitempty"`
}

// ClassificationError mirrors Graph's classificationError.
type ClassificationError struct {
	ClassificationErrorBase `json:",inline"`
	// details are the errors that led to this one; at most 10 are kept.
	// +optional
	// +listType=atomic
	Details []ClassificationErrorBase `json:"details,omitempty"`
}

// ClassificationInnerError mirrors Graph's classificationInnerError.
type ClassificationInnerError struct {
	// code names the kind of the error more precisely.
	// +optional
	Code string `json:"code,omitempty"`
	// errorDateTime is when the error occurred.
	// +optional
	ErrorDateTime *metav1.Time `json:"errorDateTime,omitempty"`
	// clientRequestId is the id that the client gave the request.
	// +optional
	ClientRequestID string `json:"clientRequestId,omitempty"`
	// activityId is the id under which the service logged the request.
	// +optional
	ActivityID string `json:"activityId,omitempty"`
}

// CreateIntent is recorded before a remote session is created, so that after a
// crash the session can be found.
type CreateIntent struct {
	// contentKey of the content that the session is created for.
	// +required
	ContentKey string `json:"contentKey"`
	// instance names the manager that sends the create.
	// +required
	Instance string `json:"instance"`
	// time when the intent was recorded.
	// +required
	Time metav1.Time `json:"time"`
	// clientRequestId is the id of the request, by which the service recognizes it.
	// +required
	ClientRequestID string `json:"clientRequestId"`
	// unanswered is true where an earlier create of this content was never answered
	// and its session was not found. The session may still appear, so the operator
	// looks for it again before the commit.
	// +optional
	Unanswered bool `json:"unanswered,omitempty"`
	// rules that the tokens of each field are made under.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Rules []ColumnRules `json:"rules,omitempty"`
}

// ColumnRules names the rules that a column's tokens are made under
// (internal/edm/API.md).
type ColumnRules struct {
	// name of the column.
	// +required
	Name string `json:"name"`
	// rulesID is the id of its rules.
	// +required
	RulesID string `json:"rulesID"`
}

// HistoryEntry is an attempt that has ended.
type HistoryEntry struct {
	// revision of the content, as in status.revision.
	// +required
	Revision int64 `json:"revision"`
	// attempt within the revision, as in status.attempt.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`
	// id of the remote session.
	// +optional
	ID string `json:"id,omitempty"`
	// state of the remote session, as it was seen last.
	// +optional
	State string `json:"state,omitempty"`
	// outcome is the reason why the attempt ended.
	// +optional
	Outcome string `json:"outcome,omitempty"`
	// checksum of the stored bytes of the table.
	// +optional
	Checksum string `json:"checksum,omitempty"`
	// completionTime is when the operator saw that the attempt had ended.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
}

// ExactMatchSessionStatus is the observed state of an ExactMatchSession: the
// properties of the remote session under Graph's names, and what the operator
// adds to them.
type ExactMatchSessionStatus struct {
	// conditions of the session: Ready, Reconciling, Stalled, Suspended, Finished,
	// Live, SourceChanged, DataQuality, Parallel and BlocksVerified.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// observedGeneration is the generation of spec that the status describes; -1
	// before the first reconciliation.
	// +optional
	// +kubebuilder:default=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// id of the remote session.
	// +optional
	ID string `json:"id,omitempty"`
	// creationDateTime is when the service created the remote session.
	// +optional
	CreationDateTime *metav1.Time `json:"creationDateTime,omitempty"`
	// startDateTime is when the upload to the remote session began.
	// +optional
	StartDateTime *metav1.Time `json:"startDateTime,omitempty"`
	// lastUpdatedDateTime is when the remote session last changed.
	// +optional
	LastUpdatedDateTime *metav1.Time `json:"lastUpdatedDateTime,omitempty"`
	// completionDateTime is when the remote session ended.
	// +optional
	CompletionDateTime *metav1.Time `json:"completionDateTime,omitempty"`
	// uploadCompletionDateTime is when the service had all blocks.
	// +optional
	UploadCompletionDateTime *metav1.Time `json:"uploadCompletionDateTime,omitempty"`
	// processingCompletionDateTime is when the service had indexed the table.
	// +optional
	ProcessingCompletionDateTime *metav1.Time `json:"processingCompletionDateTime,omitempty"`
	// error that the service reports of the remote session.
	// +optional
	Error *ClassificationError `json:"error,omitempty"`
	// datastoreId is the id of the remote data store.
	// +optional
	DatastoreID string `json:"datastoreId,omitempty"`
	// uploadAgentId is the id of the remote upload agent.
	// +optional
	UploadAgentID string `json:"uploadAgentId,omitempty"`
	// fields of the remote session: the columns that are uploaded; at most 32 are
	// shown.
	// +optional
	// +listType=atomic
	Fields []string `json:"fields,omitempty"`
	// fileName of the remote session.
	// +optional
	FileName string `json:"fileName,omitempty"`
	// checksum of the remote session: that of the stored bytes of the table.
	// +optional
	Checksum string `json:"checksum,omitempty"`
	// dataUploadURI is where blocks are uploaded, without its query, which is a
	// bearer capability.
	// +optional
	DataUploadURI string `json:"dataUploadURI,omitempty"`
	// state of the remote session: Created, UploadInProgress, UploadCompleted,
	// ProcessingInProgress, Completed, Cancelled, Failed, Expired, or another that the
	// service reports.
	// +optional
	State string `json:"state,omitempty"`
	// rowsPerBlock of the remote session.
	// +optional
	RowsPerBlock *int32 `json:"rowsPerBlock,omitempty"`
	// totalBlockCount is the number of blocks of the table.
	// +optional
	TotalBlockCount *int32 `json:"totalBlockCount,omitempty"`
	// remainingBlockCount is the number of blocks that the service does not have yet.
	// +optional
	RemainingBlockCount *int32 `json:"remainingBlockCount,omitempty"`
	// totalJobCount is the number of jobs in which the service indexes the table.
	// +optional
	TotalJobCount *int32 `json:"totalJobCount,omitempty"`
	// remainingJobCount is the number of these jobs that are not done yet.
	// +optional
	RemainingJobCount *int32 `json:"remainingJobCount,omitempty"`

	// sessionExpiryTime is when the service discards the unfinished remote session.
	// +optional
	SessionExpiryTime *metav1.Time `json:"sessionExpiryTime,omitempty"`
	// revision counts the contents that the session had so far.
	// +optional
	Revision int64 `json:"revision,omitempty"`
	// attempt counts the remote sessions that were created for the revision.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`
	// contentKey names everything that determines the blocks of this revision.
	// +optional
	ContentKey string `json:"contentKey,omitempty"`
	// preparedChecksum is the SHA-256 of the stored bytes as they were read.
	// +optional
	PreparedChecksum string `json:"preparedChecksum,omitempty"`
	// preparedContent is the SHA-256 of the cells as they were read.
	// +optional
	PreparedContent string `json:"preparedContent,omitempty"`
	// preparedBlocks is the number of blocks that the cells make.
	// +optional
	PreparedBlocks int32 `json:"preparedBlocks,omitempty"`
	// keyID names the key of the tokens without revealing it.
	// +optional
	KeyID string `json:"keyID,omitempty"`
	// rows is the number of rows to upload, without bad rows.
	// +optional
	Rows *int64 `json:"rows,omitempty"`
	// badRows counts the rows that were left out.
	// +optional
	BadRows *BadRows `json:"badRows,omitempty"`
	// blankLines is the number of lines without a value.
	// +optional
	BlankLines *int64 `json:"blankLines,omitempty"`
	// skippedLines is the number of lines before the header.
	// +optional
	SkippedLines *int64 `json:"skippedLines,omitempty"`
	// trailingBytes is the number of bytes after the compressed table that were left
	// out.
	// +optional
	TrailingBytes int64 `json:"trailingBytes,omitempty"`
	// columns describe the searchable ones of the fields, once the source was read.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Columns []ColumnQuality `json:"columns,omitempty"`
	// progress of the upload: the share of blocks that the service has acknowledged,
	// such as 42%.
	// +optional
	Progress string `json:"progress,omitempty"`
	// estimatedCompletionTime is when the upload is expected to be complete.
	// +optional
	EstimatedCompletionTime *metav1.Time `json:"estimatedCompletionTime,omitempty"`
	// uploadURIRenewals is how many times the upload URI of this attempt was renewed.
	// +optional
	UploadURIRenewals int32 `json:"uploadURIRenewals,omitempty"`
	// uploadURIIssuedTime is when the current upload URI was issued.
	// +optional
	UploadURIIssuedTime *metav1.Time `json:"uploadURIIssuedTime,omitempty"`
	// uploadURIExpiryTime is when the current upload URI expires.
	// +optional
	UploadURIExpiryTime *metav1.Time `json:"uploadURIExpiryTime,omitempty"`
	// consecutiveFailures counts the failures since the last success.
	// +optional
	ConsecutiveFailures int32 `json:"consecutiveFailures,omitempty"`
	// nextRetryTime is when the operator tries again after a failure.
	// +optional
	NextRetryTime *metav1.Time `json:"nextRetryTime,omitempty"`
	// waitingFor is the object that the session waits for, and what keeps it.
	// +optional
	WaitingFor string `json:"waitingFor,omitempty"`
	// observedRenewToken is the value of spec.renewToken that was honored last.
	// +optional
	ObservedRenewToken string `json:"observedRenewToken,omitempty"`
	// observedRestartToken is the value of spec.restartToken that was honored last.
	// +optional
	ObservedRestartToken string `json:"observedRestartToken,omitempty"`
	// observedSpecHash names the inputs of the reading that the status describes.
	// +optional
	ObservedSpecHash string `json:"observedSpecHash,omitempty"`
	// preparedSpecHash names those of these inputs that are part of spec. While they
	// stay the same, a sealed session is not read again.
	// +optional
	PreparedSpecHash string `json:"preparedSpecHash,omitempty"`
	// preparedSourceVersion names the content of the ConfigMap, or of the Secret with
	// the URI, as it was read.
	// +optional
	PreparedSourceVersion string `json:"preparedSourceVersion,omitempty"`
	// observedDataStoreGeneration is the generation of the data store that the outcome
	// was judged under.
	// +optional
	ObservedDataStoreGeneration int64 `json:"observedDataStoreGeneration,omitempty"`

	// intent is recorded before a remote session is created.
	// +optional
	Intent *CreateIntent `json:"intent,omitempty"`
	// commitRequestedTime is recorded before the commit is sent.
	// +optional
	CommitRequestedTime *metav1.Time `json:"commitRequestedTime,omitempty"`
	// cancelRequestedTime is recorded before the cancel is sent.
	// +optional
	CancelRequestedTime *metav1.Time `json:"cancelRequestedTime,omitempty"`
	// outcome is the reason that ended the lifecycle for the observed generation.
	// +optional
	Outcome string `json:"outcome,omitempty"`
	// outcomeMessage explains the outcome.
	// +optional
	OutcomeMessage string `json:"outcomeMessage,omitempty"`
	// finalizeDeadline is when the deletion of the object proceeds even though the
	// service does not answer.
	// +optional
	FinalizeDeadline *metav1.Time `json:"finalizeDeadline,omitempty"`

	// judgedGeneration is the generation of the live table that the commit was judged
	// against; 0 where there was none.
	// +optional
	JudgedGeneration int64 `json:"judgedGeneration,omitempty"`
	// liveGeneration is the generation that the live table had when this session was
	// published; 0 where the service does not report it.
	// +optional
	LiveGeneration int64 `json:"liveGeneration,omitempty"`

	// history of ended attempts, newest first; at most 10.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	History []HistoryEntry `json:"history,omitempty"`
}
