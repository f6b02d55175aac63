package v1alpha1

// The types of conditions. They follow kstatus: Reconciling and Stalled stand
// only while they are true.
const (
	// ConditionReady is True when the wish is reached, False when somebody must
	// act, Unknown while the operator works or waits.
	ConditionReady = "Ready"
	// ConditionReconciling stands while the operator works, waits or retries.
	ConditionReconciling = "Reconciling"
	// ConditionStalled stands while only somebody's change gets the object on.
	ConditionStalled = "Stalled"
	// ConditionFinished is True when nothing more happens until somebody changes
	// something: `kubectl wait --for=condition=Finished` always returns.
	ConditionFinished = "Finished"
)

// Reasons while a session is on its way.
const (
	ReasonPreparing      = "Preparing"      // the source is being read
	ReasonWaitingForTurn = "WaitingForTurn" // another session of the store has the turn
	ReasonPlanning       = "Planning"       // the intent to open a remote session is being written
	ReasonCreating       = "Creating"       // the remote session is being opened
	ReasonAdopting       = "Adopting"       // an unanswered create is being settled
	ReasonUploading      = "Uploading"      // blocks are being staged
	ReasonRenewing       = "Renewing"       // the upload URI is being renewed
	ReasonCommitting     = "Committing"     // the commit is being sent
	ReasonProcessing     = "Processing"     // the service indexes the table
	ReasonCancelling     = "Cancelling"     // the remote session is being cancelled
	ReasonSuperseding    = "Superseding"    // a session of older content makes way
	ReasonDeleting       = "Deleting"       // the object is being deleted
	ReasonSuspended      = "Suspended"      // spec.suspend is true
	ReasonRetrying       = "Retrying"       // a fault that passes; the message names the next time
	ReasonQuotaExceeded  = "QuotaExceeded"  // the store's commits of 24 hours are used up

	ReasonServiceUnavailable = "ServiceUnavailable" // the service does not answer
	ReasonSourceUnavailable  = "SourceUnavailable"  // the source does not answer
	ReasonStorageUnavailable = "StorageUnavailable" // the upload URI's storage does not answer
)

// Reasons when a session has reached its wish.
const (
	ReasonUploaded        = "Uploaded"        // sealed, and the wish is not to commit
	ReasonCompleted       = "Completed"       // indexed and live
	ReasonCancelled       = "Cancelled"       // cancelled as wished
	ReasonAlreadyUploaded = "AlreadyUploaded" // the service shows this very content live
)

// Reasons when somebody must change something.
const (
	ReasonFailed            = "Failed"            // the service failed the session
	ReasonExpired           = "Expired"           // the session expired before its commit
	ReasonForgotten         = "Forgotten"         // the service does not know the session any more
	ReasonHeld              = "Held"              // a guard of the store forbids the content
	ReasonTooLate           = "TooLate"           // a cancel came after the commit
	ReasonCancelledRemotely = "CancelledRemotely" // somebody else cancelled
	ReasonRejected          = "Rejected"          // the service refused the request for good

	ReasonMissingColumn      = "MissingColumn"
	ReasonDuplicateHeader    = "DuplicateHeader"
	ReasonChecksumMismatch   = "ChecksumMismatch"
	ReasonTooManyBadRows     = "TooManyBadRows"
	ReasonEmptyTable         = "EmptyTable"
	ReasonInvalidEncoding    = "InvalidEncoding"
	ReasonTooManyBlocks      = "TooManyBlocks"
	ReasonBlockTooLarge      = "BlockTooLarge"
	ReasonLimitExceeded      = "LimitExceeded"
	ReasonFormatInvalid      = "FormatInvalid"
	ReasonSourceChanged      = "SourceChanged"
	ReasonSourceInvalid      = "SourceInvalid"
	ReasonSourceNotFound     = "SourceNotFound"
	ReasonSourceRefused      = "SourceRefused"
	ReasonPathOutsideRoot    = "PathOutsideRoot"
	ReasonSchemeNotAllowed   = "SchemeNotAllowed"
	ReasonStorageRefused     = "StorageRefused"
	ReasonSecretNotFound     = "SecretNotFound"
	ReasonConfigMapNotFound  = "ConfigMapNotFound"
	ReasonKeyTooShort        = "KeyTooShort"
	ReasonDataStoreNotFound  = "DataStoreNotFound"
	ReasonDataStoreNotReady  = "DataStoreNotReady"
	ReasonCredentialsRefused = "CredentialsRefused"
	ReasonFormatUnpublished  = "FormatUnpublished"
	ReasonWorkersUnavailable = "WorkersUnavailable"
	ReasonRowDecrease        = "RowDecrease"
	ReasonColumnsMissing     = "ColumnsMissing"

	ReasonUploadAgentNotFound = "UploadAgentNotFound"
	ReasonUploadAgentNotReady = "UploadAgentNotReady"
	ReasonDuplicateStore      = "DuplicateStore"
)

// Reasons of data stores, upload agents and events.
const (
	ReasonReady             = "Ready"
	ReasonRemoteSessionLeft = "RemoteSessionLeft"
	ReasonRemoteStoreLeft   = "RemoteStoreLeft"
	ReasonRemoteAgentLeft   = "RemoteAgentLeft"
)
