//go:build e2e

package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

const upgradedNamespace = "e2e-upgrade"

// TestUpgrade upgrades the release to a later chart, whose CRDs and values differ,
// uninstalls it, and installs the same by kustomize: what is live stays live.
func TestUpgrade(t *testing.T) {
	g := NewWithT(t)
	newNamespace(t, upgradedNamespace)
	secret(t, upgradedNamespace, "staff-key", "key", []byte(key))
	kubectl(t, "", "-n", upgradedNamespace, "apply", "-f", "config/samples/uploadagent.yaml", "-f", "config/samples/session_staff.yaml")
	finishes(t, upgradedNamespace, "staff", v1alpha1.ReasonUploaded, 3*time.Minute)

	t.Log("upgrade between upload and commit")
	g.Expect(helm(t.Context(), laterChart(t), operatorImage(), "--set", "manager.podDisruptionBudget.enabled=true")).To(Succeed())
	g.Expect(ready(t.Context())).To(Succeed())
	g.Expect(columns(t)).To(ContainElement("Later"), "the CRD is upgraded")
	kubectl(t, "", "-n", systemNamespace, "get", "poddisruptionbudget", "exactmatch-manager")
	kubectl(t, "", "-n", upgradedNamespace, "patch", "exactmatchsession", "staff", "--type=merge", "-p", `{"spec":{"desiredState":"Committed"}}`)
	finishes(t, upgradedNamespace, "staff", v1alpha1.ReasonCompleted, 3*time.Minute)

	t.Log("uninstall")
	before := sessionOf(g, t, upgradedNamespace, "staff")
	g.Expect(run(t.Context(), os.Getenv(helmVariable), "uninstall", "exactmatch", "--namespace", systemNamespace, "--wait", "--timeout", "3m")).To(Succeed())
	g.Expect(apierrors.IsNotFound(kube.Get(t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: "exactmatch-manager"}, &appsv1.Deployment{}))).To(BeTrue(), "the manager is gone")
	after := sessionOf(g, t, upgradedNamespace, "staff")
	g.Expect(after.UID).To(Equal(before.UID), "the CRDs are kept, and what is of them")
	g.Expect(after.DeletionTimestamp).To(BeNil())

	t.Log("install by kustomize in its place")
	kubectl(t, "", "apply", "--server-side", "--force-conflicts", "-k", "config/crd") // which helm has kept
	g.Expect(run(t.Context(), "make", "--no-print-directory", "deploy", "IMAGE="+operatorImage())).To(Succeed())
	g.Expect(ready(t.Context())).To(Succeed())
	g.Expect(lookup(t, upgradedNamespace, "staff", "Badge", "77-120-4")).To(MatchRegexp(`(?m)^1 +yes\b`))
	g.Expect(sessionOf(g, t, upgradedNamespace, "staff").Status.ID).To(Equal(before.Status.ID), "nothing is uploaded again")
}

// laterChart is a copy of the chart as a later version might be: the sessions have a
// further column.
func laterChart(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	later := filepath.Join(t.TempDir(), "chart")
	g.Expect(os.CopyFS(later, os.DirFS(chartFolder))).To(Succeed())
	replaceIn(t, filepath.Join(later, "Chart.yaml"), "\nversion: 0.0.0\n", "\nversion: 0.0.1\n")
	replaceIn(t, filepath.Join(later, "files/crds/exactmatch.dev_exactmatchsessions.yaml"),
		"additionalPrinterColumns:\n", "additionalPrinterColumns:\n    - jsonPath: .metadata.name\n      name: Later\n      type: string\n")
	return later
}

func replaceIn(t *testing.T, file, old, replacement string) {
	t.Helper()
	g := NewWithT(t)
	text, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).To(ContainSubstring(old))
	g.Expect(os.WriteFile(file, []byte(strings.Replace(string(text), old, replacement, 1)), 0o600)).To(Succeed())
}

// columns are the names of the columns of sessions.
func columns(t *testing.T) []string {
	t.Helper()
	g := NewWithT(t)
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	g.Expect(kube.Get(t.Context(), client.ObjectKey{Name: "exactmatchsessions.exactmatch.dev"}, crd)).To(Succeed())
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	g.Expect(err).NotTo(HaveOccurred())
	all, _, err := unstructured.NestedSlice(versions[0].(map[string]any), "additionalPrinterColumns")
	g.Expect(err).NotTo(HaveOccurred())
	var names []string
	for _, one := range all {
		names = append(names, one.(map[string]any)["name"].(string))
	}
	return names
}
