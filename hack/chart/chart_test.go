package main

import (
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const chartFolder = "../../config/chart"

var update = flag.Bool("update", false, "write testdata anew")

// render is what `helm template exactmatch --namespace … --values …` makes of the chart, by file.
func render(t *testing.T, namespace, values string) map[string]string {
	t.Helper()
	files, err := tryRender(namespace, values)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func tryRender(namespace, values string) (map[string]string, error) {
	chart, err := loader.Load(chartFolder)
	if err != nil {
		return nil, err
	}
	given := map[string]any{}
	if err := yaml.Unmarshal([]byte(values), &given); err != nil {
		return nil, err
	}
	release := common.ReleaseOptions{Name: "exactmatch", Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(chart, given, release, nil)
	if err != nil {
		return nil, err
	}
	return engine.Render(chart, all)
}

// objectsOf are the objects of a text, by kind and name.
func objectsOf(t *testing.T, texts ...string) map[string]*unstructured.Unstructured {
	t.Helper()
	out := map[string]*unstructured.Unstructured{}
	for one := range strings.SplitSeq("\n"+strings.Join(texts, "\n---\n"), "\n---") {
		o := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(one), &o.Object); err != nil {
			t.Fatalf("%v in %s", err, one)
		}
		if len(o.Object) == 0 {
			continue
		}
		key := strings.Join([]string{o.GetKind(), o.GetNamespace(), o.GetName()}, "/")
		if out[key] != nil {
			t.Fatalf("%s is there twice", key)
		}
		out[key] = o
	}
	return out
}

func rendered(t *testing.T, namespace, values string) map[string]*unstructured.Unstructured {
	t.Helper()
	files := render(t, namespace, values)
	maps.DeleteFunc(files, func(name, _ string) bool { return !strings.HasSuffix(name, ".yaml") })
	return objectsOf(t, slices.Collect(maps.Values(files))...)
}

// built is what kustomize builds of an install of config with some of its components.
func built(t *testing.T, install string, components []string) map[string]*unstructured.Unstructured {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(root, "config", install)
	if components != nil {
		folder = overlay(t, filepath.Join(root, "config"), install, components)
	}
	c := exec.CommandContext(t.Context(), "go", "tool", "-modfile=hack/tools/go.mod", "kustomize", "build", folder)
	c.Dir = root
	text, err := c.Output()
	if err != nil {
		t.Fatalf("kustomize build %s with %v: %v", install, components, err)
	}
	return objectsOf(t, string(text))
}

// overlay is a copy of config in which an install lists further components, as the
// README tells people to do.
func overlay(t *testing.T, config, install string, components []string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "config")
	if err := os.CopyFS(folder, os.DirFS(config)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, install, "kustomization.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const list = "components:\n  - ../components/workers\n"
	if !strings.Contains(string(text), list) {
		t.Fatalf("%s does not list the component workers", file)
	}
	more := list
	for _, name := range components {
		more += "  - ../components/" + name + "\n"
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), list, more, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(file)
}

// plain takes away what only one of the two has, and that is all: helm's labels, the
// annotation that keeps CRDs and backups, the texts of ConfigMaps, which are compared
// by what they say, the namespace that a variable names, and the labels that kustomize
// does not add to monitors.
func plain(o *unstructured.Unstructured) map[string]any {
	visit(o.Object, func(at map[string]any) {
		for _, label := range []string{"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart"} {
			delete(at, label)
		}
	})
	annotations := o.GetAnnotations()
	delete(annotations, "helm.sh/resource-policy")
	if len(annotations) == 0 {
		unstructured.RemoveNestedField(o.Object, "metadata", "annotations")
	} else {
		o.SetAnnotations(annotations)
	}
	switch o.GetKind() {
	case "ServiceMonitor", "PodMonitor":
		unstructured.RemoveNestedField(o.Object, "metadata", "labels", "app.kubernetes.io/component")
		unstructured.RemoveNestedField(o.Object, "spec", "selector", "matchLabels", "app.kubernetes.io/name")
	case "Deployment":
		visit(o.Object, func(at map[string]any) {
			args, _ := at["args"].([]any)
			for i, arg := range args {
				args[i] = strings.ReplaceAll(arg.(string), "$(POD_NAMESPACE)", o.GetNamespace())
			}
		})
	case "ConfigMap":
		data := o.Object["data"].(map[string]any)
		for name, text := range data {
			var said any
			if err := yaml.UnmarshalStrict([]byte(text.(string)), &said); err != nil {
				said = err.Error()
			}
			data[name] = said
		}
	}
	return o.Object
}

func visit(value any, do func(map[string]any)) {
	switch value := value.(type) {
	case map[string]any:
		do(value)
		for _, one := range value {
			visit(one, do)
		}
	case []any:
		for _, one := range value {
			visit(one, do)
		}
	}
}

// TestSameAsKustomize holds the chart against kustomize, object by object, in every
// way to install.
func TestSameAsKustomize(t *testing.T) {
	for name, tc := range map[string]struct {
		install, namespace string
		components         []string
		values             string
	}{
		"default":               {},
		"namespaced":            {install: "namespaced", namespace: "exactmatch", values: "{manager: {namespaces: [exactmatch]}, crds: {enabled: false}}"},
		"cert-manager":          {components: []string{"cert-manager"}, values: "{certManager: {enabled: true}}"},
		"admission-policy":      {components: []string{"admission-policy"}, values: "{admissionPolicy: {enabled: true}}"},
		"network-policy":        {components: []string{"network-policy"}, values: "{networkPolicy: {enabled: true}}"},
		"pod-disruption-budget": {components: []string{"pod-disruption-budget"}, values: "{manager: {podDisruptionBudget: {enabled: true}}}"},
		"monitoring":            {components: []string{"monitoring"}, values: "{monitoring: {monitors: true, rules: true}}"},
		"service-metrics": {components: []string{"monitoring", "service-metrics"},
			values: "{monitoring: {monitors: true, rules: true}, service: {metrics: {enabled: true}}}"},
		"backup": {components: []string{"backup"}, values: "{service: {backup: {enabled: true}}}"},
		"graph":  {components: []string{"graph"}, values: "{service: {enabled: false}}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			install, namespace := "default", "exactmatch-system"
			if tc.install != "" {
				install, namespace = tc.install, tc.namespace
			}
			want, got := built(t, install, tc.components), rendered(t, namespace, tc.values)
			delete(want, "Namespace//exactmatch-system") // helm install --create-namespace makes it
			compare(t, want, got)
		})
	}
}

func compare(t *testing.T, want, got map[string]*unstructured.Unstructured) {
	t.Helper()
	if len(want) < 12 {
		t.Fatalf("kustomize builds only %d objects", len(want))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("objects (-kustomize +chart):\n%s", diff)
	}
	for key, w := range want {
		if g := got[key]; g != nil {
			if diff := cmp.Diff(plain(w), plain(g)); diff != "" {
				t.Errorf("%s (-kustomize +chart):\n%s", key, diff)
			}
		}
	}
}

// TestLint runs helm lint over the chart and every file of values of testdata.
func TestLint(t *testing.T) {
	for name, values := range valuesFiles(t) {
		given := map[string]any{}
		if err := yaml.Unmarshal([]byte(values), &given); err != nil {
			t.Fatal(err)
		}
		for _, message := range lint.RunAll(chartFolder, given, "exactmatch-system").Messages {
			if message.Severity > support.InfoSev {
				t.Errorf("%s: %v", name, message)
			}
		}
	}
}

func valuesFiles(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.values.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata has no values: %v", err)
	}
	out := map[string]string{"default": "{}"}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(file), ".values.yaml")] = string(text)
	}
	return out
}

// TestSnapshots holds what the chart makes of each file of values against the file
// beside it. CRDs are left out: TestSameAsKustomize holds them.
func TestSnapshots(t *testing.T) {
	for name, values := range valuesFiles(t) {
		if name == "default" {
			continue // kustomize has the same
		}
		t.Run(name, func(t *testing.T) {
			objects := rendered(t, "dlp", values)
			var got strings.Builder
			for _, key := range slices.Sorted(maps.Keys(objects)) {
				if objects[key].GetKind() == "CustomResourceDefinition" {
					continue
				}
				text, err := yaml.Marshal(objects[key].Object)
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString("---\n" + string(text))
			}
			checkSnapshot(t, filepath.Join("testdata", name+".yaml"), got.String())
		})
	}
}

func checkSnapshot(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-it +now); go test -C hack/chart . -update writes it anew:\n%s", file, diff)
	}
}
