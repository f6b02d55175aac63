//go:build e2e

package cluster

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/edm/rest"
)

const key = "a key of the end-to-end tests, long enough"

// kubectl runs it and returns what it prints.
func kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "kubectl", args...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// newNamespace makes a namespace that admits only restricted pods, with the
// Secrets that the README tells a user to make. It is gone when the test ends.
func newNamespace(t *testing.T, name string) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(kube.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}})).To(Succeed())
	t.Cleanup(func() {
		if t.Failed() {
			explain(t, name)
		}
		c := exec.Command("kubectl", "delete", "namespace", name, "--timeout=2m")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("the namespace does not go: %v: %s", err, out)
		}
	})
	g.Expect(kube.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "exactmatch"}})).To(Succeed())
	secret(t, name, "key", "key", []byte(key))
	g.Eventually(func() error {
		return kube.Get(t.Context(), client.ObjectKey{Namespace: name, Name: "default"}, &corev1.ServiceAccount{})
	}, time.Minute, "200ms").Should(Succeed(), "pods of a namespace wait for its default service account")
}

func secret(t *testing.T, namespace, name, item string, value []byte) {
	t.Helper()
	NewWithT(t).Expect(kube.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{item: value},
	})).To(Succeed())
}

// serviceToken is what a user of a namespace shows to the service.
func serviceToken(t *testing.T, namespace string) []byte {
	t.Helper()
	return []byte(kubectl(t, "", "-n", namespace, "create", "token", "exactmatch", "--audience=exactmatch-service", "--duration=10m"))
}

// explain shows what a person would look at after a failure.
func explain(t *testing.T, namespace string) {
	t.Helper()
	for _, args := range [][]string{
		{"-n", namespace, "get", "exactmatch,jobs,pods,persistentvolumeclaims", "-o", "wide"},
		{"-n", namespace, "get", "exactmatchsessions", "-o", "yaml"},
		{"-n", namespace, "get", "events", "--sort-by=.lastTimestamp"},
		{"-n", namespace, "logs", "--prefix", "--tail=20", "-l", managedBy},
		{"-n", systemNamespace, "get", "pods", "-o", "wide"},
		{"-n", systemNamespace, "logs", "--prefix", "--tail=40", "-l", "app.kubernetes.io/component=manager"},
	} {
		// The test's context is over by now.
		out, err := exec.Command("kubectl", args...).CombinedOutput()
		t.Logf("$ kubectl %s (%v)\n%s", strings.Join(args, " "), err, out)
	}
}

// sessionOf reads a session.
func sessionOf(g Gomega, t *testing.T, namespace, name string) *v1alpha1.ExactMatchSession {
	t.Helper()
	var s v1alpha1.ExactMatchSession
	g.Expect(kube.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &s)).To(Succeed())
	return &s
}

// finishes waits until nothing more happens and wants one reason.
func finishes(t *testing.T, namespace, name, reason string, within time.Duration) *v1alpha1.ExactMatchSession {
	t.Helper()
	g := NewWithT(t)
	var s *v1alpha1.ExactMatchSession
	g.Eventually(func(g Gomega) {
		s = sessionOf(g, t, namespace, name)
		finished := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionFinished)
		g.Expect(finished).NotTo(BeNil())
		g.Expect(finished.Status).To(Equal(metav1.ConditionTrue))
		g.Expect(finished.ObservedGeneration).To(Equal(s.Generation))
	}, within, "500ms").Should(Succeed(), "a session finishes: somebody must act or nothing is left to do")
	ready := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
	g.Expect(ready).NotTo(BeNil())
	g.Expect(ready.Reason).To(Equal(reason), ready.Message)
	return s
}

// forward opens a way to the service, as a user at a desk has one, and returns
// the endpoint.
func forward(t *testing.T) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "kubectl", "-n", systemNamespace, "port-forward", "service/exactmatch-service", ":8765")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Wait() }) // the test's context has ended it
	line, err := bufio.NewReader(out).ReadString('\n')
	found := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindStringSubmatch(line)
	if err != nil || found == nil {
		t.Fatalf("kubectl port-forward says %q (%v)", line, err)
	}
	return "https://localhost:" + found[1] + "/beta"
}

// authorities are what the manager has made for callers of the service.
func authorities(t *testing.T) []byte {
	t.Helper()
	var s corev1.Secret
	NewWithT(t).Expect(kube.Get(t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: "exactmatch-service-tls"}, &s)).To(Succeed())
	return s.Data["ca.crt"]
}

// serviceClient speaks to the service as any other program of a namespace may.
func serviceClient(t *testing.T, namespace string) *rest.Client {
	t.Helper()
	roots, err := dial.Authorities(authorities(t))
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	c, err := rest.New(rest.Options{Endpoint: forward(t), HTTP: web, Token: rest.StaticToken(strings.TrimSpace(string(serviceToken(t, namespace)))), Pace: rest.Unpaced()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lookup asks the service for one value, as a user does. Exit code 1 says that it
// is not found.
func lookup(t *testing.T, namespace, store, column, value string) string {
	t.Helper()
	files := t.TempDir()
	token, keyFile, ca := filepath.Join(files, "token"), filepath.Join(files, "key"), filepath.Join(files, "ca.crt")
	if err := errors.Join(os.WriteFile(ca, authorities(t), 0o600), os.WriteFile(token, serviceToken(t, namespace), 0o600), os.WriteFile(keyFile, []byte(key), 0o600)); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "bin/exactmatch", "lookup", "--endpoint", forward(t), "--ca-file", ca, "--bearer-token-file", token,
		"--key-file", keyFile, "--store", store, "--column", column, "--value", value).CombinedOutput()
	var exit *exec.ExitError
	switch missing := regexp.MustCompile(`(?m)^1 +no\b`).Match(out); {
	case missing && errors.As(err, &exit) && exit.ExitCode() == 1:
	case missing || err != nil:
		t.Fatalf("exactmatch lookup: %v: %s", err, out)
	}
	return string(out)
}

// staged reads from the service's log how often each block of a session came.
func staged(t *testing.T, id string) map[int]int {
	t.Helper()
	out := map[int]int{}
	for line := range strings.Lines(kubectl(t, "", "-n", systemNamespace, "logs", "exactmatch-service-0")) {
		var entry struct {
			Msg, Session string
			Block        int
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "block staged" && entry.Session == id {
			out[entry.Block]++
		}
	}
	return out
}

// hostVolume is a volume in a folder of every node's machine.
func hostVolume(name, path string, mode corev1.PersistentVolumeAccessMode) *corev1.PersistentVolume {
	kind := corev1.HostPathDirectory
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Gi")},
			AccessModes:                   []corev1.PersistentVolumeAccessMode{mode},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &kind}},
		},
	}
}

// tableFolder holds the table of all tests, which is written once.
var tableFolder = sync.OnceValues(func() (string, error) {
	path := filepath.Join(folder, "volumes", "tables")
	if err := os.MkdirAll(path, 0o755); err != nil {
		return "", err
	}
	return path, writeTable(filepath.Join(path, "numbers.csv"), rows)
})

// writeTable writes rows of a number and an address.
func writeTable(path string, rows int) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := bufio.NewWriterSize(file, 1<<20)
	line := []byte("Number,Mail\n")
	for n := range rows {
		if _, err := out.Write(line); err != nil {
			return err
		}
		line = append(line[:0], "N-"...)
		line = strconv.AppendInt(line, int64(n), 10)
		line = append(line, ",n"...)
		line = strconv.AppendInt(line, int64(n), 10)
		line = append(line, "@example.com\n"...)
	}
	if _, err := out.Write(line); err != nil {
		return err
	}
	return out.Flush()
}

// claim gives a namespace the table on a volume that any node may read.
func claim(t *testing.T, namespace string) {
	t.Helper()
	g := NewWithT(t)
	path, err := tableFolder()
	g.Expect(err).NotTo(HaveOccurred())
	volume := hostVolume(namespace, path, corev1.ReadOnlyMany)
	volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: namespace, Name: "tables"}
	g.Expect(kube.Create(t.Context(), volume)).To(Succeed())
	t.Cleanup(func() {
		// It goes when the claim does, with the namespace, which is cleaned up later.
		if out, err := exec.Command("kubectl", "delete", "persistentvolume", namespace, "--wait=false").CombinedOutput(); err != nil {
			t.Errorf("the volume does not go: %v: %s", err, out)
		}
	})
	kubectl(t, fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: tables, namespace: %[1]s}
spec:
  accessModes: [ReadOnlyMany]
  storageClassName: ""
  volumeName: %[1]s
  resources: {requests: {storage: 1Gi}}
`, namespace), "apply", "-f", "-")
	g.Eventually(func(g Gomega) {
		var c corev1.PersistentVolumeClaim
		g.Expect(kube.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "tables"}, &c)).To(Succeed())
		g.Expect(c.Status.Phase).To(Equal(corev1.ClaimBound))
	}, time.Minute, "200ms").Should(Succeed(), "the claim is made for the volume")
}
