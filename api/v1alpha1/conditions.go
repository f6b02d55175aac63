package v1alpha1

import "exactmatch.dev/operator/internal/failure"

// The types of conditions. They follow kstatus: Reconciling, Stalled and Suspended
// are present only while they are true.
const (
	// ConditionReady is True when the desired state is reached, False when somebody
	// must act, and Unknown while the operator works or waits.
	ConditionReady = "Ready"
	// ConditionReconciling is present while the operator works, waits or retries.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is present while the object makes no progress until somebody
	// changes something.
	ConditionStalled = "Stalled"
	// ConditionFinished is True when nothing happens any more until somebody changes
	// something: `kubectl wait --for=condition=Finished` always returns.
	ConditionFinished = "Finished"
	// ConditionSuspended is present while spec.suspend is true and stops something:
	// Ready, Reconciling and Stalled are absent then.
	ConditionSuspended = "Suspended"
	// ConditionLive says whether lookups are answered from the table: of a session
	// that was published, from its own; of a data store, from the one that was
	// published last, under the rules and the key that the store has now. It is
	// Unknown where the service could not be asked for longer than a resync.
	ConditionLive = "Live"
	// ConditionSourceChanged is True where an uploaded table was committed although
	// its source has other content by then, or is gone. It is advisory.
	ConditionSourceChanged = "SourceChanged"
	// ConditionDataQuality is False where values of a searchable column cannot be
	// found, or where the column would often match by accident. It is present once the
	// source was read. It is advisory: no other condition depends on it.
	ConditionDataQuality = "DataQuality"
	// ConditionParallel is False where workers in pods cannot share a table as
	// spec.workers.parallelism asks. It is advisory.
	ConditionParallel = "Parallel"
	// ConditionBlocksVerified says whether the checksums that the storage returned for
	// the blocks were compared with those of the blocks. It is present from the first
	// block that is sent to the end of the attempt. It is advisory.
	ConditionBlocksVerified = "BlocksVerified"
	// ConditionLastRunSucceeded says how the last run of a schedule ended; it is Unknown
	// while that run is unfinished. Its reason is that of the run. It is advisory.
	ConditionLastRunSucceeded = "LastRunSucceeded"
)

// Reasons of schedules.
const (
	ReasonWaitingForRun   = "WaitingForRun"   // a run is due, and an earlier one is unfinished
	ReasonWaitingForFile  = "WaitingForFile"  // a run is due, and the source has no newer version
	ReasonFileLate        = "FileLate"        // a run failed: its file did not come within spec.waitFor.timeoutSeconds
	ReasonScheduleInvalid = "ScheduleInvalid" // spec.schedule or spec.timeZone cannot be used
	ReasonTemplateInvalid = "TemplateInvalid" // the API server refuses the sessions of spec.sessionTemplate
	ReasonNameTaken       = "NameTaken"       // a session that the schedule did not make has the name of a run

	ReasonRunCreated   = "RunCreated"   // event: a session was created
	ReasonRunDeleted   = "RunDeleted"   // event: the history limits removed a session
	ReasonRunReplaced  = "RunReplaced"  // event: a session was cancelled for a later one
	ReasonRunMissed    = "RunMissed"    // event: scheduled times passed without a run
	ReasonRunUnchanged = "RunUnchanged" // event: no session was made, since the source is that of the last good run
)

// Reasons of BlocksVerified.
const (
	ReasonChecksumsCompared = "ChecksumsCompared" // the storage returned all checksums, and they match
	ReasonChecksumRefused   = "ChecksumRefused"   // as ChecksumsCompared, although the storage accepts no checksum with a block
	ReasonStorageUnverified = "StorageUnverified" // the storage did not return the checksum of every block
)

// Reasons of Live.
const (
	ReasonPublished          = "Published"          // the service shows the table live
	ReasonVerified           = "Verified"           // as Published, and rows of the table were found by their tokens
	ReasonNoLiveTable        = "NoLiveTable"        // no table was published yet
	ReasonTableLost          = "TableLost"          // the table was published, and the service does not show it any more
	ReasonReplacedBy         = "ReplacedBy"         // a later table is live
	ReasonRolledBack         = "RolledBack"         // an earlier table was made live again
	ReasonRulesChanged       = "RulesChanged"       // the live table's tokens are made under other rules than the store's columns have
	ReasonKeyChanged         = "KeyChanged"         // the live table's tokens are made under another key than the store has
	ReasonLiveUnknown        = "LiveUnknown"        // the service does not show which table is live
	ReasonVerificationFailed = "VerificationFailed" // the service shows the table live and does not find rows of it
)

// Reasons of SourceChanged.
const (
	ReasonSourceContentChanged = "ContentChanged" // the source has other content
	ReasonSourceGone           = "Gone"           // the source does not exist any more
)

// Reasons of Parallel.
const (
	ReasonSingleStripe = "SingleStripe" // the table can only be read from its start
	ReasonOnePodVolume = "OnePodVolume" // the claim admits one pod
)

// Reasons of DataQuality.
const (
	ReasonGood        = "Good"        // every searchable column is good to find a row by
	ReasonWeakColumns = "WeakColumns" // the message names the columns and what is wrong with them
	// ReasonUnfindableCells is as WeakColumns, where a column has values that cannot be
	// found. In the message of Held it names the guard against them.
	ReasonUnfindableCells = "UnfindableCells"
	ReasonTrailingBytes   = "TrailingBytes" // bytes after the compressed table were left out
	ReasonTooFewRows      = "TooFewRows"    // the table is too small to judge
)

// Reasons while a session is in progress.
const (
	ReasonPreparing     = "Preparing"     // the source is being read
	ReasonQueued        = "Queued"        // another session of the store is admitted
	ReasonPlanning      = "Planning"      // the intent to create a remote session is being recorded
	ReasonCreating      = "Creating"      // the remote session is being created
	ReasonAdopting      = "Adopting"      // the outcome of an unanswered create is being determined
	ReasonUploading     = "Uploading"     // blocks are being staged
	ReasonRenewing      = "Renewing"      // the upload URI is being renewed
	ReasonCommitting    = "Committing"    // the commit is being sent
	ReasonProcessing    = "Processing"    // the service indexes the table
	ReasonCancelling    = "Cancelling"    // the remote session is being cancelled
	ReasonSuperseding   = "Superseding"   // a remote session with older content is being cancelled
	ReasonDeleting      = "Deleting"      // the object is being deleted
	ReasonSuspended     = "Suspended"     // spec.suspend is true
	ReasonRetrying      = "Retrying"      // a transient failure; the message says when the operator tries again
	ReasonQuotaExceeded = "QuotaExceeded" // the store has no commits left within 24 hours

	ReasonServiceUnavailable = "ServiceUnavailable"               // the service does not answer
	ReasonSourceUnavailable  = string(failure.SourceUnavailable)  // the source does not answer
	ReasonStorageUnavailable = string(failure.StorageUnavailable) // the upload URI's storage does not answer
	ReasonWorkersFailed      = string(failure.WorkersFailed)      // pods of the workers failed; the message says which, and why
)

// Reasons when a session has reached its desired state.
const (
	ReasonUploaded        = "Uploaded"        // uploaded, and the desired state is not to commit
	ReasonCompleted       = "Completed"       // indexed and live
	ReasonCancelled       = "Cancelled"       // cancelled as desired
	ReasonAlreadyUploaded = "AlreadyUploaded" // the service already shows this content live
)

// Reasons when somebody must change something.
const (
	ReasonFailed            = "Failed"            // the service failed the session
	ReasonExpired           = "Expired"           // the session expired before its commit
	ReasonForgotten         = "Forgotten"         // the service does not know the remote session any more
	ReasonHeld              = "Held"              // a guard of the store holds back the content
	ReasonTooLate           = "TooLate"           // the cancel came after the commit
	ReasonCancelledRemotely = "CancelledRemotely" // somebody else cancelled the remote session
	ReasonRejected          = "Rejected"          // the service refused the request permanently

	ReasonMissingColumn      = string(failure.MissingColumn)    // a field is not a column of the store, or a column is not in the header
	ReasonDuplicateHeader    = string(failure.DuplicateHeader)  // several columns of the header have the name of a selected column
	ReasonChecksumMismatch   = string(failure.ChecksumMismatch) // the stored bytes are not those of spec.checksum
	ReasonTooManyBadRows     = string(failure.TooManyBadRows)   // more rows cannot be read than spec.badRows allows
	ReasonEmptyTable         = string(failure.EmptyTable)       // the table has no good row
	ReasonInvalidEncoding    = string(failure.InvalidEncoding)  // the bytes are not text in the encoding of the format
	ReasonTooManyBlocks      = string(failure.TooManyBlocks)    // rowsPerBlock makes more than 50,000 blocks
	ReasonBlockTooLarge      = string(failure.BlockTooLarge)    // rowsPerBlock makes a block of more than 64 MiB
	ReasonLimitExceeded      = string(failure.LimitExceeded)    // a limit of bytes, rows, columns, cell, record or decompression is exceeded
	ReasonFormatInvalid      = string(failure.FormatInvalid)    // the format does not match the bytes, or a column's rule cannot be used
	ReasonSourceChanged      = string(failure.SourceChanged)    // the table changed while it was read
	ReasonSourceInvalid      = string(failure.SourceInvalid)    // the URI, the credentials or the response of the source cannot be used
	ReasonSourceNotFound     = string(failure.SourceNotFound)   // nothing exists at the source
	ReasonSourceRefused      = string(failure.SourceRefused)    // the credentials do not suffice
	ReasonNotPermitted       = string(failure.NotPermitted)     // the upload agent or the administrator's policy does not permit it
	ReasonPathOutsideRoot    = string(failure.PathOutsideRoot)  // a file is outside the folder of the namespace
	ReasonSchemeNotAllowed   = string(failure.SchemeNotAllowed) // the upload agent does not allow the scheme
	ReasonStorageRefused     = string(failure.StorageRefused)   // the upload URI's storage refused a block permanently
	ReasonSecretNotFound     = "SecretNotFound"                 // a Secret, or a key of it, is missing
	ReasonSecretTypeRefused  = "SecretTypeRefused"              // a Secret is of a type that is never read
	ReasonConfigMapNotFound  = "ConfigMapNotFound"              // a ConfigMap, or a key of it, is missing
	ReasonKeyTooShort        = string(failure.KeyTooShort)      // the store's key has fewer than 32 bytes
	ReasonDataStoreNotFound  = "DataStoreNotFound"              // the data store is missing
	ReasonDataStoreNotReady  = "DataStoreNotReady"              // the data store needs repair
	ReasonCredentialsRefused = "CredentialsRefused"             // the service refused the agent's credentials
	ReasonFormatUnpublished  = "FormatUnpublished"              // the service does not publish that it reads this block format
	ReasonClaimNotFound      = "ClaimNotFound"                  // the PersistentVolumeClaim is missing
	ReasonWorkersUnavailable = "WorkersUnavailable"             // the source requires workers that are not available
	ReasonRowDecrease        = "RowDecrease"                    // guard, in the message of Held: too few rows compared with the live table
	ReasonColumnsMissing     = "ColumnsMissing"                 // guard, in the message of Held: spec.fields omits columns of the store

	ReasonAccountNotFound = "AccountNotFound" // the ServiceAccount of the agent or of its workers is missing

	ReasonInternalError = "InternalError" // the manager made a mistake; another version mends it

	ReasonUploadAgentNotFound = "UploadAgentNotFound"            // the upload agent is missing
	ReasonUploadAgentNotReady = "UploadAgentNotReady"            // the upload agent is not registered, or its spec cannot be used
	ReasonOwnedElsewhere      = "OwnedElsewhere"                 // the remote store belongs to another object
	ReasonInvalidDelimiter    = string(failure.InvalidDelimiter) // an ignored delimiter of a column can never match
)

// Reasons of data stores, upload agents and events.
const (
	ReasonJobCreated            = "JobCreated"            // event: a Job of the workers was created
	ReasonReady                 = "Ready"                 // the remote object exists and matches spec
	ReasonRemoteSessionOrphaned = "RemoteSessionOrphaned" // event: deleted, and the remote session stays
	ReasonRemoteStoreOrphaned   = "RemoteStoreOrphaned"   // event: deleted, and the remote store stays
	ReasonRemoteAgentOrphaned   = "RemoteAgentOrphaned"   // event: deleted, and the remote upload agent stays
)
