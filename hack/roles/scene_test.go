package roles_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/controllers"
	"exactmatch.dev/operator/internal/certificate/keeper"
	"exactmatch.dev/operator/internal/manager"
	"exactmatch.dev/operator/internal/policy"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/pods"
)

// scene is a manager under the rights of a ServiceAccount, and a namespace that it
// works in.
type scene struct {
	t *testing.T
	// home is the manager's namespace, place that of the objects.
	home, place string
	// account is who the manager is.
	account string
	// only are the namespaces that the manager watches; none: all.
	only []string
	// workerImage, metricsAddress and cluster are the flags of those names.
	workerImage, metricsAddress, cluster string

	requests *recorder
	endpoint string
	claims   string
	nodes    *pods.Runner
}

const leaseName = "operator.exactmatch.dev"

// newScene makes both namespaces where they are not there.
func newScene(t *testing.T, home, place string) *scene {
	t.Helper()
	s := &scene{
		t: t, home: home, place: place, account: "system:serviceaccount:" + home + ":exactmatch-manager",
		workerImage: "exactmatch.dev/operator:test", metricsAddress: testkit.FreeAddress(t), requests: newRecorder(), claims: t.TempDir(),
	}
	for _, name := range []string{home, place} {
		err := kube.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	// A manager before may have left its lease: who makes one asks for more.
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: leaseName}}
	if err := kube.Delete(t.Context(), lease); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	s.prepareCertificate()
	server := httptest.NewServer(http.HandlerFunc(s.proxy))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.endpoint = server.URL + "/beta"
	s.runPods()
	return s
}

// certificateSecret is what the manifests call the Secret of the service's certificate.
const certificateSecret = "exactmatch-service-tls"

// prepareCertificate leaves a certificate to the manager that it renews, and no
// authority: it makes one Secret and changes another.
func (s *scene) prepareCertificate() {
	s.t.Helper()
	meta := metav1.ObjectMeta{Namespace: s.home, Name: certificateSecret, Labels: map[string]string{keeper.Label: "service"}}
	damaged := &corev1.Secret{ObjectMeta: meta, Type: corev1.SecretTypeTLS, Data: map[string][]byte{"tls.crt": nil, "tls.key": nil}}
	authority := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.home, Name: certificateSecret + "-authority"}}
	for _, before := range []*corev1.Secret{damaged.DeepCopy(), authority} {
		if err := kube.Delete(s.t.Context(), before); client.IgnoreNotFound(err) != nil {
			s.t.Fatal(err)
		}
	}
	testkit.Must(s.t, kube.Create(s.t.Context(), damaged))
}

// proxy is the service, at which the object of a session changes while its remote
// session is opened: the manager looks then past its cache.
func (s *scene) proxy(w http.ResponseWriter, r *http.Request) {
	s.admit(r)
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/sessions") {
		list := &v1alpha1.ExactMatchSessionList{}
		if err := kube.List(r.Context(), list, client.InNamespace(s.place)); err != nil {
			s.t.Errorf("list sessions: %v", err)
		}
		for i := range list.Items {
			before := list.Items[i].DeepCopy()
			list.Items[i].Annotations = map[string]string{"test": r.Header.Get("client-request-id")}
			if err := kube.Patch(r.Context(), &list.Items[i], client.MergeFrom(before)); err != nil {
				s.t.Errorf("touch a session: %v", err)
			}
		}
	}
	shared.ServeHTTP(w, r)
}

// audience is that of the scene's service.
const audience = "the service of the roles"

// admit gives the service's own token to a caller who has one of the ServiceAccount
// exactmatch for the service: to others the service says no.
func (s *scene) admit(r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "" || token == bearer {
		return
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{audience}}}
	if err := kube.Create(r.Context(), review); err != nil && r.Context().Err() == nil {
		s.t.Errorf("review a token: %v", err)
	}
	if review.Status.User.Username == "system:serviceaccount:"+s.place+":exactmatch" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
}

// permitted is what the administrator permits in the scene.
func (s *scene) permitted() *policy.File {
	at := strings.TrimSuffix(strings.TrimPrefix(s.endpoint, "http://"), "/beta")
	p := policy.ThisMachine
	p.Rules = append(slices.Clone(p.Rules), policy.Rule{
		Namespaces: []string{s.place}, ServiceAccountTokens: []policy.ServiceAccountToken{{Endpoint: at, Audience: audience}},
	})
	return policy.Fixed(p)
}

// start runs the manager until the test ends, or says at once why it cannot. What
// it runs under is what the command sets, and shorter times.
func (s *scene) start(ctx context.Context) error {
	as := rest.CopyConfig(admin)
	as.Impersonate = rest.ImpersonationConfig{UserName: s.account, Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	as.Wrap(func(next http.RoundTripper) http.RoundTripper {
		s.requests.next = next
		return s.requests
	})
	unnamed, grace := true, 10*time.Second
	o := manager.Options(s.only...)
	o.Metrics = metricsserver.Options{BindAddress: s.metricsAddress, SecureServing: true, CertDir: s.t.TempDir(), FilterProvider: filters.WithAuthenticationAndAuthorization}
	o.LeaderElection, o.LeaderElectionID, o.LeaderElectionNamespace, o.LeaderElectionReleaseOnCancel = true, leaseName, s.home, true
	o.GracefulShutdownTimeout, o.Controller = &grace, config.Controller{SkipNameValidation: &unnamed}
	mgr, err := ctrl.NewManager(as, o)
	if err != nil {
		return err
	}
	if err := controllers.Add(ctx, mgr, controllers.Options{
		Policy: s.permitted(), WorkerImage: s.workerImage, Cluster: s.cluster, Instance: s.home, TransferMemory: 16 << 20, TransferParallelism: 2, ServiceQPS: 10_000, ServiceBurst: 10_000,
		StatusInterval: 50 * time.Millisecond, PollInterval: 30 * time.Millisecond, ResyncInterval: 300 * time.Millisecond,
		RepairInterval: 100 * time.Millisecond, FinalizeTimeout: time.Second,
	}); err != nil {
		return err
	}
	if err := mgr.Add(&keeper.Keeper{
		Client: mgr.GetClient(), Namespace: s.home, Name: certificateSecret, DNSNames: []string{"exactmatch-service"}, Log: slog.New(slog.DiscardHandler),
	}); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := mgr.Start(ctx); err != nil {
			s.t.Logf("the manager of %s ended: %v", s.home, err)
		}
	}()
	s.t.Cleanup(func() {
		full, done := context.WithTimeout(ctx, patience)
		defer done()
		mgr.GetCache().WaitForCacheSync(full)
		stop()
		<-ended
	})
	return nil
}

// begin plays beside the test, to whatever end.
func (s *scene) begin() {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.play(ctx) // without a right it ends somewhere
	}()
	s.t.Cleanup(func() {
		stop()
		<-ended
	})
}

// runPods stands in for nodes, which let no pod work at first.
func (s *scene) runPods() {
	s.nodes = pods.New(kube, s.place, s.claims, func(err error) { s.t.Logf("the cluster's part: %v", err) })
	s.nodes.Inflict(pods.Faults{Hold: func(*corev1.Pod) bool { return true }})
	ended := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer close(ended)
		s.nodes.Run(ctx)
	}()
	s.t.Cleanup(func() {
		stop()
		<-ended
	})
}

const tableText = "ID,City\nP-1,Oslo\nP-2,Bergen\nP-3,Bodo\n"

// play takes tables all the way, in the manager and in pods, scrapes the metrics
// and deletes everything.
func (s *scene) play(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(s.claims, "exports"), 0o750); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.claims, "exports", "t.csv"), []byte(tableText), 0o600); err != nil {
		return err
	}
	for _, o := range append(s.given(), s.ours()...) {
		if err := kube.Create(ctx, o); err != nil {
			return fmt.Errorf("create %s: %w", o.GetName(), err)
		}
	}
	objects := s.ours()
	if s.workerImage != "" {
		if err := s.losesJob(ctx); err != nil {
			return err
		}
		s.nodes.Inflict(pods.Faults{})
	}
	for _, o := range objects {
		if one, is := o.(*v1alpha1.ExactMatchSession); is {
			if err := s.completes(ctx, one); err != nil {
				return err
			}
		}
	}
	if s.metricsAddress != "0" {
		if err := s.scrape(ctx); err != nil {
			return err
		}
	}
	if err := s.schedules(ctx); err != nil {
		return err
	}
	for i := len(objects) - 1; i >= 0; i-- {
		if err := s.deletes(ctx, objects[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *scene) named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: s.place, Name: name}
}

// given is what a namespace has beside our kinds.
func (s *scene) given() []client.Object {
	return []client.Object{
		&corev1.Secret{ObjectMeta: s.named("token"), Data: map[string][]byte{"token": []byte(bearer)}},
		&corev1.Secret{ObjectMeta: s.named("key"), Data: map[string][]byte{"key": keyValue}},
		&corev1.ConfigMap{ObjectMeta: s.named("tables"), Data: map[string]string{"t.csv": tableText}},
		&corev1.ServiceAccount{ObjectMeta: s.named("scraper")},
		&corev1.ServiceAccount{ObjectMeta: s.named("exactmatch")},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.place, Name: "reader", Labels: map[string]string{"exactmatch.dev/worker": "true"}}},
		&corev1.PersistentVolumeClaim{ObjectMeta: s.named("exports"), Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		}},
	}
}

// ours are the objects that the manager works on, those that others refer to first.
func (s *scene) ours() []client.Object {
	objects := s.way("plain", v1alpha1.Workers{Mode: v1alpha1.WorkersModeManager}, v1alpha1.Source{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "tables", Key: "t.csv"}})
	objects[0].(*v1alpha1.ExactMatchUploadAgent).Spec.Auth = v1alpha1.Auth{ServiceAccount: &v1alpha1.ServiceAccountAuth{}}
	if s.workerImage == "" {
		return objects
	}
	return append(objects, s.way("pods",
		v1alpha1.Workers{Mode: v1alpha1.WorkersModeJob, Template: &v1alpha1.WorkersTemplate{ServiceAccountName: "reader"}},
		v1alpha1.Source{PersistentVolumeClaim: &v1alpha1.VolumeFile{ClaimName: "exports", Path: "t.csv"}})...)
}

// way is an agent, a store and a session of one name.
func (s *scene) way(name string, workers v1alpha1.Workers, from v1alpha1.Source) []client.Object {
	return []client.Object{
		&v1alpha1.ExactMatchUploadAgent{ObjectMeta: s.named(name), Spec: v1alpha1.ExactMatchUploadAgentSpec{
			Endpoint: s.endpoint, Auth: v1alpha1.Auth{BearerTokenSecretRef: &v1alpha1.TokenReference{Name: "token"}},
			Allow: v1alpha1.Allow{Hosts: []string{"127.0.0.1"}}, Workers: workers,
		}},
		&v1alpha1.ExactMatchDataStore{ObjectMeta: s.named(name), Spec: v1alpha1.ExactMatchDataStoreSpec{
			UploadAgentRef: v1alpha1.LocalReference{Name: name}, DisplayName: s.place + "-" + name,
			KeySecretRef: v1alpha1.SecretKeyReference{Name: "key"}, Columns: []v1alpha1.Column{{Name: "ID"}, {Name: "City"}},
			DeletionPolicy: v1alpha1.StoreDeletionPolicyDelete,
		}},
		&v1alpha1.ExactMatchSession{ObjectMeta: s.named(name), Spec: v1alpha1.ExactMatchSessionSpec{
			DataStoreRef: v1alpha1.LocalReference{Name: name}, Source: from, RowsPerBlock: 1,
		}},
	}
}

const patience = 90 * time.Second

// until polls, and says what it waited for.
func until(ctx context.Context, what func() string, done func(context.Context) (bool, error)) error {
	err := wait.PollUntilContextTimeout(ctx, 25*time.Millisecond, patience, true, done)
	if err != nil {
		return fmt.Errorf("%s: %w", what(), err)
	}
	return nil
}

func (s *scene) completes(ctx context.Context, one *v1alpha1.ExactMatchSession) error {
	return until(ctx, func() string { return fmt.Sprintf("session %s of %s: %+v", one.Name, s.place, one.Status.Conditions) }, func(ctx context.Context) (bool, error) {
		if err := kube.Get(ctx, client.ObjectKeyFromObject(one), one); err != nil {
			return false, err
		}
		return meta.IsStatusConditionTrue(one.Status.Conditions, v1alpha1.ConditionReady), nil
	})
}

// losesJob deletes the Job that reads the table, and waits for another: what the
// manager tells of that it has told before, of the same version of the session.
func (s *scene) losesJob(ctx context.Context) error {
	var first types.UID
	return until(ctx, func() string { return "the Jobs of " + s.place }, func(ctx context.Context) (bool, error) {
		list := &batchv1.JobList{}
		if err := kube.List(ctx, list, client.InNamespace(s.place)); err != nil || len(list.Items) == 0 {
			return false, err
		}
		job := &list.Items[0]
		if first == "" {
			first = job.UID
			return false, client.IgnoreNotFound(kube.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationBackground)))
		}
		return job.UID != first, nil
	})
}

// schedules has a schedule make two sessions, of which its history keeps the last.
func (s *scene) schedules(ctx context.Context) error {
	plan := &v1alpha1.ExactMatchSchedule{ObjectMeta: s.named("yearly"), Spec: v1alpha1.ExactMatchScheduleSpec{
		Schedule: "@yearly", RunNow: "one", SuccessfulRunsHistoryLimit: 0, FailedRunsHistoryLimit: 0,
		SessionTemplate: v1alpha1.SessionTemplate{Spec: v1alpha1.ExactMatchSessionSpec{
			DataStoreRef: v1alpha1.LocalReference{Name: "plain"}, RowsPerBlock: 1,
			Source: v1alpha1.Source{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "tables", Key: "t.csv"}},
		}},
	}}
	if err := kube.Create(ctx, plan); err != nil {
		return err
	}
	first, err := s.runs(ctx, plan)
	if err != nil {
		return err
	}
	before := plan.DeepCopy()
	plan.Spec.RunNow = "two"
	if err := kube.Patch(ctx, plan, client.MergeFrom(before)); err != nil {
		return err
	}
	last, err := s.runs(ctx, plan)
	if err != nil {
		return err
	}
	err = until(ctx, func() string { return "session " + first.Name + " stays" }, func(ctx context.Context) (bool, error) {
		err := kube.Get(ctx, client.ObjectKeyFromObject(first), first)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
	if err != nil {
		return err
	}
	if err := s.deletes(ctx, plan); err != nil {
		return err
	}
	return s.deletes(ctx, last) // there is no garbage collector
}

// runs waits until the run that spec.runNow requests has succeeded, and returns it.
func (s *scene) runs(ctx context.Context, plan *v1alpha1.ExactMatchSchedule) (*v1alpha1.ExactMatchSession, error) {
	err := until(ctx, func() string { return fmt.Sprintf("schedule of %s: %+v", s.place, plan.Status) }, func(ctx context.Context) (bool, error) {
		if err := kube.Get(ctx, client.ObjectKeyFromObject(plan), plan); err != nil {
			return false, err
		}
		return plan.Status.ObservedRunNow == plan.Spec.RunNow && meta.IsStatusConditionTrue(plan.Status.Conditions, v1alpha1.ConditionLastRunSucceeded), nil
	})
	return &v1alpha1.ExactMatchSession{ObjectMeta: s.named(plan.Status.LastRunName)}, err
}

func (s *scene) deletes(ctx context.Context, o client.Object) error {
	if err := kube.Delete(ctx, o); err != nil {
		return err
	}
	return until(ctx, func() string { return fmt.Sprintf("%T %s of %s stays", o, o.GetName(), s.place) }, func(ctx context.Context) (bool, error) {
		err := kube.Get(ctx, client.ObjectKeyFromObject(o), o)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}

// scrape asks for the metrics as a ServiceAccount that may not have them.
func (s *scene) scrape(ctx context.Context) error {
	token := &authenticationv1.TokenRequest{}
	if err := kube.SubResource("token").Create(ctx, &corev1.ServiceAccount{ObjectMeta: s.named("scraper")}, token); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.metricsAddress+"/metrics", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token.Status.Token)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}} // made at the start
	return until(ctx, func() string { return "metrics of " + s.home }, func(context.Context) (bool, error) {
		answer, err := c.Do(req)
		if err != nil {
			return false, nil //nolint:nilerr // it starts beside the controllers
		}
		return answer.StatusCode == http.StatusForbidden, answer.Body.Close()
	})
}
