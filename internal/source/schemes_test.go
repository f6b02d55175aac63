package source

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"exactmatch.dev/operator/internal/testkit"
)

// TestEverySchemeIsAllowedAndDescribed finds a scheme that is opened and that an upload
// agent cannot allow, or that nobody can read about.
func TestEverySchemeIsAllowedAndDescribed(t *testing.T) {
	agent := schemaOf(t, "exactmatchuploadagents").Properties["allow"].Properties["sourceSchemes"]
	described := schemaOf(t, "exactmatchsessions").Properties["source"].Properties["uri"].Description
	schemes := slices.DeleteFunc(slices.Sorted(maps.Keys(openers)), func(s string) bool { return s == "http" }) // goes with https
	if admitted := admittedBy(agent); !slices.Equal(admitted, schemes) {
		t.Errorf("spec.allow.sourceSchemes of an upload agent admits %v, and package source opens %v", admitted, schemes)
	}
	spec, err := os.ReadFile("../../api/v1alpha1/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `source.uri` .*$").Find(spec)
	_, refusal := Open(t.Context(), Config{URI: "ftp://host/table.csv"})
	_, hint := Open(t.Context(), Config{URI: "table.csv"})
	for _, scheme := range schemes {
		if !regexp.MustCompile(`\b` + scheme + `\b`).MatchString(described) {
			t.Errorf("spec.source.uri of a session is described without %s: %s", scheme, described)
		}
		if !strings.Contains(string(row), "`"+scheme+"://") {
			t.Errorf("the row source.uri of SPEC.md does not show %s", scheme)
		}
		if refusal == nil || !regexp.MustCompile(`\b`+scheme+`\b`).MatchString(refusal.Error()) {
			t.Errorf("the refusal of an unknown scheme does not name %s: %v", scheme, refusal)
		}
		if hint == nil || !strings.Contains(hint.Error(), scheme+"://") {
			t.Errorf("the refusal of a path without a scheme does not show %s: %v", scheme, hint)
		}
	}
}

// TestEveryCredentialIsDescribed finds a scheme whose credentials nobody can read
// about, and a key of a Secret that is read and not described.
func TestEveryCredentialIsDescribed(t *testing.T) {
	spec, err := os.ReadFile("../../api/v1alpha1/SPEC.md")
	testkit.Must(t, err)
	_, section, _ := strings.Cut(string(spec), "## Credentials of a source")
	section, _, _ = strings.Cut(section, "\n## ")
	for scheme := range openers {
		if scheme != "file" && scheme != "http" && !strings.Contains(section, "\n| `"+scheme+"` | `") {
			t.Errorf("the credentials of %s have no row in SPEC.md", scheme)
		}
	}
	files, err := filepath.Glob("*.go")
	testkit.Must(t, err)
	keys := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		testkit.Must(t, err)
		for _, key := range regexp.MustCompile(`credential\("(\w+)"\)`).FindAllSubmatch(text, -1) {
			keys++
			if !regexp.MustCompile("`" + string(key[1]) + "\\b").MatchString(section) {
				t.Errorf("%s reads the key %s, which SPEC.md does not describe", name, key[1])
			}
		}
	}
	if keys < 10 {
		t.Errorf("only %d keys were found in the code", keys)
	}
}

// admittedBy are the values that a list of the API admits.
func admittedBy(list apiextensionsv1.JSONSchemaProps) []string {
	var admitted []string
	for _, value := range list.Items.Schema.Enum {
		admitted = append(admitted, strings.Trim(string(value.Raw), `"`))
	}
	slices.Sort(admitted)
	return admitted
}

// schemaOf is the schema of a custom resource's spec.
func schemaOf(t *testing.T, resource string) apiextensionsv1.JSONSchemaProps {
	t.Helper()
	text, err := os.ReadFile("../../config/crd/bases/exactmatch.dev_" + resource + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	crd := apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
}
