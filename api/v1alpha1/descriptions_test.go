package v1alpha1_test

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

var _ = Describe("kubectl explain", func() {
	It("describes every field", func() {
		files, err := filepath.Glob("../../config/crd/bases/*.yaml")
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(4))
		var fields int
		var silent []string
		for _, file := range files {
			text, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			crd := apiextensionsv1.CustomResourceDefinition{}
			Expect(yaml.Unmarshal(text, &crd)).To(Succeed())
			properties := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties
			for _, part := range []string{"spec", "status"} {
				walk(crd.Spec.Names.Singular+"."+part, properties[part], func(path string, schema apiextensionsv1.JSONSchemaProps) {
					if strings.HasSuffix(path, "[]") { // an element, whose list has the description
						return
					}
					fields++
					if schema.Description == "" {
						silent = append(silent, path)
					}
				})
			}
		}
		Expect(fields).To(BeNumerically(">", 190), "the schemas were walked")
		Expect(silent).To(BeEmpty(), "the doc comment of the field in Go is its description")
	})
})
