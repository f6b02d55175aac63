package plane

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// programs makes a folder that holds files of these names.
func programs(t *testing.T, folder string, names ...string) string {
	t.Helper()
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestAssetsAreFoundWithoutMake(t *testing.T) {
	root := t.TempDir()
	own := programs(t, filepath.Join(root, "bin", "k8s"), "etcd", "kube-apiserver", "kubectl")
	named := programs(t, t.TempDir(), "etcd", "kube-apiserver", "kubectl")
	for variable, want := range map[string]string{"": own, named: named} {
		t.Setenv("KUBEBUILDER_ASSETS", variable)
		if got, err := Assets(root); err != nil || got != want {
			t.Errorf("KUBEBUILDER_ASSETS=%q: got %q and %v, want %q", variable, got, err, want)
		}
	}
}

func TestMissingAssetsNameTheTarget(t *testing.T) {
	root := t.TempDir()
	incomplete := programs(t, t.TempDir(), "etcd", "kubectl")
	for variable, want := range map[string]string{"": filepath.Join(root, "bin", "k8s", "etcd"), incomplete: filepath.Join(incomplete, "kube-apiserver")} {
		t.Setenv("KUBEBUILDER_ASSETS", variable)
		_, err := Assets(root)
		if err == nil || !strings.Contains(err.Error(), "make controlplane") || !strings.Contains(err.Error(), want) {
			t.Errorf("KUBEBUILDER_ASSETS=%q: got %v, want make controlplane and %s", variable, err, want)
		}
	}
}

// TestTheRepositoryIsFound holds the way up from a package's folder.
func TestTheRepositoryIsFound(t *testing.T) {
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "config", "crd", "bases")); err != nil {
		t.Errorf("%s is not the repository: %v", root, err)
	}
	t.Chdir(t.TempDir())
	if root, err := repository(); err == nil {
		t.Errorf("found %s outside any repository", root)
	}
}
