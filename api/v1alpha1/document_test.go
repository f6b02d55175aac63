package v1alpha1_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

var reasonName = regexp.MustCompile(`(?m)^\s+(?:Reason|Condition)\w+\s+= (?:"|string\(failure\.)(\w+)`)

var _ = Describe("SPEC.md", func() {
	var words map[string]bool // of its code spans

	BeforeEach(func() {
		text, err := os.ReadFile("SPEC.md")
		Expect(err).NotTo(HaveOccurred())
		words = map[string]bool{}
		for _, span := range regexp.MustCompile("`[^`\n]+`").FindAllString(string(text), -1) {
			for word := range strings.FieldsFuncSeq(span, func(r rune) bool { return strings.ContainsRune("`. /:{}[]=,<>\"", r) }) {
				words[word] = true
			}
		}
	})

	It("explains every reason and condition", func() {
		source, err := os.ReadFile("conditions.go")
		Expect(err).NotTo(HaveOccurred())
		found := reasonName.FindAllStringSubmatch(string(source), -1)
		Expect(len(found)).To(BeNumerically(">", 40))
		var missing []string
		for _, match := range found {
			if !words[match[1]] {
				missing = append(missing, match[1])
			}
		}
		Expect(missing).To(BeEmpty(), "a user meets these and looks for them")
	})

	It("is about every reason why a table cannot be read or moved", func() {
		source, err := os.ReadFile("../../internal/failure/failure.go")
		Expect(err).NotTo(HaveOccurred())
		conditions, err := os.ReadFile("conditions.go")
		Expect(err).NotTo(HaveOccurred())
		found := regexp.MustCompile(`(?m)^\s+(\w+)\s+Reason = "`).FindAllStringSubmatch(string(source), -1)
		Expect(len(found)).To(BeNumerically(">", 20))
		for _, match := range found {
			Expect(string(conditions)).To(ContainSubstring("string(failure."+match[1]+")"), "conditions.go declares what conditions can say")
		}
	})

	It("names every field", func() {
		var missing []string
		files, err := filepath.Glob("../../config/crd/bases/*.yaml")
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(4))
		for _, file := range files {
			text, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			crd := apiextensionsv1.CustomResourceDefinition{}
			Expect(yaml.Unmarshal(text, &crd)).To(Succeed())
			properties := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties
			for _, part := range []string{"spec", "status"} {
				for _, name := range namesIn(properties[part]) {
					if !words[name] {
						missing = append(missing, crd.Spec.Names.Kind+" "+part+" "+name)
					}
				}
			}
		}
		Expect(missing).To(BeEmpty(), "a user sees these and looks for them")
	})
})

// namesIn lists the properties of a schema, those of conditions left out: they
// are Kubernetes' own.
func namesIn(schema apiextensionsv1.JSONSchemaProps) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		out = append(out, name)
		below := schema.Properties[name]
		if name == "conditions" {
			continue
		}
		if below.Items != nil && below.Items.Schema != nil {
			below = *below.Items.Schema
		}
		out = append(out, namesIn(below)...)
	}
	return out
}
