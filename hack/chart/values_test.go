package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// TestSchemaRefuses holds bad values against the schema: each is refused with a
// message that names it.
func TestSchemaRefuses(t *testing.T) {
	for values, named := range map[string]string{
		"{managr: {}}":                                             "managr",
		"{manager: {replica: 3}}":                                  "replica",
		"{manager: {replicas: three}}":                             "/manager/replicas",
		"{manager: {namespaces: team-a}}":                          "/manager/namespaces",
		"{manager: {namespaces: [Team_A]}}":                        "/manager/namespaces/0",
		"{manager: {extraArgs: [service-qps=20]}}":                 "/manager/extraArgs/0",
		"{manager: {transferMemory: 256Mi}}":                       "/manager/transferMemory",
		"{manager: {resources: {request: {}}}}":                    "request",
		"{manager: {resources: {limits: {memory: 1 GB}}}}":         "/manager/resources/limits/memory",
		"{manager: {podDisruptionBudget: {maxUnavailable: some}}}": "/manager/podDisruptionBudget/maxUnavailable",
		"{image: {pullPolicy: Sometimes}}":                         "/image/pullPolicy",
		"{image: {digest: abc}}":                                   "/image/digest",
		"{image: {repository: 'host/operator@sha256:abc'}}":        "/image/repository",
		"{service: {persistence: {size: huge}}}":                   "/service/persistence/size",
		"{service: {backup: {schedule: nightly}}}":                 "/service/backup/schedule",
		"{service: {replicas: 2}}":                                 "replicas",
		"{policy: {rules: [{hosts: [a]}]}}":                        "/policy/rules/0",
		"{policy: {rules: [{namespaces: [a], host: b}]}}":          "/policy/rules/0",
		"{crds: {enabled: 'yes'}}":                                 "/crds/enabled",
		"{certManager: {issuerRef: {nam: corp}}}":                  "nam",
		"{monitoring: {interval: 30}}":                             "/monitoring/interval",
		"{fullnameOverride: This_Is_No_Name}":                      "/fullnameOverride",
	} {
		_, err := tryRender("dlp", values)
		if err == nil || !strings.Contains(err.Error(), named) {
			t.Errorf("%s: %v; want a refusal that names %s", values, err, named)
		}
	}
}

// TestSchemaIsOfTheValues holds the schema against values.yaml: it has the same names
// at every level, and refuses all others.
func TestSchemaIsOfTheValues(t *testing.T) {
	read := func(file string) map[string]any {
		text, err := os.ReadFile(filepath.Join(chartFolder, file))
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]any{}
		if err := yaml.UnmarshalStrict(text, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	sameNames(t, "", read("values.yaml"), read("values.schema.json"))
}

func sameNames(t *testing.T, path string, values, schema map[string]any) {
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		return // it has the form that Kubernetes gives it
	}
	if path != "/certManager/issuerRef" {
		for name := range properties {
			if _, ok := values[name]; !ok && name != "global" {
				t.Errorf("values.yaml lacks %s/%s", path, name)
			}
		}
	}
	if schema["additionalProperties"] != false {
		t.Errorf("the schema admits any name in %s", path)
	}
	for name, value := range values {
		below, ok := properties[name].(map[string]any)
		if !ok {
			t.Errorf("the schema lacks %s/%s", path, name)
		}
		if value, ok := value.(map[string]any); ok {
			sameNames(t, path+"/"+name, value, below)
		}
	}
}

// TestEveryValueIsExplained holds values.yaml to a comment above each value, or above
// the group that it begins.
func TestEveryValueIsExplained(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chartFolder, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	explained := false
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "#"):
			explained = true
		case trimmed == "":
			explained = false
		case strings.HasSuffix(trimmed, ":"):
		case !explained && !plainly(trimmed):
			t.Errorf("values.yaml:%d: %s has no comment", i+1, trimmed)
		}
	}
}

// plainly says what a line holds that Kubernetes' own documents explain.
func plainly(line string) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(line, "- "), ":")
	for _, known := range []string{"enabled", "requests", "limits", "affinity", "nodeSelector", "tolerations", "podAnnotations", "podLabels", "priorityClassName", "storageClassName", "size", "schedule", "serviceAccount", "roles", "namespaceSelector"} {
		if name == known {
			return true
		}
	}
	return false
}

// TestCRDs sees each CRD of config in the chart, to be kept where that is asked for,
// and left out where the administrator installs them.
func TestCRDs(t *testing.T) {
	bases, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil || len(bases) == 0 {
		t.Fatalf("there are no CRDs: %v", err)
	}
	for values, want := range map[string]string{"{}": "keep", "{crds: {keep: false}}": ""} {
		crds := ofKind(rendered(t, "dlp", values), "CustomResourceDefinition")
		if len(crds) != len(bases) {
			t.Errorf("%s: %d CRDs, config has %d", values, len(crds), len(bases))
		}
		for _, crd := range crds {
			if got := crd.GetAnnotations()["helm.sh/resource-policy"]; got != want {
				t.Errorf("%s: %s has the policy %q, want %q", values, crd.GetName(), got, want)
			}
			if crd.GetLabels()["app.kubernetes.io/managed-by"] != "Helm" {
				t.Errorf("%s: %s has the labels %v: helm would not adopt it", values, crd.GetName(), crd.GetLabels())
			}
		}
	}
	if crds := ofKind(rendered(t, "dlp", "{crds: {enabled: false}}"), "CustomResourceDefinition"); len(crds) > 0 {
		t.Errorf("%d CRDs, where none are wanted", len(crds))
	}
}

func ofKind(all map[string]*unstructured.Unstructured, kind string) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, o := range all {
		if o.GetKind() == kind {
			out = append(out, o)
		}
	}
	return out
}

// TestFitsItsSecret bounds what helm keeps of a release: a Secret takes 1 MiB.
func TestFitsItsSecret(t *testing.T) {
	size := 0
	for _, text := range render(t, "dlp", "{monitoring: {rules: true}}") {
		size += len(text)
	}
	if limit := 1 << 20; size > limit {
		t.Errorf("%d bytes before compression, more than %d: look at helm's Secret of a release", size, limit)
	}
}

// TestGenerated sees that files is what make generate makes of config.
func TestGenerated(t *testing.T) {
	fresh := t.TempDir()
	if err := write("../../config", fresh); err != nil {
		t.Fatal(err)
	}
	want, got := folder(t, fresh), folder(t, filepath.Join(chartFolder, "files"))
	if want != got {
		t.Error("config/chart/files is stale: run 'make generate' and commit")
	}
}

func folder(t *testing.T, root string) string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(files)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", root, err))
	}
	return string(text)
}
