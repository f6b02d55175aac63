package faults_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/controllers"
)

// TestEchoesAreNotShown: what refuses a call repeats the token, the signature and
// the cells that it knows, in its own form. None of that is shown.
func TestEchoesAreNotShown(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 409, 422, 429, 500, 503} {
		for _, where := range []string{"service", "match", "storage", "source"} {
			t.Run(fmt.Sprint(where, "-", status), func(t *testing.T) {
				t.Parallel()
				w := newTestEnv(t)
				matches := map[string]func(*faultProxy, *call) bool{
					"service": func(_ *faultProxy, c *call) bool {
						return !c.isBlob() && !c.isSource() && c.Method != http.MethodGet && !strings.HasSuffix(c.URL.Path, "/match")
					},
					"match":   func(_ *faultProxy, c *call) bool { return strings.HasSuffix(c.URL.Path, "/match") },
					"storage": anyBlob, "source": anySource,
				}[where]
				met := w.proxy.arm(fault{name: "echo", times: 2, spoil: echoes(status)}, matches)
				apply(w)
				w.Eventually(func() int { return w.proxy.met(met) }).Should(BeNumerically(">=", 1), w.story)
				done := Or(Equal(v1alpha1.ReasonCompleted), Equal(v1alpha1.ReasonAlreadyUploaded))
				w.Eventually(func() bool {
					return strings.Contains(w.story(), fmt.Sprintf(" %d ", status)) || !strings.HasPrefix(w.outcome(), "not ")
				}).Should(BeTrue(), w.story)
				w.nothingLeaked()
				w.proxy.mu.Lock()
				w.proxy.faults = nil
				w.proxy.mu.Unlock()
				w.change(func(s *v1alpha1.ExactMatchSession) { s.Spec.RestartToken = "again" })
				w.touchToken()
				w.Eventually(w.outcome).Should(done, w.story)
				w.nothingLeaked()
			})
		}
	}
}

// echoes refuses a call with all that it was shown, and a cell, in several forms.
func echoes(status int) func(*faultProxy, http.ResponseWriter, *call) {
	return func(f *faultProxy, w http.ResponseWriter, c *call) {
		given := []string{c.Header.Get("Authorization"), strings.TrimPrefix(c.Header.Get("Authorization"), "Bearer "), c.URL.Query().Get("sig"), c.URL.RawQuery}
		switch {
		case c.isSource():
			given = append(given, rowOf("new", 7)["Email"])
		case strings.HasSuffix(c.URL.Path, "/match"):
			given = append(given, string(c.body))
		}
		var said []string
		for _, g := range given {
			if g != "" {
				said = append(said, g, hex.EncodeToString([]byte(g)), base64.StdEncoding.EncodeToString([]byte(g)), url.QueryEscape(g))
			}
		}
		text := strings.Join(said, " ")
		w.Header().Set("x-ms-error-code", strings.ReplaceAll(text, "\n", ""))
		w.Header().Set("X-Echo", text)
		if c.isBlob() {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%[1]s</Message></Error>", strings.ReplaceAll(text, "&", "&amp;"))
			return
		}
		body, err := json.Marshal(map[string]any{"error": map[string]string{"code": text, "message": text}})
		if err != nil {
			f.t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

// touchToken lets refused credentials be tried again.
func (w *testEnv) touchToken() {
	w.t.Helper()
	secret := w.secrets()[0]
	secret.SetAnnotations(map[string]string{"touched": time.Now().String()})
	w.Expect(kube.Update(w.ctx, secret)).To(Succeed())
}

// TestAPanicShowsNothing: a pass that panics with everything in its hands goes into
// the log, and the session to its end.
func TestAPanicShowsNothing(t *testing.T) {
	t.Parallel()
	w := newTestEnv(t)
	w.proxy.hold()
	apply(w)
	w.Eventually(func() string { s, _ := w.get(); return s.StatusReason() }).Should(Equal(v1alpha1.ReasonUploading), w.story)
	w.mu.Lock()
	w.panics = 3
	w.mu.Unlock()
	w.Eventually(func() int { w.mu.Lock(); defer w.mu.Unlock(); return w.panics }).Should(BeZero(), "passes go on")
	w.proxy.release()
	w.comesTo(v1alpha1.ReasonCompleted)
	w.nothingLeaked()
}

// deathMark lets a test's process be a manager that is to be killed.
const deathMark = "EXACTMATCH_MANAGER_OF"

// TestACrashDumpShowsNothing: a manager that dies in the middle of an upload prints
// all its goroutines.
func TestACrashDumpShowsNothing(t *testing.T) {
	t.Parallel()
	w := newTestEnv(t)
	w.stopManagers()
	w.proxy.hold()
	var dump bytes.Buffer
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), deathMark+"="+w.namespace, "GOTRACEBACK=all", "KUBECONFIG="+w.writeKubeconfig())
	child.Stderr = &dump
	w.Expect(child.Start()).To(Succeed())
	apply(w)
	w.Eventually(func() string { s, _ := w.get(); return s.StatusReason() }).Should(Equal(v1alpha1.ReasonUploading), w.story)
	w.Expect(child.Process.Signal(syscall.SIGQUIT)).To(Succeed())
	w.Expect(child.Wait()).NotTo(Succeed(), "it dies of the signal")
	w.Expect(dump.String()).To(And(ContainSubstring("SIGQUIT: quit"), ContainSubstring("internal/upload.")), "the dump is of a manager at work")
	for _, leak := range search.Look("crash dumps", w.namespace, dump.Bytes(), w.canaries()) {
		t.Errorf("leaked: %s", leak)
	}
	w.proxy.release()
	w.startManager("manager-2")
	w.comesTo(v1alpha1.ReasonCompleted)
	w.nothingLeaked()
}

func (w *testEnv) writeKubeconfig() string {
	w.t.Helper()
	path := w.t.TempDir() + "/kubeconfig"
	w.Expect(os.WriteFile(path, kubeconfig, 0o600)).To(Succeed())
	return path
}

// die runs a manager of one namespace until a signal kills it.
func die(namespace string) error {
	listenAt(os.Stderr)
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, managerOptions(namespace, interceptor.Funcs{}))
	if err != nil {
		return err
	}
	w := &testEnv{qps: 10_000, finalizeTimeout: time.Minute}
	options := w.options("to-die")
	options.Now = time.Now
	if err := controllers.Add(context.Background(), mgr, options); err != nil {
		return err
	}
	return mgr.Start(context.Background())
}
