package source

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// TestEverySchemeIsAllowedAndDescribed finds a scheme that is opened and that an upload
// agent cannot allow, or that nobody can read about.
func TestEverySchemeIsAllowedAndDescribed(t *testing.T) {
	schemes := slices.DeleteFunc(slices.Sorted(maps.Keys(openers)), func(s string) bool { return s == "http" }) // goes with https
	if admitted := slices.Sorted(slices.Values(admittedByTheAPI(t))); !slices.Equal(admitted, schemes) {
		t.Errorf("spec.allow.sourceSchemes of an upload agent admits %v, and package source opens %v", admitted, schemes)
	}
	spec, err := os.ReadFile("../../api/v1alpha1/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `source.uri` .*$").Find(spec)
	_, refusal := Open(t.Context(), Config{URI: "ftp://host/table.csv"})
	for _, scheme := range schemes {
		if !strings.Contains(string(row), "`"+scheme+"://") {
			t.Errorf("the row source.uri of SPEC.md does not show %s", scheme)
		}
		if refusal == nil || !regexp.MustCompile(`\b`+scheme+`\b`).MatchString(refusal.Error()) {
			t.Errorf("the refusal of an unknown scheme does not name %s: %v", scheme, refusal)
		}
	}
}

// admittedByTheAPI are the values that the custom resource admits.
func admittedByTheAPI(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../config/crd/bases/exactmatch.dev_exactmatchuploadagents.yaml")
	if err != nil {
		t.Fatal(err)
	}
	crd := apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	var admitted []string
	for _, value := range spec.Properties["allow"].Properties["sourceSchemes"].Items.Schema.Enum {
		admitted = append(admitted, strings.Trim(string(value.Raw), `"`))
	}
	return admitted
}
