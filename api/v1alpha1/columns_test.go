package v1alpha1_test

import (
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

var _ = Describe("The columns of kubectl get", func() {
	// kubectl pads each column to its widest cell, with three spaces between two.
	// Under -w it prints a line as it comes, so the widest reason counts.
	It("fit 80 characters for a session and a store with names of 12", func() {
		text, err := os.ReadFile("../../config/crd/bases/exactmatch.dev_exactmatchsessions.yaml")
		Expect(err).NotTo(HaveOccurred())
		crd := apiextensionsv1.CustomResourceDefinition{}
		Expect(yaml.Unmarshal(text, &crd)).To(Succeed())
		source, err := os.ReadFile("conditions.go")
		Expect(err).NotTo(HaveOccurred())
		longest := ""
		for line := range strings.Lines(string(source)) {
			match := reasonName.FindStringSubmatch(line)
			if match != nil && !strings.Contains(line, "// event: ") && len(match[1]) > len(longest) {
				longest = match[1]
			}
		}
		widths := map[string]int{"Store": 12, "Status": len(longest), "Progress": len("PROGRESS"), "Ready": len("Unknown"), "Age": len("23h59m")}
		line := 12 // the name
		for _, column := range crd.Spec.Versions[0].AdditionalPrinterColumns {
			if column.Priority == 0 {
				Expect(widths).To(HaveKey(column.Name), "its width is known")
				line += 3 + widths[column.Name]
			}
		}
		Expect(line).To(BeNumerically("<=", 80), "the longest reason is "+longest)
	})
})
