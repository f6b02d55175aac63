package jobs_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"exactmatch.dev/operator/internal/certificate"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/jobs"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/sink"
	"exactmatch.dev/operator/internal/testkit/tables"
)

// overTLS serves a handler at localhost under a certificate, and returns the host.
func overTLS(t *testing.T, handler http.Handler, authority certificate.Pair) string {
	t.Helper()
	pair, err := certificate.Issue(authority, []string{"localhost"}, time.Now())
	testkit.Must(t, err)
	keyed, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	testkit.Must(t, err)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{keyed}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return strings.Replace(strings.TrimPrefix(server.URL, "https://"), "127.0.0.1", "localhost", 1)
}

// TestPodsVerifyTheService: the certificates that the administrator names reach the
// pods in the session's own Secret, which names nothing outside its namespace.
func TestPodsVerifyTheService(t *testing.T) {
	authority, err := certificate.NewAuthority(time.Now())
	testkit.Must(t, err)
	service := sink.New(t)
	host := overTLS(t, service, authority)
	e := newFakeCluster(t)
	e.Executor.Allow.Hosts = []string{"localhost"}
	w := e.work("one", tables.CSV(100))
	testkit.Must(t, e.Executor.Prepare(t.Context(), w))
	e.run(t)
	testkit.Must(t, e.Executor.Prepare(t.Context(), w))
	status, err := e.Executor.Status(t.Context(), w)
	testkit.Must(t, err)
	if status.Phase != executor.PhasePrepared {
		t.Fatalf("the work is %q", status.Phase)
	}
	one := service.Open(status.Prepared, w.Plan)
	at, err := url.Parse(one.DataUploadURI)
	testkit.Must(t, err)
	at.Scheme, at.Host = "https", host
	w.Remote = &executor.Remote{ID: one.ID, ContentKey: status.Prepared.ContentKey, URI: at.String, Remaining: &status.Prepared.Blocks}
	e.Executor.Authority = &protocol.Authority{Host: host, PEM: string(authority.Certificate)}
	for range 2 {
		_, err := e.Executor.Stop(t.Context(), w, executor.Others)
		testkit.Must(t, err)
	}
	testkit.Must(t, e.Executor.Upload(t.Context(), w, status.Prepared))
	deadline := time.Now().Add(30 * time.Second)
	for status.Phase != executor.PhaseStaged {
		if status, err = e.Executor.Status(t.Context(), w); err != nil || status.Err != nil || time.Now().After(deadline) {
			t.Fatalf("the work is %q (%s): %v, %v", status.Phase, status.Note, status.Err, err)
		}
	}
	if sent := service.Sent(); sent != 10 {
		t.Errorf("%d blocks were sent", sent)
	}
}

// Only the task to stage has the certificates, and no pod mounts another object for
// them.
func TestTasksCarryTheAuthority(t *testing.T) {
	e := newFakeCluster(t)
	const certificates = "-----BEGIN CERTIFICATE-----"
	e.Executor.Authority = &protocol.Authority{Host: "service.exactmatch-system.svc:8765", PEM: certificates}
	w := e.work("one", tables.CSV(10))
	carries := func() bool {
		secrets := &corev1.SecretList{}
		testkit.Must(t, e.List(t.Context(), secrets))
		for _, one := range secrets.Items {
			if strings.Contains(string(one.Data[protocol.TaskFile]), certificates) {
				return true
			}
		}
		return false
	}
	testkit.Must(t, e.Executor.Prepare(t.Context(), w))
	if carries() {
		t.Error("the task to read has them")
	}
	prepared := tables.Prepare(t, tables.Plan(tables.CSV(10), 10))
	w.Remote = &executor.Remote{ID: "id", ContentKey: prepared.ContentKey, URI: func() string { return "https://service.exactmatch-system.svc:8765/upload" }}
	testkit.Must(t, e.Executor.Upload(t.Context(), w, prepared))
	if !carries() {
		t.Error("the task to stage lacks them")
	}
	for _, volume := range (jobs.Builder{Owner: w.Owner}).Upload("key", "id", 1).Spec.Template.Spec.Volumes {
		if volume.Name == protocol.AuthorityDir {
			t.Error("a pod mounts them from elsewhere")
		}
	}
}
