package v1alpha1

import "exactmatch.dev/operator/internal/failure"

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
	// ConditionSuspended stands while spec.suspend is true and stops something:
	// then none of Ready, Reconciling and Stalled does.
	ConditionSuspended = "Suspended"
	// ConditionLive says whether lookups are answered from the table: of a session
	// that was published, from its own; of a data store, from the one that was
	// published last, under the rules and the key that the store has now. It is
	// Unknown where the service could not be asked for longer than a resync.
	ConditionLive = "Live"
	// ConditionSourceChanged is True where a sealed table was committed although
	// its source holds something else by then, or is gone. It only advises.
	ConditionSourceChanged = "SourceChanged"
	// ConditionDataQuality is False where values of a searchable column cannot be
	// found, or where the column would often match by accident. It stands once the source is read, and it only advises: no
	// other condition depends on it.
	ConditionDataQuality = "DataQuality"
	// ConditionParallel is False where workers in pods cannot share a table as
	// spec.workers.parallelism asks. It only advises.
	ConditionParallel = "Parallel"
	// ConditionBlocksVerified says whether the checksums that the storage returned of
	// the blocks were compared with theirs. It stands once a block was sent, for as
	// long as the attempt does, and it only advises.
	ConditionBlocksVerified = "BlocksVerified"
)

// Reasons of BlocksVerified.
const (
	ReasonChecksumsCompared = "ChecksumsCompared" // the storage returned them, and they are right
	ReasonChecksumRefused   = "ChecksumRefused"   // as ChecksumsCompared, though it takes none beside a block
	ReasonStorageUnverified = "StorageUnverified" // the storage returned none of some block
)

// Reasons of Live.
const (
	ReasonPublished          = "Published"          // the service shows the table live
	ReasonVerified           = "Verified"           // as Published, and rows of it were found by their tokens
	ReasonNoLiveTable        = "NoLiveTable"        // nothing was published yet
	ReasonTableLost          = "TableLost"          // published, and the service does not show it any more
	ReasonReplacedBy         = "ReplacedBy"         // a later table is live
	ReasonRulesChanged       = "RulesChanged"       // the live table's tokens are made under other rules than the store's columns have
	ReasonKeyChanged         = "KeyChanged"         // the live table's tokens are made under another key than the store has
	ReasonLiveUnknown        = "LiveUnknown"        // the service does not show what is live
	ReasonVerificationFailed = "VerificationFailed" // the service shows the table live and does not find rows of it
)

// Reasons of SourceChanged.
const (
	ReasonSourceContentChanged = "ContentChanged" // the source holds something else
	ReasonSourceGone           = "Gone"           // the source does not exist any more
)

// Reasons of Parallel.
const (
	ReasonSingleStripe = "SingleStripe" // the table can only be read from its start
	ReasonOnePodVolume = "OnePodVolume" // the claim admits one pod
)

// Reasons of DataQuality.
const (
	ReasonGood        = "Good"        // every searchable column serves well
	ReasonWeakColumns = "WeakColumns" // the message names columns, and what speaks against them
	// ReasonUnfindableCells is as WeakColumns where a column has values that nobody
	// can find. In the message of Held it names the guard against these.
	ReasonUnfindableCells = "UnfindableCells"
	ReasonTrailingBytes   = "TrailingBytes" // bytes behind the compressed table were left out
	ReasonTooFewRows      = "TooFewRows"    // the table is too small to judge
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

	ReasonServiceUnavailable = "ServiceUnavailable"               // the service does not answer
	ReasonSourceUnavailable  = string(failure.SourceUnavailable)  // the source does not answer
	ReasonStorageUnavailable = string(failure.StorageUnavailable) // the upload URI's storage does not answer
	ReasonWorkersFailed      = string(failure.WorkersFailed)      // pods of the workers failed; the message says which and why
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

	ReasonMissingColumn      = string(failure.MissingColumn)    // a field is not a column of the store, or a column is not in the header
	ReasonDuplicateHeader    = string(failure.DuplicateHeader)  // several columns of the header have the name of a wanted one
	ReasonChecksumMismatch   = string(failure.ChecksumMismatch) // the stored bytes are not those that spec.checksum pins
	ReasonTooManyBadRows     = string(failure.TooManyBadRows)   // more rows cannot be read than spec.badRows allows
	ReasonEmptyTable         = string(failure.EmptyTable)       // the table has no good row
	ReasonInvalidEncoding    = string(failure.InvalidEncoding)  // the bytes are no text of the format's encoding
	ReasonTooManyBlocks      = string(failure.TooManyBlocks)    // rowsPerBlock makes more than 50,000 blocks
	ReasonBlockTooLarge      = string(failure.BlockTooLarge)    // rowsPerBlock makes a block of more than 64 MiB
	ReasonLimitExceeded      = string(failure.LimitExceeded)    // a cap of bytes, rows, columns, cell, record or decompression is passed
	ReasonFormatInvalid      = string(failure.FormatInvalid)    // the format does not fit the bytes, or a column's rule cannot be used
	ReasonSourceChanged      = string(failure.SourceChanged)    // the table changed while it was read
	ReasonSourceInvalid      = string(failure.SourceInvalid)    // the URI, the credentials or the source's answer cannot be used
	ReasonSourceNotFound     = string(failure.SourceNotFound)   // nothing lies at the source
	ReasonSourceRefused      = string(failure.SourceRefused)    // the credentials do not suffice
	ReasonNotPermitted       = string(failure.NotPermitted)     // the upload agent or the administrator's policy does not permit it
	ReasonPathOutsideRoot    = string(failure.PathOutsideRoot)  // a file leaves the folder of the namespace
	ReasonSchemeNotAllowed   = string(failure.SchemeNotAllowed) // the upload agent does not allow the scheme
	ReasonStorageRefused     = string(failure.StorageRefused)   // the upload URI's storage refused a block for good
	ReasonSecretNotFound     = "SecretNotFound"                 // a Secret, or a key of it, is missing
	ReasonSecretTypeRefused  = "SecretTypeRefused"              // a Secret is of a type that is never read
	ReasonConfigMapNotFound  = "ConfigMapNotFound"              // a ConfigMap, or a key of it, is missing
	ReasonKeyTooShort        = string(failure.KeyTooShort)      // the store's key has fewer than 32 bytes
	ReasonDataStoreNotFound  = "DataStoreNotFound"              // the data store is missing
	ReasonDataStoreNotReady  = "DataStoreNotReady"              // the data store needs repair
	ReasonCredentialsRefused = "CredentialsRefused"             // the service refused the agent's credentials
	ReasonFormatUnpublished  = "FormatUnpublished"              // the service does not say that it reads our blocks
	ReasonClaimNotFound      = "ClaimNotFound"                  // the PersistentVolumeClaim is missing
	ReasonWorkersUnavailable = "WorkersUnavailable"             // the source needs workers that are not there
	ReasonRowDecrease        = "RowDecrease"                    // guard, in Held's message: too few rows against those that are live
	ReasonColumnsMissing     = "ColumnsMissing"                 // guard, in Held's message: fields leave columns of the store out

	ReasonAccountNotFound = "AccountNotFound" // the ServiceAccount of the workers is missing

	ReasonUploadAgentNotFound = "UploadAgentNotFound"            // the upload agent is missing
	ReasonUploadAgentNotReady = "UploadAgentNotReady"            // the upload agent is not registered, or its spec cannot be used
	ReasonOwnedElsewhere      = "OwnedElsewhere"                 // the remote store belongs to another object
	ReasonInvalidDelimiter    = string(failure.InvalidDelimiter) // an ignored delimiter of a column can never match
)

// Reasons of data stores, upload agents and events.
const (
	ReasonJobCreated        = "JobCreated"        // event: a Job of workers was made
	ReasonReady             = "Ready"             // the remote object is there and agrees with spec
	ReasonRemoteSessionLeft = "RemoteSessionLeft" // event: deleted, and the remote session stays as it is
	ReasonRemoteStoreLeft   = "RemoteStoreLeft"   // event: deleted, and the remote store stays
	ReasonRemoteAgentLeft   = "RemoteAgentLeft"   // event: deleted, and the remote upload agent stays
)
