package plugin

import (
	"strings"

	"exactmatch.dev/operator/api/v1alpha1"
)

// actor is who can unblock a session, by the roles of SECURITY.md.
type actor string

const (
	operator     actor = "nobody: the operator continues by itself"
	editor       actor = "those who may edit sessions in the namespace (ClusterRole edit)"
	approver     actor = "those who may approve sessions (ClusterRole exactmatch-approver, or edit without the approval policy)"
	dataOwner    actor = "the owner of the table, then those who may edit sessions (ClusterRole edit)"
	storeOwner   actor = "those who may edit data stores in the namespace (ClusterRole admin)"
	agentOwner   actor = "those who may edit upload agents and Secrets in the namespace (ClusterRole admin)"
	platform     actor = "the administrator of the operator (ConfigMap exactmatch-policy and flags of the manager)"
	serviceOwner actor = "the administrator of the service"
)

// answer is what a reason means for somebody who waits: for what, who can unblock it,
// and by which commands. In commands {session}, {namespace}, {store} and {agent} stand
// for the names.
type answer struct {
	waits string
	who   actor
	how   []string
}

// Commands that many answers share.
const (
	retryCommand   = "kubectl exactmatch retry {session} -n {namespace}"
	editCommand    = "kubectl edit exactmatchsession {session} -n {namespace}"
	storeCommand   = "kubectl edit exactmatchdatastore {store} -n {namespace}"
	agentCommand   = "kubectl edit exactmatchuploadagent {agent} -n {namespace}"
	approveCommand = "kubectl exactmatch approve {session} -n {namespace} --apply"
	diffWith       = "kubectl exactmatch diff {session} -n {namespace}"
	statusWith     = "kubectl exactmatch status {session} -n {namespace} --watch"
	resumeCommand  = "kubectl exactmatch resume {session} -n {namespace}"
	policyCommand  = "kubectl edit configmap exactmatch-policy -n exactmatch-system"
	describeStore  = "kubectl describe exactmatchdatastore {store} -n {namespace}"
	describeAgent  = "kubectl describe exactmatchuploadagent {agent} -n {namespace}"
	managerLog     = "kubectl logs -n exactmatch-system -l app.kubernetes.io/component=manager"
)

// working is the answer of a step that the operator takes.
func working(waits string) answer {
	return answer{waits: waits, who: operator, how: []string{statusWith}}
}

// correct is the answer of a table or spec that has to be corrected and read again.
func correct(waits string) answer {
	return answer{waits: waits, who: dataOwner, how: []string{editCommand, retryCommand}}
}

// noticed is the answer of an object whose change the operator notices by itself.
func noticed(waits string, who actor, how ...string) answer {
	return answer{waits: waits, who: who, how: how}
}

// answers has one for each reason of the API.
var answers = map[string]answer{
	pending: working("the operator to see the session; if this lasts for a minute, look whether the manager runs: kubectl get pods -n exactmatch-system"),

	v1alpha1.ReasonPreparing:          working("the source to be read"),
	v1alpha1.ReasonQueued:             working("another session of the data store"),
	v1alpha1.ReasonPlanning:           working("the intent to create a remote session to be recorded"),
	v1alpha1.ReasonCreating:           working("the service to create the remote session"),
	v1alpha1.ReasonAdopting:           working("the outcome of a create that the service did not answer"),
	v1alpha1.ReasonUploading:          working("blocks to be uploaded"),
	v1alpha1.ReasonRenewing:           working("a new upload URI"),
	v1alpha1.ReasonCommitting:         working("the service to accept the commit"),
	v1alpha1.ReasonProcessing:         working("the service to index the table"),
	v1alpha1.ReasonCancelling:         working("the service to cancel the remote session"),
	v1alpha1.ReasonSuperseding:        working("the remote session with older content to be cancelled"),
	v1alpha1.ReasonDeleting:           working("the service to give up the remote session of the deleted object"),
	v1alpha1.ReasonSuspended:          noticed("spec.suspend to be false", editor, resumeCommand),
	v1alpha1.ReasonRetrying:           working("the next retry of what failed"),
	v1alpha1.ReasonServiceUnavailable: noticed("the service to answer", serviceOwner, statusWith, describeAgent),
	v1alpha1.ReasonSourceUnavailable:  noticed("the server or storage of the source to answer", dataOwner, statusWith),
	v1alpha1.ReasonStorageUnavailable: noticed("the storage of the upload URI to answer", serviceOwner, statusWith),
	v1alpha1.ReasonWorkersFailed:      noticed("pods of the workers, which are started again", agentOwner, "kubectl get pods -n {namespace}", describeAgent),
	v1alpha1.ReasonQuotaExceeded:      noticed("the service to allow another commit", serviceOwner, statusWith, describeStore),

	v1alpha1.ReasonUploaded:        noticed("an approval: the table is uploaded, and spec.desiredState is Uploaded", approver, diffWith, approveCommand),
	v1alpha1.ReasonCompleted:       noticed("nothing: the table was published", operator),
	v1alpha1.ReasonCancelled:       noticed("nothing: the session is cancelled, as spec.desiredState says", operator),
	v1alpha1.ReasonAlreadyUploaded: noticed("nothing: the service already shows this content live", operator),

	v1alpha1.ReasonFailed:            noticed("another attempt: the service failed the session", editor, retryCommand),
	v1alpha1.ReasonExpired:           noticed("another attempt: the session expired before its commit", editor, retryCommand),
	v1alpha1.ReasonForgotten:         noticed("another attempt: the service does not know the session any more", editor, retryCommand),
	v1alpha1.ReasonHeld:              noticed("a decision: a guard of the data store holds the table back", approver, diffWith, approveCommand, retryCommand),
	v1alpha1.ReasonTooLate:           noticed("nothing: the cancel came after the commit, which stands", operator),
	v1alpha1.ReasonCancelledRemotely: noticed("another attempt: somebody else cancelled the remote session", editor, retryCommand),
	v1alpha1.ReasonRejected:          noticed("a change of spec: the service refused the request for good", editor, editCommand, retryCommand),

	v1alpha1.ReasonMissingColumn:      correct("fields, source.format, the header of the table, or the columns' sourceName to be corrected"),
	v1alpha1.ReasonDuplicateHeader:    correct("the header of the table to be corrected"),
	v1alpha1.ReasonChecksumMismatch:   correct("the table or spec.checksum to be corrected"),
	v1alpha1.ReasonTooManyBadRows:     correct("the rows to be corrected, or spec.badRows to allow more"),
	v1alpha1.ReasonEmptyTable:         correct("a table with at least one good row"),
	v1alpha1.ReasonInvalidEncoding:    correct("source.format or the table's encoding to be corrected"),
	v1alpha1.ReasonTooManyBlocks:      noticed("a larger spec.rowsPerBlock", editor, editCommand),
	v1alpha1.ReasonBlockTooLarge:      noticed("a smaller spec.rowsPerBlock", editor, editCommand),
	v1alpha1.ReasonLimitExceeded:      correct("a table within the limits"),
	v1alpha1.ReasonFormatInvalid:      correct("source.format, the table, or the rules of the store's columns to be corrected"),
	v1alpha1.ReasonSourceChanged:      noticed("another reading, once the table no longer changes", dataOwner, retryCommand),
	v1alpha1.ReasonSourceInvalid:      correct("source, fileName or the Secret of the source to be corrected"),
	v1alpha1.ReasonSourceNotFound:     correct("a table at the source"),
	v1alpha1.ReasonSourceRefused:      correct("credentials that suffice, or a new URI"),
	v1alpha1.ReasonNotPermitted:       noticed("an entry in the agent's spec.allow or in the administrator's policy, or the label of a ServiceAccount; the message names it", platform, agentCommand, policyCommand),
	v1alpha1.ReasonPathOutsideRoot:    noticed("a source.uri within the folder of the namespace", editor, editCommand),
	v1alpha1.ReasonSchemeNotAllowed:   noticed("the scheme in spec.allow.sourceSchemes of the upload agent", agentOwner, agentCommand),
	v1alpha1.ReasonStorageRefused:     noticed("what the message says, then another attempt", serviceOwner, retryCommand),
	v1alpha1.ReasonSecretNotFound:     noticed("the Secret, or its key, to be created", agentOwner, "kubectl create secret generic NAME -n {namespace} --from-file=key=FILE"),
	v1alpha1.ReasonSecretTypeRefused:  noticed("a Secret of type Opaque", agentOwner, "kubectl create secret generic NAME -n {namespace} --from-file=key=FILE"),
	v1alpha1.ReasonConfigMapNotFound:  noticed("the ConfigMap, or its key, to be created", dataOwner, "kubectl create configmap NAME -n {namespace} --from-file=KEY=FILE"),
	v1alpha1.ReasonKeyTooShort:        noticed("a key of at least 32 random bytes", storeOwner, "head -c 32 /dev/urandom >store.key", storeCommand),
	v1alpha1.ReasonDataStoreNotFound:  noticed("the data store to be created", storeOwner, "kubectl get exactmatchdatastores -n {namespace}"),
	v1alpha1.ReasonDataStoreNotReady:  noticed("the data store to be repaired", storeOwner, describeStore, storeCommand),
	v1alpha1.ReasonCredentialsRefused: noticed("credentials that the service accepts", agentOwner, describeAgent, agentCommand),
	v1alpha1.ReasonFormatUnpublished:  noticed("a service that publishes this block format, or the agent's spec.allowUnpublishedFormat", agentOwner, agentCommand),
	v1alpha1.ReasonClaimNotFound:      noticed("the PersistentVolumeClaim to be created", dataOwner, "kubectl get persistentvolumeclaims -n {namespace}"),
	v1alpha1.ReasonWorkersUnavailable: noticed("spec.workers of the upload agent, --worker-image of the manager, or another source", platform, agentCommand, editCommand),
	v1alpha1.ReasonRowDecrease:        noticed("a decision: the table has too few rows compared with the live one", approver, diffWith, approveCommand, retryCommand),
	v1alpha1.ReasonColumnsMissing:     noticed("a decision: spec.fields omits columns of the data store", approver, diffWith, approveCommand, editCommand),
	v1alpha1.ReasonAccountNotFound:    noticed("the ServiceAccount to be created", agentOwner, "kubectl create serviceaccount NAME -n {namespace}"),
	v1alpha1.ReasonInternalError:      noticed("another version of the manager: it made a mistake that the message names", platform, managerLog),

	v1alpha1.ReasonUploadAgentNotFound: noticed("the upload agent to be created", agentOwner, "kubectl get exactmatchuploadagents -n {namespace}"),
	v1alpha1.ReasonUploadAgentNotReady: noticed("the upload agent to be repaired", agentOwner, describeAgent, agentCommand),
	v1alpha1.ReasonOwnedElsewhere:      noticed("another displayName, or spec.adopt.id: the remote store belongs to another object", storeOwner, describeStore, storeCommand),
	v1alpha1.ReasonInvalidDelimiter:    noticed("ignoredDelimiters that can match; the message names the replacement", storeOwner, storeCommand),
	v1alpha1.ReasonReady:               noticed("nothing: the remote object exists and matches spec", operator),
}

// advice has an answer for each reason of a condition that does not decide whether
// the session is finished, and of an event.
var advice = map[string]answer{
	v1alpha1.ReasonPublished:          noticed("nothing: lookups are answered from the table", operator),
	v1alpha1.ReasonVerified:           noticed("nothing: rows of the table were found by their tokens", operator),
	v1alpha1.ReasonNoLiveTable:        noticed("a first table", editor, "kubectl exactmatch status -n {namespace}"),
	v1alpha1.ReasonTableLost:          noticed("another upload: the service lost the table", editor, retryCommand),
	v1alpha1.ReasonReplacedBy:         noticed("nothing: a later table is live", operator),
	v1alpha1.ReasonRolledBack:         noticed("another upload, if the earlier table is not wanted: an administrator of the service rolled back", serviceOwner, retryCommand),
	v1alpha1.ReasonRulesChanged:       noticed("the columns' rules to be restored, or another upload under the new ones", storeOwner, storeCommand, retryCommand),
	v1alpha1.ReasonKeyChanged:         noticed("the key to be restored, or another upload with the new one", storeOwner, storeCommand, retryCommand),
	v1alpha1.ReasonLiveUnknown:        noticed("nothing: the service does not show which table is live", operator),
	v1alpha1.ReasonVerificationFailed: noticed("the service to be repaired: it shows the table live and contradicts that", serviceOwner, retryCommand),

	v1alpha1.ReasonSourceContentChanged: noticed("nothing: what was reviewed is published; the source has other content by now", editor, retryCommand),
	v1alpha1.ReasonSourceGone:           noticed("nothing: what was reviewed is published; its source is gone", operator),
	v1alpha1.ReasonSingleStripe:         noticed("nothing: one pod reads the table, which can only be read from its start", operator),
	v1alpha1.ReasonOnePodVolume:         noticed("nothing: one pod reads the table, since the claim admits one", operator),
	v1alpha1.ReasonGood:                 noticed("nothing: every searchable column is good to find a row by", operator),
	v1alpha1.ReasonWeakColumns:          noticed("nothing, but lookups of the columns that the message names match by accident", dataOwner, storeCommand),
	v1alpha1.ReasonUnfindableCells:      noticed("nothing, but values of the columns that the message names are never found", dataOwner, storeCommand),
	v1alpha1.ReasonTrailingBytes:        noticed("nothing, but bytes after the compressed table were left out", dataOwner, retryCommand),
	v1alpha1.ReasonTooFewRows:           noticed("nothing: the table is too small to judge its columns", operator),
	v1alpha1.ReasonChecksumsCompared:    noticed("nothing: the storage has every block as it was sent", operator),
	v1alpha1.ReasonChecksumRefused:      noticed("nothing: the storage has every block as it was sent", operator),
	v1alpha1.ReasonStorageUnverified:    noticed("nothing, but the storage did not return the checksum of every block", serviceOwner),

	v1alpha1.ReasonJobCreated:            noticed("pods of the workers", operator, "kubectl get jobs -n {namespace}"),
	v1alpha1.ReasonRemoteSessionOrphaned: noticed("the remote session to be cancelled at the service, or to expire", serviceOwner),
	v1alpha1.ReasonRemoteStoreOrphaned:   noticed("nothing: the remote store stays with its live table", serviceOwner),
	v1alpha1.ReasonRemoteAgentOrphaned:   noticed("nothing: the remote upload agent stays", serviceOwner),
}

// answerTo is the answer to a reason, wherever it stands. The reasons of Live may end a
// session as well.
func answerTo(reason string) answer {
	for _, of := range []map[string]answer{answers, advice, scheduleAnswers} {
		if a, ok := of[reason]; ok {
			return a
		}
	}
	return answer{
		waits: "what the message says: this version of kubectl-exactmatch does not know the reason " + reason,
		who:   editor, how: []string{"kubectl describe exactmatchsession {session} -n {namespace}"},
	}
}

// names are what stands for the names in commands.
type names struct{ session, namespace, store, agent string }

// commands are those of an answer for these names.
func (a answer) commands(of names) []string {
	replacer := strings.NewReplacer("{session}", of.session, "{namespace}", of.namespace, "{store}", of.store, "{agent}", of.agent)
	out := make([]string, 0, len(a.how))
	for _, one := range a.how {
		out = append(out, replacer.Replace(one))
	}
	return out
}
