package v1alpha1_test

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"exactmatch.dev/operator/api/v1alpha1"
)

var _ = Describe("References", func() {
	It("have no field for a namespace, and none that the schema does not know", func() {
		files, err := filepath.Glob("../../config/crd/bases/*.yaml")
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(4))
		fields := 0
		for _, file := range files {
			text, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			crd := apiextensionsv1.CustomResourceDefinition{}
			Expect(yaml.Unmarshal(text, &crd)).To(Succeed())
			walk("spec", crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"], func(path string, schema apiextensionsv1.JSONSchemaProps) {
				fields++
				Expect(strings.ToLower(path)).NotTo(ContainSubstring("namespace"), "%s: a reference stays in the namespace of its object", file)
				Expect(schema.XPreserveUnknownFields).To(BeNil(), "%s: %s keeps what nobody checks", file, path)
				if strings.HasSuffix(path, "Ref.name") || strings.HasSuffix(path, "claimName") || strings.HasSuffix(path, "serviceAccountName") {
					Expect(schema.Pattern).NotTo(BeEmpty(), "%s: %s takes any text as a name", file, path)
				}
			})
		}
		Expect(fields).To(BeNumerically(">", 60), "the schemas were walked")
	})

	// A name with a slash would be a path of the API server.
	DescribeTable("are names, not paths", func(ctx SpecContext, o client.Object, path string) {
		err := kube.Create(ctx, o)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring(path)))
	},
		Entry("source.uriSecretRef", referring(func(s *v1alpha1.ExactMatchSessionSpec) {
			s.Source = v1alpha1.Source{URISecretRef: &v1alpha1.KeyReference{Name: "../other/secrets/key", Key: "key"}}
		}), "spec.source.uriSecretRef.name"),
		Entry("source.credentialsSecretRef", referring(func(s *v1alpha1.ExactMatchSessionSpec) {
			s.Source.CredentialsSecretRef = &v1alpha1.LocalReference{Name: "other/key"}
		}), "spec.source.credentialsSecretRef.name"),
		Entry("source.configMapKeyRef", referring(func(s *v1alpha1.ExactMatchSessionSpec) {
			s.Source = v1alpha1.Source{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "other/key", Key: "key"}}
		}), "spec.source.configMapKeyRef.name"),
		Entry("source.persistentVolumeClaim", referring(func(s *v1alpha1.ExactMatchSessionSpec) {
			s.Source = v1alpha1.Source{PersistentVolumeClaim: &v1alpha1.VolumeFile{ClaimName: "other/claim", Path: "t.csv"}}
		}), "spec.source.persistentVolumeClaim.claimName"),
		Entry("dataStoreRef", referring(func(s *v1alpha1.ExactMatchSessionSpec) { s.DataStoreRef.Name = "other/store" }), "spec.dataStoreRef.name"),
	)
})

// referring is a session whose spec is changed.
func referring(change func(*v1alpha1.ExactMatchSessionSpec)) *v1alpha1.ExactMatchSession {
	s := &v1alpha1.ExactMatchSession{}
	s.Namespace, s.Name = namespace, "referring"
	s.Spec.DataStoreRef.Name, s.Spec.Source.URI = "store", "file:///t.csv"
	change(&s.Spec)
	return s
}

// walk visits every property of a schema.
func walk(path string, schema apiextensionsv1.JSONSchemaProps, visit func(string, apiextensionsv1.JSONSchemaProps)) {
	visit(path, schema)
	for name, below := range schema.Properties {
		walk(path+"."+name, below, visit)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		walk(path+"[]", *schema.Items.Schema, visit)
	}
}
