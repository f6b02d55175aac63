//go:build e2e

package cluster

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

const (
	sessionLabel = "exactmatch.dev/session"
	managedBy    = "app.kubernetes.io/managed-by=exactmatch"
	parallelism  = 4
	// manyBlocks makes an upload last: each block is a request and a file that is synced.
	manyBlocks = 20_000
	fewBlocks  = 100
)

// upload is one session of the big table, in a namespace, a store and an agent of
// its own whose name is the namespace's.
type upload struct {
	name   string
	blocks int
}

// startUpload applies what a user of Jobs applies.
func startUpload(t *testing.T, name string, blocks int) upload {
	t.Helper()
	if folder == "" {
		t.Skip("needs the volumes and nodes of hack/cluster; run it without KUBECONFIG")
	}
	newNamespace(t, name)
	claim(t, name)
	rowsPerBlock := max(rows/blocks, 1)
	kubectl(t, fmt.Sprintf(`
apiVersion: exactmatch.dev/v1alpha1
kind: ExactMatchUploadAgent
metadata: {name: %[1]s}
spec:
  endpoint: https://exactmatch-service.exactmatch-system.svc:8765/beta
  auth: {serviceAccount: {name: exactmatch}}
  allow: {hosts: [exactmatch-service.exactmatch-system.svc]}
  workers: {mode: Job, parallelism: %[2]d}
---
apiVersion: exactmatch.dev/v1alpha1
kind: ExactMatchDataStore
metadata: {name: %[1]s}
spec:
  uploadAgentRef: {name: %[1]s}
  keySecretRef: {name: key}
  columns: [{name: Number}, {name: Mail, isSearchable: false}]
---
apiVersion: exactmatch.dev/v1alpha1
kind: ExactMatchSession
metadata: {name: %[1]s}
spec:
  dataStoreRef: {name: %[1]s}
  source: {persistentVolumeClaim: {claimName: tables, path: numbers.csv}}
  rowsPerBlock: %[3]d
`, name, parallelism, rowsPerBlock), "-n", name, "apply", "-f", "-")
	return upload{name, (rows + rowsPerBlock - 1) / rowsPerBlock}
}

// going reads the session, and gives up where only somebody's change gets it on.
func (u upload) going(g Gomega, t *testing.T) *v1alpha1.ExactMatchSession {
	t.Helper()
	s := sessionOf(g, t, u.name, u.name)
	if stalled := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionStalled); stalled != nil {
		StopTrying(fmt.Sprintf("the session is stalled: %s: %s", stalled.Reason, stalled.Message)).Now()
	}
	return s
}

// midway waits until some blocks are there and many are missing, and returns the
// id of the remote session.
func (u upload) midway(t *testing.T) string {
	t.Helper()
	var s *v1alpha1.ExactMatchSession
	NewWithT(t).Eventually(func(g Gomega) {
		s = u.going(g, t)
		g.Expect(s.Status.RemainingBlockCount).NotTo(BeNil())
		remaining := int(*s.Status.RemainingBlockCount)
		if s.Status.CommitRequestedTime != nil || s.Status.ID != "" && remaining < u.blocks/5 {
			StopTrying("the upload is nearly over before it was disturbed: more blocks, or more rows, make it last").Now()
		}
		g.Expect(remaining).To(BeNumerically("<", u.blocks-u.blocks/50))
		g.Expect(s.Status.ID).NotTo(BeEmpty())
	}, 5*time.Minute, "100ms").Should(Succeed(), "the table is read and some of it is uploaded")
	t.Logf("%d of %d blocks are missing", *s.Status.RemainingBlockCount, u.blocks)
	return s.Status.ID
}

// whole wants the session completed as it was opened, and each block staged once.
func (u upload) whole(t *testing.T, id string, within time.Duration) {
	t.Helper()
	g := NewWithT(t)
	s := finishes(t, u.name, u.name, v1alpha1.ReasonCompleted, within)
	if id != "" {
		g.Expect(s.Status.ID).To(Equal(id), "the remote session is the one that was opened first")
	}
	g.Expect(s.Status.Rows).To(HaveValue(BeEquivalentTo(rows)))
	blocks := staged(t, s.Status.ID)
	g.Expect(blocks).To(HaveLen(u.blocks), "the service has every block")
	for index, times := range blocks {
		if times > 1 {
			t.Errorf("block %d was acknowledged and sent again: %d times", index, times)
		}
	}
	g.Expect(lookup(t, u.name, u.name, "Number", fmt.Sprintf("N-%d", rows-1))).To(MatchRegexp(`(?m)^1 +yes\b`))
	g.Expect(lookup(t, u.name, u.name, "Number", fmt.Sprintf("N-%d", rows))).To(MatchRegexp(`(?m)^1 +no\b`))
}

// workers are the pods of the session that are not over.
func (u upload) workers(g Gomega, t *testing.T) []corev1.Pod {
	t.Helper()
	var all corev1.PodList
	g.Expect(kube.List(t.Context(), &all, client.InNamespace(u.name), client.MatchingLabels{sessionLabel: u.name})).To(Succeed())
	var out []corev1.Pod
	for i := range all.Items {
		if phase := all.Items[i].Status.Phase; phase == corev1.PodPending || phase == corev1.PodRunning {
			out = append(out, all.Items[i])
		}
	}
	return out
}

// workOn waits until a worker runs on a node.
func (u upload) workOn(t *testing.T, node string) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		u.going(g, t)
		var nodes []string
		for _, pod := range u.workers(g, t) {
			if pod.Status.Phase == corev1.PodRunning && strings.Contains(pod.Name, "-upload-") {
				nodes = append(nodes, pod.Spec.NodeName)
			}
		}
		g.Expect(nodes).To(ContainElement(node))
	}, 3*time.Minute, "100ms").Should(Succeed(), "workers are spread over the nodes")
}

// TestJob uploads the table as an Indexed Job over both nodes.
func TestJob(t *testing.T) {
	u := startUpload(t, "e2e-job", fewBlocks)
	began := time.Now()
	u.workOn(t, "node1")
	u.workOn(t, "node2")
	g := NewWithT(t)
	var jobs batchv1.JobList
	g.Expect(kube.List(t.Context(), &jobs, client.InNamespace(u.name), client.MatchingLabels{sessionLabel: u.name})).To(Succeed())
	var indexed int
	for _, job := range jobs.Items {
		if strings.HasPrefix(job.Name, u.name+"-upload-") {
			indexed++
			g.Expect(job.Spec.CompletionMode).To(HaveValue(Equal(batchv1.IndexedCompletion)))
			g.Expect(job.Spec.Parallelism).To(HaveValue(BeEquivalentTo(parallelism)))
			g.Expect(job.Spec.Template.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
		}
	}
	g.Expect(indexed).To(Equal(1), "one Job uploads")
	u.whole(t, "", 10*time.Minute)
	t.Logf("%d rows in %s", rows, time.Since(began).Round(time.Second))
}

// TestManagerRolls replaces every replica of the manager in mid-upload.
func TestManagerRolls(t *testing.T) {
	u := startUpload(t, "e2e-roll", manyBlocks)
	id := u.midway(t)
	kubectl(t, "", "-n", systemNamespace, "rollout", "restart", "deployment/exactmatch-manager")
	kubectl(t, "", "-n", systemNamespace, "rollout", "status", "deployment/exactmatch-manager", "--timeout=4m")
	u.whole(t, id, 10*time.Minute)
}

// TestNodeDrains evicts the workers of a node in mid-upload.
func TestNodeDrains(t *testing.T) {
	u := startUpload(t, "e2e-drain", manyBlocks)
	id := u.midway(t)
	u.workOn(t, "node2")
	t.Cleanup(func() {
		if out, err := exec.Command("kubectl", "uncordon", "node2").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	kubectl(t, "", "drain", "node2", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=4m")
	u.whole(t, id, 10*time.Minute)
}

// TestSessionDeleted deletes the session in mid-upload: nothing of it is left.
func TestSessionDeleted(t *testing.T) {
	const everything = "jobs,pods,secrets,configmaps,persistentvolumeclaims,leases,serviceaccounts,roles,rolebindings"
	u := startUpload(t, "e2e-delete", manyBlocks)
	g := NewWithT(t)
	names := func() []string {
		return strings.Fields(kubectl(t, "", "-n", u.name, "get", everything, "-o", "name"))
	}
	id := u.midway(t)
	var store v1alpha1.ExactMatchDataStore
	g.Expect(kube.Get(t.Context(), client.ObjectKey{Namespace: u.name, Name: u.name}, &store)).To(Succeed())
	kubectl(t, "", "-n", u.name, "delete", "exactmatchsession", u.name, "--timeout=2m")
	g.Eventually(names, 2*time.Minute, "500ms").Should(ConsistOf(
		"secret/key", "configmap/kube-root-ca.crt", "persistentvolumeclaim/tables", "serviceaccount/default", "serviceaccount/exactmatch",
	), "what the session had goes with it")
	remote, err := serviceClient(t, u.name).Sessions().Get(t.Context(), store.Status.ID, id)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(remote.State).To(Equal(edm.StateCancelled))
	g.Expect(staged(t, id)).NotTo(BeEmpty())
}

// TestPowerFails turns a node off in mid-upload: its workers are replaced, and no
// block that the service has acknowledged is sent again.
func TestPowerFails(t *testing.T) {
	u := startUpload(t, "e2e-power", manyBlocks)
	id := u.midway(t)
	u.workOn(t, "node2")
	t.Cleanup(func() {
		if out, err := exec.Command("hack/cluster/cluster.sh", "start-node", "2").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		if out, err := exec.Command("kubectl", "wait", "--for=condition=Ready", "node/node2", "--timeout=3m").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	if out, err := exec.CommandContext(t.Context(), "hack/cluster/cluster.sh", "stop-node", "2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	before := staged(t, id)
	NewWithT(t).Expect(len(before)).To(And(BeNumerically(">", 0), BeNumerically("<", u.blocks)), "the power fails in the middle")
	u.whole(t, id, 15*time.Minute)
	t.Logf("%d of %d blocks were there when the power failed", len(before), u.blocks)
}
