package manager

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	ctrl "sigs.k8s.io/controller-runtime"

	"exactmatch.dev/operator/internal/certificate/keeper"
)

// The manager's own namespace is what the variable says or, in a pod, its ServiceAccount.
const namespaceVariable = "POD_NAMESPACE"

var namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace" // tests change it

// ownNamespace is "" where the manager runs in no pod and nobody says.
func ownNamespace() (string, error) {
	if name := os.Getenv(namespaceVariable); name != "" {
		return name, nil
	}
	text, err := os.ReadFile(namespaceFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("find the manager's own namespace: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// checkCertificate names the first flag of the certificate whose value cannot be.
func (f command) checkCertificate() error {
	if (f.certificateSecret == "") != (len(f.certificateNames) == 0) {
		return errors.New("--service-certificate-secret and --service-dns-names go together")
	}
	if wrong := validation.IsDNS1123Subdomain(f.certificateSecret); f.certificateSecret != "" && wrong != nil {
		return fmt.Errorf("--service-certificate-secret: %q is not a name of a Secret: %s", f.certificateSecret, strings.Join(wrong, "; "))
	}
	for _, name := range f.certificateNames {
		if wrong := validation.IsDNS1123Subdomain(name); wrong != nil {
			return fmt.Errorf("--service-dns-names: %q is not a DNS name: %s", name, strings.Join(wrong, "; "))
		}
	}
	return nil
}

// addKeeper has the leading manager keep the service's certificate.
func (f command) addKeeper(mgr ctrl.Manager) error {
	if f.certificateSecret == "" {
		return nil
	}
	if f.options.Namespace == "" {
		return fmt.Errorf("--service-certificate-secret: set the variable %s to the manager's own namespace", namespaceVariable)
	}
	return mgr.Add(&keeper.Keeper{
		Client: mgr.GetClient(), Namespace: f.options.Namespace, Name: f.certificateSecret, DNSNames: f.certificateNames, Log: slog.Default(),
	})
}
