package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Auth says how the operator authenticates to the service: at most one of
// serviceAccount, bearerTokenSecretRef, clientSecret, workloadIdentity and
// managedIdentity.
// +kubebuilder:validation:XValidation:rule="[has(self.serviceAccount), has(self.bearerTokenSecretRef), has(self.clientSecret), has(self.workloadIdentity), has(self.managedIdentity)].filter(x, x).size() <= 1",message="give at most one of serviceAccount, bearerTokenSecretRef, clientSecret, workloadIdentity and managedIdentity"
type Auth struct {
	// serviceAccount is a ServiceAccount of this namespace, whose short-lived tokens
	// the operator requests and sends to the endpoint. The administrator's policy
	// names their audience.
	// +optional
	ServiceAccount *ServiceAccountAuth `json:"serviceAccount,omitempty"`
	// bearerTokenSecretRef names the key of a Secret that contains the token itself.
	// +optional
	BearerTokenSecretRef *TokenReference `json:"bearerTokenSecretRef,omitempty"`
	// clientSecret is an application of Microsoft Entra ID with a secret.
	// +optional
	ClientSecret *ClientSecret `json:"clientSecret,omitempty"`
	// workloadIdentity is the operator's federated ServiceAccount. The
	// administrator's policy has to permit it for the endpoint.
	// +optional
	WorkloadIdentity *WorkloadIdentity `json:"workloadIdentity,omitempty"`
	// managedIdentity is the identity of the Azure machine. The administrator's
	// policy has to permit it for the endpoint.
	// +optional
	ManagedIdentity *ManagedIdentity `json:"managedIdentity,omitempty"`
	// scope of the tokens that Microsoft Entra ID issues. Default:
	// https://graph.microsoft.com/.default.
	// +optional
	// +kubebuilder:default="https://graph.microsoft.com/.default"
	// +kubebuilder:validation:MaxLength=256
	Scope string `json:"scope,omitempty"`
}

// ServiceAccountAuth names a ServiceAccount of the same namespace.
type ServiceAccountAuth struct {
	// name of the ServiceAccount. The operator may request tokens of those called
	// exactmatch, unless its ClusterRole says otherwise. Default: exactmatch.
	// +optional
	// +kubebuilder:default=exactmatch
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}

// TokenReference names one key of a Secret of the same namespace.
type TokenReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
	// key in its data. Default: token.
	// +optional
	// +kubebuilder:default=token
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// ClientSecret is an application of Microsoft Entra ID with a secret.
type ClientSecret struct {
	// tenantID is the id of the tenant in Microsoft Entra ID.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	TenantID string `json:"tenantID"`
	// clientID is the id of the application.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClientID string `json:"clientID"`
	// secretRef names the key of a Secret that contains the application's secret.
	// +required
	SecretRef KeyReference `json:"secretRef"`
}

// WorkloadIdentity is a federated ServiceAccount.
type WorkloadIdentity struct {
	// tenantID is the id of the tenant in Microsoft Entra ID. Default: the one that
	// the workload identity webhook sets in the environment.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	TenantID string `json:"tenantID,omitempty"`
	// clientID is the id of the application or of the user-assigned identity. Default:
	// the one that the workload identity webhook sets in the environment.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ClientID string `json:"clientID,omitempty"`
}

// ManagedIdentity is the identity of the Azure machine.
type ManagedIdentity struct {
	// clientID is the client id of a user-assigned identity. Default: the identity
	// that the system assigned.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ClientID string `json:"clientID,omitempty"`
}

// Allow says which addresses the operator may connect to for this upload agent.
type Allow struct {
	// hosts ("host" or "host:port") that may have a loopback, private or other special
	// address, as far as the administrator's policy permits them. Default: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=253
	Hosts []string `json:"hosts,omitempty"`
	// plainHTTP allows http for the hosts for which the administrator's policy permits
	// it. While it is false, http is allowed only for loopback hosts that are listed in
	// hosts. Default: false.
	// +optional
	PlainHTTP bool `json:"plainHTTP,omitempty"`
	// sourceSchemes are the schemes that the source of a session may have. https
	// includes http where plainHTTP or hosts allow it. Default: https, s3, gs, azblob
	// and file.
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

// WorkersTemplate is what the Jobs of the workers and their pods take over.
type WorkersTemplate struct {
	// labels of the Jobs and their pods, such as kueue.x-k8s.io/queue-name.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Labels map[string]string `json:"labels,omitempty"`
	// annotations of the Jobs and their pods.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Annotations map[string]string `json:"annotations,omitempty"`
	// resources of the only container of each pod. Blocks that are being made take at
	// most a third of the memory limit, and at most 256 MiB.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
	// nodeSelector of the pods.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// tolerations of the pods. Unless they say otherwise, a pod is evicted from a node
	// that has not answered for 30 seconds.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// serviceAccountName is the name of the pods' ServiceAccount, which must carry the
	// label exactmatch.dev/worker: "true". Its token is not mounted; its cloud identity
	// reads sources that have no credentials. Default: the ServiceAccount default,
	// without a cloud identity.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$`
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// imagePullSecrets of the pods.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	// priorityClassName is the name of the PriorityClass of the pods.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`
}

// Workers says where tables are read and uploaded.
type Workers struct {
	// mode is where tables are read and uploaded: Manager does it inside the manager,
	// Job in pods in the namespace of the session, which a persistentVolumeClaim source
	// requires. Default: Manager.
	// +optional
	// +kubebuilder:default=Manager
	// +kubebuilder:validation:Enum=Manager;Job
	Mode string `json:"mode,omitempty"`
	// parallelism of one upload: the number of stripes of the table that are read, and
	// of blocks that are sent, at the same time; in mode Job the number of pods.
	// Default: 4.
	// +optional
	// +kubebuilder:default=4
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	Parallelism int32 `json:"parallelism,omitempty"`
	// template of the Jobs and their pods, in mode Job.
	// +optional
	Template *WorkersTemplate `json:"template,omitempty"`
}

// ExactMatchUploadAgentSpec is the desired state of an ExactMatchUploadAgent: the
// endpoint, its credentials and the workers.
type ExactMatchUploadAgentSpec struct {
	// endpoint of the service: its URL up to and without /dataClassification. Immutable
	// while data stores have a remote store there (status.dataStores).
	// +required
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != '' && !self.matches('[@?#]')",message="must be an http or https URL without user info, query and fragment"
	Endpoint string `json:"endpoint"`
	// auth says how the operator authenticates to the service. Default: not at all.
	// +optional
	// +kubebuilder:default={}
	Auth Auth `json:"auth,omitempty"`
	// allow says which addresses the operator may connect to, and which schemes sources
	// may have.
	// +optional
	// +kubebuilder:default={}
	Allow Allow `json:"allow,omitempty"`
	// caBundleConfigMapRef names the key of a ConfigMap that contains the certificates
	// of a private certificate authority in PEM. Default: the system's.
	// +optional
	CABundleConfigMapRef *KeyReference `json:"caBundleConfigMapRef,omitempty"`
	// allowUnpublishedFormat allows upload and commit even where the service does not
	// publish that it reads this operator's block format. Default: false.
	// +optional
	AllowUnpublishedFormat bool `json:"allowUnpublishedFormat,omitempty"`
	// workers says where tables are read and uploaded.
	// +optional
	// +kubebuilder:default={}
	Workers Workers `json:"workers,omitempty"`
}

// ExactMatchUploadAgent is an endpoint, and how tables are uploaded to it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=emua,categories=exactmatch
// +kubebuilder:validation:XValidation:rule="self.spec.endpoint == oldSelf.spec.endpoint || !has(oldSelf.status) || !has(oldSelf.status.dataStores) || oldSelf.status.dataStores == 0",message="spec.endpoint is immutable while data stores have remote stores there (status.dataStores); create another upload agent and data stores that refer to it, or delete those data stores first"
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.spec.endpoint`
// +kubebuilder:printcolumn:name="Format",type=string,JSONPath=`.status.blockFormat`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="ID",type=string,JSONPath=`.status.id`,priority=1
type ExactMatchUploadAgent struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state of the upload agent.
	// +required
	Spec ExactMatchUploadAgentSpec `json:"spec"`
	// status is the observed state of the upload agent.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status ExactMatchUploadAgentStatus `json:"status,omitempty"`
}

// ExactMatchUploadAgentList is a list of upload agents.
//
// +kubebuilder:object:root=true
type ExactMatchUploadAgentList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of a list.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the upload agents.
	// +required
	Items []ExactMatchUploadAgent `json:"items"`
}
