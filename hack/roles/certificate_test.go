package roles_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/internal/testkit"
)

// TestSecretsOfTheCertificateAlone: without workers the manager writes the Secrets of
// the service's certificate, and no others.
func TestSecretsOfTheCertificateAlone(t *testing.T) {
	all := only(manifests(t, "default"), func(o *unstructured.Unstructured) bool { return o.GetName() != "exactmatch-workers" })
	s := newScene(t, "exactmatch-system", "of-certificates")
	apply(t, all)
	s.mayDo(granted(t, all))
	as := rest.CopyConfig(admin)
	as.Impersonate = rest.ImpersonationConfig{UserName: s.account, Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	manager, err := client.New(as, client.Options{Scheme: scheme})
	testkit.Must(t, err)
	for _, tc := range []struct {
		namespace, name string
		creates, writes bool
	}{
		{s.home, certificateSecret, true, true},
		{s.home, certificateSecret + "-authority", true, true},
		{s.home, "exactmatch-service-token", true, false}, // a create cannot be held to a name
		{s.place, certificateSecret, false, false},
		{s.place, "token", false, false},
	} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: tc.namespace, Name: tc.name}}
		if err := manager.Create(t.Context(), secret.DeepCopy(), client.DryRunAll); tc.creates == apierrors.IsForbidden(err) {
			t.Errorf("create %s/%s: %v", tc.namespace, tc.name, err)
		}
		if err := manager.Update(t.Context(), secret.DeepCopy()); tc.writes == apierrors.IsForbidden(err) {
			t.Errorf("update %s/%s: %v", tc.namespace, tc.name, err)
		}
		if err := manager.Delete(t.Context(), secret.DeepCopy()); !apierrors.IsForbidden(err) {
			t.Errorf("delete %s/%s: %v", tc.namespace, tc.name, err)
		}
	}
}

// TestCertManager builds the component: what it has cert-manager write is what the
// service mounts, and the manager neither keeps the certificate nor may write it.
func TestCertManager(t *testing.T) {
	folder := filepath.Join(copyOfConfig(t), "default")
	path := filepath.Join(folder, "kustomization.yaml")
	text, err := os.ReadFile(path)
	testkit.Must(t, err)
	const workers = "  - ../components/workers\n"
	if !strings.Contains(string(text), workers) {
		t.Fatal("config/default has no components")
	}
	writeFile(t, path, strings.Replace(string(text), workers, workers+"  - ../components/cert-manager\n", 1))
	all := manifests(t, folder)
	if args := argsOf(t, all); slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, "service-") }) || !slices.Contains(args, "--policy-file=/policy/policy.yaml") {
		t.Errorf("the manager's arguments are %v", args)
	}
	issuers, certificates := map[string]string{}, map[string]string{}
	for _, o := range all {
		text := func(fields ...string) string {
			value, _, err := unstructured.NestedString(o.Object, fields...)
			testkit.Must(t, err)
			return value
		}
		switch o.GetKind() {
		case "Issuer":
			issuers[o.GetName()] = text("spec", "ca", "secretName")
		case "Certificate":
			certificates[text("spec", "secretName")] = text("spec", "issuerRef", "name")
		case "Role", "RoleBinding":
			if strings.HasSuffix(o.GetName(), "service-certificate") {
				t.Errorf("%s %s stays", o.GetKind(), o.GetName())
			}
		}
	}
	authority, found := issuers[certificates[certificateSecret]]
	if !found || certificates[authority] == "" {
		t.Errorf("issuers %v, certificates %v", issuers, certificates)
	}
	if _, found := issuers[certificates[authority]]; !found {
		t.Errorf("nobody signs the authority: issuers %v, certificates %v", issuers, certificates)
	}
}
