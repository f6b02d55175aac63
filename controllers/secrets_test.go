package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// release makes the environment's Secret look like one that Helm keeps of a release.
func (w *testEnv) release(name, key string, value []byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: w.named(name), Type: "helm.sh/release.v1", Data: map[string][]byte{key: value}}
}

var _ = Describe("A Secret that belongs to the cluster", func() {
	refusal := And(ContainSubstring(`Secret "release"`), ContainSubstring("helm.sh/release.v1"), ContainSubstring("Opaque"))

	// Every field of a session that names a Secret.
	DescribeTable("is not read for a session", func(ctx SpecContext, point func(*v1alpha1.ExactMatchSession), change ...func(client.Object)) {
		w := newTestEnv(ctx, change...)
		Expect(kube.Create(ctx, w.release("release", "key", []byte("https://example.com/a-value-of-a-release")))).To(Succeed())
		Expect(kube.Create(ctx, &corev1.ConfigMap{ObjectMeta: w.named("tables"), Data: map[string]string{"t.csv": string(rowsOf(5))}})).To(Succeed())
		w.node().claim("exports", corev1.ReadOnlyMany, rowsOf(5))
		w.table("table.csv", 5)
		s := w.apply(point)
		w.comesTo(s, stuck(v1alpha1.ReasonSecretTypeRefused), "its type is refused")
		Expect(message(s)).To(And(refusal, Not(ContainSubstring("a-value-of-a-release"))))
		Expect(w.remotes()).To(BeEmpty(), "nothing was spent")
		w.nothingLeft(s)
	},
		Entry("as the URI", source(v1alpha1.Source{URISecretRef: &v1alpha1.KeyReference{Name: "release", Key: "key"}})),
		Entry("as the credentials of a URI", source(v1alpha1.Source{URI: "s3://bucket/table.csv", CredentialsSecretRef: &v1alpha1.LocalReference{Name: "release"}})),
		Entry("as the URI of pods", source(v1alpha1.Source{URISecretRef: &v1alpha1.KeyReference{Name: "release", Key: "key"}}), inPods),
		Entry("as the credentials of pods", source(v1alpha1.Source{URI: "s3://bucket/table.csv", CredentialsSecretRef: &v1alpha1.LocalReference{Name: "release"}}), inPods),
		Entry("as the credentials beside a claim, which pods would mount", source(v1alpha1.Source{
			PersistentVolumeClaim: &v1alpha1.VolumeFile{ClaimName: "exports", Path: "table.csv"}, CredentialsSecretRef: &v1alpha1.LocalReference{Name: "release"}}), inPods),
		Entry("as the credentials beside a ConfigMap", source(v1alpha1.Source{
			ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "tables", Key: "t.csv"}, CredentialsSecretRef: &v1alpha1.LocalReference{Name: "release"}})),
		Entry("as the store's key", func(*v1alpha1.ExactMatchSession) {}, func(o client.Object) {
			if store, is := o.(*v1alpha1.ExactMatchDataStore); is {
				store.Spec.KeySecretRef.Name = "release"
			}
		}),
	)

	DescribeTable("is not read for an upload agent", func(ctx SpecContext, auth v1alpha1.Auth) {
		w := newTestEnv(ctx, without[*v1alpha1.ExactMatchUploadAgent]("agent"))
		Expect(kube.Create(ctx, w.release("release", "token", []byte("a-value-of-a-release")))).To(Succeed())
		agent := w.agent()
		agent.Spec.Auth = auth
		Expect(kube.Create(ctx, agent)).To(Succeed())
		Eventually(w.ready).WithArguments(agent).Should(saying(metav1.ConditionFalse, v1alpha1.ReasonSecretTypeRefused, `Secret "release"`), "its type is refused")
		Expect(agent.Status.Conditions).To(ContainElement(HaveField("Message", And(refusal, Not(ContainSubstring("a-value-of-a-release"))))))
		Expect(kube.Delete(ctx, agent)).To(Succeed())
	},
		Entry("as the bearer token", v1alpha1.Auth{BearerTokenSecretRef: &v1alpha1.TokenReference{Name: "release", Key: "token"}}),
		Entry("as the client secret", v1alpha1.Auth{ClientSecret: &v1alpha1.ClientSecret{TenantID: "t", ClientID: "c", SecretRef: v1alpha1.KeyReference{Name: "release", Key: "token"}}}),
	)
})

// source points a session to a source.
func source(from v1alpha1.Source) func(*v1alpha1.ExactMatchSession) {
	return func(s *v1alpha1.ExactMatchSession) { s.Spec.Source = from }
}
