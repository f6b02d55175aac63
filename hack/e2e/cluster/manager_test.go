//go:build e2e

package cluster

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"exactmatch.dev/operator/api/v1alpha1"
)

// TestManager goes the way of the README: the samples, a table in a ConfigMap, the
// commit as a change of its own, a lookup.
func TestManager(t *testing.T) {
	const namespace = "e2e-manager"
	g := NewWithT(t)
	newNamespace(t, namespace)
	secret(t, namespace, "staff-key", "key", []byte(key))
	kubectl(t, "", "-n", namespace, "apply", "-f", "config/samples/uploadagent.yaml", "-f", "config/samples/session_staff.yaml")
	uploaded := finishes(t, namespace, "staff", v1alpha1.ReasonUploaded, 3*time.Minute)
	kubectl(t, "", "-n", namespace, "patch", "exactmatchsession", "staff", "--type=merge", "-p", `{"spec":{"desiredState":"Committed"}}`)
	completed := finishes(t, namespace, "staff", v1alpha1.ReasonCompleted, 3*time.Minute)
	g.Expect(completed.Status.ID).To(Equal(uploaded.Status.ID), "the commit is that of the session that was uploaded")
	g.Expect(completed.Status.Rows).To(HaveValue(BeEquivalentTo(3)))
	g.Expect(lookup(t, namespace, "staff", "Badge", "77-120-4")).To(MatchRegexp(`(?m)^1 +yes\b`))
	g.Expect(lookup(t, namespace, "staff", "Badge", "77-120-9")).To(MatchRegexp(`(?m)^1 +no\b`))
}
