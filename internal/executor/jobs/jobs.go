// Package jobs works for sessions in pods. Executor speaks to the API server; what
// Jobs and Secrets look like (Builder) and what they and their pods say (Observe) is
// pure: objects go in, objects come out.
//
// A table is read once by a Job of one pod, which hands what it found out over in
// its termination message; then an Indexed Job stages the blocks, each pod those
// of the stripes of its completion index. Pods of one index may overlap: blocks
// have names that follow from their bytes.
package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"path"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/protocol"
)

// Labels and annotations of Jobs, pods and the task's Secret.
const (
	// SessionLabel is the session's name, shortened where it is too long for a label.
	SessionLabel = "exactmatch.dev/session"
	// UIDLabel is the session's UID: what is selected by.
	UIDLabel = "exactmatch.dev/session-uid"
	// ManagedByLabel with ManagedBy is what the manager watches Jobs and pods by.
	ManagedByLabel = "app.kubernetes.io/managed-by"
	ManagedBy      = "exactmatch"
	// SessionAnnotation is the session's whole name.
	SessionAnnotation = "exactmatch.dev/session"
	// VersionAnnotation names what decides the task's reading.
	VersionAnnotation = "exactmatch.dev/version"
	// DoneAnnotation is how many blocks were acknowledged before an upload began.
	DoneAnnotation = "exactmatch.dev/blocks-before"
)

// Builder makes the objects of one owner's work.
type Builder struct {
	Owner   executor.Owner
	Workers v1alpha1.Workers
	// Source is where the table lies: what pods mount follows from it.
	Source v1alpha1.Source
	// Image is the operator's own.
	Image string
	// Key is the store's key, Authority the upload agent's private authority.
	Key       v1alpha1.SecretKeyReference
	Authority *v1alpha1.KeyReference
	// Volume limits who may read the source at once.
	Volume Volume
}

// Volume says how the source's volume may be mounted.
type Volume string

// The values of Volume.
const (
	AnyHost Volume = ""        // no volume, or one that many nodes mount
	OneHost Volume = "OneHost" // ReadWriteOnce: all pods on one node
	OnePod  Volume = "OnePod"  // ReadWriteOncePod
)

// VolumeOf is the most that a claim's access modes allow.
func VolumeOf(modes []corev1.PersistentVolumeAccessMode) Volume {
	volume := OnePod
	for _, m := range modes {
		switch m {
		case corev1.ReadOnlyMany, corev1.ReadWriteMany:
			return AnyHost
		case corev1.ReadWriteOnce:
			volume = OneHost
		}
	}
	return volume
}

// Pods returns the number of pods that stage the stripes of a table.
func (b Builder) Pods(stripes int) int {
	if b.Volume == OnePod {
		return 1
	}
	return max(1, min(int(b.Workers.Parallelism), stripes))
}

// ParallelismPerPod is what each of the pods reads and sends at once: the whole
// parallelism where there is one pod, else two, so that one block is sent
// while the next is made.
func (b Builder) ParallelismPerPod(pods int) int {
	if pods == 1 {
		return int(b.Workers.Parallelism)
	}
	return 2
}

// SecretName is the name of the session's task.
func (b Builder) SecretName() string { return b.name("task", "") }

// PrepareName is the name of the Job that reads the source for such inputs.
func (b Builder) PrepareName(inputs string) string { return b.name("prepare", inputs) }

// UploadName is the name of the Job that uploads content to a remote session.
func (b Builder) UploadName(contentKey, remoteID string) string {
	return b.name("upload", contentKey+"/"+remoteID)
}

// maxIndex is the largest suffix that the job controller adds for an index:
// spec.workers.parallelism is at most 64.
const maxIndex = "-63"

// name is unique to the session and the purpose. It is a DNS label, as a pod's
// host name is the Job's name with the index behind it; the name of a session may
// have dots and up to 253 characters.
func (b Builder) name(step, of string) string {
	sum := sha256.Sum256([]byte(b.Owner.UID + "/" + of))
	tail := "-" + step + "-" + hex.EncodeToString(sum[:6])
	label := strings.ReplaceAll(b.Owner.Name, ".", "-")
	return shortened(label, validation.DNS1123LabelMaxLength-len(maxIndex)-len(tail)) + tail
}

// shortened cuts a name so that it ends with a letter or a digit.
func shortened(name string, most int) string {
	return strings.TrimRight(name[:min(len(name), most)], "-.")
}

// Task makes the Secret of a task: what to do, and where to.
func (b Builder) Task(task protocol.Task, version, uploadURI string) *corev1.Secret {
	text, err := json.Marshal(task)
	if err != nil {
		panic(err) // strings and numbers marshal
	}
	secret := &corev1.Secret{ObjectMeta: b.meta(b.SecretName()), Data: map[string][]byte{protocol.TaskFile: text, protocol.URIFile: []byte(uploadURI)}}
	secret.Annotations[VersionAnnotation] = version
	return secret
}

// Prepare makes the Job that reads the source once.
func (b Builder) Prepare(inputs string) *batchv1.Job {
	return b.job(b.PrepareName(inputs), "prepare", batchv1.JobSpec{
		BackoffLimit: new(int32(retries)), PodReplacementPolicy: new(batchv1.TerminatingOrFailed),
	})
}

// Upload makes the Indexed Job that stages the blocks in that many pods.
func (b Builder) Upload(contentKey, remoteID string, pods int) *batchv1.Job {
	job := b.job(b.UploadName(contentKey, remoteID), "stage", batchv1.JobSpec{
		CompletionMode: new(batchv1.IndexedCompletion), Completions: new(int32(pods)), Parallelism: new(int32(pods)),
		BackoffLimitPerIndex: new(int32(retries)),
		// A policy of pod failures would keep the pod of a node that lost its power
		// from being replaced before the node comes back.
		PodReplacementPolicy: new(batchv1.TerminatingOrFailed),
	})
	if b.Volume == OneHost {
		job.Spec.Template.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{UIDLabel: b.Owner.UID}},
		}}}}
	}
	return job
}

const (
	// retries of one pod before its Job has failed.
	retries = 6
	// kept is how long an ended Job stays so that somebody can look at it, in seconds.
	kept = 3600
	// unreachable is how long a pod waits for a node that does not answer, in
	// seconds: its successor stages only what is absent, so it costs little.
	unreachable = 30
)

// meta is what every object of a session carries.
func (b Builder) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: b.Owner.Namespace, Name: name, Labels: b.labels(), Annotations: b.annotations(),
		OwnerReferences: []metav1.OwnerReference{b.controller()},
	}
}

// controller names the owner, with which its objects go.
func (b Builder) controller() metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "ExactMatchSession", Name: b.Owner.Name, UID: types.UID(b.Owner.UID),
		Controller: new(true), BlockOwnerDeletion: new(true),
	}
}

// labels are the template's, but for the operator's own.
func (b Builder) labels() map[string]string {
	labels := map[string]string{}
	if t := b.Workers.Template; t != nil {
		maps.Copy(labels, t.Labels)
	}
	labels[ManagedByLabel], labels[UIDLabel], labels[SessionLabel] = ManagedBy, b.Owner.UID, shortened(b.Owner.Name, validation.LabelValueMaxLength)
	return labels
}

func (b Builder) annotations() map[string]string {
	annotations := map[string]string{}
	if t := b.Workers.Template; t != nil {
		maps.Copy(annotations, t.Annotations)
	}
	annotations[SessionAnnotation] = b.Owner.Name
	return annotations
}

// job completes a Job: pods that the restricted Pod Security Standard admits,
// with no token of the API server.
func (b Builder) job(name, step string, spec batchv1.JobSpec) *batchv1.Job {
	spec.TTLSecondsAfterFinished = new(int32(kept))
	spec.Template = corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: b.labels(), Annotations: b.annotations()}, Spec: b.pod(step)}
	return &batchv1.Job{ObjectMeta: b.meta(name), Spec: spec}
}

// root is the worker's folder in its container, where the image has nothing.
const root = "/worker"

func (b Builder) pod(step string) corev1.PodSpec {
	container := corev1.Container{
		Name: "worker", Image: b.Image, ImagePullPolicy: corev1.PullIfNotPresent,
		Args: []string{protocol.Command, step, "--dir", root}, Resources: b.resources(),
		TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
	pod := corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, AutomountServiceAccountToken: new(false), EnableServiceLinks: new(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(user)), RunAsGroup: new(int64(user)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Tolerations: tolerations(nil),
	}
	if t := b.Workers.Template; t != nil {
		pod.NodeSelector, pod.Tolerations, pod.ServiceAccountName = t.NodeSelector, tolerations(t.Tolerations), t.ServiceAccountName
		pod.ImagePullSecrets, pod.PriorityClassName = t.ImagePullSecrets, t.PriorityClassName
	}
	b.mounts(&pod, &container)
	pod.Containers = []corev1.Container{container}
	return pod
}

// user is the image's own.
const user = 65532

// tolerations adds how long a pod waits for its node, unless the user says so.
func tolerations(given []corev1.Toleration) []corev1.Toleration {
	out := append([]corev1.Toleration{}, given...)
	for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		said := false
		for _, t := range given {
			said = said || (t.Key == key || t.Key == "") && (t.Effect == corev1.TaintEffectNoExecute || t.Effect == "")
		}
		if !said {
			out = append(out, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(unreachable))})
		}
	}
	return out
}

// What a worker takes where the template says nothing.
const (
	defaultCPU         = "500m"
	defaultMemory      = "512Mi"
	defaultMemoryLimit = "768Mi"
)

func (b Builder) resources() corev1.ResourceRequirements {
	if t := b.Workers.Template; t != nil && (len(t.Resources.Limits) > 0 || len(t.Resources.Requests) > 0) {
		return t.Resources
	}
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(defaultCPU), corev1.ResourceMemory: resource.MustParse(defaultMemory)},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(defaultMemoryLimit)},
	}
}

// Memory is the budget of blocks in the making of one pod, in bytes: a third of
// its limit, at most what the manager has by default.
func (b Builder) Memory() int64 {
	const most = 256 << 20
	limit, given := b.resources().Limits[corev1.ResourceMemory]
	if !given {
		return most
	}
	return max(16<<20, min(most, limit.Value()/3))
}

// mounts gives the worker its files: read-only, each from the object that owns it.
func (b Builder) mounts(pod *corev1.PodSpec, c *corev1.Container) {
	add := func(folder string, from corev1.VolumeSource) {
		pod.Volumes = append(pod.Volumes, corev1.Volume{Name: folder, VolumeSource: from})
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: folder, MountPath: path.Join(root, folder), ReadOnly: true})
	}
	secret := func(name string, items ...corev1.KeyToPath) corev1.VolumeSource {
		return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: name, Items: items}}
	}
	configMap := func(name string, items ...corev1.KeyToPath) corev1.VolumeSource {
		return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Items: items}}
	}
	add(protocol.TaskDir, secret(b.SecretName()))
	add(protocol.KeyDir, secret(b.Key.Name, corev1.KeyToPath{Key: b.Key.Key, Path: protocol.KeyFile}))
	from := b.Source
	if ref := from.CredentialsSecretRef; ref != nil {
		add(protocol.CredentialsDir, secret(ref.Name))
	}
	if ref := from.URISecretRef; ref != nil {
		add(protocol.SourceURIDir, secret(ref.Name, corev1.KeyToPath{Key: ref.Key, Path: protocol.SourceURIFile}))
	}
	if ref := from.ConfigMapKeyRef; ref != nil {
		add(protocol.SourceDir, configMap(ref.Name, corev1.KeyToPath{Key: ref.Key, Path: ref.Key}))
	}
	if ref := from.PersistentVolumeClaim; ref != nil {
		add(protocol.SourceDir, corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: ref.ClaimName, ReadOnly: true}})
	}
	if ref := b.Authority; ref != nil {
		add(protocol.AuthorityDir, configMap(ref.Name, corev1.KeyToPath{Key: ref.Key, Path: protocol.AuthorityFile}))
	}
}
