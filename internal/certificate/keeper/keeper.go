// Package keeper keeps the certificate of the service in Secrets of the manager's own
// namespace: one that the service mounts, and one for the key of the authority, which
// nobody mounts. It reads and writes these two by name and nothing else.
package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/internal/certificate"
)

const (
	// Label marks the Secrets that a keeper has made. It touches no others.
	Label = "exactmatch.dev/certificate"
	// BundleKey is the key of what callers trust, as cert-manager has it.
	BundleKey = "ca.crt"

	authoritySuffix = "-authority"
	service         = "service"
	authority       = "authority"
)

// Keeper is a Runnable of the leading manager.
type Keeper struct {
	// Client reads Secrets uncached.
	Client client.Client
	// Namespace and Name are those of the Secret that the service mounts.
	Namespace, Name string
	// DNSNames are those of the service.
	DNSNames []string
	Log      *slog.Logger
	// Now is the clock. Default: time.Now.
	Now func() time.Time

	told string // which Secret is somebody else's, and why
}

const (
	// interval is how often the Secrets are looked at, since they are not watched.
	interval = time.Minute
	// pause is how long a keeper waits after an error.
	pause = 5 * time.Second
	// attempts are made at once where another manager has written a Secret meanwhile.
	attempts = 5
)

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*Keeper) NeedLeaderElection() bool { return true }

// Start implements manager.Runnable.
func (k *Keeper) Start(ctx context.Context) error {
	for {
		wait := interval
		if err := k.Keep(ctx); err != nil && ctx.Err() == nil {
			wait = pause
			k.Log.Error("the service's certificate cannot be kept", "secret", k.Namespace+"/"+k.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// errAgain says that somebody else has written a Secret since it was read.
var errAgain = errors.New("another manager is writing the Secrets")

// Keep looks at the Secrets once, and writes what is due.
func (k *Keeper) Keep(ctx context.Context) error {
	err := errAgain
	for n := 0; n < attempts && errors.Is(err, errAgain); n++ {
		err = k.look(ctx)
	}
	return err
}

func (k *Keeper) look(ctx context.Context) error {
	serving, err := k.read(ctx, k.Name)
	if err != nil {
		return err
	}
	signing, err := k.read(ctx, k.Name+authoritySuffix)
	if err != nil {
		return err
	}
	k.show(pairOf(serving))
	if k.isForeign(serving) || k.isForeign(signing) {
		return nil
	}
	kept := certificate.Kept{Authority: pairOf(signing), Serving: pairOf(serving), Bundle: serving.Data[BundleKey]}
	next, change, err := certificate.Renew(kept, k.DNSNames, k.now())
	if err != nil || change == (certificate.Change{}) {
		return err
	}
	// The authority first: what it signs must not be without it.
	if change.Authority != "" {
		if err := k.write(ctx, signing, authority, dataOf(next.Authority)); err != nil {
			return err
		}
	}
	data := dataOf(next.Serving)
	data[BundleKey] = next.Bundle
	if err := k.write(ctx, serving, service, data); err != nil {
		return err
	}
	k.show(next.Serving)
	k.Log.Info("renewed the service's certificate", "secret", k.Namespace+"/"+k.Name,
		"authority", change.Authority, "certificate", change.Serving, "bundle", change.Bundle)
	return nil
}

func (k *Keeper) now() time.Time {
	if k.Now == nil {
		return time.Now()
	}
	return k.Now()
}

// read gets a Secret; one that is not there has no resource version.
func (k *Keeper) read(ctx context.Context, name string) (*corev1.Secret, error) {
	found := &corev1.Secret{}
	err := k.Client.Get(ctx, client.ObjectKey{Namespace: k.Namespace, Name: name}, found)
	if apierrors.IsNotFound(err) {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: k.Namespace, Name: name}, Type: corev1.SecretTypeTLS}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %q: %w", name, err)
	}
	return found, nil
}

// isForeign reports, and tells once, whether somebody else manages a Secret.
func (k *Keeper) isForeign(secret *corev1.Secret) bool {
	why := foreign(secret)
	if why == "" {
		return false
	}
	if told := secret.Name + ": " + why; k.told != told {
		k.told = told
		k.Log.Info("somebody else manages the Secret of the service's certificate, so it is left as it is; callers trust its "+BundleKey,
			"secret", secret.Namespace+"/"+secret.Name, "because", why)
	}
	return true
}

// foreign says why a Secret is somebody else's, "" where it is a keeper's or absent.
func foreign(secret *corev1.Secret) string {
	for name := range secret.Annotations {
		if strings.HasPrefix(name, "cert-manager.io/") {
			return "cert-manager has annotated it"
		}
	}
	switch owner := metav1.GetControllerOf(secret); {
	case owner != nil:
		return fmt.Sprintf("%s %q owns it", owner.Kind, owner.Name)
	case secret.ResourceVersion != "" && secret.Labels[Label] == "":
		return "it lacks the label " + Label
	}
	return ""
}

func pairOf(secret *corev1.Secret) certificate.Pair {
	return certificate.Pair{Certificate: secret.Data[corev1.TLSCertKey], Key: secret.Data[corev1.TLSPrivateKeyKey]}
}

func dataOf(pair certificate.Pair) map[string][]byte {
	return map[string][]byte{corev1.TLSCertKey: pair.Certificate, corev1.TLSPrivateKeyKey: pair.Key}
}

// write creates the Secret or updates the version that was read.
func (k *Keeper) write(ctx context.Context, secret *corev1.Secret, role string, data map[string][]byte) error {
	secret.Data = data
	var err error
	if secret.ResourceVersion == "" {
		secret.Labels = map[string]string{Label: role}
		err = k.Client.Create(ctx, secret)
	} else {
		err = k.Client.Update(ctx, secret)
	}
	if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err) && secret.ResourceVersion != "" {
		return errAgain
	}
	if err != nil {
		return fmt.Errorf("write Secret %q: %w", secret.Name, err)
	}
	return nil
}
