package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Auth says how the service is spoken to: at most one of its members.
// +kubebuilder:validation:XValidation:rule="[has(self.bearerTokenSecretRef), has(self.clientSecret), has(self.workloadIdentity), has(self.managedIdentity)].filter(x, x).size() <= 1",message="give at most one of bearerTokenSecretRef, clientSecret, workloadIdentity and managedIdentity"
type Auth struct {
	// BearerTokenSecretRef names a Secret's key that holds the token itself.
	// +optional
	BearerTokenSecretRef *TokenReference `json:"bearerTokenSecretRef,omitempty"`
	// ClientSecret is an application of Microsoft Entra ID with a secret.
	// +optional
	ClientSecret *ClientSecret `json:"clientSecret,omitempty"`
	// WorkloadIdentity is the operator's federated service account. The
	// administrator's policy has to permit it for the endpoint.
	// +optional
	WorkloadIdentity *WorkloadIdentity `json:"workloadIdentity,omitempty"`
	// ManagedIdentity is the identity of the Azure machine. The administrator's
	// policy has to permit it for the endpoint.
	// +optional
	ManagedIdentity *ManagedIdentity `json:"managedIdentity,omitempty"`
	// Scope of the tokens that Microsoft Entra ID issues.
	// +optional
	// +kubebuilder:default="https://graph.microsoft.com/.default"
	// +kubebuilder:validation:MaxLength=256
	Scope string `json:"scope,omitempty"`
}

// TokenReference names one key of a Secret of the same namespace.
type TokenReference struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
	// +optional
	// +kubebuilder:default=token
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// ClientSecret is an application of Microsoft Entra ID with a secret.
type ClientSecret struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	TenantID string `json:"tenantID"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClientID  string       `json:"clientID"`
	SecretRef KeyReference `json:"secretRef"`
}

// WorkloadIdentity is a federated service account. What is empty comes from the
// environment that the workload identity webhook sets.
type WorkloadIdentity struct {
	// +optional
	TenantID string `json:"tenantID,omitempty"`
	// +optional
	ClientID string `json:"clientID,omitempty"`
}

// ManagedIdentity is the identity of the Azure machine; an empty client id means
// the one that the system assigned.
type ManagedIdentity struct {
	// +optional
	ClientID string `json:"clientID,omitempty"`
}

// Allow says which addresses the operator may talk to for this agent.
type Allow struct {
	// Hosts ("host" or "host:port") that may have a loopback, private or other special
	// address, as far as the administrator's policy permits them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=253
	Hosts []string `json:"hosts,omitempty"`
	// PlainHTTP allows http to the hosts that the administrator's policy permits it
	// for. Without it http is only for loopback hosts in hosts.
	// +optional
	PlainHTTP bool `json:"plainHTTP,omitempty"`
	// SourceSchemes that a session's source may have. https admits http where plainHTTP or a loopback host does.
	// +optional
	// +listType=set
	// +kubebuilder:default={https,s3,gs,azblob,file}
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:Enum=file;https;s3;gs;azblob
	SourceSchemes []string `json:"sourceSchemes,omitempty"`
}

// The values of spec.workers.mode.
const (
	// WorkersModeManager reads and uploads inside the manager.
	WorkersModeManager = "Manager"
	// WorkersModeJob reads in a Job of one pod and uploads in an Indexed Job.
	WorkersModeJob = "Job"
)

// WorkersTemplate is what the Jobs of workers and their pods take over.
type WorkersTemplate struct {
	// Labels of the Jobs and their pods, such as kueue.x-k8s.io/queue-name.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations of the Jobs and their pods.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Annotations map[string]string `json:"annotations,omitempty"`
	// Resources of each pod's one container. A third of the memory limit, at most
	// 256 MiB, is the budget of blocks in the making.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
	// NodeSelector of the pods.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// Tolerations of the pods. Unless they speak of it, a pod leaves a node that
	// does not answer after 30 s.
	// +optional
	// +listType=atomic
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// ServiceAccountName of the pods, which must carry the label exactmatch.dev/worker:
	// "true". Its token is not mounted; its cloud identity may read sources without
	// credentials. Default: the namespace's default, without identity.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$`
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// ImagePullSecrets of the pods.
	// +optional
	// +listType=atomic
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	// PriorityClassName of the pods.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`
}

// Workers says where tables are read and uploaded.
type Workers struct {
	// Mode Manager works inside the manager; mode Job in pods of the session's
	// namespace, which a persistentVolumeClaim source needs.
	// +optional
	// +kubebuilder:default=Manager
	// +kubebuilder:validation:Enum=Manager;Job
	Mode string `json:"mode,omitempty"`
	// Parallelism of one upload: parts of the table that are read, and blocks that
	// are on their way, at once; in mode Job the number of pods.
	// +optional
	// +kubebuilder:default=4
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	Parallelism int32 `json:"parallelism,omitempty"`
	// Template of the Jobs' pods.
	// +optional
	Template *WorkersTemplate `json:"template,omitempty"`
}

// ExactMatchUploadAgentSpec is who uploads: endpoint, credentials and workers.
type ExactMatchUploadAgentSpec struct {
	// Endpoint of the service up to and without /dataClassification. Immutable while
	// data stores have remote stores there (status.dataStores).
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != '' && !self.matches('[@?#]')",message="must be an http or https URL without user info, query and fragment"
	Endpoint string `json:"endpoint"`
	// Auth says how the service is spoken to.
	// +optional
	// +kubebuilder:default={}
	Auth Auth `json:"auth,omitempty"`
	// Allow says which addresses the operator may talk to, and which schemes it may read from.
	// +optional
	// +kubebuilder:default={}
	Allow Allow `json:"allow,omitempty"`
	// CABundleConfigMapRef names a ConfigMap's key with the PEM certificates of a private authority.
	// +optional
	CABundleConfigMapRef *KeyReference `json:"caBundleConfigMapRef,omitempty"`
	// AllowUnpublishedFormat uploads and commits also where the service does not publish that it reads our blocks.
	// +optional
	AllowUnpublishedFormat bool `json:"allowUnpublishedFormat,omitempty"`
	// Workers says where tables are read and uploaded.
	// +optional
	// +kubebuilder:default={}
	Workers Workers `json:"workers,omitempty"`
}

// ExactMatchUploadAgentStatus mirrors the remote agent.
type ExactMatchUploadAgentStatus struct {
	// +optional
	// +kubebuilder:default=-1
	ObservedGeneration int64        `json:"observedGeneration,omitempty"`
	ID                 string       `json:"id,omitempty"`
	CreationDateTime   *metav1.Time `json:"creationDateTime,omitempty"`
	// BlockFormat that the service says it reads; empty where it publishes none.
	BlockFormat string `json:"blockFormat,omitempty"`
	// DataStores counts the ExactMatchDataStores that have a remote store through
	// the agent. While there are any, spec.endpoint is immutable.
	// +optional
	DataStores       int32        `json:"dataStores,omitempty"`
	FinalizeDeadline *metav1.Time `json:"finalizeDeadline,omitempty"`
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ExactMatchUploadAgent is who uploads.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=emua,categories=exactmatch
// +kubebuilder:validation:XValidation:rule="self.spec.endpoint == oldSelf.spec.endpoint || !has(oldSelf.status) || !has(oldSelf.status.dataStores) || oldSelf.status.dataStores == 0",message="spec.endpoint is immutable while data stores have remote stores there (status.dataStores); make another upload agent and data stores that refer to it, or delete those data stores first"
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.spec.endpoint`
// +kubebuilder:printcolumn:name="Format",type=string,JSONPath=`.status.blockFormat`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="ID",type=string,JSONPath=`.status.id`,priority=1
type ExactMatchUploadAgent struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ExactMatchUploadAgentSpec `json:"spec"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status ExactMatchUploadAgentStatus `json:"status,omitempty"`
}

// ExactMatchUploadAgentList is a list of upload agents.
//
// +kubebuilder:object:root=true
type ExactMatchUploadAgentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ExactMatchUploadAgent `json:"items"`
}
