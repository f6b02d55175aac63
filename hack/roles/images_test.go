package roles_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// overlay is what somebody builds on an install to run an image of their own.
const overlay = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../config/%s]
images: [{name: exactmatch.dev/operator, newName: "registry.example.com:5000/mirror/operator", newTag: v1.2.3}]
transformers: [../config/transformers/image]
`

// TestImagesReachWorkers holds every image of an install, and the one that the manager
// starts workers from, against what kustomize's images: asks for.
func TestImagesReachWorkers(t *testing.T) {
	for _, install := range []string{"default", "namespaced"} {
		t.Run(install+"/edited", func(t *testing.T) {
			folder := filepath.Join(copyOfConfig(t), install)
			path := filepath.Join(folder, "kustomization.yaml")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			const tag = "newTag: latest"
			if !strings.Contains(string(text), tag) {
				t.Fatalf("config/%s/kustomization.yaml does not say %s", install, tag)
			}
			writeFile(t, path, strings.Replace(string(text), tag, "newName: registry.example.com:5000/mirror/operator\n    newTag: v1.2.3", 1))
			checkImages(t, folder)
		})
		t.Run(install+"/overlay", func(t *testing.T) {
			folder := filepath.Join(filepath.Dir(copyOfConfig(t)), "overlay")
			writeFile(t, filepath.Join(folder, "kustomization.yaml"), fmt.Sprintf(overlay, install))
			checkImages(t, folder)
		})
	}
}

// copyOfConfig is a folder of the name config with all that the repository's has.
func copyOfConfig(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "config")
	if err := os.CopyFS(folder, os.DirFS("../../config")); err != nil {
		t.Fatal(err)
	}
	return folder
}

func checkImages(t *testing.T, folder string) {
	t.Helper()
	const want = "registry.example.com:5000/mirror/operator:v1.2.3"
	images := map[string]string{}
	for _, o := range manifests(t, folder) {
		if o.GetKind() != "Deployment" && o.GetKind() != "StatefulSet" {
			continue
		}
		for name, image := range imagesOf(t, o) {
			images[name] = image
		}
	}
	for _, name := range []string{"manager", "service", "--worker-image"} {
		if images[name] != want {
			t.Errorf("%s has the image %q, want %q", name, images[name], want)
		}
	}
}

// imagesOf are the images of an object's containers, and the one in the arguments,
// in which variables of the environment are expanded as the kubelet does.
func imagesOf(t *testing.T, o *unstructured.Unstructured) map[string]string {
	t.Helper()
	out := map[string]string{}
	containers, _, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		container := c.(map[string]any)
		out[container["name"].(string)] = container["image"].(string)
		var expansions []string
		env, _, _ := unstructured.NestedSlice(container, "env")
		for _, e := range env {
			if value, ok := e.(map[string]any)["value"].(string); ok {
				expansions = append(expansions, "$("+e.(map[string]any)["name"].(string)+")", value)
			}
		}
		args, _, _ := unstructured.NestedStringSlice(container, "args")
		if i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "--worker-image=") }); i >= 0 {
			out["--worker-image"] = strings.NewReplacer(expansions...).Replace(strings.TrimPrefix(args[i], "--worker-image="))
		}
	}
	return out
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
