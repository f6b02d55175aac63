package clients

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

// What is remembered of Secrets and ConfigMaps: the few passes that follow each
// other at once, and the objects that many sessions name, read them once.
const (
	referenceLife = time.Second
	referenceSize = 64 << 10 // bytes; a larger object is not remembered
)

// references read Secrets and ConfigMaps by name, uncached: the manager may not
// list them. An answer serves for referenceLife.
type references struct {
	reader client.Reader
	recent *cache.Expiring
}

func newReferences(reader client.Reader) references {
	return references{reader: reader, recent: cache.NewExpiring()}
}

// Recent reads in one namespace, and takes an answer that is a moment old.
func (r *references) Recent(namespace string) *Reader {
	return &Reader{references: r, namespace: namespace}
}

// Fresh reads in one namespace as things are now.
func (r *references) Fresh(namespace string) *Reader {
	return &Reader{references: r, namespace: namespace, fresh: true}
}

// Reader reads what objects of one namespace refer to, and remembers which versions
// it saw. It serves one pass, and is not safe for concurrent use.
type Reader struct {
	*references
	namespace string
	fresh     bool
	versions  string
}

// read gets an object of a kind; nobody may change it.
func read[O client.Object](ctx context.Context, r *Reader, name string, into O) (O, error) {
	key := client.ObjectKey{Namespace: r.namespace, Name: name}
	entry := fmt.Sprintf("%T %s", into, key)
	if known, ok := r.recent.Get(entry); ok && !r.fresh {
		return known.(O), nil
	}
	if err := r.reader.Get(ctx, key, into); err != nil {
		r.recent.Delete(entry)
		return into, err
	}
	if sizeOf(into) <= referenceSize {
		r.recent.Set(entry, into, referenceLife)
	}
	return into, nil
}

// sizeOf is how many bytes of data a Secret or ConfigMap holds.
func sizeOf(o client.Object) int {
	size := 0
	switch o := o.(type) {
	case *corev1.Secret:
		for _, value := range o.Data {
			size += len(value)
		}
	case *corev1.ConfigMap:
		for _, value := range o.Data {
			size += len(value)
		}
		for _, value := range o.BinaryData {
			size += len(value)
		}
	}
	return size
}

// Secret returns one key of a Secret.
func (r *Reader) Secret(ctx context.Context, name, key string) ([]byte, error) {
	data, err := r.SecretData(ctx, name)
	if err != nil {
		return nil, err
	}
	value, ok := data[key]
	if !ok {
		return nil, problem.Absent(v1alpha1.ReasonSecretNotFound, "Secret %q has no key %q; add it", name, key)
	}
	return value, nil
}

// SecretData returns a Secret's data.
func (r *Reader) SecretData(ctx context.Context, name string) (map[string][]byte, error) {
	found, err := read(ctx, r, name, &corev1.Secret{})
	if apierrors.IsNotFound(err) {
		return nil, problem.Absent(v1alpha1.ReasonSecretNotFound, "Secret %q does not exist in namespace %q; create it", name, r.namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %q: %w", name, err)
	}
	if refusedTypes[found.Type] {
		return nil, problem.NeedsRepair(v1alpha1.ReasonSecretTypeRefused,
			"Secret %q has type %s, which Kubernetes or a tool reserves for its own use; refer to a Secret of type Opaque that contains only what is needed here", name, found.Type)
	}
	r.versions += name + "@" + found.ResourceVersion + " "
	return found.Data, nil
}

// refusedTypes of Secrets hold credentials of the cluster, of a registry or of a
// release: an object that names one would have them sent to a host of its choice.
var refusedTypes = map[corev1.SecretType]bool{
	corev1.SecretTypeServiceAccountToken: true,
	corev1.SecretTypeBootstrapToken:      true,
	corev1.SecretTypeDockercfg:           true,
	corev1.SecretTypeDockerConfigJson:    true,
	"helm.sh/release.v1":                 true,
}

// ServiceAccount returns a ServiceAccount.
func (r *Reader) ServiceAccount(ctx context.Context, name string) (*corev1.ServiceAccount, error) {
	found, err := read(ctx, r, name, &corev1.ServiceAccount{})
	if apierrors.IsNotFound(err) {
		return nil, problem.Absent(v1alpha1.ReasonAccountNotFound, "ServiceAccount %q does not exist in namespace %q; create it, with the label %s: \"true\"",
			name, r.namespace, v1alpha1.WorkerLabel)
	}
	if err != nil {
		return nil, fmt.Errorf("read ServiceAccount %q: %w", name, err)
	}
	return found, nil
}

// ConfigMap returns one key of a ConfigMap.
func (r *Reader) ConfigMap(ctx context.Context, name, key string) ([]byte, error) {
	found, err := read(ctx, r, name, &corev1.ConfigMap{})
	if apierrors.IsNotFound(err) {
		return nil, problem.Absent(v1alpha1.ReasonConfigMapNotFound, "ConfigMap %q does not exist in namespace %q; create it", name, r.namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %q: %w", name, err)
	}
	r.versions += name + "@" + found.ResourceVersion + " "
	if text, ok := found.Data[key]; ok {
		return []byte(text), nil
	}
	if data, ok := found.BinaryData[key]; ok {
		return data, nil
	}
	return nil, problem.Absent(v1alpha1.ReasonConfigMapNotFound, "ConfigMap %q has no key %q; add it", name, key)
}
