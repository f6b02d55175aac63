package controllers_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/certificate"
	"exactmatch.dev/operator/internal/certificate/keeper"
	"exactmatch.dev/operator/internal/policy"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/testkit"
)

const (
	ownNamespace      = "exactmatch-system" // the manager's
	certificateSecret = "exactmatch-service-tls"
)

// secured is a service under the certificate of a Secret, which a node mounts.
type secured struct {
	ctx        context.Context
	keeper     *keeper.Keeper
	files      string
	host       string
	unmodified string // the Secret's version where the keeper must not write it
}

func newSecured(ctx context.Context) *secured {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ownNamespace}}
	if err := kube.Get(ctx, client.ObjectKeyFromObject(namespace), namespace); err != nil {
		Expect(kube.Create(ctx, namespace)).To(Succeed())
	}
	address := testkit.FreeAddress(GinkgoTB())
	s := &secured{ctx: ctx, files: GinkgoT().TempDir(), host: "localhost" + address[len("127.0.0.1"):]}
	s.keeper = &keeper.Keeper{Client: kube, Namespace: ownNamespace, Name: certificateSecret, DNSNames: []string{"localhost"}, Log: slog.New(slog.DiscardHandler)}
	DeferCleanup(func(ctx SpecContext) {
		for _, name := range []string{certificateSecret, certificateSecret + "-authority"} {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: name}}
			Expect(client.IgnoreNotFound(kube.Delete(ctx, secret))).To(Succeed())
		}
	})
	return s
}

func (s *secured) secret() *corev1.Secret {
	GinkgoHelper()
	found := &corev1.Secret{}
	Expect(kube.Get(s.ctx, client.ObjectKey{Namespace: ownNamespace, Name: certificateSecret}, found)).To(Succeed())
	return found
}

// keeps lets the manager's keeper look.
func (s *secured) keeps() {
	GinkgoHelper()
	Expect(s.keeper.Keep(s.ctx)).To(Succeed())
}

// renewed is long after, when another certificate is due.
func (s *secured) renewed() {
	GinkgoHelper()
	before := s.secret()
	before.Data[corev1.TLSPrivateKeyKey] = nil // makes one due at once
	Expect(kube.Update(s.ctx, before)).To(Succeed())
	s.keeps()
	Expect(s.secret().Data[corev1.TLSCertKey]).NotTo(Equal(before.Data[corev1.TLSCertKey]))
}

// certManager writes the Secret as cert-manager does, under another authority each time.
func (s *secured) certManager() {
	GinkgoHelper()
	authority, err := certificate.NewAuthority(time.Now())
	Expect(err).NotTo(HaveOccurred())
	pair, err := certificate.Issue(authority, []string{"localhost"}, time.Now())
	Expect(err).NotTo(HaveOccurred())
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: certificateSecret}, Type: corev1.SecretTypeTLS}
	err = kube.Get(s.ctx, client.ObjectKeyFromObject(secret), secret)
	secret.Annotations = map[string]string{"cert-manager.io/certificate-name": "exactmatch-service", "cert-manager.io/issuer-name": "exactmatch-service",
		"cert-manager.io/issuer-kind": "Issuer", "cert-manager.io/issuer-group": "cert-manager.io", "cert-manager.io/alt-names": "localhost"}
	secret.Labels = map[string]string{"controller.cert-manager.io/fao": "true"}
	secret.Data = map[string][]byte{"ca.crt": authority.Certificate, "tls.crt": pair.Certificate, "tls.key": pair.Key}
	if err != nil {
		Expect(kube.Create(s.ctx, secret)).To(Succeed())
	} else {
		Expect(kube.Update(s.ctx, secret)).To(Succeed())
	}
	s.unmodified = secret.ResourceVersion
}

// certManagerBesideKeeper also lets the manager's keeper look, which writes nothing.
func (s *secured) certManagerBesideKeeper() {
	GinkgoHelper()
	s.certManager()
	s.keeps()
	Expect(s.secret().ResourceVersion).To(Equal(s.unmodified), "the Secret is cert-manager's")
}

// mount writes the Secret where the service looks.
func (s *secured) mount() {
	GinkgoHelper()
	secret := s.secret()
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		Expect(os.WriteFile(filepath.Join(s.files, key), secret.Data[key], 0o600)).To(Succeed())
	}
}

// serve runs the command of the service.
func (s *secured) serve() {
	GinkgoHelper()
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // it logs every call
	token := filepath.Join(s.files, "token")
	Expect(os.WriteFile(token, []byte(bearer), 0o600)).To(Succeed())
	c := service.Command()
	c.SetArgs([]string{"--listen", "127.0.0.1" + s.host[len("localhost"):], "--data-dir", filepath.Join(GinkgoT().TempDir(), "data"), "--bearer-token-file", token,
		"--tls-cert-file", filepath.Join(s.files, corev1.TLSCertKey), "--tls-key-file", filepath.Join(s.files, corev1.TLSPrivateKeyKey)})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.ExecuteContext(ctx) }()
	DeferCleanup(func() {
		stop()
		Eventually(ended).Should(Receive(BeNil()), "the service ends in order")
		slog.SetDefault(before)
	})
}

// trusts has the policy name the Secret for the service.
func (s *secured) trusts() {
	GinkgoHelper()
	permit(policy.Rule{Namespaces: []string{"env-*"}, Hosts: []string{"localhost"},
		Authorities: []policy.Authority{{Endpoint: s.host, SecretRef: policy.SecretKey{Name: certificateSecret}}}})
	DeferCleanup(func() { permit() })
	Eventually(func() bool {
		_, found := permitted.For("env-").Authority(s.host)
		return found
	}).Should(BeTrue(), "the file is read again")
}

// at has an environment's agent use the service.
func (s *secured) at(o client.Object) {
	if agent, is := o.(*v1alpha1.ExactMatchUploadAgent); is {
		agent.Spec.Endpoint, agent.Spec.Allow.Hosts = "https://"+s.host+"/beta", []string{"localhost"}
	}
}

var _ = Describe("The service under TLS", func() {
	type step = func(*secured)
	DescribeTable("is trusted by the manager and its pods, with no object in the namespace that says so", func(ctx SpecContext, begin, renew step) {
		s := newSecured(ctx)
		begin(s)
		s.mount()
		s.serve()
		s.trusts()
		w := newTestEnv(ctx, s.at)
		w.table("table.csv", 30)
		first := w.apply()
		w.comesTo(first, reached(v1alpha1.ReasonCompleted), "the manager trusts the service")
		Expect(condition(first.Status.Conditions, v1alpha1.ConditionLive)).To(Equal("True Verified"))
		By("renewing the certificate")
		renew(s)
		s.mount()
		inside := newTestEnv(ctx, s.at, inPods)
		n := inside.node()
		n.claim("exports", corev1.ReadOnlyMany, rowsOf(60))
		second := inside.apply(onClaim("exports"))
		inside.comesTo(second, reached(v1alpha1.ReasonCompleted), "so do the pods")
		w.table("second.csv", 40)
		third := w.apply(called("third"), func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///second.csv" })
		w.comesTo(third, reached(v1alpha1.ReasonCompleted), "the manager still does")
	},
		Entry("kept by the manager", (*secured).keeps, (*secured).renewed),
		Entry("kept by cert-manager, beside a manager that keeps one", (*secured).certManagerBesideKeeper, (*secured).certManagerBesideKeeper),
		Entry("kept by cert-manager, without the manager's keeper", (*secured).certManager, (*secured).certManager),
	)

	It("says which Secret of the administrator's is missing", func(ctx SpecContext) {
		s := newSecured(ctx)
		s.trusts()
		w := newTestEnv(ctx, s.at)
		agent := w.agent()
		Eventually(w.ready).WithArguments(agent).Should(saying(metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound, `"`+certificateSecret+`"`, `"`+ownNamespace+`"`, `"ca.crt"`), "the keeper has made none yet")
		s.keeps()
		s.mount()
		s.serve()
		Eventually(w.ready).WithArguments(agent).Should(saying(metav1.ConditionTrue, v1alpha1.ReasonReady), "the Secret is there")
	})
})
