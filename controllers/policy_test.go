package controllers_test

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/policy"
)

var (
	policyFile string
	permitted  *policy.File
)

// machine is the rule that lets the namespaces of specs reach the service and their sources.
func machine(namespaces ...string) policy.Rule {
	return policy.Rule{Namespaces: namespaces, Hosts: []string{"127.0.0.1"}, PlainHTTP: []string{"127.0.0.1"}}
}

func openPolicy() *policy.File {
	policyFile = filepath.Join(GinkgoT().TempDir(), "policy.yaml")
	permit()
	var err error
	permitted, err = policy.Open(policyFile, slog.New(slog.DiscardHandler), nil)
	Expect(err).NotTo(HaveOccurred())
	return permitted
}

// permit writes the policy of the suite, with more rules.
func permit(more ...policy.Rule) {
	GinkgoHelper()
	text, err := yaml.Marshal(policy.Policy{APIVersion: policy.APIVersion, Kind: policy.Kind, Rules: append(more, machine("env-*"))})
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(policyFile, text, 0o600)).To(Succeed())
}

// signing changes the agent that an environment is made with.
func signing(change func(*v1alpha1.ExactMatchUploadAgent)) func(client.Object) {
	return func(o client.Object) {
		if agent, is := o.(*v1alpha1.ExactMatchUploadAgent); is {
			change(agent)
		}
	}
}

var _ = Describe("The administrator's policy", func() {
	It("permits a private host by namespace, and takes that back, without a change of an object", func(ctx SpecContext) {
		DeferCleanup(func() { permit() })
		w := newTestEnvOf(ctx, "closed-")
		agent := w.agent()
		Eventually(w.ready).WithArguments(agent).
			Should(saying(metav1.ConditionFalse, v1alpha1.ReasonNotPermitted, `hosts of a rule for namespace "`+w.namespace), "no rule is of this namespace")
		Expect(kstatusOf(agent)).To(BeEquivalentTo("Failed"))
		w.table("table.csv", 20)
		s := w.apply()
		permit(machine(w.namespace))
		Eventually(w.ready).WithArguments(agent).Should(saying(metav1.ConditionTrue, v1alpha1.ReasonReady), "the file has a rule now")
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the agent is ready")
		w.table("table.csv", 30)
		another := w.apply(called("another"), desired(v1alpha1.DesiredUploaded))
		w.comesTo(another, reached(v1alpha1.ReasonUploaded), "the rule is still there")
		permit()
		Eventually(func() []string { return permitted.For(w.namespace).Network.Hosts }).Should(BeEmpty(), "the file is looked at once a second")
		update(w, another, func(s *v1alpha1.ExactMatchSession) { s.Spec.DesiredState = v1alpha1.DesiredCommitted })
		w.comesTo(another, stuck(v1alpha1.ReasonNotPermitted), "the rule is gone")
		Eventually(w.ready).WithArguments(agent).Should(saying(metav1.ConditionFalse, v1alpha1.ReasonNotPermitted), "a session has met the refusal")
	})

	It("is looked at again for a source whose host was not permitted", func(ctx SpecContext) {
		DeferCleanup(func() { permit() })
		w := newTestEnv(ctx, signing(func(agent *v1alpha1.ExactMatchUploadAgent) {
			agent.Spec.Allow.Hosts = append(agent.Spec.Allow.Hosts, "localhost")
		}))
		exports := httptest.NewTLSServer(http.NotFoundHandler())
		DeferCleanup(exports.Close)
		_, port, err := net.SplitHostPort(exports.Listener.Addr().String())
		Expect(err).NotTo(HaveOccurred())
		s := w.apply(func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "https://localhost:" + port + "/table.csv" })
		w.comesTo(s, stuck(v1alpha1.ReasonNotPermitted), "the policy has no such host")
		Expect(message(s)).To(ContainSubstring("hosts of a rule for namespace"))
		permit(policy.Rule{Namespaces: []string{w.namespace}, Hosts: []string{"localhost"}})
		Eventually(func() (string, error) { _, err := w.look(s); return message(s), err }).
			Should(ContainSubstring("certificate"), "the host is dialled now")
	})

	DescribeTable("keeps the manager's own identity from an agent's endpoint", func(ctx SpecContext, auth v1alpha1.Auth) {
		auth.Scope = "https://vault.azure.net/.default"
		w := newTestEnv(ctx, signing(func(agent *v1alpha1.ExactMatchUploadAgent) { agent.Spec.Auth = auth }))
		agent := w.agent()
		Eventually(w.ready).WithArguments(agent).
			Should(saying(metav1.ConditionFalse, v1alpha1.ReasonNotPermitted, "ambientIdentities", "127.0.0.1:", "vault.azure.net"), "nothing permits it")
		Expect(kstatusOf(agent)).To(BeEquivalentTo("Failed"))
	},
		Entry("managed identity", v1alpha1.Auth{ManagedIdentity: &v1alpha1.ManagedIdentity{}}),
		Entry("managed identity of a client", v1alpha1.Auth{ManagedIdentity: &v1alpha1.ManagedIdentity{ClientID: "c"}}),
		Entry("workload identity", v1alpha1.Auth{WorkloadIdentity: &v1alpha1.WorkloadIdentity{TenantID: "t", ClientID: "c"}}),
	)

	It("keeps the manager's own identity from buckets", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		s := w.apply(func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "s3://exports/team-b/patients.csv" })
		w.comesTo(s, stuck(v1alpha1.ReasonNotPermitted), "nothing permits it")
		Expect(message(s)).To(And(ContainSubstring("s3://exports"), ContainSubstring("ambientIdentities"), ContainSubstring("credentialsSecretRef")))
		Expect(w.remotes()).To(BeEmpty())
	})

	It("keeps the manager's own identity from an endpoint of a Secret, whatever is permitted", func(ctx SpecContext) {
		DeferCleanup(func() { permit() })
		permit(policy.Rule{Namespaces: []string{"*"}, AmbientIdentities: []policy.AmbientIdentity{{Bucket: "s3://exports"}}})
		w := newTestEnv(ctx)
		Expect(kube.Create(ctx, &corev1.Secret{ObjectMeta: w.named("bucket"), Data: map[string][]byte{"endpoint": []byte("https://elsewhere.example")}})).To(Succeed())
		s := w.apply(func(s *v1alpha1.ExactMatchSession) {
			s.Spec.Source = v1alpha1.Source{URI: "s3://exports/patients.csv", CredentialsSecretRef: &v1alpha1.LocalReference{Name: "bucket"}}
		})
		w.comesTo(s, stuck(v1alpha1.ReasonSourceInvalid), "an endpoint goes with credentials")
		Expect(message(s)).To(And(ContainSubstring("never sent there"), Not(ContainSubstring("elsewhere.example"))))
	})
})
