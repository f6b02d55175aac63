// Command schemas writes the JSON schema of each kind into a folder, for editors and
// for kubeconform. They are the CRDs' schemas, and refuse what a CRD would prune: a
// misspelt field is an error in Git already. CEL rules have no place in a JSON schema;
// the API server judges them.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	from := flag.String("crds", "config/crd/bases", "the folder of the CRDs")
	to := flag.String("out", "config/schemas", "the folder of the schemas")
	flag.Parse()
	if err := write(*from, *to); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

// write writes a file for each served version of each CRD, named as kubeconform's
// {{.ResourceKind}}_{{.ResourceAPIVersion}}.
func write(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no CRD", from)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var crd apiextensions.CustomResourceDefinition
		if err := yaml.Unmarshal(text, &crd); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, version := range crd.Spec.Versions {
			name := fmt.Sprintf("%s_%s.json", strings.ToLower(crd.Spec.Names.Kind), version.Name)
			if err := writeSchema(filepath.Join(to, name), crd.Spec.Names.Kind, &version); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeSchema(file, kind string, version *apiextensions.CustomResourceDefinitionVersion) error {
	text, err := json.Marshal(version.Schema.OpenAPIV3Schema)
	if err != nil {
		return err
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		return err
	}
	strict(schema)
	schema["$schema"], schema["title"] = "https://json-schema.org/draft/2020-12/schema", kind
	required, _ := schema["required"].([]any)
	schema["required"] = append(required, "apiVersion", "kind", "metadata")
	if text, err = json.MarshalIndent(schema, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // it is committed
}

// strict turns a structural schema into a JSON schema that refuses unknown fields.
func strict(schema map[string]any) {
	if schema["x-kubernetes-int-or-string"] == true {
		delete(schema, "anyOf")
		schema["type"] = []string{"integer", "string"}
	}
	if properties, ok := schema["properties"].(map[string]any); ok && schema["x-kubernetes-preserve-unknown-fields"] != true {
		schema["additionalProperties"] = false
		for _, one := range properties {
			strict(one.(map[string]any))
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if inner, ok := schema[key].(map[string]any); ok {
			strict(inner)
		}
	}
	if one, ok := schema["type"].(string); ok && schema["nullable"] == true {
		schema["type"] = []string{one, "null"}
	}
	delete(schema, "nullable")
	for key := range schema {
		if strings.HasPrefix(key, "x-kubernetes-") {
			delete(schema, key)
		}
	}
}
